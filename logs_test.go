package netgear

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
)

// logLines is a slog.Handler that keeps the attributes of each line, by message.
type logLines struct {
	mu    sync.Mutex
	lines map[string][]map[string]string
}

func (*logLines) Enabled(context.Context, slog.Level) bool { return true }
func (l *logLines) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *logLines) WithGroup(string) slog.Handler          { return l }

func (l *logLines) Handle(_ context.Context, r slog.Record) error { //nolint:gocritic // the interface's
	attrs := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = map[string][]map[string]string{}
	}
	l.lines[r.Message] = append(l.lines[r.Message], attrs)
	return nil
}

// of returns the lines with a message.
func (l *logLines) of(message string) []map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines[message])
}

// Lines about a connection or a message of one of several senders name it, and
// have no empty attributes.
func TestPeersInTheLog(t *testing.T) {
	var log logLines
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, TerminatePolicy: KeepWaiting, Logger: slog.New(&log)})
	var peers []string
	for i := range 2 {
		send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep})
		await(t, "the connection", func() bool { return len(log.of("connected")) > i }) // then its address is known
		if _, err := send.SendArray(testContext(t), testArray(i, "uint8", 2, 2), nil); err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, testContext(t))
		peers = append(peers, f.Peer)
		f.Close()
		send.Close()
	}
	if peers[0] == peers[1] || peers[0] == "" {
		t.Fatalf("the peers: %q", peers)
	}
	for _, message := range []string{"connected", "connection lost", "the sender sent its terminate message"} {
		await(t, message, func() bool { return len(log.of(message)) >= len(peers) })
		var got []string
		for _, line := range log.of(message) {
			got = append(got, line["peer"])
			if port, ok := line["port"]; ok || line["endpoint"] == "" {
				t.Errorf("%s: %v (port %q)", message, line, port)
			}
		}
		if !slices.Equal(got, peers) {
			t.Errorf("%s: the peers %q, not %q", message, got, peers)
		}
	}
	bad := newBare(t, zmq4.REQ, recv)
	await(t, "a third connection", func() bool { return len(log.of("connected")) > len(peers) })
	bad.send([]byte("no header"), []byte("x"))
	bad.recv(testTimeout)
	for _, line := range log.of("dropped a message that cannot be read") {
		if port, ok := line["port"]; ok || !strings.HasPrefix(line["peer"], "127.0.0.1:") || slices.Contains(peers, line["peer"]) {
			t.Errorf("the peer of a message that cannot be read: %v (port %q)", line, port)
		}
	}
	if len(log.of("dropped a message that cannot be read")) != 1 {
		t.Error("the message that cannot be read is not in the log")
	}
}

func TestHandshakeCode(t *testing.T) {
	for _, c := range []struct {
		kind  transport.EventKind
		value uint32
		want  string
	}{
		{transport.HungUp, uint32(syscall.EPIPE), "broken pipe"},
		{transport.AuthFailed, 400, "400"},
		{transport.ProtocolFailed, 0x10000014, "0x10000014"},
		{transport.ProtocolFailed, 0, ""}, // libzmq only reports that the connection has ended
	} {
		if got := handshakeCode(&transport.Event{Kind: c.kind, Value: c.value}); got != c.want {
			t.Errorf("%v, %#x: %q, not %q", c.kind, c.value, got, c.want)
		}
	}
}

// Frames without stamps have no numbers in the log.
func TestNoNumbersInTheLog(t *testing.T) {
	for _, stamped := range []bool{false, true} {
		t.Run(fmt.Sprintf("stamped=%v", stamped), func(t *testing.T) {
			var log logLines
			send := mustNew(t, Options{Address: "127.0.0.1", Port: peertest.FreePort(t), Pattern: ReqRep, RequestTimeout: 20 * time.Millisecond, MaxRetries: 1, Stamp: stamped, Logger: slog.New(&log)})
			if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil); !errors.Is(err, ErrPeerGone) {
				t.Fatal(err)
			}
			lines := log.of("frames were not sent, or not answered")
			if len(lines) != 1 || lines[0]["frames"] != "1" || lines[0]["err"] == "" {
				t.Fatalf("%v", lines)
			}
			_, first := lines[0]["first"]
			_, last := lines[0]["last"]
			if first != stamped || last != stamped {
				t.Errorf("%v", lines[0])
			}
		})
	}
}

// A frame without a number does not change the numbers of the others.
func TestNumbersOfSomeFrames(t *testing.T) {
	var l lossLog
	now := time.Now()
	l.limit.Every = time.Hour
	l.limit.Pass(now) // no line yet
	for _, number := range []uint64{0, 7, 0, 5} {
		if line := l.add(number); line.frames != 0 {
			t.Fatalf("logged %+v", line)
		}
	}
	if u := l.rest; u != (unlogged{4, 5, 7}) || u.number(u.first) != uint64(5) {
		t.Errorf("%+v", u)
	}
	l = lossLog{}
	if u := l.add(0); u.frames != 1 || u.number(u.first) != nil || u.number(u.last) != nil {
		t.Errorf("%+v", u)
	}
}

// What is tried again without end is logged a few times, and then once a minute.
func TestRetriesAreLoggedRarely(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"sending again on a new connection":  {Address: "127.0.0.1", Port: peertest.FreePort(t), RequestTimeout: 10 * time.Millisecond},
		"no peer connected, listening again": {ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logLines
			var again atomic.Int32
			o.Pattern, o.MaxRetries, o.Logger = ReqRep, -1, slog.New(&log)
			o.OnEvent = func(e Event) {
				if e.Kind == EventReconnecting {
					again.Add(1)
				}
			}
			end := mustNew(t, o)
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			var sending sync.WaitGroup
			if !o.ReceiveMode {
				sending.Go(func() { end.SendArray(ctx, testArray(0, "uint8", 2, 2), nil) })
			}
			await(t, "many tries", func() bool { return again.Load() > 50 })
			cancel()
			sending.Wait()
			if n := len(log.of(name)); n == 0 || n > 10 {
				t.Errorf("%d lines of more than 50 tries", n)
			}
		})
	}
}

// The error of a call that found no peer begins with the commonest reason: none
// is running there.
func TestNoPeerTexts(t *testing.T) {
	const pair = "A PAIR receive end admits none"
	for _, c := range []struct {
		o           Options
		with, never string
	}{
		{Options{}, "is a receive end running, and listening at this address and port, with this pattern? " + pair, "send end"},
		{Options{Pattern: ReqRep}, "is a receive end running, and listening at", pair},
		{Options{Attach: AttachBind}, "is a receive end running, and connecting to", pair},
		{Options{ReceiveMode: true}, "is a send end running, and connecting to", pair},
		{Options{ReceiveMode: true, Pattern: PubSub, Attach: AttachConnect}, "is a send end running, and listening at", pair},
	} {
		c.o.Address, c.o.Port = "127.0.0.1", peertest.FreePort(t)
		n := mustNew(t, c.o)
		ctx, cancel := context.WithTimeout(testContext(t), time.Millisecond)
		err := n.WaitConnected(ctx, 1)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "(no peer is connected: "+c.with) || strings.Contains(err.Error(), c.never) {
			t.Errorf("%v: %v", c.o, err)
		}
	}
	send := mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, Address: "127.0.0.1", Port: peertest.FreePort(t), RequestTimeout: 20 * time.Millisecond, MaxRetries: 1})
	if err := sendOne(t, send); !errors.Is(err, ErrPeerGone) || !strings.Contains(err.Error(), "none is connected: is a receive end running, and listening") {
		t.Errorf("PUSH: %v", err)
	}
}
