package transport

import (
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// Handshakes end when too many are pending in all: those of the address that has
// the most of them, not those of an address that has few.
func TestTooManyHandshakes(t *testing.T) {
	for name, counts := range map[string][]int{
		"many of one address":   {100, 300},
		"few of many addresses": {60, 60, 60, 60, 60},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			closed := make([]int, len(counts))
			listens := plain(zmq4.REP)
			listens.Bind = true
			s, err := Open(listens, []string{"tcp://127.0.0.1:0"}, func(e Event) {
				if e.Kind == PeerClosed {
					mu.Lock()
					defer mu.Unlock()
					closed[net.ParseIP(e.Peer[:len("127.0.0.2")])[15]-2]++
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Shut(0)
			address := s.Endpoints[0][len("tcp://"):]
			all := 0
			for i, count := range counts {
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(i+2))}, Timeout: testTimeout}
				for range count {
					c, err := dialer.Dial("tcp", address)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
				}
				all += count
			}
			total := func() (n int) {
				mu.Lock()
				defer mu.Unlock()
				for _, k := range closed {
					n += k
				}
				return n
			}
			peertest.Await(t, testTimeout, "the oldest to be closed", func() bool { return total() >= all-maxPendingPeers })
			mu.Lock()
			defer mu.Unlock()
			for i, count := range counts {
				if count != max(counts[0], counts[1]) && closed[i] > 0 {
					t.Errorf("%d of the %d of an address were closed", closed[i], count)
				}
			}
		})
	}
}

// Of many addresses with one pending handshake each, the oldest end.
func TestOldestOfManySites(t *testing.T) {
	const all = maxPendingPeers + 40
	var mu sync.Mutex
	var closed []string
	listens := plain(zmq4.REP)
	listens.Bind = true
	s, err := Open(listens, []string{"tcp://127.0.0.1:0"}, func(e Event) {
		if e.Kind == PeerClosed {
			mu.Lock()
			defer mu.Unlock()
			closed = append(closed, e.Peer)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shut(0)
	numbers := map[string]int{}
	for i := range all {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i/200), byte(1+i%200))}, Timeout: testTimeout}
		c, err := dialer.Dial("tcp", s.Endpoints[0][len("tcp://"):])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		numbers[c.LocalAddr().String()] = i
	}
	peertest.Await(t, testTimeout, "the oldest to be closed", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(closed) >= all-maxPendingPeers
	})
	mu.Lock()
	defer mu.Unlock()
	for _, peer := range closed {
		if i := numbers[peer]; i >= all-maxPendingPeers {
			t.Errorf("number %d was closed", i)
		}
	}
}

// A machine may have all addresses of an IPv6 network of 64 bits, which count as
// one.
func TestSite(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1", "fe80::2", false},
		{"fd00::1", "fd00::2", true},
	} {
		if same := site(netip.MustParseAddr(c.a)) == site(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s and %s are one site: %v", c.a, c.b, same)
		}
	}
	if site(netip.Addr{}) != (netip.Addr{}) {
		t.Error("a peer without an address has a site")
	}
}
