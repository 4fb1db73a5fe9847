package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// place is a socket that listens and has a limit of peers, and why it has closed
// connections.
type place struct {
	*Socket
	t *testing.T

	mu     sync.Mutex
	closed map[string]error // by the peer's address
}

func newPlace(t *testing.T, kind zmq4.Type, maxPeers int) *place {
	t.Helper()
	p := &place{t: t, closed: map[string]error{}}
	c := plain(kind)
	c.Bind, c.Exclusive, c.MaxPeers = true, kind == zmq4.PAIR, maxPeers
	s, err := Open(c, []string{"tcp://127.0.0.1:0"}, func(e Event) {
		if e.Kind == PeerClosed {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.closed[e.Peer] = e.Err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shut(0) })
	p.Socket = s
	return p
}

// why returns why the connection of a peer was closed, nil if it was not.
func (p *place) why(c net.Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed[c.LocalAddr().String()]
}

// numberClosed returns how many connections were closed for that reason.
func (p *place) numberClosed(why error) (number int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, err := range p.closed {
		if errors.Is(err, why) {
			number++
		}
	}
	return number
}

// visit connects a peer that sends these bytes.
func (p *place) visit(bytes []byte) net.Conn {
	p.t.Helper()
	c, err := net.Dial("tcp", p.Endpoints[0][len("tcp://"):])
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(testTimeout))
	if _, err := c.Write(bytes); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// join connects a peer and waits until it is connected.
func (p *place) join() net.Conn {
	p.t.Helper()
	before := p.Peers()
	c := p.visit(greetingOf("REQ"))
	p.await("a peer", before+1)
	return c
}

func (p *place) await(what string, peers int) {
	p.t.Helper()
	peertest.Await(p.t, testTimeout, what, func() bool { return p.Peers() == peers })
}

// A peer that began its handshake first and ends it last gets no place of another.
func TestLateHandshakeTakesNoPlace(t *testing.T) {
	p := newPlace(t, zmq4.REP, 2)
	whole := greetingOf("REQ")
	late := p.visit(whole[:64])
	peertest.Await(t, testTimeout, "a connection", func() bool { return p.monitor.open.Load() == 1 })
	early := []net.Conn{p.join(), p.join()}
	if _, err := late.Write(whole[64:]); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, late) // until it is closed
	peertest.Await(t, testTimeout, "the reason", func() bool { return errors.Is(p.why(late), ErrPeers) })
	p.await("two peers", 2)
	for _, c := range early {
		if why := p.why(c); why != nil {
			t.Errorf("a connected peer was closed: %v", why)
		}
	}
	early[0].Close()
	p.await("a place", 1)
	if why := p.why(p.join()); why != nil {
		t.Errorf("there was a place, and %v", why)
	}
}

// Handshakes that are pending take no place, and end neither for a peer nor before
// their time.
func TestPendingHandshakesTakeNoPlace(t *testing.T) {
	const pending = 50
	p := newPlace(t, zmq4.REP, 1)
	for range pending {
		p.visit(greetingOf("REQ")[:64])
	}
	peertest.Await(t, testTimeout, "the connections", func() bool { return p.monitor.open.Load() == pending })
	first := p.join()
	if c, err := net.Dial("tcp", p.Endpoints[0][len("tcp://"):]); err == nil { // it may be closed by then
		defer c.Close()
		c.Write(greetingOf("REQ"))
	}
	peertest.Await(t, testTimeout, "the second to be closed", func() bool { return p.numberClosed(ErrPeers) == 1 })
	if why := p.why(first); why != nil {
		t.Errorf("a connected peer was closed: %v", why)
	}
}

// Of many handshakes that end together, as many succeed as there are places.
func TestHandshakesThatEndTogether(t *testing.T) {
	const peers, places = 40, 3
	p := newPlace(t, zmq4.REP, places)
	whole := greetingOf("REQ")
	var closed atomic.Int64
	var all []net.Conn
	for range peers {
		all = append(all, p.visit(whole[:64]))
	}
	peertest.Await(t, testTimeout, "the connections", func() bool { return p.monitor.open.Load() == peers })
	for _, c := range all {
		c.Write(whole[64:])
		go func() {
			io.Copy(io.Discard, c)
			closed.Add(1)
		}()
	}
	peertest.Await(t, testTimeout, "the others to be closed", func() bool { return closed.Load() == peers-places })
	p.await("the peers", places)
	if n := p.numberClosed(ErrPeers); n != peers-places {
		t.Errorf("%d were closed", n)
	}
}

// All connections together have a limit, too, such as those that wait at the gate.
func TestTooManyConnections(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		m := newTestMonitor()
		var closed []error
		m.report = func(e Event) { closed = append(closed, e.Err) }
		m.exclusive, m.maxPeers, m.handshake, m.reply = exclusive, 1, plainHandshake, plainHandshake
		for i := range m.maxPeers + otherPeers - 1 {
			m.conns = append(m.conns, &connection{fd: noConnection, id: socketID{cookie: uint64(i + 1)}, accepted: true, established: true, since: time.Now()})
		}
		m.loopback(t, wholeHandshake, 64)
		if len(closed) > 0 {
			t.Fatalf("exclusive=%v: closed too early: %v", exclusive, closed)
		}
		m.loopback(t, wholeHandshake, 64)
		if len(closed) != 1 || closed[0] != ErrPending {
			t.Errorf("exclusive=%v: closed: %v", exclusive, closed)
		}
	}
}

// A connection that was ended before libzmq had read the whole handshake is not
// taken for the one whose handshake succeeds.
func TestEndedHandshakeDoesNotSucceed(t *testing.T) {
	m := newTestMonitor()
	m.maxPeers, m.reply = 1, plainHandshake
	m.loopback(t, wholeHandshake, plainHandshake) // of which nothing is read
	m.evict(m.conns[0], ErrPeers)
	m.loopback(t, wholeHandshake, plainHandshake)
	if i := m.guess(""); i != 1 {
		t.Errorf("the handshake of connection %d succeeded", i)
	}
}

// The handshake of a connection that was ended for MaxPeers is not reported if it
// succeeds all the same, nor is the end of that connection a loss.
func TestExcessHandshakeIsNotReported(t *testing.T) {
	m := newTestMonitor()
	m.maxPeers, m.reply = 1, plainHandshake
	fd, _ := m.loopback(t, wholeHandshake, plainHandshake)
	if _, ok := m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED}); !ok || m.connected.Load() != 1 {
		t.Fatalf("the first: %v, %d connected", ok, m.connected.Load())
	}
	m.limitPeers(time.Now()) // does nothing while there is a place
	more, _ := m.loopback(t, wholeHandshake, plainHandshake)
	last := m.conns[1]
	if last.ended != ErrPeers {
		t.Fatalf("ended: %v", last.ended)
	}
	last.cut = false // as if libzmq had read it
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_HANDSHAKE_SUCCEEDED}); ok {
		t.Errorf("reported: %+v", e)
	}
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: more}); !ok || e.Kind != ProtocolFailed || e.Err != ErrPeers {
		t.Errorf("%v, %+v", ok, e)
	}
	if e, ok := m.account(libzmqEvent{kind: zmq4.EVENT_DISCONNECTED, value: fd}); !ok || e.Kind != Disconnected || m.connected.Load() != 0 {
		t.Errorf("%v, %+v, %d connected", ok, e, m.connected.Load())
	}
}
