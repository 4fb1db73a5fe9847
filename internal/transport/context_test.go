package transport

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
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
