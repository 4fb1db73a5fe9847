package transport

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// A socket connects again to an IPv6 address after it has connected to an IPv4
// address: the options that depend on the address are set each time.
func TestRedialIPv6AfterIPv4(t *testing.T) {
	listen := func(at string) (*net.TCPListener, string) {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.(*net.TCPListener), "tcp://" + l.Addr().String()
	}
	l, six := listen("[::1]:0")
	_, four := listen("127.0.0.1:0")
	s, err := Open(Config{Kind: zmq4.PULL, MaxMessage: 1 << 20, Logger: slog.New(slog.DiscardHandler), Setup: func(*zmq4.Socket) error { return nil }}, []string{six}, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shut(0)
	accepted := make(chan error, 1)
	accept := func() {
		t.Helper()
		l.SetDeadline(time.Now().Add(4 * time.Second)) // less than a handshake may take
		go func() {
			c, err := l.Accept()
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			accepted <- err
		}()
		for {
			s.ProcessCommands() // without which libzmq does not forget a connection
			select {
			case err := <-accepted:
				if err != nil {
					t.Fatal(err)
				}
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
	accept()
	if err := s.Dial(four); err != nil {
		t.Fatal(err)
	}
	s.Redial(six)
	accept()
}

// A connection whose endpoint the socket has left is not counted as connected,
// although libzmq does not report its end.
func TestPartedConnectionIsNotCounted(t *testing.T) {
	listens := plain(zmq4.PUSH)
	listens.Bind = true
	server, err := Open(listens, []string{"tcp://127.0.0.1:0"}, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shut(0)
	ended := make(chan Event, 10)
	s, err := Open(plain(zmq4.PULL), server.Endpoints, func(e Event) {
		if e.Kind == Disconnected {
			ended <- e
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shut(0)
	peertest.Await(t, testTimeout, "the connection", func() bool { return s.Peers() == 1 })
	s.Part(server.Endpoints[0])
	peertest.Await(t, testTimeout, "the end of the connection", func() bool {
		s.ProcessCommands()
		return s.Peers() == 0
	})
	if e := <-ended; e.Endpoint != "" || len(ended) != 0 {
		t.Errorf("reported at %q, and %d times more", e.Endpoint, len(ended))
	}
}
