package transport

import (
	"io"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// testTimeout bounds the waits of these tests.
const testTimeout = 30 * time.Second

// descriptor returns the number of a socket's descriptor.
func descriptor(t *testing.T, s syscall.Conn) (number int) {
	t.Helper()
	raw, err := s.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { number = int(fd) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// connectTCP returns a listener, and a connection to it with both of its ends.
func connectTCP(t *testing.T) (l net.Listener, client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return l, client, server
}

// holdReserve opens the reserve for a test.
func holdReserve(t *testing.T) {
	t.Helper()
	shared, err := acquireContext(anyContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shared.release)
}

// When the monitor reads that libzmq has accepted a connection, that may have
// ended, and a socket of the application may have its descriptor. A spoiled
// socket ends every connection that comes, but not that one.
func TestSocketsOfTheApplicationAreNotEnded(t *testing.T) {
	holdReserve(t)
	_, client, server := connectTCP(t)
	for _, c := range []struct {
		name  string
		kind  zmq4.Event
		at    net.Addr
		ended bool
	}{
		{"accepted, the application's", zmq4.EVENT_ACCEPTED, client.RemoteAddr(), false},
		{"connected, the application's", zmq4.EVENT_CONNECTED, client.LocalAddr(), false},
		{"accepted, libzmq's", zmq4.EVENT_ACCEPTED, client.LocalAddr(), true},
	} {
		t.Run(c.name, func(t *testing.T) { testEnd(t, c.kind, client, server, c.at.String(), c.ended) })
	}
}

// testEnd has the end of a connection reported as libzmq's, and ended. ended is
// whether the connection must then have ended.
func testEnd(t *testing.T, kind zmq4.Event, reported, other net.Conn, endpoint string, ended bool) {
	m := newTestMonitor()
	m.flow.spoiled.Store(true)
	m.account(libzmqEvent{kind: kind, value: uint32(descriptor(t, reported.(syscall.Conn))), endpoint: "tcp://" + endpoint})
	m.end(m.conns[0], ErrPiledUp)
	_, err := reported.Write([]byte("x"))
	if err == nil {
		var b [1]byte
		other.SetReadDeadline(time.Now().Add(testTimeout))
		_, err = io.ReadFull(other, b[:])
	}
	if (err != nil) != ended {
		t.Errorf("after the end: %v", err)
	}
}

// A listener of the application's that has the descriptor of one that libzmq has
// closed keeps the connections that wait at it.
func TestListenersOfTheApplicationAreKept(t *testing.T) {
	holdReserve(t)
	l, _, _ := connectTCP(t)
	m := newTestMonitor()
	fd := uint32(descriptor(t, l.(syscall.Conn)))
	for _, c := range []struct {
		endpoint string
		kept     bool
	}{{"tcp://127.0.0.1:1", true}, {"tcp://" + l.Addr().String(), false}} {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		m.account(libzmqEvent{kind: zmq4.EVENT_LISTENING, value: fd, endpoint: c.endpoint})
		m.acceptFailed(syscall.EMFILE)
		client.SetReadDeadline(time.Now().Add(testTimeout))
		var greeting [1]byte
		if c.kept {
			l.(*net.TCPListener).SetDeadline(time.Now().Add(testTimeout))
			server, err := l.Accept()
			if err != nil {
				t.Fatal("the connection is gone: ", err)
			}
			server.Write(greeting[:])
			server.Close()
		}
		if _, err := client.Read(greeting[:]); (err == nil) != c.kept {
			t.Errorf("%s: %v", c.endpoint, err)
		}
		m.account(libzmqEvent{kind: zmq4.EVENT_CLOSED, value: fd})
	}
}

// libzmq's own sockets are recognized by the endpoints that it reports.
func TestConnectionsAreIdentified(t *testing.T) {
	for _, endpoint := range []string{"tcp://127.0.0.1:0", "tcp://0.0.0.0:0", "tcp://[::1]:0", "tcp://[::]:0", "ipc://" + filepath.Join(t.TempDir(), "s")} {
		t.Run(endpoint, func(t *testing.T) {
			if strings.Contains(endpoint, "[") && !DualStack() {
				t.Skip("no IPv6 here")
			}
			listener := make(chan *monitor, 1)
			listen := openWatched(t, endpoint, true, listener)
			connecter := make(chan *monitor, 1)
			to := strings.NewReplacer("0.0.0.0", "127.0.0.1", "[::]", "[::1]").Replace(listen.Endpoints[0])
			openWatched(t, to, false, connecter)
			for name, m := range map[string]*monitor{"listens": <-listener, "connects": <-connecter} {
				if name == "listens" && len(m.listeners) != 1 {
					t.Error("the listener is not recognized")
				}
				if len(m.conns) != 1 || m.conns[0].id == (socketID{}) {
					t.Errorf("the socket that %s: its connection is not recognized", name)
				}
			}
		})
	}
}

// openWatched opens a PAIR socket, and sends a copy of what its monitor has
// when a peer has connected.
func openWatched(t *testing.T, endpoint string, bind bool, known chan<- *monitor) *Socket {
	t.Helper()
	c := plain(zmq4.PAIR)
	c.Bind = bind
	opened := make(chan *monitor, 1)
	s, err := Open(c, []string{endpoint}, func(e Event) { // in the monitor's goroutine
		if e.Kind == Connected {
			m := <-opened
			known <- &monitor{listeners: maps.Clone(m.listeners), conns: slices.Clone(m.conns)}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	opened <- s.monitor
	t.Cleanup(func() { s.Shut(0) })
	return s
}

func TestAtEndpoint(t *testing.T) {
	v4, v6 := &unix.SockaddrInet4{Port: 5555, Addr: [4]byte{10, 0, 0, 1}}, &unix.SockaddrInet6{Port: 5555, Addr: [16]byte{0: 0xfe, 1: 0x80, 15: 1}}
	mapped := &unix.SockaddrInet6{Port: 5555, Addr: [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1}}
	for _, c := range []struct {
		address  unix.Sockaddr
		endpoint string
		want     bool
	}{
		{v4, "tcp://10.0.0.1:5555", true},
		{v4, "tcp://10.0.0.1:5556", false},
		{v4, "tcp://10.0.0.2:5555", false},
		{mapped, "tcp://10.0.0.1:5555", true},
		{mapped, "tcp://[::ffff:10.0.0.1]:5555", true},
		{v6, "tcp://[fe80::1%eth0]:5555", true},
		{v6, "tcp://[fe80::2]:5555", false},
		{nil, "tcp://10.0.0.1:5555", false},
		{v4, "ipc:///tmp/s", false},
		{nil, "ipc:///tmp/s", false},
		{&unix.SockaddrUnix{}, "ipc:///tmp/s", false},
		{&unix.SockaddrUnix{Name: "s"}, "ipc:///tmp/s", true},
		{&unix.SockaddrUnix{Name: "/tmp/s"}, "ipc:///tmp/other", false},
		{v4, "", false},
	} {
		if got := atEndpoint(c.address, c.endpoint); got != c.want {
			t.Errorf("%v at %q: %v", c.address, c.endpoint, got)
		}
	}
}
