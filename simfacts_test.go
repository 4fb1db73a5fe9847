package netgear

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// factNet is what a script of TestSimulatedFacts uses: sockets of simNet, or
// libzmq's.
type factNet struct {
	t        *testing.T
	open     socketOpener
	endpoint string
}

// factSocket is a socket of a script.
type factSocket struct {
	socket
	t      *testing.T
	events chan transport.Event
	shut   bool
}

// socket opens a socket. It listens on or connects to the script's endpoint.
func (n *factNet) socket(kind zmq4.Type, binds bool) *factSocket {
	return n.with(transport.Config{Kind: kind, Bind: binds}, n.endpoint)
}

func (n *factNet) with(c transport.Config, endpoints ...string) *factSocket {
	n.t.Helper()
	s := &factSocket{t: n.t, events: make(chan transport.Event, 100)}
	c.MaxMessage, c.MaxParts, c.Logger = 1<<20, 1, slog.New(slog.DiscardHandler)
	c.Setup = func(z *zmq4.Socket) error {
		switch c.Kind {
		case zmq4.REQ:
			return errors.Join(z.SetReqRelaxed(1), z.SetReqCorrelate(1))
		case zmq4.SUB:
			return z.SetSubscribe("")
		case zmq4.PUSH:
			return errors.Join(z.SetImmediate(true), z.SetSndhwm(simHWM))
		case zmq4.PULL:
			return z.SetRcvhwm(c.ReceiveHWM)
		}
		return nil
	}
	if c.Kind == zmq4.PULL {
		c.ReceiveHWM = 1
	}
	var err error
	if s.socket, _, err = n.open(c, endpoints, func(e transport.Event) { s.events <- e }); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { s.close(0) })
	return s
}

func (s *factSocket) close(linger time.Duration) {
	if !s.shut {
		s.shut = true
		s.Shut(linger)
	}
}

// never is a stop function.
func never() error { return nil }

func (s *factSocket) deadline() time.Time { return time.Now().Add(testTimeout) }

// trySend sends a message without waiting.
func (s *factSocket) trySend(text string) error {
	return attempt(func() error { return s.TrySend([]byte(text), zmsg.Last) })
}

func (s *factSocket) send(text string) {
	s.t.Helper()
	if err := s.Wait(s.deadline(), never, func() error { return s.TrySend([]byte(text), zmsg.Last) }); err != nil {
		s.t.Fatalf("send %q: %v", text, err)
	}
}

// tryRecv receives a message without waiting.
func (s *factSocket) tryRecv() error {
	var m zmsg.Msg
	defer m.Close()
	return attempt(func() error { return s.TryRecv(&m) })
}

func (s *factSocket) recv(want string) {
	s.t.Helper()
	var m zmsg.Msg
	defer m.Close()
	if err := s.Wait(s.deadline(), never, func() error { return s.TryRecv(&m) }); err != nil {
		s.t.Fatalf("receive %q: %v", want, err)
	}
	if got := string(m.Bytes()); got != want {
		s.t.Fatalf("received %q, not %q", got, want)
	}
}

// unserved returns EAGAIN while the socket has a peer to send to. It has for a
// moment after the loss is reported.
func (s *factSocket) unserved() error {
	if state, err := s.ProcessCommands(); err != nil || state&zmq4.POLLOUT == 0 {
		return err
	}
	return syscall.EAGAIN
}

// await waits for an event, and drops those before it.
func (s *factSocket) await(kind transport.EventKind) transport.Event {
	s.t.Helper()
	ctx, cancel := context.WithDeadline(context.Background(), s.deadline())
	defer cancel()
	for {
		select {
		case e := <-s.events:
			if e.Kind == kind {
				return e
			}
		case <-ctx.Done():
			s.t.Fatalf("no event %v", kind)
		}
	}
}

// is checks an error.
func (s *factSocket) is(err, want error) {
	s.t.Helper()
	if !errors.Is(err, want) {
		s.t.Errorf("%v, not %v", err, want)
	}
}

// simFacts are the scripts, by the number of the assumption in simNet.
var simFacts = []struct {
	name string
	run  func(n *factNet)
}{
	{"1 a message waits for the connection", func(n *factNet) {
		c := n.socket(zmq4.PAIR, false)
		c.is(c.trySend("early"), nil)
		c.await(transport.ConnectRetried)
		n.socket(zmq4.PAIR, true).recv("early")
	}},
	{"1 not with ZMQ_IMMEDIATE", func(n *factNet) {
		c := n.with(transport.Config{Kind: zmq4.REQ})
		c.is(c.SetImmediate(true), nil)
		c.is(c.Dial(n.endpoint), nil)
		c.await(transport.ConnectRetried)
		c.is(c.trySend("early"), syscall.EAGAIN)
		l := n.socket(zmq4.REP, true)
		c.send("late")
		l.recv("late")
	}},
	{"2 a PAIR socket has one peer", func(n *factNet) {
		l := n.socket(zmq4.PAIR, true)
		l.is(l.trySend("nobody"), syscall.EAGAIN)
		first := n.socket(zmq4.PAIR, false)
		l.await(transport.Connected)
		first.send("1")
		l.recv("1")
		l.is(l.trySend("answer"), nil)
		second := n.socket(zmq4.PAIR, false)
		second.send("not read")
		l.await(transport.Connected)
		first.send("2")
		l.recv("2")
		first.recv("answer")
		l.is(l.tryRecv(), syscall.EAGAIN)
	}},
	{"3 what has arrived stays", func(n *factNet) {
		for _, kinds := range [][2]zmq4.Type{{zmq4.PAIR, zmq4.PAIR}, {zmq4.REQ, zmq4.REP}} {
			l, c := n.socket(kinds[1], true), n.socket(kinds[0], false)
			c.send("last")
			l.await(transport.Connected)
			c.close(time.Second)
			l.await(transport.Disconnected)
			l.recv("last")
			l.close(0)
		}
	}},
	{"3 also at the end that connects", func(n *factNet) {
		l, c := n.socket(zmq4.PAIR, true), n.socket(zmq4.PAIR, false)
		l.send("last")
		l.close(time.Second)
		c.await(transport.Disconnected)
		c.recv("last")
	}},
	{"4 REP answers each request", func(n *factNet) {
		l, c := n.socket(zmq4.REP, true), n.socket(zmq4.REQ, false)
		l.is(l.trySend("answer"), errEFSM)
		c.send("request")
		l.recv("request")
		l.is(l.tryRecv(), errEFSM)
		c.close(0)
		l.await(transport.Disconnected)
		l.is(l.trySend("answer"), nil)
		l.is(l.tryRecv(), syscall.EAGAIN)
	}},
	{"5 REQ gets the answer to its last request", func(n *factNet) {
		l, c := n.socket(zmq4.REP, true), n.socket(zmq4.REQ, false)
		c.is(c.tryRecv(), errEFSM)
		c.send("1")
		l.recv("1")
		c.send("2")
		l.send("answer to 1")
		l.recv("2")
		l.send("answer to 2")
		c.recv("answer to 2")
		c.is(c.tryRecv(), errEFSM)
	}},
	{"5 REQ is not notified of a loss", func(n *factNet) {
		l, c := n.socket(zmq4.REP, true), n.socket(zmq4.REQ, false)
		c.send("1")
		l.recv("1")
		l.close(0)
		c.await(transport.Disconnected)
		c.is(c.tryRecv(), syscall.EAGAIN)
		l = n.socket(zmq4.REP, true)
		c.send("2")
		l.recv("2")
	}},
	{"6 an exclusive socket admits one peer after the other", func(n *factNet) {
		l := n.with(transport.Config{Kind: zmq4.PAIR, Bind: true, Exclusive: true}, n.endpoint)
		first := n.socket(zmq4.PAIR, false)
		l.await(transport.Connected)
		second := n.socket(zmq4.PAIR, false)
		l.await(transport.PeerPending)
		if l.Pending() != 1 || l.Peers() != 1 {
			n.t.Errorf("%d wait, %d are connected", l.Pending(), l.Peers())
		}
		first.close(0)
		l.await(transport.Disconnected)
		second.send("now")
		l.is(l.Wait(l.deadline(), never, l.unserved), nil)
		// A receive end reads on, and so libzmq frees the place.
		l.is(l.Wait(time.Now().Add(100*time.Millisecond), never, l.tryRecv), zmsg.ErrTimeout)
		if l.Pending() != 1 {
			n.t.Errorf("%d wait", l.Pending())
		}
		l.ReleaseSlot()
		l.await(transport.Connected)
		l.recv("now")
		if l.Pending() != 0 {
			n.t.Errorf("%d wait", l.Pending())
		}
	}},
	{"7 PUB sends to subscribers", func(n *factNet) {
		pub := n.socket(zmq4.PUB, true)
		pub.is(pub.trySend("no subscriber"), nil)
		sub := n.socket(zmq4.SUB, false)
		sub.is(sub.trySend("a subscriber does not send"), syscall.ENOTSUP)
		var m zmsg.Msg
		defer m.Close()
		for over := sub.deadline(); time.Now().Before(over); {
			pub.ProcessCommands()
			pub.is(pub.trySend("subscribed"), nil)
			if sub.Wait(time.Now().Add(10*time.Millisecond), never, func() error { return sub.TryRecv(&m) }) == nil {
				break
			}
		}
		if string(m.Bytes()) != "subscribed" {
			n.t.Errorf("received %q", m.Bytes())
		}
	}},
	{"8 a wake-up ends a wait", func(n *factNet) {
		s := n.socket(zmq4.PAIR, true)
		errStop := errors.New("stop")
		var must atomic.Bool
		asked := make(chan struct{}, 10)
		stop := func() error {
			asked <- struct{}{}
			if must.Load() {
				return errStop
			}
			return nil
		}
		over := make(chan error)
		wait := func() { over <- s.Wait(time.Time{}, stop, s.tryRecv) }
		go wait()
		<-asked
		must.Store(true)
		s.Wake()
		s.is(<-over, errStop)
		s.Wake() // before the wait
		go wait()
		s.is(<-over, errStop)
		must.Store(false)
		if err := s.Wait(time.Now().Add(10*time.Millisecond), never, s.tryRecv); !errors.Is(err, zmsg.ErrTimeout) {
			n.t.Errorf("%v at the deadline", err)
		}
	}},
	{"9 connecting again until there is a listener", func(n *factNet) {
		c := n.socket(zmq4.PAIR, false)
		c.await(transport.ConnectRetried)
		l := n.socket(zmq4.PAIR, true)
		c.await(transport.Connected)
		l.await(transport.Connected)
		if c.Peers() != 1 || l.Peers() != 1 {
			n.t.Errorf("%d and %d peers", c.Peers(), l.Peers())
		}
	}},
	{"10 a socket that is closed reports its connections", func(n *factNet) {
		l := n.socket(zmq4.REP, true)
		var peers []*factSocket
		addresses := map[string]bool{}
		for range 2 {
			c := n.socket(zmq4.REQ, false)
			c.await(transport.Connected)
			addresses[l.await(transport.Connected).Address] = true
			peers = append(peers, c)
		}
		l.close(0)
		for range 2 {
			e := l.await(transport.Disconnected)
			if e.Endpoint != "" || !addresses[e.Address] || e.Address == "" {
				n.t.Errorf("endpoint %q, address %q, not of %v", e.Endpoint, e.Address, addresses)
			}
			delete(addresses, e.Address)
		}
		for _, c := range peers {
			c.await(transport.Disconnected)
		}
		n.socket(zmq4.REP, true) // the endpoint is free
	}},
	{"11 a lost connection is made again", func(n *factNet) {
		l, c := n.socket(zmq4.PAIR, true), n.socket(zmq4.PAIR, false)
		c.await(transport.Connected)
		l.close(0)
		if e := c.await(transport.Disconnected); e.Endpoint != n.endpoint {
			n.t.Errorf("endpoint %q", e.Endpoint)
		}
		l = n.socket(zmq4.PAIR, true)
		c.await(transport.Connected)
		c.send("again")
		l.recv("again")
	}},
	{"12 PUSH sends while a peer has room", func(n *factNet) {
		c := n.socket(zmq4.PUSH, false)
		c.is(c.trySend("no peer"), syscall.EAGAIN)
		l := n.socket(zmq4.PULL, true)
		c.send("1")
		l.recv("1")
		l.is(l.tryRecv(), syscall.EAGAIN) // otherwise the guard takes what follows for as small
		large := strings.Repeat("x", 1<<19)
		sent := 0
		for ; sent < 1000; sent++ {
			if c.Wait(time.Now().Add(100*time.Millisecond), never, func() error { return c.TrySend([]byte(large), zmsg.Last) }) != nil {
				break
			}
		}
		if sent == 1000 {
			n.t.Error("PUSH always has room")
		}
		for range sent {
			l.recv(large)
		}
		c.send("2")
		l.recv("2")
	}},
	{"12 PUSH sends to its peers in turn", func(n *factNet) {
		l := n.socket(zmq4.PUSH, true)
		var got [2]int
		peers := [2]*factSocket{n.socket(zmq4.PULL, false), n.socket(zmq4.PULL, false)}
		count := func() {
			for i, c := range peers {
				if c.Wait(time.Now().Add(20*time.Millisecond), never, c.tryRecv) == nil {
					got[i]++
				}
			}
		}
		for over := l.deadline(); time.Now().Before(over) && (got[0] == 0 || got[1] == 0); {
			l.send("first")
			count()
		}
		for range 10 {
			count() // those that are on their way
		}
		got = [2]int{}
		for range 3 {
			l.send("1")
			l.send("2")
		}
		for over := l.deadline(); time.Now().Before(over) && got[0]+got[1] < 6; {
			count()
		}
		if got != [2]int{3, 3} {
			n.t.Errorf("%v messages", got)
		}
	}},
}

// TestSimulatedFacts runs each script against libzmq and against simNet, whose
// assumptions they are.
func TestSimulatedFacts(t *testing.T) {
	parts, err := newSimParts("inproc://facts")
	if err != nil {
		t.Fatal(err)
	}
	defer parts.close()
	for _, fact := range simFacts {
		t.Run(fact.name+"/libzmq", func(t *testing.T) {
			fact.run(&factNet{t: t, open: openTransport, endpoint: "tcp://127.0.0.1:" + peertest.FreePort(t)})
		})
		t.Run(fact.name+"/simulation", func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					net := newSimNet(parts, seed, 50*time.Millisecond, false)
					fact.run(&factNet{t: t, open: net.openSocket, endpoint: "tcp://127.0.0.1:5555"})
				})
			}
		})
	}
}
