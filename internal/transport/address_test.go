package transport

import (
	"strings"
	"testing"

	"github.com/pebbe/zmq4"
)

// Where a system has no IPv6, every interface is every one of IPv4.
func TestEveryInterfaceWithoutIPv6(t *testing.T) {
	listen, got := openPair(t, "tcp://"+anyAddress(false)+":0")
	ep := listen.Endpoints[0]
	if !strings.HasPrefix(ep, "tcp://0.0.0.0:") {
		t.Errorf("the endpoint is %s", ep)
	}
	dial, err := Open(plain(zmq4.PAIR), []string{"tcp://127.0.0.1" + ep[strings.LastIndexByte(ep, ':'):]}, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer dial.Shut(0)
	if e := <-got; e.Kind != Connected || !strings.HasPrefix(e.Peer, "127.0.0.1:") {
		t.Errorf("%+v", e)
	}
}

// plain returns the configuration of a socket without security.
func plain(kind zmq4.Type) Config {
	return Config{Kind: kind, Setup: func(*zmq4.Socket) error { return nil }, MaxMessage: 1 << 10}
}

// openPair opens a PAIR socket that listens, and returns its events.
func openPair(t *testing.T, endpoint string) (*Socket, chan Event) {
	t.Helper()
	got := make(chan Event, 100)
	c := plain(zmq4.PAIR)
	c.Bind = true
	s, err := Open(c, []string{endpoint}, func(e Event) { got <- e })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shut(0) })
	return s, got
}

// libzmq may spell an endpoint in another way than this library.
func TestSameAddress(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555", true},
		{"tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556", false},
		{"tcp://[::1]:5555", "tcp://[0:0::1]:5555", true},
		{"tcp://[fe80::1%lo]:5555", "tcp://[fe80::1%1]:5555", true},
		{"tcp://[fe80::1%lo]:5555", "tcp://[fe80::1%99]:5555", false},
		{"ipc:///tmp/a", "ipc:///tmp/a", false}, // compared as texts
	} {
		if got := sameAddress(c.a, c.b); got != c.same {
			t.Errorf("%s, %s: %v", c.a, c.b, got)
		}
	}
}
