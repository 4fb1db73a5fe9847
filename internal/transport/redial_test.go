package transport

import (
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/zmsg"
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

// openPush opens a PUSH socket that listens. It is closed by shut, or with the test.
func openPush(t *testing.T, endpoint string) (s *Socket, shut func()) {
	t.Helper()
	listens := plain(zmq4.PUSH)
	listens.Bind = true
	s, err := Open(listens, []string{endpoint}, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	shut = sync.OnceFunc(func() { s.Shut(0) })
	t.Cleanup(shut)
	return s, shut
}

// openPull connects a PULL socket. The channel has its lost connections.
func openPull(t *testing.T, endpoint string) (*Socket, <-chan Event) {
	t.Helper()
	ended := make(chan Event, 10)
	s, err := Open(plain(zmq4.PULL), []string{endpoint}, func(e Event) {
		if e.Kind == Disconnected {
			ended <- e
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shut(0) })
	peertest.Await(t, testTimeout, "the connection", func() bool { return s.Peers() == 1 })
	return s, ended
}

// A connection whose endpoint the socket has left is not counted as connected,
// although libzmq does not report its end.
func TestPartedConnectionIsNotCounted(t *testing.T) {
	server, _ := openPush(t, "tcp://127.0.0.1:0")
	s, ended := openPull(t, server.Endpoints[0])
	s.Part(server.Endpoints[0])
	peertest.Await(t, testTimeout, "the end of the connection", func() bool {
		s.ProcessCommands()
		return s.Peers() == 0
	})
	if e := <-ended; e.Endpoint != server.Endpoints[0] || !e.Left || len(ended) != 0 {
		t.Errorf("reported at %q (left %v), and %d times more", e.Endpoint, e.Left, len(ended))
	}
}

// Such a connection is not counted either where libzmq had closed it before the
// monitor, on a busy machine, has read the report that it began.
func TestPartedConnectionThatWasNotIdentified(t *testing.T) {
	if !identifies() {
		t.Skip("this system does not tell one socket of a descriptor from another")
	}
	listens := plain(zmq4.PUSH)
	listens.Bind = true
	port := peertest.FreePort(t)
	ep := "tcp://127.0.0.1:" + port
	busy, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ended := make(chan Event, 10)
	s, err := Open(plain(zmq4.PULL), []string{ep}, func(e Event) {
		if e.Kind == ConnectRetried {
			once.Do(func() { close(busy); <-free })
		}
		if e.Kind == Disconnected {
			ended <- e
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shut(0)
	<-busy
	connected := make(chan struct{}, 10)
	gone := make(chan struct{}, 10)
	server, err := Open(listens, []string{ep}, func(e Event) {
		switch e.Kind {
		case Connected:
			connected <- struct{}{}
		case Disconnected:
			gone <- struct{}{}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shut(0)
	<-connected
	// The server's report may come before libzmq's own of the other side.
	if err := server.Wait(time.Now().Add(testTimeout), func() error { return nil }, func() error { return server.TrySend([]byte("x"), zmsg.Last) }); err != nil {
		t.Fatal(err)
	}
	var m zmsg.Msg
	if err := s.Wait(time.Now().Add(testTimeout), func() error { return nil }, func() error { return s.TryRecv(&m) }); err != nil {
		t.Fatal(err)
	}
	m.Close()
	s.Part(ep)
	for over := false; !over; {
		s.ProcessCommands()
		select {
		case <-gone:
			over = true
		case <-time.After(time.Millisecond):
		}
	}
	close(free)
	peertest.Await(t, testTimeout, "the end of the connection", func() bool {
		s.ProcessCommands()
		return len(ended) == 1 && s.Peers() == 0
	})
	if e := <-ended; e.Endpoint != ep || !e.Left {
		t.Errorf("%+v", e)
	}
}

// A connection stays counted, and is no loss, whose peer has another address than
// the endpoint: here a link leads to the file of ipc. A proxy below libzmq does the
// same.
func TestConnectionToAnotherAddress(t *testing.T) {
	dir := t.TempDir()
	_, shut := openPush(t, "ipc://"+dir+"/a")
	if err := os.Symlink(dir+"/a", dir+"/b"); err != nil {
		t.Fatal(err)
	}
	s, ended := openPull(t, "ipc://"+dir+"/b")
	// Unreported connections are looked for twice before they are dropped.
	for begun := time.Now(); time.Since(begun) < 3*guardIdle; time.Sleep(guardBusy) {
		if n := s.Peers(); n != 1 || len(ended) > 0 {
			t.Fatalf("%d peers, and %d lost", n, len(ended))
		}
	}
	shut()
	peertest.Await(t, testTimeout, "the end of the connection", func() bool { return len(ended) == 1 && s.Peers() == 0 })
	if e := <-ended; e.Left {
		t.Errorf("%+v", e)
	}
}
