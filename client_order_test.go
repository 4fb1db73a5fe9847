package netgear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
)

// clientSet is a multi-client REQ end and its clients, some of which are
// absent.
type clientSet struct {
	t       *testing.T
	o       Options
	ports   []string
	clients []*NetGear // nil: absent
	send    *NetGear
	last    int // index of the client that answered last
	sent    int
}

func newClientSet(t *testing.T, o Options, count int) *clientSet {
	t.Helper()
	s := &clientSet{t: t, o: o, clients: make([]*NetGear, count), last: -1}
	for len(s.ports) < count {
		if p := peertest.FreePort(t); !slices.Contains(s.ports, p) {
			s.ports = append(s.ports, p)
		}
	}
	o.Pattern, o.MulticlientMode, o.Address = ReqRep, true, "127.0.0.1"
	s.o = o
	o.Ports = s.ports
	s.send = mustNew(t, o)
	return s
}

// patient makes the send end wait for the handshakes of present clients, however
// long they take. A client with a slow one is served out of order otherwise, and
// on a busy machine each may be slow.
func (s *clientSet) patient() { s.send.send.order.limit = testTimeout }

func (s *clientSet) open(i int) {
	s.t.Helper()
	o := s.o
	o.ReceiveMode, o.Port, o.Latest, o.TerminatePolicy = true, s.ports[i], true, KeepWaiting
	s.clients[i] = mustNew(s.t, o)
}

func (s *clientSet) close(i int) {
	s.clients[i].Close()
	s.clients[i] = nil
}

func (s *clientSet) present() (count int) {
	for _, c := range s.clients {
		if c != nil {
			count++
		}
	}
	return count
}

// settle waits until the send end has processed which clients are connected.
func (s *clientSet) settle() {
	s.t.Helper()
	await(s.t, "the clients", func() bool {
		s.send.send.order.mu.Lock()
		defer s.send.send.order.mu.Unlock()
		for i, c := range s.clients {
			if s.send.send.order.present[i] != (c != nil) {
				return false
			}
		}
		return true
	})
}

// next returns the index of the client that is served next.
func (s *clientSet) next() int {
	for k := range s.clients {
		if i := (s.last + 1 + k) % len(s.clients); s.clients[i] != nil {
			return i
		}
	}
	return -1
}

// serve sends frames and requires the answers in the order of the ports.
func (s *clientSet) serve(frames int) {
	s.t.Helper()
	for range frames {
		s.sent++
		reply, err := s.send.SendArray(testContext(s.t), testArray(0, "uint8", 4, 4), s.sent)
		if err != nil {
			s.t.Fatal(err)
		}
		at := slices.Index(s.ports, reply.Port)
		if want := s.next(); s.last >= 0 && at != want {
			s.t.Errorf("frame %d went to client %d, want %d", s.sent, at, want)
		}
		s.last = at
	}
}

// The present clients are served in the order of their ports, in whatever order
// they connected, and no client gets a frame twice.
func TestClientsInPortOrder(t *testing.T) {
	for _, o := range []Options{{}, {BidirectionalMode: true, Stamp: true, JPEGCompression: JPEGOff},
		{SecureMode: IronHouse, CustomCertLocation: keyFolder(t)}} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(o.BidirectionalMode, int(o.SecureMode), seed), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				o.RequestTimeout = testTimeout
				s := newClientSet(t, o, 4)
				s.patient()
				for _, i := range random.Perm(4) {
					s.open(i)
					awaitPeers(t, s.send, s.present())
				}
				s.settle()
				s.last = 3 // it begins with the first
				s.serve(9)
				for range 6 {
					if i := random.IntN(4); s.clients[i] == nil {
						s.open(i)
					} else if s.present() > 1 {
						s.close(i)
					}
					s.settle()
					s.serve(random.IntN(6))
				}
				s.send.Close()
				if got := s.send.Stats(); got.Retries != 0 || got.Frames != uint64(s.sent) {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// A client that disconnects with a frame costs one try; a frozen client is
// skipped. The order of the others stays.
func TestClientsInPortOrderAfterALoss(t *testing.T) {
	s := newClientSet(t, Options{RequestTimeout: 8 * time.Second}, 4)
	s.patient()
	for _, i := range []int{2, 0, 3, 1} {
		s.open(i)
	}
	s.settle()
	s.last = 3
	s.serve(5)
	s.close(1) // it is next, and the send end may not yet have processed the loss
	reply, err := s.send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil)
	if err != nil || reply.Port == s.ports[1] {
		t.Errorf("%q, %v; %q has gone", reply.Port, err, s.ports[1])
	}
	// A frame in transfer at the moment of the loss may go out of order.
	s.last = slices.Index(s.ports, reply.Port)
	s.settle()
	s.serve(6)
}

// Neither the context nor Close waits for the handshakes of clients that were
// present.
func TestClientsThatFreeze(t *testing.T) {
	s := newClientSet(t, Options{RequestTimeout: 4 * time.Second}, 3)
	for i := range s.ports {
		s.open(i)
	}
	s.settle()
	s.last = 2
	s.serve(1)
	// The second now accepts connections and sends nothing.
	s.close(1)
	awaitPeers(t, s.send, 2)
	silent := peertest.Listen(t, "127.0.0.1:"+s.ports[1])
	defer silent.Close()
	s.send.send.order.mu.Lock()
	s.send.send.order.present[1], s.send.send.order.lost = true, true
	s.send.send.order.mu.Unlock()
	s.serve(4) // after 500 ms, and in order
	s.send.send.order.mu.Lock()
	s.send.send.order.present[1], s.send.send.order.late[1], s.send.send.order.lost = true, time.Time{}, true
	s.send.send.order.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := startStopwatch()
	if _, err := s.send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err == nil {
		t.Error("the frame went out")
	}
	endsWithin(t, "the call", began, time.Second)
	began = startStopwatch()
	s.send.Close()
	endsWithin(t, "Close", began, time.Second) // a fifth of RequestTimeout is for the terminate messages
}

// libzmq skips a connection that was lost before the monitor reports it. So the
// answer may come from another client than the one that was next. The next
// frame goes to the client after the one that answered.
func TestClientsInPortOrderAfterAnUnseenLoss(t *testing.T) {
	c := newClientOrder(&Options{Pattern: ReqRep, MulticlientMode: true, Ports: []string{"1", "2", "3", "4"}})
	client := func(kind transport.EventKind, port string) {
		c.observe(transport.Event{Kind: kind, Endpoint: "tcp://127.0.0.1:" + port})
	}
	for _, port := range c.ports {
		client(transport.Connected, port)
	}
	c.took()
	c.answered("1")
	c.took() // the second client is next, and has just disconnected
	c.answered("4")
	client(transport.Disconnected, "2")
	if got, want := c.begin(), []int{0, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("the next socket serves %v, want %v", got, want)
	}
}

// Clients may connect, in any order, while the first frame of a socket waits to be
// sent. The next frame goes out over a socket that serves them in turn.
func TestClientsThatConnectWhileAFrameWaits(t *testing.T) {
	for _, c := range []struct {
		connect []int
		stale   bool
	}{
		{[]int{0, 1, 2}, false}, {[]int{1, 2, 0}, false}, {[]int{2, 0, 1}, false},
		{[]int{0, 2, 1}, true}, {[]int{1, 0, 2}, true}, {[]int{2, 1, 0}, true},
		{[]int{1}, false}, {[]int{2, 0}, false},
	} {
		order := newClientOrder(&Options{Pattern: ReqRep, MulticlientMode: true, Ports: []string{"1", "2", "3"}, RequestTimeout: time.Second})
		order.begin() // none is present
		for _, i := range c.connect {
			order.observe(transport.Event{Kind: transport.Connected, Endpoint: "tcp://127.0.0.1:" + order.ports[i]})
		}
		order.took()
		if got := order.stale(); got != c.stale {
			t.Errorf("connected in the order %v: stale is %v", c.connect, got)
		}
		if next := order.begin(); !inTurn(next) || order.stale() {
			t.Errorf("connected in the order %v: the next socket serves %v", c.connect, next)
		}
	}
}
