package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
	raw "github.com/vidgear-go/netgear/internal/zmtp"
)

// large is a frame that no socket buffer holds.
var large = sync.OnceValue(func() Array {
	return Array{DType: "uint8", Shape: []int{4000, 3000, 3}, Data: make([]byte, 4000*3000*3)}
})

// attemptHandshake performs a ZMTP handshake with an end, with a socket type
// that it rejects.
func attemptHandshake(t *testing.T, n *NetGear) {
	t.Helper()
	c := dial(t, n)
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, greeting+ready("PULL")); err != nil {
		t.Fatal(err)
	}
}

func sendSmall(t *testing.T, send *NetGear) {
	t.Helper()
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
		t.Fatal(err)
	}
}

// Close, from another goroutine, while a frame is on its way and the peer reads no more.
func TestCloseInMidTransfer(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
		l := newProxy(t, "127.0.0.1:0", recv)
		send := mustNew(t, Options{Address: "127.0.0.1", Port: l.Port, Pattern: pattern, JPEGCompression: JPEGOff})
		sendSmall(t, send)
		l.Hold(100 << 10)
		done := make(chan error, 1)
		go func() {
			_, err := send.SendArray(testContext(t), large(), nil)
			done <- err
		}()
		l.AwaitHeld(t)
		if err := send.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("%v: the frame: %v", pattern, err)
		}
	}
}

// After an answer that arrives before its frame is complete, the call does not
// wait forever for the rest.
func TestAnswerBeforeTheFrame(t *testing.T) {
	peer := newBare(t, zmq4.PAIR, nil)
	l := peertest.NewProxy(t, peertest.Listen(t, "127.0.0.1:0"), "127.0.0.1:"+peer.port())
	send := mustNew(t, Options{Address: "127.0.0.1", Port: l.Port, JPEGCompression: JPEGOff, RequestTimeout: testTimeout})
	var first sync.WaitGroup
	first.Go(func() {
		peer.recv(testTimeout)
		peer.send([]byte("ok"))
	})
	sendSmall(t, send)
	first.Wait()
	l.Hold(100 << 10)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := send.SendArray(ctx, large(), nil)
		done <- err
	}()
	l.AwaitHeld(t)
	peer.send([]byte("early"))
	await(t, "the answer to arrive", func() bool { return bytes.Contains(l.FromServer(), []byte("early")) })
	time.Sleep(50 * time.Millisecond) // that it has been read is no event
	began := startStopwatch()
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the frame that never arrived: %v", err)
		}
	case <-time.After(testTimeout):
		t.Error("Send outlived its context")
		l.Release()
		<-done
	}
	endsWithin(t, "the call", began, 3*time.Second) // before TCP gives the connection up
}

// A peer that opens a connection and sends nothing is counted as refused in the
// end, and as nothing else.
func TestSilentPeer(t *testing.T) {
	t.Parallel() // the peer has five seconds
	for _, early := range []bool{false, true} {
		t.Run(map[bool]string{false: "stays longer", true: "goes first"}[early], func(t *testing.T) {
			t.Parallel()
			var at recorder
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, OnEvent: at.add, TerminatePolicy: KeepWaiting})
			stranger := dial(t, recv)
			defer stranger.Close()
			// A greeting is answered, so the receive end has accepted this peer
			// before the sender.
			if _, err := io.ReadFull(stranger, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep})
			sendSmall(t, send)
			want := []EventKind{EventConnected, EventRefused, EventTerminated, EventLost}
			if early {
				time.Sleep(transport.HandshakeTime + 100*time.Millisecond) // what libzmq itself would take for a mismatch shows sooner
				send.Close()
				want = []EventKind{EventConnected, EventTerminated, EventLost, EventRefused}
				at.await(t, want[:3]...)
			}
			await(t, "the foreign peer to be refused", func() bool { return recv.Stats().Refused == 1 })
			if s := recv.Stats(); !early && (s.Connected != 1 || s.Lost != 0) {
				t.Errorf("with a sender connected: %+v", s)
			}
			send.Close()
			at.await(t, want...)
			if s := recv.Stats(); s.Connected != 0 || s.Lost != 1 || s.Refused != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A loss is deferred for a terminate message that may still be read, and the
// events after it are delivered after it.
func TestEventOrderAtAReconnect(t *testing.T) {
	var at recorder
	s := startEvents(at.add, new(callbacks))
	s.setReading(true)
	for _, kind := range []EventKind{EventConnected, EventLost, EventRefused, EventConnected, EventResumed, EventTerminated, EventReconnecting} {
		s.add(Event{Kind: kind})
	}
	at.await(t, EventConnected, EventTerminated)
	s.release()
	at.await(t, EventConnected, EventTerminated, EventLost, EventRefused, EventConnected, EventResumed, EventReconnecting)
	s.add(Event{Kind: EventStalled})
	s.end()
	if got := at.seen(); len(got) != 8 {
		t.Errorf("events were %v", got)
	}
}

// A loss is reported while the application leaves the queue full, and while
// Respond is running.
func TestLossIsReportedWhileTheEndIsBusy(t *testing.T) {
	t.Run("queue full", func(t *testing.T) {
		var at recorder
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", QueueFrames: 1, OnEvent: at.add})
		b := newBare(t, zmq4.PAIR, recv)
		b.send(rawHeader("[1, 1]"), []byte("1"))
		if b.recv(testTimeout) == nil {
			t.Fatal("no answer")
		}
		await(t, "the queue to be full", func() bool { return recv.Stats().Queue == 1 })
		b.Socket.Close()
		at.await(t, EventConnected, EventLost)
	})
	t.Run("Respond", func(t *testing.T) {
		var at recorder
		busy, hold := make(chan struct{}), make(chan struct{})
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", BidirectionalMode: true, OnEvent: at.add, Respond: func(context.Context, *Frame) (any, error) {
			close(busy)
			<-hold
			return nil, nil
		}})
		defer close(hold)
		b := newBare(t, zmq4.PAIR, recv)
		b.send(rawHeader("[1, 1]"), []byte("1"))
		<-busy
		b.Socket.Close()
		at.await(t, EventConnected, EventLost)
	})
}

// An end that opens a new socket reports that between the old connection and
// the new one.
func TestEventOrderAtAReopen(t *testing.T) {
	var sending, receiving recorder
	peer := newBare(t, zmq4.REP, nil)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port(), Pattern: ReqRep, RequestTimeout: 200 * time.Millisecond, MaxRetries: -1, OnEvent: sending.add})
	done := startSend(t, send)
	// No answer to the first one.
	await(t, "the second connection", func() bool { return len(sending.seen()) >= 4 })
	if got := sending.seen()[:4]; !slices.Equal(got, []EventKind{EventConnected, EventLost, EventReconnecting, EventConnected}) {
		t.Errorf("events were %v", got)
	}
	peer.recv(testTimeout)
	peer.send([]byte("late"))
	peer.recv(testTimeout)
	peer.send([]byte("ok"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: 300 * time.Millisecond, OnEvent: receiving.add})
	newBare(t, zmq4.PAIR, recv)
	receiving.await(t, EventConnected)
	newBare(t, zmq4.PAIR, recv)
	await(t, "the second peer to be let in", func() bool { return slices.Contains(receiving.seen(), EventReconnecting) })
	if got := receiving.seen()[:3]; !slices.Equal(got, []EventKind{EventConnected, EventLost, EventReconnecting}) {
		t.Errorf("events were %v", got)
	}
}

// Two ends that do not match retry forever; that is one event.
func TestRefusedIsToldOnce(t *testing.T) {
	var at, sending recorder
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, OnEvent: at.add})
	for range 5 {
		before := recv.Stats().Refused
		send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: PubSub, OnEvent: sending.add})
		await(t, "the refusal", func() bool { return recv.Stats().Refused > before && send.Stats().Refused > 0 })
		send.Close()
	}
	at.await(t, EventRefused)
	// After a peer has connected, a refusal is a new event.
	good := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep})
	at.await(t, EventRefused, EventConnected)
	newBare(t, zmq4.PUB, recv)
	at.await(t, EventRefused, EventConnected, EventRefused)
	good.Close()
}

// A slow callback uses no more memory than its buffered events may.
func TestSlowEventCallback(t *testing.T) {
	hold, told := make(chan struct{}), 0
	s := startEvents(func(Event) {
		<-hold
		told++
	}, new(callbacks))
	for range 10 * maxEvents {
		s.add(Event{Kind: EventConnected})
		s.add(Event{Kind: EventLost})
	}
	s.mu.Lock()
	waiting := len(s.queued)
	s.mu.Unlock()
	close(hold)
	s.end()
	if waiting != maxEvents || told < maxEvents || told > 2*maxEvents {
		t.Errorf("%d waited, %d were told", waiting, told)
	}
}

// A send end that listens admits a second receive end when the first is frozen.
func TestNewcomerAtAPairSendEnd(t *testing.T) {
	send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", RequestTimeout: 300 * time.Millisecond, MaxRetries: -1})
	first := newBare(t, zmq4.PAIR, send)
	go func() {
		first.recv(testTimeout)
		first.send([]byte("ok"))
	}()
	sendSmall(t, send)
	recv := mustNew(t, Options{ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: send.Port()})
	await(t, "the second", func() bool { return recv.Stats().Connected == 1 })
	sendSmall(t, send)
}

// A peer may be lost before its answer is noted, and another take its place. A PAIR
// send end does not take that one for a frozen peer that has the next frame and
// has answered before: it would wait for it for ever.
func TestAnswerOfAPeerThatIsLost(t *testing.T) {
	send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0"})
	mustNew(t, Options{ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: send.Port()})
	sendSmall(t, send)
	awaitPeers(t, send, 1) // the report of a connection may come after the answer
	s := send.send
	x := &frameExchange{sendEnd: s, lost: s.conn.lost.Load()}
	for _, lost := range []uint64{0, 1} {
		s.conn.lost.Add(lost)
		x.noteAnswered(0)
		s.conn.sent = true
		if got, want := s.frozen(), lost == 0; got != want {
			t.Errorf("after %d losses since the frame was sent: frozen is %v", lost, got)
		}
	}
}

// A receive end follows another at a PAIR send end that listens, while that sends
// nothing. libzmq gives the new one no place, as the socket has not processed the
// end of the first connection. The next frame does not wait for RequestTimeout.
func TestSuccessorAtAPairSendEnd(t *testing.T) {
	location := keyFolder(t)
	for _, mode := range []SecureMode{Grasslands, IronHouse} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			o := Options{Address: "127.0.0.1", Attach: AttachBind, Port: "0", RequestTimeout: 2 * testTimeout, SecureMode: mode, CustomCertLocation: location}
			send := mustNew(t, o)
			o.ReceiveMode, o.Attach, o.Port = true, AttachConnect, send.Port()
			for range 3 {
				recv := mustNew(t, o)
				awaitPeers(t, send, 1)
				sendSmall(t, send)
				recv.Close()
				await(t, "the end of the connection", func() bool { return send.Stats().Connected == 0 })
			}
		})
	}
}

// A receive end that has taken a frame disconnects before it has answered, at a
// send end that listens. The next one gets the frame, without waiting for
// RequestTimeout.
func TestPeerOfASendEndThatListensIsLost(t *testing.T) {
	for pattern, kind := range map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.REP} {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: 2 * testTimeout})
			first := newBare(t, kind, send)
			result := startSend(t, send)
			if first.recv(testTimeout) == nil {
				t.Fatal("no frame")
			}
			awaitPeers(t, send, 1)
			first.Socket.Close()
			if pattern == ReqRep { // where another is connected, it may be the one that has the frame
				await(t, "the frame to be sent again", func() bool { return send.Stats().Retries > 0 })
			}
			mustNew(t, Options{ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: send.Port(), Pattern: pattern})
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
	}
}

// A receive end that has taken a frame disconnects before it has answered, at a
// send end that listens, while another is in its handshake. That one gets the frame
// over the same connection. Otherwise one that needs longer for its handshake might
// never be served while others come and go.
func TestHandshakeSurvivesTheLossOfAnother(t *testing.T) {
	for pattern, kind := range map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.REP} {
		for _, jpeg := range []Colorspace{JPEGOff, JPEGDefault} { // memory of the caller's, and of a pool
			t.Run(fmt.Sprint(pattern, " ", jpeg), func(t *testing.T) {
				t.Parallel()
				send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: 2 * testTimeout, JPEGCompression: jpeg})
				first := newBare(t, kind, send)
				result := make(chan error, 1)
				go func() {
					_, err := send.SendArray(testContext(t), testArray(0, "uint8", 64, 64, 3), nil)
					result <- err
				}()
				if first.recv(testTimeout) == nil {
					t.Fatal("no frame")
				}
				awaitPeers(t, send, 1)
				slow := dialUnready(t, send)
				socketType := map[Pattern]string{Pair: "PAIR", ReqRep: "REP"}[pattern]
				first.Socket.Close()
				await(t, "the frame to be sent again", func() bool { return send.Stats().Retries > 0 })
				if _, err := io.WriteString(slow, raw.Ready(socketType)); err != nil {
					t.Fatal(err)
				}
				var envelope string
				for i, more := 0, true; more; i++ {
					flags, part, err := raw.ReadFrame(slow)
					if err != nil {
						t.Fatalf("part %d of the frame: %v", i, err)
					}
					if more = flags&raw.More != 0; pattern == ReqRep && i < 2 { // the number of the request
						envelope += raw.Frame(raw.More, string(part))
					}
				}
				if _, err := io.WriteString(slow, envelope+raw.Frame(0, "ok")); err != nil {
					t.Fatal(err)
				}
				if err := <-result; err != nil {
					t.Error(err)
				}
				if s := send.Stats(); s.Retries != 1 || s.Connections != 2 || s.Lost != 1 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// dialUnready opens a bare TCP connection to a send end, whose handshake is through but
// for the command READY.
func dialUnready(t *testing.T, send *NetGear) net.Conn {
	t.Helper()
	c := dial(t, send)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(testTimeout))
	if _, err := io.WriteString(c, raw.Greeting(0, "NULL", false)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, raw.GreetingSize)); err != nil {
		t.Fatal(err)
	}
	if name, _, err := raw.ReadCommand(c); err != nil || name != "READY" {
		t.Fatal(name, err)
	}
	return c
}

// Every receive end refuses a frame, as it is larger than its MaxFrameBytes, and so
// disconnects and comes again. The send call of an end that listens comes to its
// end all the same, with the reason.
func TestFrameThatNoPeerTakesAtASendEndThatListens(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			o := Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: 2 * maxPause, MaxRetries: 2, JPEGCompression: JPEGOff}
			send := mustNew(t, o)
			o.ReceiveMode, o.Attach, o.Port, o.MaxFrameBytes = true, AttachConnect, send.Port(), 1<<10
			mustNew(t, o)
			if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 1<<20), nil); !errors.Is(err, ErrPeerGone) {
				t.Error(err)
			}
		})
	}
}

// A second peer comes to a PAIR send end that listens, or is there already, and
// leaves while the first has a frame. The first keeps its connection, and gets the
// frame once.
func TestSecondPeerOfAPairSendEndLeaves(t *testing.T) {
	send, judged := judging(t, Options{Attach: AttachBind, Address: "127.0.0.1", RequestTimeout: 2 * testTimeout})
	first := newBare(t, zmq4.PAIR, send)
	awaitPeers(t, send, 1)
	second := newBare(t, zmq4.PAIR, send)
	await(t, "the second", func() bool { return send.Stats().Connections == 2 })
	result := startSend(t, send)
	if first.recv(testTimeout) == nil {
		t.Fatal("no frame")
	}
	second.Socket.Close()
	if err := <-judged; err != nil {
		t.Error(err)
	}
	first.send([]byte("ok"))
	if err := <-result; err != nil || send.Stats().Retries != 0 || send.Stats().Lost != 1 {
		t.Errorf("%v, %+v", err, send.Stats())
	}
}

// judging opens a send end that listens on a free port. The channel gets the
// verdict when the end has judged the loss of a connection while it waits for an
// answer, or cannot: nil if it waits on, otherwise why it does not.
func judging(t *testing.T, o Options) (*NetGear, <-chan error) {
	t.Helper()
	o.TerminateDelay, o.Port = -1, peertest.FreePort(t)
	l, err := newLink(o)
	if err != nil {
		t.Fatal(err)
	}
	judged := &judgedSocket{verdict: make(chan error, 1)}
	l.openSocket = func(c transport.Config, endpoints []string, report func(transport.Event)) (socket, []string, error) {
		s, endpoints, err := openTransport(c, endpoints, report)
		judged.socket = s
		return judged, endpoints, err
	}
	n, err := openEnd(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	judged.end = n.send
	return n, judged.verdict
}

// judgedSocket is the socket of a send end whose waits are observed. Only the
// socket's owner uses it.
type judgedSocket struct {
	socket
	end     *sendEnd
	verdict chan error
}

func (s *judgedSocket) Wait(deadline time.Time, stop, try func() error) error {
	return s.socket.Wait(deadline, func() error {
		err := stop()
		x, lost := &s.end.frame, s.end.conn.lost.Load()
		open := x.noticed == lost && time.Since(x.since) > 2*mismatchGrace
		if lost > 0 && (err != nil || x.lost == lost || open) {
			select {
			case s.verdict <- err:
			default:
			}
		}
		return err
	}, try)
}

// A receive end that connects late in a try of a send end that listens has the whole
// RequestTimeout for its answer, from when the frame was sent.
func TestLatePeerOfASendEndThatListens(t *testing.T) {
	for pattern, kind := range map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.REP} {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			o := Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: 2 * testTimeout}
			send := mustNew(t, o)
			result := startSend(t, send)
			await(t, "the send call to begin", func() bool { return len(send.send.sendMu) == 1 })
			peer := newBare(t, kind, send)
			if peer.recv(testTimeout) == nil {
				t.Fatal("no frame")
			}
			peer.send([]byte("ok"))
			if err := <-result; err != nil {
				t.Fatal(err)
			}
			x := &send.send.frame
			if limit := x.deadline.Sub(x.sentAt); limit != o.RequestTimeout || !x.sentAt.After(x.began) {
				t.Errorf("%v for the answer to a frame that was sent after %v", limit, x.sentAt.Sub(x.began))
			}
		})
	}
}

// A send end that listens does not end the handshake of a peer because its frame
// has waited for RequestTimeout: a peer that is slower would never be connected.
func TestSlowHandshakeAtASendEndThatListens(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
			ctx, cancel := context.WithCancel(testContext(t))
			done := make(chan error, 1)
			go func() {
				_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
				done <- err
			}()
			c := dial(t, send)
			c.SetReadDeadline(time.Now().Add(6 * 100 * time.Millisecond))
			if _, err := io.Copy(io.Discard, c); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection has ended: %v", err)
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// Nor does a send end that connects: the frame reaches a peer whose handshake takes
// several times RequestTimeout.
func TestSlowHandshakeAtASendEndThatConnects(t *testing.T) {
	location := keyFolder(t)
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, mode := range []SecureMode{Grasslands, IronHouse} {
			t.Run(fmt.Sprint(pattern, " ", mode), func(t *testing.T) {
				t.Parallel()
				o := Options{Address: "127.0.0.1", Port: "0", Pattern: pattern, SecureMode: mode, CustomCertLocation: location, ReceiveMode: true}
				recv := mustNew(t, o)
				proxy := newProxy(t, "127.0.0.1:0", recv)
				proxy.Hold(0)
				var log peertest.Text
				o.ReceiveMode, o.RequestTimeout, o.MaxRetries = false, 100*time.Millisecond, -1
				o.Port = proxy.Port
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
				result := startSend(t, mustNew(t, o))
				await(t, "several waits", func() bool { return len(log.Lines("a peer is in its handshake")) > 3 })
				proxy.Release()
				if err := <-result; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A peer whose handshake takes most of RequestTimeout has a whole one to answer.
func TestHandshakeThatTakesMostOfTheTime(t *testing.T) {
	const timeout = 600 * time.Millisecond
	l := peertest.Listen(t, "127.0.0.1:0")
	defer l.Close()
	serve := func(c net.Conn) {
		defer c.Close()
		time.Sleep(timeout * 3 / 4)
		if shakeHands(c, "PAIR") != nil {
			return
		}
		answer := time.AfterFunc(timeout/2, func() { io.WriteString(c, zmtp(0, "Data received")) })
		defer answer.Stop()
		io.Copy(io.Discard, c)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	send := mustNew(t, Options{Address: "127.0.0.1", Port: port, RequestTimeout: timeout, MaxRetries: -1, TerminateDelay: -1})
	if err := sendOne(t, send); err != nil {
		t.Error(err)
	}
}

// sendInHandshake sends a frame to a program that never answers a handshake.
func sendInHandshake(t *testing.T, o Options) error {
	l := peertest.Listen(t, "127.0.0.1:0") // it accepts nothing, but its system does
	defer l.Close()
	o.Address, o.RequestTimeout, o.MaxRetries = "127.0.0.1", 700*time.Millisecond, 3
	_, o.Port, _ = net.SplitHostPort(l.Addr().String())
	return sendOne(t, mustNew(t, o))
}

// If the handshake does not end, the error after the tries reports it, and is not
// that of a peer that refuses. The connection stays until then.
func TestHandshakeThatDoesNotEnd(t *testing.T) {
	location := keyFolder(t)
	for _, mode := range []SecureMode{Grasslands, IronHouse} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			if err := sendInHandshake(t, Options{SecureMode: mode, CustomCertLocation: location}); !errors.Is(err, ErrPeerGone) || !strings.Contains(err.Error(), "its handshake has not ended") {
				t.Error(err)
			}
		})
	}
}

// A receive end without a peer, which opens a new socket after three times
// RequestTimeout, ends no handshake by that either. It does so when the handshake is
// over. A connection that has been made just before that time may still end.
func TestSlowHandshakeAtAReceiveEnd(t *testing.T) {
	const timeout = 50 * time.Millisecond
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, attach := range []Attachment{AttachBind, AttachConnect} {
			t.Run(fmt.Sprint(pattern, " ", attach), func(t *testing.T) {
				t.Parallel()
				o := Options{ReceiveMode: true, Attach: attach, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: timeout, MaxRetries: -1}
				var listener net.Listener
				if attach == AttachConnect {
					listener = peertest.Listen(t, "127.0.0.1:0")
					_, o.Port, _ = net.SplitHostPort(listener.Addr().String())
				}
				recv := mustNew(t, o)
				connection := func() net.Conn {
					next := func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:"+recv.Port()) }
					if listener != nil {
						next = listener.Accept
					}
					for end := time.Now().Add(testTimeout); ; {
						c, err := next()
						if err == nil {
							return c
						}
						if time.Now().After(end) { // a new socket may just be opened
							t.Fatal(err)
						}
					}
				}
				stays := false
				for range 20 {
					c := connection()
					c.SetReadDeadline(time.Now().Add(20 * timeout))
					_, err := io.Copy(io.Discard, c)
					c.Close()
					if stays = errors.Is(err, os.ErrDeadlineExceeded); stays {
						break
					}
				}
				if !stays {
					t.Errorf("no connection stays, %d new sockets", recv.Stats().Retries)
				}
				if listener != nil {
					listener.Close()
				}
				before := recv.Stats().Retries
				await(t, "a new socket", func() bool { return recv.Stats().Retries > before })
			})
		}
	}
}

// A send call of PUSH that waits for a receiver connects again to one that had
// another pattern, without waiting for RequestTimeout.
func TestBlockedPushConnectsAgain(t *testing.T) {
	port := peertest.FreePort(t)
	send := mustNew(t, Options{Pattern: PushPull, Wire: AsyncWire, Address: "127.0.0.1", Port: port, RequestTimeout: 2 * testTimeout})
	result := startSend(t, send)
	o := Options{ReceiveMode: true, Address: "127.0.0.1", Port: port}
	other := mustNew(t, o)
	await(t, "a mismatch", func() bool { return send.Stats().Refused > 0 })
	other.Close()
	o.Pattern, o.Wire = PushPull, AsyncWire
	mustNew(t, o)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// A foreign peer at a send end that listens does not end the tries of its
// frames.
func TestForeignPeersAtABoundSendEnd(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
		attemptHandshake(t, send)
		await(t, "the foreign peer to be refused", send.link.mismatched)
		done := startSend(t, send)
		refused := send.Stats().Refused
		attemptHandshake(t, send)
		await(t, "another foreign peer to be refused", func() bool { return send.Stats().Refused > refused })
		mustNew(t, Options{ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: send.Port(), Pattern: pattern})
		if err := <-done; err != nil {
			t.Errorf("%v: %v", pattern, err)
		}
	}
}

// The refusal of a foreign peer some time ago is not given as the reason why no
// frames arrive now.
func TestOldRefusalsAreNoHint(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	attemptHandshake(t, recv)
	await(t, "the foreign peer to be refused", recv.link.mismatched)
	old := *recv.link.current().refused.Load()
	old.at = old.at.Add(-refusalTTL)
	recv.link.current().refused.Store(&old)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := recv.Recv(ctx); errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
}

// A name server that is unreachable for a while does not prevent an end from
// connecting again.
func TestNameServerGone(t *testing.T) {
	names := newNameServer(t, "127.0.0.1")
	peer := newBare(t, zmq4.REP, nil)
	send := mustNew(t, Options{Address: names.Name, Port: peer.port(), Pattern: ReqRep, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1})
	names.Hang() // it does not even say no
	done := startSend(t, send)
	await(t, "the second try", func() bool { return send.Stats().Retries > 0 })
	for range 2 { // the first answer finds no peer
		peer.recv(testTimeout)
		peer.send([]byte("ok"))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// The call's context also ends the wait for a name.
	send.send.conn.stale = true
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Close may be called while return data are being set.
func TestReturnDuringClose(t *testing.T) {
	for range 20 {
		recv, send := openPair(t, Options{BidirectionalMode: true, JPEGCompression: JPEGOff})
		sendSmall(t, send)
		send.Close()
		var returning sync.WaitGroup
		returning.Go(func() {
			for recv.SetReturnData(testArray(0, "uint8", 64, 64)) == nil {
			}
		})
		recv.Close()
		returning.Wait()
	}
}

// Close while a receive end cannot open its socket again releases its resources
// once.
func TestCloseWhileReopening(t *testing.T) {
	dir := peertest.SocketDir(t)
	o := Options{Protocol: "ipc", Address: filepath.Join(dir, "s")}
	send := mustNew(t, o)
	failed := make(chan struct{}, 100)
	o.ReceiveMode, o.TerminatePolicy, o.Logger = true, KeepWaiting, slog.New(watchLog{failed})
	recv := mustNew(t, o)
	sendSmall(t, send)
	os.RemoveAll(dir)
	send.Close() // the terminate message makes a Pair receive end open a new socket
	<-failed
	other := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	recv.Close()
	if held := transport.OpenSockets(); held != 1 {
		t.Errorf("%d sockets hold the context, where %v is open", held, other.Endpoints())
	}
}

// watchLog is a log handler that signals errors.
type watchLog struct{ errors chan<- struct{} }

func (w watchLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (w watchLog) Handle(context.Context, slog.Record) error {
	w.errors <- struct{}{}
	return nil
}
func (w watchLog) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w watchLog) WithGroup(string) slog.Handler      { return w }

// A connection on which one frame takes longer than HeartbeatTimeout is dropped;
// with a time-out that is longer than that, the frame arrives.
func TestHeartbeatsAndSlowFrames(t *testing.T) {
	for _, timeout := range []time.Duration{200 * time.Millisecond, 0} {
		send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: PubSub, JPEGCompression: JPEGOff})
		l := newProxy(t, "127.0.0.1:0", send)
		// The line is slow for what comes from the send end, which listens.
		recv := mustNew(t, Options{ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: l.Port, Pattern: PubSub, HeartbeatInterval: 50 * time.Millisecond, HeartbeatTimeout: timeout})
		awaitSubscription(t, recv, send)
		before := recv.Stats()
		l.Slow(10 * time.Millisecond)
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 100, 1000), nil); err != nil { // about a second
			t.Fatal(err)
		}
		if timeout > 0 {
			await(t, "the connection to be dropped", func() bool { return recv.Stats().Lost > 0 })
			if s := recv.Stats(); s.Frames != before.Frames {
				t.Errorf("the frame arrived: %+v", s)
			}
			continue
		}
		await(t, "the frame", func() bool { return recv.Stats().Frames > before.Frames })
		if s := recv.Stats(); s.Lost != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// Many viewers on one port of a sender that listens: each gets every frame.
func TestManyViewers(t *testing.T) {
	const viewers, frames = 8, 50
	send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: PubSub, HighWaterMark: 2 * frames, RequestTimeout: 5 * time.Second})
	var all []*NetGear
	for range viewers {
		recv := mustNew(t, Options{ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: send.Port(), Pattern: PubSub})
		awaitSubscription(t, recv, send)
		all = append(all, recv)
	}
	awaitPeers(t, send, viewers)
	ctx := testContext(t)
	want := make([][]byte, frames)
	for i := range want {
		want[i] = throughCodec(t, &send.link.settings, testArray(i, "uint8", 48, 64, 3))
	}
	var watching sync.WaitGroup
	for k, recv := range all {
		watching.Go(func() {
			next := 0
			for f, err := range recv.Frames(ctx) {
				if err != nil {
					t.Errorf("viewer %d: %v", k, err)
					return
				}
				if f.Message.String() == fmt.Sprintf(`{"frame": %d}`, next) { // others are left from the subscriptions
					if !bytes.Equal(frameBytes(f), want[next]) {
						t.Errorf("viewer %d: frame %d arrived changed", k, next)
					}
					next++
				}
				f.Close()
			}
			if next != frames {
				t.Errorf("viewer %d got %d of %d frames", k, next, frames)
			}
		})
	}
	for i := range frames {
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 48, 64, 3), map[string]int{"frame": i}); err != nil {
			t.Fatal(err)
		}
	}
	send.Close()
	watching.Wait()
}
