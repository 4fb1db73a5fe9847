package netgear

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// event is one thing that happened to a socket's connections.
type event struct {
	kind     zmq4.Event
	value    uint32
	endpoint string        // as it was connected to or bound
	peer     string        // the address of a peer that connected, and has gone or failed
	address  string        // the peer's address, whichever end connected; empty if it is not known for certain
	from     string        // a lost connection: what it was made from, where that is known
	after    time.Duration // a handshake that failed: how long the connection had stood, as far as can be told
	why      error         // a lost connection: why this end has ended it; nil if it has not
}

// refused: a peer was there, but the two did not come to terms.
func (e event) refused() bool {
	return e.kind&(zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL|zmq4.EVENT_HANDSHAKE_FAILED_AUTH|zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL) != 0
}

const monitored = zmq4.EVENT_LISTENING | zmq4.EVENT_ACCEPT_FAILED | zmq4.EVENT_CONNECTED | zmq4.EVENT_ACCEPTED | zmq4.EVENT_CLOSED | zmq4.EVENT_DISCONNECTED | zmq4.EVENT_HANDSHAKE_SUCCEEDED |
	zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq4.EVENT_HANDSHAKE_FAILED_AUTH | zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL |
	zmq4.EVENT_CONNECT_RETRIED

// monitor reads libzmq's account of one socket in a goroutine of its own.
type monitor struct {
	pair      *zmsg.Socket // the goroutine's
	stopped   atomic.Bool
	done      chan struct{}
	closed    chan struct{} // one token for every listener or connection that closed
	connected atomic.Int32  // peers that have shaken hands and are still there

	// The goroutine's own: the open connections, oldest first; whether libzmq has
	// just said that a handshake failed, so that its connection ends next; and how
	// many were denied, whose connections end at some time.
	links  []peerConn
	failed bool
	denied int

	guarding
	listeners  map[uint32]socketID // by descriptor
	relieved   time.Time           // when something was last done about a connection that could not be accepted
	left       int64               // what ended connections left unread, in bytes of memory
	leftKilled int64               // and those among them that this end has ended
	drainedAt  uint64              // flow.drained when the last of them ended
	settledAt  uint64              // a publisher's: flow.drained when the links were marked
	trip       *tripwire           // a publisher's; nil: the system has none
	evicted    time.Time           // when a pending handshake was last ended
	next       time.Time           // when to look at the connections; zero if there is none
}

// guarding is what the monitor needs to look after connections.
type guarding struct {
	flow       *flow
	limits     inflowLimits
	paced      bool                         // peers are admitted in the order in which they came
	exclusive  bool                         // one peer has the place: those that could still take it beside that one must go
	handshake  int64                        // the fewest bytes of a peer's handshake
	closedPeer func(peer string, why error) // called for each connection that the monitor ends
	subscribed func()                       // called when a publisher's peers have sent something
}

// link is one connection. libzmq does not say whose handshake has succeeded, so
// shaken is a guess; but as many are shaken as have succeeded and not yet gone.
type peerConn struct {
	fd     uint32
	from   string // where it was made from, at an end that connects
	since  time.Time
	shaken bool

	id          socketID
	peer, host  string // the peer's address, with and without its port
	accepted    bool   // the peer has connected, not this end
	established bool   // its handshake has ended, as its bytes show
	killed      error  // why this end has ended it
	mark        int64  // a publisher's: the bytes brought, when its socket was last settled
	seen        int64  // the bytes brought, at the last look
	most        int64  // and the most bytes that were unread so far
	meter
}

// visitor returns the address of a peer that has connected to this end.
func (l *peerConn) visitor() string {
	if l.accepted {
		return l.peer
	}
	return ""
}

// monitorIDs number the monitors' inproc endpoints.
var monitorIDs atomic.Uint64

// startMonitor calls watch, in the monitor's goroutine, for every event.
func startMonitor(ctx *zmq4.Context, of *zmq4.Socket, g guarding, watch func(event)) (*monitor, error) {
	addr := fmt.Sprintf("inproc://netgear-monitor-%d", monitorIDs.Add(1))
	if err := of.Monitor(addr, monitored); err != nil {
		return nil, err
	}
	pair, err := openMonitorPair(ctx, addr)
	if err != nil {
		of.Monitor("", 0)
		return nil, err
	}
	m := &monitor{pair: pair, done: make(chan struct{}), closed: make(chan struct{}, 1), guarding: g, listeners: map[uint32]socketID{}}
	g.flow.alarm = pair.Wake
	if g.limits.pending > 0 {
		m.trip = newTripwire(func() {
			g.flow.alarmed.Store(true)
			pair.Wake()
		})
	}
	go m.run(watch)
	return m, nil
}

func openMonitorPair(ctx *zmq4.Context, addr string) (*zmsg.Socket, error) {
	plain, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		return nil, err
	}
	pair, err := zmsg.Wrap(plain)
	if err != nil {
		plain.Close()
		return nil, err
	}
	// No limit: a full monitor pipe would stop libzmq's I/O thread.
	if err = pair.SetRcvhwm(0); err == nil {
		err = pair.SetLinger(0)
	}
	if err == nil {
		err = pair.Connect(addr)
	}
	if err != nil {
		pair.Close()
		return nil, err
	}
	return pair, nil
}

func (m *monitor) run(watch func(event)) {
	defer close(m.done)
	defer m.pair.Close()
	defer m.trip.close()
	for {
		e, err := m.readEvent()
		if m.trip != nil && (err == errAlarm || m.flow.alarmed.Swap(false)) {
			m.tripped(time.Now())
			if err == errAlarm {
				continue
			}
		}
		if now := time.Now(); err == errAlarm || errors.Is(err, zmsg.ErrTimeout) || !m.next.IsZero() && now.After(m.next) {
			m.inspect(now)
		}
		switch {
		case err == errAlarm, errors.Is(err, zmsg.ErrTimeout):
			continue
		case err != nil:
			// What is still connected goes with the socket, and nobody else says so.
			for m.connected.Add(-1) >= 0 {
				e := event{kind: zmq4.EVENT_DISCONNECTED}
				if i := m.last(true); i >= 0 {
					e.peer = m.links[i].visitor()
					m.links = slices.Delete(m.links, i, i+1)
				}
				watch(e)
			}
			return
		}
		if e, tell := m.account(e); tell {
			watch(e)
		}
	}
}

// account keeps count, and says what of it is worth telling: a connection that
// ends in its handshake is told of as a handshake that failed. libzmq says so
// itself, except where the two socket types do not go together: then it only
// says "disconnected".
func (m *monitor) account(e event) (event, bool) {
	switch {
	case e.kind == zmq4.EVENT_CONNECTED, e.kind == zmq4.EVENT_ACCEPTED:
		m.began(e)
		return e, false
	case e.kind == zmq4.EVENT_LISTENING:
		m.listeners[e.value], _ = identify(int(e.value))
		return e, false
	case e.kind == zmq4.EVENT_ACCEPT_FAILED:
		m.acceptFailed(syscall.Errno(e.value))
		return e, false
	case e.kind == zmq4.EVENT_HANDSHAKE_SUCCEEDED:
		// Where all have the mark, one has gone that was taken for one without: its
		// mark is on another already.
		if i := m.guess(); i >= 0 {
			e.address = m.only(i)
			m.links[i].shaken = true
			m.connected.Add(1)
		}
		if m.exclusive {
			m.evictOldest(maxPendingPeers, handshakeTime)
		}
	case e.kind == zmq4.EVENT_HANDSHAKE_FAILED_AUTH:
		m.denied++
	case e.refused():
		m.failed = true
		if i := m.last(false); i >= 0 {
			e.after, e.why, e.peer = time.Since(m.links[i].since), m.links[i].killed, m.links[i].visitor()
			e.address = m.only(i)
		}
	case e.kind == zmq4.EVENT_DISCONNECTED:
		told := m.failed
		m.failed = false
		if i := m.find(e.value); i >= 0 {
			e.from, e.why, e.peer = m.links[i].from, m.links[i].killed, m.links[i].visitor()
			e.address = m.links[i].peer
			m.leave(&m.links[i])
		}
		m.flow.forget(int(e.value))
		m.flow.left(int(e.value))
		if m.ended(e.value, told) {
			m.connected.Add(-1)
			return e, true
		}
		if !told && m.denied > 0 {
			m.denied--
			told = true
		}
		e.kind = zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL
		return e, !told
	case e.kind == zmq4.EVENT_CLOSED:
		delete(m.listeners, e.value)
		select {
		case m.closed <- struct{}{}:
		default:
		}
		return e, false
	}
	return e, true
}

// began puts a connection on the list.
func (m *monitor) began(e event) {
	now := time.Now()
	l := newPeerConn(e.value, now)
	m.flow.forget(int(e.value))
	m.flow.came(int(e.value), l.peer)
	if e.kind == zmq4.EVENT_CONNECTED {
		l.from = localAddress(e.value, e.endpoint)
	} else {
		l.accepted = true
	}
	m.links = append(m.links, l)
	m.trip.watch(l.fd)
	m.next = earlier(m.next, now.Add(guardBusy))
	if l.accepted {
		m.accepted(now)
	}
}

// handshakeTime is longer than two ends need to see that they do not match.
const handshakeTime = time.Second

// muchReady is for what a peer's READY may hold beside the socket type: an
// identity.
const muchReady = 512

// ended takes a connection off the list and says whether its handshake had
// succeeded. Where the guess turns out to have been wrong, the mark moves to the
// connection that it was meant for.
func (m *monitor) ended(fd uint32, failed bool) (shaken bool) {
	i := m.find(fd)
	if i < 0 {
		return !failed && m.connected.Load() > 0
	}
	l := m.links[i]
	m.links = slices.Delete(m.links, i, i+1)
	switch {
	case l.shaken && failed:
		// It had not shaken hands after all, so another has. Where there is no other
		// it had: secure mode says "failed" of what it cannot decrypt later on, too.
		j := slices.IndexFunc(m.links, func(l peerConn) bool { return !l.shaken })
		if j < 0 {
			return true
		}
		m.links[j].shaken = true
		return false
	case !l.shaken && !failed && (time.Since(l.since) > handshakeTime || l.last > m.handshake+muchReady):
		// A mismatch would have shown sooner, and its peer sends nothing after the
		// handshake: it is one that had shaken hands.
		if j := m.last(true); j >= 0 {
			m.links[j].shaken = false
			return true
		}
	}
	return l.shaken
}

// guess returns the place of the connection whose handshake has most likely
// succeeded; -1 for none. That is the youngest: a handshake takes a moment, and
// those that have not ended it by then are silent strangers. At the door of a
// publisher peers wait in the order in which they came, so there it is the oldest
// of those that have said all.
func (m *monitor) guess() int {
	if !m.paced {
		return m.last(false)
	}
	now := time.Now()
	for i := range m.links {
		if l := &m.links[i]; !l.shaken && !m.pending(l, now) {
			return i
		}
	}
	return m.last(false)
}

// only returns the peer's address of the connection at i if its handshake is the
// only one that is pending. Otherwise libzmq may have reported another.
func (m *monitor) only(i int) string {
	for j := range m.links {
		if j != i && !m.links[j].shaken {
			return ""
		}
	}
	return m.links[i].peer
}

// find is the place of a connection on the list, -1 for none.
func (m *monitor) find(fd uint32) int {
	return slices.IndexFunc(m.links, func(l peerConn) bool { return l.fd == fd })
}

// last is the youngest link that has, or has not, shaken hands; -1 for none.
func (m *monitor) last(shaken bool) int {
	for i := len(m.links) - 1; i >= 0; i-- {
		if m.links[i].shaken == shaken {
			return i
		}
	}
	return -1
}

// readEvent reads one event: a part of kind (16 bits) and value (32 bits) in
// the machine's byte order, then a part with the endpoint (zmq_socket_monitor).
// After stop it still reads what is there.
func (m *monitor) readEvent() (event, error) {
	for {
		head, more, err := m.readPart(true, m.next)
		if err != nil {
			return event{}, err
		}
		if !more {
			continue // an endpoint whose first part got lost
		}
		endpoint, _, err := m.readPart(false, time.Time{})
		if err != nil {
			return event{}, err
		}
		if len(head) >= 6 {
			return event{kind: zmq4.Event(binary.NativeEndian.Uint16(head)), value: binary.NativeEndian.Uint32(head[2:]), endpoint: string(endpoint)}, nil
		}
	}
}

// errAlarm ends the wait for an event: a connection must end.
var errAlarm = errors.New("a connection must end")

func (m *monitor) readPart(first bool, deadline time.Time) (part []byte, more bool, err error) {
	var msg zmsg.Msg
	defer msg.Close()
	if err := m.receive(&msg, first, deadline); err != nil {
		return nil, false, err
	}
	return append([]byte(nil), msg.Bytes()...), msg.More(), nil
}

func (m *monitor) receive(msg *zmsg.Msg, first bool, deadline time.Time) error {
	stop := func() error {
		if m.stopped.Load() {
			return ErrClosed
		}
		if !deadline.IsZero() && m.flow.alarmed.Swap(false) {
			return errAlarm
		}
		return nil
	}
	return m.pair.Wait(deadline, stop, func() error {
		if first && m.justRelieved() {
			return m.pair.TryRecvSkip(msg, uint16(zmq4.EVENT_ACCEPT_FAILED))
		}
		return m.pair.TryRecv(msg)
	})
}

// awaitClosed waits, not for long, until a listener that was unbound has let go
// of its port.
func (m *monitor) awaitClosed() {
	select {
	case <-m.closed:
	case <-m.done:
	case <-time.After(time.Second):
	}
}

// stop ends the monitor of a socket and waits for its goroutine. libzmq stops
// writing first, and the goroutine reads to the end, so neither waits for the
// other. libzmq's own word for the end, MONITOR_STOPPED, is not relied on: it is
// sent on this thread, and a signal at the wrong moment makes libzmq drop half
// of it or all.
func (m *monitor) stop(of *zmq4.Socket) {
	of.Monitor("", 0)
	m.stopped.Store(true)
	m.pair.Wake()
	<-m.done
}
