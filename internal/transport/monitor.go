package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// monitored are the events that libzmq reports of a socket without security.
const monitored = zmq4.EVENT_LISTENING | zmq4.EVENT_ACCEPT_FAILED | zmq4.EVENT_CONNECTED | zmq4.EVENT_ACCEPTED | zmq4.EVENT_CLOSED | zmq4.EVENT_DISCONNECTED | zmq4.EVENT_HANDSHAKE_SUCCEEDED |
	zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq4.EVENT_HANDSHAKE_FAILED_AUTH | zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL |
	zmq4.EVENT_CONNECT_RETRIED

// monitored returns the events that libzmq reports.
//
// In secure mode a failed handshake is known by the end of its connection alone.
// When libzmq (to 4.3.5 at least) cannot open a message after the handshake, it
// reports that as a failed handshake, and in sending that report it may lose the
// error (errno, in curve_encoding_t::decode). Then it takes the message for one
// that has no room yet: the connection never ends, even when its peer has gone,
// and keeps its descriptor.
func (g *guarding) monitored() zmq4.Event {
	if g.secure {
		return monitored &^ zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL
	}
	return monitored
}

// monitor reads libzmq's events of one socket in a goroutine of its own, and
// looks after the socket's connections.
type monitor struct {
	guarding
	report    func(Event)  // called in the goroutine
	pair      *zmsg.Socket // the goroutine's
	stopped   atomic.Bool
	done      chan struct{}
	ending    atomic.Bool               // the connections must be ended: see endAll
	ended     chan struct{}             // closed when that was done and there is none
	connected atomic.Int32              // peers whose handshake has succeeded and that have not gone
	open      atomic.Int32              // connections, whether their handshakes have ended or not
	youngest  atomic.Pointer[time.Time] // when the last of them began

	// The goroutine's own: the open connections, oldest first; whether libzmq has
	// just reported a failed handshake, so that its connection ends next; and how
	// many were rejected by the peer, whose connections end at some time.
	conns    []*connection
	events   uint64 // how many libzmq has reported
	failed   bool
	rejected int
	names    names
	held     *libzmqEvent // a failed handshake that is not reported yet: see handle

	listeners map[uint32]socketID // by descriptor
	relieved  time.Time           // when something was last done about a connection that could not be accepted
	left      int64               // what ended connections left unread, in bytes of memory
	leftEnded int64               // and those among them that this end has ended
	unread    int64               // bytes of all connections that were not read, at the last check
	drainedAt uint64              // flow.drained when the last of them ended
	settledAt uint64              // a publisher's: flow.drained when the connections were marked
	trip      *tripwire           // a publisher's; nil: the system has none
	evicted   time.Time           // when a pending handshake was last ended
	next      time.Time           // when to check the connections; zero if there is none
	endsAll   bool                // no connection may stay: see endAll
}

// guarding is what the monitor needs to look after connections.
type guarding struct {
	flow      *flow
	limits    limits
	paced     bool  // peers are admitted in the order in which they came
	exclusive bool  // one peer has the slot: those that could still take it beside that one must go
	secure    bool  // the socket has CURVE
	handshake int64 // the fewest bytes of a peer's handshake
	reply     int64 // and the fewest that this end sends in one; 0 where that is not used
	maxUnsent int   // see Config
	maxPeers  int   // see Config
}

// libzmqEvent is one event as libzmq reports it.
type libzmqEvent struct {
	kind     zmq4.Event
	value    uint32
	endpoint string
	fd       uint32 // at a failed handshake the descriptor of its connection; 0 if it is not known
}

// monitorIDs number the monitors' inproc endpoints.
var monitorIDs atomic.Uint64

// startMonitor starts the monitor of a socket.
func startMonitor(ctx *zmq4.Context, of *zmq4.Socket, g guarding, report func(Event)) (*monitor, error) {
	addr := fmt.Sprintf("inproc://netgear-monitor-%d", monitorIDs.Add(1))
	if err := of.Monitor(addr, g.monitored()); err != nil {
		return nil, err
	}
	pair, err := openMonitorPair(ctx, addr)
	if err != nil {
		of.Monitor("", 0)
		return nil, err
	}
	m := &monitor{guarding: g, report: report, pair: pair, done: make(chan struct{}), ended: make(chan struct{}), listeners: map[uint32]socketID{}}
	g.flow.alarm = pair.Wake
	if g.limits.pending > 0 {
		m.trip = newTripwire(func() {
			g.flow.alarmed.Store(true)
			pair.Wake()
		})
	}
	go m.run()
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

func (m *monitor) run() {
	defer close(m.done)
	defer m.pair.Close()
	defer m.trip.close()
	for {
		e, err := m.readEvent()
		if err == errEnding {
			m.endConnections()
			continue
		}
		if m.trip != nil && (err == errAlarm || m.flow.alarmed.Swap(false)) {
			m.checkTripped(time.Now())
			if err == errAlarm {
				continue
			}
		}
		if errors.Is(err, zmsg.ErrTimeout) {
			m.dropUnreported()
		}
		if now := time.Now(); err == errAlarm || errors.Is(err, zmsg.ErrTimeout) || !m.next.IsZero() && now.After(m.next) {
			m.inspect(now)
			for _, e := range m.markStanding(now) {
				m.report(e)
			}
		}
		switch {
		case err == errAlarm, errors.Is(err, zmsg.ErrTimeout):
			continue
		case err != nil:
			m.reportAllGone()
			return
		}
		m.handle(e)
	}
}

// handle accounts for an event and reports it. libzmq does not report whose
// handshake has failed. But with the next event it reports, of the same thread,
// that the connection has ended, and which one that is. So a failure is held until
// then.
func (m *monitor) handle(r libzmqEvent) {
	if failure := m.held; failure != nil {
		m.held = nil
		if r.kind == zmq4.EVENT_DISCONNECTED {
			failure.fd = r.value
		}
		m.process(*failure)
	}
	if r.kind == zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL || r.kind == zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL {
		m.held = &r
		return
	}
	m.process(r)
}

func (m *monitor) process(r libzmqEvent) {
	e, ok := m.account(r)
	m.open.Store(int32(len(m.conns)))
	if m.endsAll && ok {
		e, ok = m.closing(e)
	}
	if ok {
		m.report(e)
	}
	if r.kind == zmq4.EVENT_HANDSHAKE_SUCCEEDED && m.maxPeers > 0 && len(m.conns) > m.maxPeers {
		now := time.Now()
		m.limitPeers(now)
		m.next = earlier(m.next, now.Add(guardBusy)) // libzmq has reported it before the last bytes were sent
	}
}

// reportAllGone reports the connections that end with the socket, which libzmq
// does not. They have no endpoint: for those that follow the endpoints' peers,
// nothing was lost.
func (m *monitor) reportAllGone() {
	for m.connected.Add(-1) >= 0 {
		e := Event{Kind: Disconnected}
		if i := m.last(true); i >= 0 {
			c := m.conns[i]
			m.conns = slices.Delete(m.conns, i, i+1)
			e.Peer, e.Address = c.remote(), m.names.lost(m.conns, c.peer)
		}
		m.report(e)
	}
}

// account keeps count, and returns what is to be reported. A connection that ends
// in its handshake is reported as a failed handshake. libzmq does so itself,
// except where the two socket types do not match: then it reports no more than
// "disconnected".
func (m *monitor) account(r libzmqEvent) (e Event, ok bool) {
	m.events++
	e = Event{Endpoint: r.endpoint, Value: r.value}
	switch r.kind {
	case zmq4.EVENT_CONNECTED, zmq4.EVENT_ACCEPTED:
		m.began(r)
	case zmq4.EVENT_LISTENING:
		if id, local, _ := identifySocket(int(r.value)); atEndpoint(local, r.endpoint) {
			m.listeners[r.value] = id
		}
	case zmq4.EVENT_ACCEPT_FAILED:
		m.acceptFailed(syscall.Errno(r.value))
	case zmq4.EVENT_CLOSED:
		delete(m.listeners, r.value)
	case zmq4.EVENT_CONNECT_RETRIED:
		e.Kind = ConnectRetried
	case zmq4.EVENT_HANDSHAKE_SUCCEEDED:
		if m.noteExcess(r.endpoint) {
			return e, false
		}
		e.Kind = Connected
		e.Peer, e.Address = m.handshakeSucceeded(r.endpoint)
	case zmq4.EVENT_HANDSHAKE_FAILED_AUTH:
		e.Kind = AuthFailed
		e.Address = m.noteRejected(r.endpoint)
	case zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		if e.Kind = HungUp; r.kind == zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL {
			e.Kind = ProtocolFailed
		}
		m.failed = true
		i := m.find(r.fd)
		if r.fd == 0 || i < 0 {
			i = m.last(false)
		}
		if i >= 0 {
			c := m.conns[i]
			e.Age, e.Err, e.Peer, e.Address = time.Since(c.since), c.ended, c.remote(), c.peer
		}
	case zmq4.EVENT_DISCONNECTED:
		return m.disconnected(e)
	}
	return e, e.Kind != 0
}

// noteRejected notes that a peer has been rejected, or has rejected this end. Its
// connection ends soon, and not always with the next report. At a socket that
// connects the endpoint shows which one that is. It must be known there: libzmq
// gives an endpoint up after most failures, and each must be reported. It returns
// the peer's address.
func (m *monitor) noteRejected(endpoint string) (address string) {
	for _, c := range slices.Backward(m.conns) { // an older one may have ended without a report (Part)
		if !c.accepted && c.endpoint == endpoint {
			c.rejected = true
			return c.peer
		}
	}
	m.rejected++
	if i := m.guessRejected(endpoint); i >= 0 {
		m.conns[i].turnedAway = true
		return m.conns[i].peer
	}
	return ""
}

// limitRejected forgets rejected peers whose connections have ended: no more can be
// left than there are connections whose handshakes have not succeeded. One that had
// another's mark was not counted when it ended.
func (m *monitor) limitRejected() {
	if m.rejected == 0 {
		return
	}
	left := 0
	for _, c := range m.conns {
		if !c.handshaked {
			left++
		}
	}
	m.rejected = min(m.rejected, left)
}

// handshakeSucceeded notes that a handshake has succeeded, and returns the
// address of the peer: if that has connected to this end, and in any case.
func (m *monitor) handshakeSucceeded(endpoint string) (peer, address string) {
	if i := m.guess(endpoint); i >= 0 {
		c := m.conns[i]
		c.handshaked, c.handshakedAt = true, m.events
		peer, address = c.remote(), m.names.connected(m.conns, c.peer)
		m.connected.Add(1)
	} else if i := m.last(true); i >= 0 {
		// All connections have the mark: one has ended that was taken for one
		// without, and its mark is on another already.
		address = m.conns[i].peer
	}
	if m.exclusive {
		m.evictOldest(maxPendingPeers, HandshakeTime)
	}
	return peer, address
}

// disconnected completes the event of a connection that has ended. ok is false
// if it was reported already, as a failed handshake.
func (m *monitor) disconnected(e Event) (_ Event, ok bool) {
	fd := e.Value
	reported := m.failed
	e.Value, m.failed = 0, false
	if i := m.find(fd); i >= 0 {
		c := m.conns[i]
		reported = reported || c.rejected
		e.Local, e.Err, e.Peer, e.Address = c.local, c.ended, c.remote(), c.peer
		m.countLeft(c)
	}
	m.flow.drop(fd)
	m.flow.sources.end(int(fd), m.flow.drained.Load())
	m.correctMarks(fd, reported)
	if m.remove(fd, reported) {
		m.connected.Add(-1)
		e.Kind, e.Address = Disconnected, m.names.lost(m.conns, e.Address)
		return e, true
	}
	if !reported && m.rejected > 0 {
		m.rejected--
		reported = true
	}
	e.Kind = ProtocolFailed
	return e, !reported
}

// began puts a connection on the list.
func (m *monitor) began(r libzmqEvent) {
	now := time.Now()
	m.youngest.Store(&now)
	m.noteReused(r.value)
	m.limitRejected()
	c := newConnection(r, now)
	c.began = m.events
	if !c.accepted {
		c.local = localAddress(r.value, r.endpoint)
	}
	m.conns = append(m.conns, c)
	m.flow.list(c)
	m.flow.sources.begin(int(c.fd), c.peer, m.flow.drained.Load())
	if c.identified() {
		m.trip.watch(c.fd)
		if m.maxUnsent > 0 {
			reserve.pinned(int(c.fd), c.id, func(fd int) { limitUnsent(fd, m.maxUnsent) })
		}
	}
	m.next = earlier(m.next, now.Add(guardBusy))
	if c.accepted {
		m.accepted(now)
	}
	if m.endsAll {
		c.gone = !c.endReading()
	}
}

// noteReused takes a connection off the list whose descriptor another has now.
func (m *monitor) noteReused(fd uint32) {
	if i := m.find(fd); i >= 0 {
		m.dropAt(i)
	}
}

// dropUnreported takes connections off the list that libzmq has closed without a
// report, which it does when the socket leaves their endpoint (Part). It is called
// when all events have been read. libzmq reports an end before it closes the
// connection, so one that was closed at the last call and is still on the list
// was not reported.
func (m *monitor) dropUnreported() {
	for i, c := range slices.Backward(m.conns) {
		if c.accepted || c.exists() {
			continue
		}
		if c.closed {
			m.dropAt(i)
		}
		c.closed = true
	}
}

// dropAt takes a connection off the list whose end libzmq has not reported, as the
// socket had left the endpoint (Part).
func (m *monitor) dropAt(i int) {
	c := m.conns[i]
	m.conns = slices.Delete(m.conns, i, i+1)
	m.open.Store(int32(len(m.conns)))
	m.flow.drop(c.fd)
	m.flow.sources.end(int(c.fd), m.flow.drained.Load())
	if c.handshaked {
		m.connected.Add(-1)
		m.report(Event{Kind: Disconnected, Endpoint: c.endpoint, Left: true, Peer: c.remote(), Address: m.names.lost(m.conns, c.peer)})
	}
}

// HandshakeTime is longer than two ends need to find that they do not match.
const HandshakeTime = time.Second

// muchReady is for what a peer's READY may hold beside the socket type: an
// identity.
const muchReady = 512

// remove takes a connection off the list and reports whether its handshake had
// succeeded. Where the guess turns out to have been wrong, the mark moves to the
// connection that it was meant for.
func (m *monitor) remove(fd uint32, failed bool) (handshaked bool) {
	i := m.find(fd)
	if i < 0 {
		return !failed && m.connected.Load() > 0
	}
	c := m.conns[i]
	m.conns = slices.Delete(m.conns, i, i+1)
	switch {
	case c.excess:
		return c.handshaked
	case c.handshaked && failed:
		// Its handshake had not succeeded, so another's has.
		j := slices.IndexFunc(m.conns, func(other *connection) bool {
			return !other.handshaked && !other.cut && !other.excess && other.began < c.handshakedAt
		})
		if j < 0 {
			return true
		}
		m.conns[j].handshaked, m.conns[j].handshakedAt = true, c.handshakedAt
		return false
	case !c.handshaked && !failed && !m.broughtLittle(c) && (time.Since(c.since) > HandshakeTime || c.last > m.handshake+muchReady):
		// A mismatch would have shown sooner, and its peer sends nothing after the
		// handshake: so this handshake had succeeded. A hostile peer that does send
		// something must not take the mark of a connection that began before it.
		if j := m.takenFor(c); j >= 0 {
			m.conns[j].handshaked = false
			return true
		}
	}
	return c.handshaked
}

// broughtLittle reports whether a connection had not brought a whole handshake at
// the last check. In secure mode libzmq does not report that a handshake has
// failed (see monitored), and without this a peer that sent a wrong one late would
// be taken for another that was connected.
func (m *monitor) broughtLittle(c *connection) bool {
	return m.secure && c.counted && c.last < m.handshake
}

// guess returns the place of the connection whose handshake has most likely
// succeeded, at the endpoint where libzmq has reported that; -1 for none. It is the
// oldest over which a whole handshake was sent both ways. Where the system does not
// report that, it is the youngest: a handshake takes a moment, and connections that
// have not ended theirs by then are those of silent peers. At the gate of a
// publisher, and at that of an exclusive socket, peers wait in the order in which
// they came, so there it is the oldest of those whose whole handshake has come.
func (m *monitor) guess(endpoint string) int {
	switch {
	case m.exclusive:
		return m.guessExclusive()
	case !m.paced:
		return m.guessAt(endpoint)
	}
	now := time.Now()
	for i, c := range m.conns {
		if !c.handshaked && !c.cut && !c.excess && !m.pending(c, now) {
			return i
		}
	}
	return m.last(false)
}

// guessAt is guess at a socket whose peers do not wait for each other.
func (m *monitor) guessAt(endpoint string) int {
	ended, asked, youngest, elsewhere := -1, -1, -1, -1
	for i, c := range m.conns {
		switch {
		case c.handshaked, c.cut, c.excess:
			continue
		case endpoint != "" && c.endpoint != endpoint:
			elsewhere = i
			continue
		}
		youngest = i
		switch m.stage(c) {
		case stageComplete:
			if c.ended == nil {
				return i
			}
			if ended < 0 {
				ended = i // its handshake may have succeeded before
			}
		case stageAsked:
			if asked < 0 && !c.turnedAway {
				asked = i
			}
		}
	}
	switch {
	case ended >= 0:
		return ended
	case asked >= 0:
		return asked
	case youngest >= 0:
		return youngest
	}
	return elsewhere
}

// guessRejected returns the place of the connection whose peer this end has most
// likely rejected just now, in secure mode; -1 for none. It has brought a whole
// handshake. libzmq reports the rejection just before it sends the last of it.
func (m *monitor) guessRejected(endpoint string) int {
	if !m.secure {
		return -1
	}
	youngest := -1
	for i, c := range m.conns {
		if c.handshaked || c.turnedAway || !c.accepted || c.endpoint != endpoint {
			continue
		}
		if s := m.stage(c); s == stageAsked {
			if sent, ok := outgoing(int(c.fd)); ok && sent.Delivered+sent.Queued > curveServerWaits {
				return i
			}
			youngest = i
		} else if s == stageUnknown && youngest < 0 {
			youngest = i // it has gone, or the system does not report its bytes
		}
	}
	return youngest
}

// guessExclusive is guess at an exclusive socket. What this end has sent
// distinguishes the peer that was admitted from those that wait, and from those
// that were rejected. But libzmq reports the handshake just before it sends the
// last of it. And a peer that has sent the beginning of a long READY, or INITIATE,
// looks as if it had sent the whole. Then the mark is on that one until its
// handshake fails, or markStanding finds the right one.
func (m *monitor) guessExclusive() int {
	asked := -1
	for i, c := range m.conns {
		if c.handshaked || c.cut {
			continue
		}
		switch m.stage(c) {
		case stageComplete:
			return i
		case stageAsked:
			if asked < 0 {
				asked = i
			}
		}
	}
	if asked >= 0 {
		return asked
	}
	return m.last(false)
}

// noConnection is the descriptor of none.
const noConnection = math.MaxUint32

// correctMarks moves the marks of an exclusive socket that are on connections
// whose handshakes have not ended, as their bytes show. fd is the connection that
// has just ended, whose bytes are not known any more: if its handshake had not
// failed, a mark may have been meant for it. It is called at each check of the
// connections, too: a peer whose handshake is long and fails late must not take
// another's mark with it then.
func (m *monitor) correctMarks(fd uint32, failed bool) {
	if !m.exclusive {
		return
	}
	for _, c := range m.conns {
		if c.fd == fd || !c.handshaked {
			continue
		}
		if s := m.stage(c); s != stagePending && s != stageAsked {
			continue
		}
		i := slices.IndexFunc(m.conns, func(other *connection) bool {
			return !other.handshaked && other.fd != fd && m.stage(other) == stageComplete
		})
		if i < 0 {
			i = slices.IndexFunc(m.conns, func(other *connection) bool {
				return !other.handshaked && other.fd == fd && !failed && other.began < c.handshakedAt && !m.broughtLittle(other)
			})
		}
		if i >= 0 {
			other := m.conns[i]
			c.handshaked, other.handshaked, other.handshakedAt = false, true, c.handshakedAt
		}
	}
}

// find returns the place of a connection on the list, -1 for none.
func (m *monitor) find(fd uint32) int {
	return slices.IndexFunc(m.conns, func(c *connection) bool { return c.fd == fd })
}

// last returns the place of the youngest connection that has, or has not, the
// mark of a handshake; -1 for none.
func (m *monitor) last(handshaked bool) int {
	for i, c := range slices.Backward(m.conns) {
		if c.handshaked == handshaked {
			return i
		}
	}
	return -1
}

// takenFor returns the place of the youngest connection that may have been taken
// for c when c's handshake succeeded; -1 for none. That is no connection whose own
// handshake has succeeded for certain. Otherwise a peer whose handshake is long and
// fails late would end another's.
func (m *monitor) takenFor(c *connection) int {
	for i, other := range slices.Backward(m.conns) {
		if other.handshaked && other.handshakedAt > c.began && !m.proven(other) {
			return i
		}
	}
	return -1
}

// proven reports whether the handshake of a connection has succeeded for certain:
// a message was read over it, or a secure peer has got all of this end's answers.
func (m *monitor) proven(c *connection) bool {
	return m.flow.proven(c) || m.secure && c.accepted && m.stage(c) == stageComplete
}

// markStanding marks the connections that have outlived handshakeLimit: libzmq
// would have ended them if their handshakes had not succeeded. Those whose bytes
// show that they have not are left out. It returns an event for each whose mark has
// ended with another connection.
func (m *monitor) markStanding(now time.Time) (events []Event) {
	old := func(c *connection) bool { return now.Sub(c.since) > handshakeLimit+time.Second }
	for _, c := range m.conns {
		if c.handshaked || !c.accepted || c.ended != nil || !old(c) {
			continue
		}
		if at := m.stage(c); at == stagePending || at == stageAsked {
			continue // libzmq is late, as after the process was stopped
		}
		if j := m.takenFor(c); j >= 0 && !old(m.conns[j]) {
			other := m.conns[j]
			other.handshaked, c.handshaked, c.handshakedAt = false, true, other.handshakedAt
			continue
		}
		c.handshaked, c.handshakedAt = true, m.events
		m.connected.Add(1)
		events = append(events, Event{Kind: Connected, Endpoint: c.endpoint, Peer: c.remote(), Address: m.names.connected(m.conns, c.peer)})
	}
	return events
}

// readEvent reads one event: a part of kind (16 bits) and value (32 bits) in
// the machine's byte order, then a part with the endpoint (zmq_socket_monitor).
// After stop it reads the events that are left.
func (m *monitor) readEvent() (libzmqEvent, error) {
	for {
		head, more, err := m.readPart(true, m.next)
		if err != nil {
			return libzmqEvent{}, err
		}
		if !more {
			continue // an endpoint whose first part got lost
		}
		endpoint, _, err := m.readPart(false, time.Time{})
		if err != nil {
			return libzmqEvent{}, err
		}
		if len(head) >= 6 {
			return libzmqEvent{kind: zmq4.Event(binary.NativeEndian.Uint16(head)), value: binary.NativeEndian.Uint32(head[2:]), endpoint: string(endpoint)}, nil
		}
	}
}

// errEnding ends the wait for an event: all connections must be ended.
var errEnding = errors.New("connections must be ended")

// errAlarm ends the wait for an event: connections must be checked.
var errAlarm = errors.New("connections must be checked")

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
			return errStopped
		}
		if first && m.ending.Load() && !m.endsAll {
			return errEnding
		}
		if first {
			m.noteEnded()
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

// endAll ends all connections, of a socket that is about to be closed, and waits
// until libzmq has done so, not for long.
func (m *monitor) endAll() {
	m.ending.Store(true)
	m.pair.Wake()
	select {
	case <-m.ended:
	case <-m.done:
	case <-time.After(endLimit):
	}
}

// endConnections ends the connections that there are, in the monitor's goroutine.
func (m *monitor) endConnections() {
	m.endsAll = true
	for _, c := range m.conns {
		c.gone = !c.endReading()
	}
}

// noteEnded notes that no connection exists any more. It is called when all events
// have been read. libzmq does not report the end of a connection to an endpoint
// that the socket has left (Part).
func (m *monitor) noteEnded() {
	if m.endsAll && !slices.ContainsFunc(m.conns, func(c *connection) bool { return !c.gone }) {
		select {
		case <-m.ended:
		default:
			close(m.ended)
		}
	}
}

// closing returns what is reported of an event while the connections are ended
// with their socket: that a peer has gone, or has come just before that, without an
// endpoint. For those that follow the endpoints' peers, nothing was lost.
func (m *monitor) closing(e Event) (Event, bool) {
	return Event{Kind: e.Kind, Peer: e.Peer, Address: e.Address}, e.Kind == Disconnected || e.Kind == Connected
}

// stop ends the monitor of a socket and waits for its goroutine. libzmq stops
// writing first, and the goroutine reads to the end, so neither waits for the
// other. libzmq's own event for the end, MONITOR_STOPPED, is not relied on: it is
// sent on this thread, and a signal at the wrong moment makes libzmq drop half
// of it or all.
func (m *monitor) stop(of *zmq4.Socket) {
	of.Monitor("", 0)
	m.stopped.Store(true)
	m.pair.Wake()
	<-m.done
}
