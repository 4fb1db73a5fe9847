package netgear

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/transport"
)

// A secure receive end that connects does so again by itself, as libzmq does not
// there (transport.Config.Redials): after a peer that was absent, and after each
// lost connection.
func TestSecureReceiveEndRedials(t *testing.T) {
	location := keyFolder(t)
	for pattern := range Pattern(len(patterns)) {
		t.Run(fmt.Sprint(pattern), func(t *testing.T) {
			t.Parallel()
			o := Options{Pattern: pattern, Address: "127.0.0.1", SecureMode: IronHouse, CustomCertLocation: location, JPEGCompression: JPEGOff,
				RequestTimeout: 500 * time.Millisecond, MaxRetries: -1, TerminatePolicy: KeepWaiting, HighWaterMark: 10}
			if pattern == PushPull {
				o.Wire = AsyncWire
			}
			port := peertest.FreePort(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ear := peertest.NewProxy(t, l, "127.0.0.1:"+port)
			listens, connects := o, o
			listens.Attach, listens.Port = AttachBind, port
			connects.ReceiveMode, connects.Attach, connects.Port = true, AttachConnect, ear.Port
			recv := mustNew(t, connects)
			await(t, "an attempt in vain", func() bool { return recv.Stats().Refused > 0 })
			send := mustNew(t, listens)
			deliverAny(t, send, recv)
			for range 3 {
				awaitPeers(t, recv, 1)
				lost := recv.Stats().Lost
				ear.Cut()
				await(t, "the loss", func() bool { return recv.Stats().Lost > lost })
				deliverAny(t, send, recv)
			}
		})
	}
}

// A secure PULL end that connects delivers what came before its connection was
// lost, and leaves the endpoint only then.
func TestRedialLosesNothing(t *testing.T) {
	const frames = 20
	o := Options{Pattern: PushPull, Wire: AsyncWire, Address: "127.0.0.1", SecureMode: StoneHouse, CustomCertLocation: keyFolder(t), HighWaterMark: 5 * frames, RequestTimeout: testTimeout}
	listens, connects := o, o
	listens.Attach, listens.Port = AttachBind, "0"
	connects.ReceiveMode, connects.Attach, connects.QueueFrames, connects.TerminatePolicy = true, AttachConnect, 1, KeepWaiting
	send := mustNew(t, listens)
	connects.Port = send.Port()
	recv := mustNew(t, connects)
	ctx := testContext(t)
	for i := range frames {
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 4, 4), i); err != nil {
			t.Fatal(err)
		}
	}
	send.Close() // when it has sent them all
	await(t, "the loss", func() bool { return recv.Stats().Lost > 0 })
	for i := range frames {
		f := mustRecv(t, recv, ctx)
		if got := fmt.Sprint(f.Message.Value()); got != strconv.Itoa(i) {
			t.Errorf("frame %d is %v", i, got)
		}
		f.Close()
		time.Sleep(2 * transport.ReconnectPause / frames) // an application that is slow
	}
	listens.Port = connects.Port
	again := mustNew(t, listens)
	deliverAny(t, again, recv)
}

// An end that connects does so again after each failed handshake that libzmq does
// not repeat, also where it has closed the connection itself: a part that is too
// large makes libzmq give the endpoint up, while it makes the monitor end a flood.
func TestRedialAfterAFlood(t *testing.T) {
	const endpoint = "tcp://127.0.0.1:5555"
	for _, e := range []transport.Event{
		{Kind: transport.ProtocolFailed}, {Kind: transport.AuthFailed}, {Kind: transport.Disconnected},
		{Kind: transport.ProtocolFailed, Err: transport.ErrChatter}, {Kind: transport.Disconnected, Err: transport.ErrChatter},
	} {
		for _, receive := range []bool{true, false} {
			l, err := newLink(Options{ReceiveMode: receive, Pattern: PubSub, Attach: AttachConnect, Address: "127.0.0.1"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.close(0)
			l.onEvent = func(*conn, transport.Event) {}
			c := &conn{link: l}
			e.Endpoint = endpoint
			c.watch(e)
			if c.rejected.next().IsZero() {
				t.Errorf("receive end=%v: it does not connect again after %v (%v)", receive, e.Kind, e.Err)
			}
			c.watch(transport.Event{Kind: transport.ConnectRetried, Endpoint: endpoint})
			if !c.rejected.next().IsZero() {
				t.Errorf("receive end=%v: after %v (%v) it connects beside libzmq", receive, e.Kind, e.Err)
			}
		}
	}
}

// A connection that is made ends the plan to connect again, which a late report of
// the attempt before has made.
func TestConnectionEndsThePlan(t *testing.T) {
	const endpoint = "tcp://127.0.0.1:5555"
	for _, kind := range []transport.EventKind{transport.ProtocolFailed, transport.AuthFailed, transport.Disconnected} {
		l, err := newLink(Options{ReceiveMode: true, Pattern: PubSub, Attach: AttachConnect, Address: "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.close(0)
		l.onEvent = func(*conn, transport.Event) {}
		c := &conn{link: l}
		c.watch(transport.Event{Kind: kind, Endpoint: endpoint})
		c.watch(transport.Event{Kind: transport.Connected, Endpoint: endpoint})
		if !c.rejected.next().IsZero() {
			t.Errorf("after %v the end leaves the connection that was made then", kind)
		}
	}
}

// leaving is a socket that leaves its endpoints and connects to them again.
type leaving struct {
	socket
	parted bool
}

func (*leaving) Wake()                                {}
func (*leaving) Peers() int                           { return 1 }
func (*leaving) ProcessCommands() (zmq4.State, error) { return 0, nil }
func (s *leaving) Part(string)                        { s.parted = true }
func (s *leaving) Parted(string) bool                 { return s.parted }

// An end that redials leaves an endpoint because a failure was reported late, and
// with it a connection whose handshake has just succeeded. The report of that comes
// later still, and libzmq reports nothing more. The end connects again all the
// same.
func TestLateReportsDoNotEndThePlan(t *testing.T) {
	const endpoint = "tcp://127.0.0.1:5555"
	for _, kind := range []transport.EventKind{transport.Connected, transport.Disconnected, transport.ConnectRetried, transport.ProtocolFailed} {
		l, err := newLink(Options{ReceiveMode: true, Pattern: ReqRep, Attach: AttachConnect, Address: "127.0.0.1", SecureMode: StoneHouse, CustomCertLocation: keyFolder(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.close(0)
		l.onEvent = func(*conn, transport.Event) {}
		s := &leaving{}
		c := &conn{socket: s, link: l}
		c.rejected.add(endpoint, 0)
		if c.retry(); !s.parted {
			t.Fatal("the end stays")
		}
		due := c.rejected.next()
		c.watch(transport.Event{Kind: kind, Endpoint: endpoint})
		if !c.rejected.next().Equal(due) {
			t.Errorf("after %v it connects again at %v instead of %v", kind, c.rejected.next(), due)
		}
	}
}

// A PAIR receive end that connects leaves an endpoint before it connects again:
// libzmq would set up the new connection without a pipe while the old one is
// ending, read nothing from it, and not notice its end either.
func TestPairReceiveEndRedials(t *testing.T) {
	o := Options{Pattern: Pair, Address: "127.0.0.1", JPEGCompression: JPEGOff, RequestTimeout: testTimeout, MaxRetries: -1, TerminatePolicy: KeepWaiting}
	listens, connects := o, o
	listens.Attach, listens.Port = AttachBind, "0"
	connects.ReceiveMode, connects.Attach = true, AttachConnect
	send := mustNew(t, listens)
	connects.Port = send.Port()
	recv := mustNew(t, connects)
	deliverAny(t, send, recv)
	for range 3 {
		lost := send.Stats().Lost
		recv.recv.current().rejected.add("tcp://127.0.0.1:"+connects.Port, 0)
		recv.recv.wake()
		await(t, "the end to leave", func() bool { return send.Stats().Lost > lost })
		deliverAny(t, send, recv)
	}
}

// unserved is a socket with a peer that has no place in it.
type unserved struct{ socket }

func (unserved) ProcessCommands() (zmq4.State, error) { return 0, nil }
func (unserved) Peers() int                           { return 1 }
func (unserved) Shut(time.Duration)                   {}
func (unserved) Wake()                                {}

// A PAIR receive end that connects replaces a socket whose connection has no
// place in it.
func TestPairReceiveEndWithoutAPlace(t *testing.T) {
	l, err := newLink(Options{ReceiveMode: true, Pattern: Pair, Attach: AttachConnect, Address: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close(0)
	l.openSocket = func(transport.Config, []string, func(transport.Event)) (socket, []string, error) {
		return unserved{}, nil, nil
	}
	r := &receiveEnd{link: l}
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	first, now := r.conn, time.Now()
	for _, at := range []time.Duration{0, mismatchGrace} {
		if r.conn != first {
			t.Fatal("the socket is replaced at once")
		}
		if err := r.checkPeer(now.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	if r.conn == first {
		t.Error("the socket is not replaced")
	}
}

// A receive end that redials does so while its queue is full, too. Otherwise its
// sender would report that no peer is connected.
func TestRedialsWithAFullQueue(t *testing.T) {
	location := keyFolder(t)
	for _, c := range []struct {
		pattern Pattern
		mode    SecureMode
	}{{Pair, Grasslands}, {Pair, StoneHouse}, {ReqRep, StoneHouse}, {PushPull, StoneHouse}} {
		t.Run(fmt.Sprint(c.pattern, " ", c.mode), func(t *testing.T) {
			t.Parallel()
			o := Options{Pattern: c.pattern, Address: "127.0.0.1", SecureMode: c.mode, CustomCertLocation: location, JPEGCompression: JPEGOff,
				RequestTimeout: 500 * time.Millisecond, MaxRetries: -1, TerminatePolicy: KeepWaiting}
			if c.pattern == PushPull {
				o.Wire = AsyncWire
			}
			l := peertest.Listen(t, "127.0.0.1:0")
			listens, connects := o, o
			listens.Attach, listens.Port = AttachBind, "0"
			send := mustNew(t, listens)
			ear := peertest.NewProxy(t, l, "127.0.0.1:"+send.Port())
			connects.ReceiveMode, connects.Attach, connects.Port, connects.QueueFrames = true, AttachConnect, ear.Port, 1
			recv := mustNew(t, connects)
			ctx := testContext(t)
			if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
				t.Fatal(err)
			}
			await(t, "the queue to be full", func() bool { return recv.Stats().Queue == 1 })
			for i := range 3 {
				awaitPeers(t, recv, 1)
				ear.Cut()
				await(t, "the loss", func() bool { return recv.Stats().Lost == uint64(i+1) })
			}
			awaitPeers(t, recv, 1)
		})
	}
}

// A connection may end without an endpoint, when its socket ends or has left that.
// Then there is nothing to connect to again, and no message loses its answer.
func TestLossWithoutEndpoint(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: peertest.FreePort(t)})
	c := recv.recv.current()
	c.disconnected(transport.Event{Kind: transport.Disconnected})
	c.rejected.mu.Lock()
	defer c.rejected.mu.Unlock()
	if _, ok := c.rejected.at[""]; ok {
		t.Error("the end connects to no endpoint")
	}
}

// An end by name has left a connection whose report came late. It follows the host
// all the same once the next connection has ended too: the one that was left counts
// no more.
func TestLeftConnectionDoesNotKeepTheHost(t *testing.T) {
	names := newNameServer(t, "127.0.0.1")
	l, err := newLink(Options{ReceiveMode: true, Pattern: Pair, Attach: AttachConnect, Address: names.Name, Port: "5555"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close(0)
	l.onEvent = func(*conn, transport.Event) {}
	eps, _, err := l.resolver.endpoints(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{link: l}
	names.Move("127.0.0.2")
	for _, e := range []transport.Event{
		{Kind: transport.Connected}, {Kind: transport.Connected}, {Kind: transport.Disconnected, Left: true}, {Kind: transport.Disconnected},
	} {
		e.Endpoint = eps[0]
		c.watch(e)
	}
	await(t, "the end to follow its host", l.resolver.moved)
}

// The loss of a connection that a multi-client end has left, as for another address
// of its host, is that of no client: no frame is sent again for it.
func TestLeftConnectionLosesNoAnswer(t *testing.T) {
	o := Options{Pattern: ReqRep, MulticlientMode: true, Address: "127.0.0.1", Ports: []string{"5555", "5556"}}
	l, err := newLink(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close(0)
	s := &sendEnd{link: l, order: newClientOrder(&o)}
	l.onEvent = s.observe
	c := &conn{link: l}
	s.conn = &sendConn{conn: c, sent: true}
	s.frame.sendEnd = s
	const endpoint = "tcp://127.0.0.1:5555"
	for _, left := range []bool{true, false} {
		c.watch(transport.Event{Kind: transport.Connected, Endpoint: endpoint})
		c.watch(transport.Event{Kind: transport.Disconnected, Endpoint: endpoint, Left: left})
		if s.frame.answerLost() == left || s.order.lostOne() == left || c.rejected.next().IsZero() != left {
			t.Errorf("left %v: the answer is lost %v, a client %v, to connect again at %v", left, s.frame.answerLost(), s.order.lostOne(), c.rejected.next())
		}
	}
	if l.counters.lost.Load() != 2 {
		t.Errorf("%d are lost", l.counters.lost.Load())
	}
}
