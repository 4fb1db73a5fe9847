package transport

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// greetingOf returns what a peer without security sends for a handshake (ZMTP
// 3.1): its greeting, and READY with its socket type.
func greetingOf(kind string) []byte {
	greeting := append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL"), make([]byte, 48)...)
	ready := "\x05READY\x0bSocket-Type\x00\x00\x00" + string(rune(len(kind))) + kind
	return append(append(greeting, 4, byte(len(ready))), ready...)
}

// A connection is lost, and the peer comes back while the socket is being closed
// and the authentication handler has no time. libzmq aborts the process if the
// socket has a session with the handler from its first connection.
func TestPeerReturnsDuringShut(t *testing.T) {
	for _, c := range []struct {
		kind zmq4.Type
		peer string
	}{{zmq4.REP, "REQ"}, {zmq4.PUB, "SUB"}, {zmq4.PAIR, "PAIR"}, {zmq4.SUB, "PUB"}} {
		t.Run(fmt.Sprint(c.kind), func(t *testing.T) {
			suspend := busyHandler(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s, err := Open(Config{Kind: c.kind, Setup: func(*zmq4.Socket) error { return nil }, MaxMessage: 1 << 10, Logger: slog.New(slog.DiscardHandler)},
				[]string{"tcp://" + l.Addr().String()}, func(Event) {})
			if err != nil {
				t.Fatal(err)
			}
			first := accepted(t, l)
			if _, err := first.Write(greetingOf(c.peer)); err != nil {
				t.Fatal(err)
			}
			var seen []byte
			for b := make([]byte, 256); !bytes.Contains(seen, []byte("READY")); {
				n, err := first.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, b[:n]...)
			}
			resume := suspend()
			first.Close()
			again := accepted(t, l)
			s.Shut(0)
			time.Sleep(20 * time.Millisecond) // libzmq closes the socket; that it has begun is no event
			again.Write(greetingOf(c.peer))
			io.Copy(io.Discard, again) // to the end of the connection
			resume()
		})
	}
}

// As before, but with security: a peer that an end has connected to returns, and
// its handshake reaches the check of its key while the socket is being closed. The
// session of a lost connection has asked the handler before.
func TestSecurePeerReturnsDuringShut(t *testing.T) {
	for _, c := range []struct{ kind, peer zmq4.Type }{{zmq4.REP, zmq4.REQ}, {zmq4.PULL, zmq4.PUSH}, {zmq4.PAIR, zmq4.PAIR}, {zmq4.SUB, zmq4.PUB}} {
		t.Run(fmt.Sprint(c.kind), func(t *testing.T) {
			suspend := busyHandler(t)
			log := slog.New(slog.DiscardHandler)
			server, client := newCurve(t), newCurve(t)
			peer, err := Open(Config{Kind: c.peer, Bind: true, Secure: true, Setup: client.setup(t, server.public), MaxMessage: 1 << 10, Logger: log},
				[]string{"tcp://127.0.0.1:0"}, func(Event) {})
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Shut(0)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			events := make(chan EventKind, 100)
			config := Config{Kind: c.kind, Secure: true, Server: true, Access: &AccessList{}, Setup: server.setup(t, ""), MaxMessage: 1 << 10, Logger: log}
			ep := "tcp://" + l.Addr().String()
			s, err := Open(config, []string{ep}, func(e Event) { events <- e.Kind })
			if err != nil {
				t.Fatal(err)
			}
			first := join(t, accepted(t, l), peer)
			go first.rest()
			await(t, events, Connected)
			resume := suspend()
			first.cut()
			await(t, events, ConnectRetried)
			if config.Redials() {
				s.Part(ep)
				time.Sleep(ReconnectPause)
				s.Redial(ep)
			}
			again := join(t, accepted(t, l), peer)
			again.pass(greetingBytes + helloBytes)
			initiate := again.more()
			s.Shut(0)
			time.Sleep(20 * time.Millisecond) // libzmq closes the socket; that it has begun is no event
			again.end.Write(initiate)
			again.rest()
			resume()
		})
	}
}

// What a CURVE client sends before its key is checked (ZeroMQ RFCs 23 and 26).
const (
	greetingBytes = 64
	helloBytes    = 2 + 200
)

// joint leads a connection of a socket to its peer, whose bytes it passes on
// piece by piece.
type joint struct {
	t         *testing.T
	end, peer net.Conn
}

func join(t *testing.T, end net.Conn, to *Socket) *joint {
	t.Helper()
	peer, err := net.Dial("tcp", strings.TrimPrefix(to.Endpoints[0], "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	j := &joint{t, end, peer}
	t.Cleanup(j.cut)
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		io.Copy(peer, end)
		peer.Close()
	}()
	return j
}

func (j *joint) cut() { j.end.Close(); j.peer.Close() }

// pass passes on the peer's next n bytes.
func (j *joint) pass(n int64) {
	j.t.Helper()
	if _, err := io.CopyN(j.end, j.peer, n); err != nil {
		j.t.Fatal(err)
	}
}

// rest passes on what the peer sends, to the end of the connection.
func (j *joint) rest() { io.Copy(j.end, j.peer) }

// more waits until the peer has sent more, which it returns.
func (j *joint) more() []byte {
	j.t.Helper()
	b := make([]byte, 1)
	if _, err := io.ReadFull(j.peer, b); err != nil {
		j.t.Fatal(err)
	}
	return b
}

// await waits for an event.
func await(t *testing.T, events <-chan EventKind, want EventKind) {
	t.Helper()
	for limit := time.After(10 * time.Second); ; {
		select {
		case got := <-events:
			if got == want {
				return
			}
		case <-limit:
			t.Fatalf("no %v", want)
		}
	}
}

// accepted returns the next connection.
func accepted(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// busyHandler starts the authentication handler of the process for a test, which
// also keeps it open. The function that it returns suspends the handler, and
// returns one that lets it go on.
func busyHandler(t *testing.T) (suspend func() (resume func())) {
	t.Helper()
	shared, err := acquireContext(asksHandler)
	if err != nil {
		t.Fatal(err)
	}
	z, err := openZAP(shared.ctx)
	if err != nil {
		t.Fatal(err)
	}
	wait := make(chan struct{})
	var busy atomic.Bool
	receive := z.receive
	z.receive = func(m *zmsg.Msg) error {
		if busy.Load() {
			<-wait
		}
		return receive(m)
	}
	kept := &gate{domain: "kept", handler: z}
	process.Lock()
	process.zap = z
	z.gates[kept.domain] = kept
	go z.run()
	process.Unlock()
	t.Cleanup(func() {
		unregisterZAP(kept)
		shared.release()
	})
	return func() func() {
		busy.Store(true)
		z.sock.Wake()
		return func() { busy.Store(false); close(wait) }
	}
}
