package netgear

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// simNet stands for libzmq and the network in the simulation. An end opens its
// sockets there (socketOpener), and everything above the socket is the code that
// users run. All delays are chosen by a generator with a seed. They pass on the
// clock of a testing/synctest bubble.
//
// What it assumes of libzmq is listed here by number. simfacts_test.go runs one
// script for each number against simNet and against libzmq.
//
//  1. A socket that connects has a pipe at once. What is sent before there is a
//     connection waits in it, and goes out on the connection. With ZMQ_IMMEDIATE
//     the pipe exists only while there is a connection.
//  2. A PAIR socket that listens has no pipe without a peer, and a send returns
//     EAGAIN. It has one pipe at most.
//  3. Messages that have arrived stay readable after the connection has ended.
//  4. REP must answer a request before it reads the next (EFSM). An answer to a
//     peer that is gone is dropped without an error.
//  5. REQ cannot read before it has sent (EFSM). When the peer is gone there is
//     no answer and no error. With ZMQ_REQ_RELAXED and ZMQ_REQ_CORRELATE it may
//     send again, and reads no answer to an earlier request.
//  6. A peer that is not admitted to an exclusive socket waits. PeerPending is
//     reported, and Pending counts it. ReleaseSlot admits the next.
//  7. PUB sends to those that have subscribed. Without any, a send succeeds.
//  8. Wake ends a wait if its stop function returns an error. A Wake before the
//     wait is not lost.
//  9. A connection that cannot be made is reported as ConnectRetried, and is made
//     as soon as there is a listener.
//  10. Shut reports the end of each connection, without an endpoint. Then the
//     endpoint is free. The peer is notified that its connection has ended.
//  11. A lost connection is made again by the end that connects. Both ends report
//     it, and that end reports ConnectRetried at once.
//  12. PUSH sends to one of the peers that have room, in turn, and a send returns
//     EAGAIN without one. PULL reads from all. What a PULL socket does not read
//     stays on its way, so that a PUSH socket has no room in the end.
//
// It does more than the scripts can show. Each event reaches the monitor after a
// time of its own, a socket may be readable when nothing has arrived, and calls
// return EINTR. A connection can be cut, with what is on its way, noticed by its
// ends at different times, or between the two parts of a message. It can also
// transfer nothing for a while.
//
// It has no CURVE, no limits of the guard, no high-water mark but those of PUB,
// PUSH and PULL, and no host names.
type simNet struct {
	parts *simParts

	mu        sync.Mutex
	rng       *rand.Rand
	slowest   time.Duration // the longest delay of a message or an event
	chaos     bool          // EINTR, cuts between two parts, needless readiness
	reachable bool          // connections can be made
	immediate bool          // REQ sockets have ZMQ_IMMEDIATE
	listeners map[string]*simSocket
	conns     []*simConn // the open ones
	open      int        // sockets that have not been shut
	ended     int        // connections that have ended or were cut
	lost      int        // frames that were sent and do not arrive
	peers     int        // connections so far, for the peers' addresses
	steps     uint64     // messages, events and connections
}

func newSimNet(parts *simParts, seed uint64, slowest time.Duration, chaos bool) *simNet {
	return &simNet{parts: parts, rng: rand.New(rand.NewPCG(seed, 0)), slowest: slowest, chaos: chaos, reachable: true, listeners: map[string]*simSocket{}}
}

const (
	simReconnect = 100 * time.Millisecond // ZMQ_RECONNECT_IVL
	simHandshake = 5 * time.Second        // ZMQ_HANDSHAKE_IVL
	simHWM       = 4                      // messages to a subscriber, or to a PULL socket
	simTransit   = 2                      // messages to a PULL socket on their way
)

// after calls f with n.mu held after a delay.
func (n *simNet) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.steps++
		f()
	})
}

// delay returns a random delay. n.mu must be held.
func (n *simNet) delay() time.Duration {
	if n.slowest == 0 || n.rng.IntN(4) == 0 {
		return 0
	}
	return time.Duration(n.rng.Int64N(int64(n.slowest)))
}

// oneIn reports true once in k times, in chaos. n.mu must be held.
func (n *simNet) oneIn(k int) bool { return n.chaos && n.rng.IntN(k) == 0 }

// errEFSM is returned for a call that the state of a REQ or REP socket forbids.
var errEFSM = syscall.Errno(zmq4.EFSM)

// simMsg is a message.
type simMsg struct {
	parts   [][]byte
	request uint64         // of REQ
	frame   bool           // of an end, and not of its terminate message
	held    []*zmsg.Buffer // until the network has taken the message
}

func (m *simMsg) release() {
	for _, b := range m.held {
		b.Release()
	}
	m.held = nil
}

// simConn is a connection. Index 0 is the end that connects.
type simConn struct {
	ends    [2]*simPipe
	address [2]string    // of each end's peer
	flight  [2][]simMsg  // from each end; a message without parts is the connection's end
	arrival [2]time.Time // of the last of them
	held    [2]int       // arrivals while it transfers nothing
	cut     bool         // nothing arrives any more
	stalled bool         // it transfers nothing
}

func (c *simConn) side(p *simPipe) int {
	if c.ends[0] == p {
		return 0
	}
	return 1
}

// simPipe is what a socket has of a connection, or of an endpoint that it
// connects to.
type simPipe struct {
	socket     *simSocket
	conn       *simConn // nil while there is none
	endpoint   string   // that the socket connects to, or listens on
	dials      bool
	immediate  bool     // it exists only while there is a connection
	losing     *simConn // a loss that the socket has not processed
	tries      int      // changes when a try to connect is obsolete
	in, out    []simMsg
	attached   bool // the socket has it
	subscribed bool // by the peer of a publisher
}

// simSocket is a socket.
type simSocket struct {
	net     *simNet
	config  transport.Config
	report  func(transport.Event)
	news    chan struct{}     // a token: ZMQ_FD is readable
	woken   chan struct{}     // a token: Wake was called
	rogue   bool              // what it sends are no frames
	discard func(frames int)  // is called for frames that Shut has not sent
	peerNum atomic.Int32      // the connected peers, as far as the monitor has reported
	known   []transport.Event // how it has reported them; the monitor's

	// The owner's.
	reading []*zmsg.Msg // the remaining parts of the message being read
	source  int
	peer    string
	sending simMsg
	sendTo  []*simPipe
	more    bool // parts follow

	// net.mu must be held.
	shut      bool
	bound     []string
	pipes     []*simPipe
	dialed    []*simPipe
	immediate bool
	nodrop    bool
	request   uint64 // REQ: the last one
	awaiting  bool   // REQ: its answer
	replyTo   *simPipe
	answering uint64
	replying  bool // REP: a request has been read
	turn      int  // the pipe to read from
	sendTurn  int  // and to send to

	occupied bool
	admitted int
	pending  []*simPending
	begun    int // handshakes that have begun and have not ended

	events    []simEvent
	lastEvent time.Time
	newEvent  chan struct{}
	stop      chan struct{}
	done      chan struct{}
}

type simEvent struct {
	transport.Event
	due time.Time
}

// simPending is a peer that waits at the gate of an exclusive socket.
type simPending struct {
	from *simPipe
	at   *simPipe
	try  int
}

// openSocket is a socketOpener.
func (n *simNet) openSocket(c transport.Config, endpoints []string, report func(transport.Event)) (socket, []string, error) {
	s := &simSocket{net: n, config: c, report: report, news: make(chan struct{}, 1), woken: make(chan struct{}, 1),
		nodrop: c.Kind == zmq4.PUB, newEvent: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.request = n.rng.Uint64() // as in libzmq, where a socket's numbers begin at random
	s.immediate = c.Kind == zmq4.PUSH || c.Kind == zmq4.REQ && n.immediate
	if c.Bind {
		for _, ep := range endpoints {
			if n.listeners[ep] != nil {
				return nil, nil, &transport.AddressError{Doing: "bind", Endpoint: ep, Err: syscall.EADDRINUSE}
			}
			n.listeners[ep] = s
			s.bound = append(s.bound, ep)
		}
	} else {
		for _, ep := range endpoints {
			s.dial(ep)
		}
	}
	n.open++
	go s.monitor()
	return s, slices.Clone(endpoints), nil
}

// ---- waiting ----

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *simSocket) Wake() { notify(s.woken) }

// Wait does what zmsg.Socket.Wait does: there a wake-up is a read deadline in the
// past, which the next wait replaces before it calls stop.
func (s *simSocket) Wait(deadline time.Time, stop, try func() error) error {
	if err := attempt(try); err != syscall.EAGAIN {
		return err
	}
	var over <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-s.woken:
		default:
		}
		if err := stop(); err != nil {
			return err
		}
		for asleep := true; asleep; {
			select {
			case <-s.woken:
				asleep = false
			case <-s.news:
				if err := attempt(try); err != syscall.EAGAIN {
					return err
				}
			case <-over:
				return zmsg.ErrTimeout
			}
		}
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return zmsg.ErrTimeout
		}
	}
}

func attempt(try func() error) error {
	for {
		if err := try(); err != error(syscall.EINTR) {
			return err
		}
	}
}

// WaitReleased returns at once: the network has copied what was sent.
func (s *simSocket) WaitReleased(*zmsg.MessageTracker, time.Time, func() error) error { return nil }

// ---- messages ----

func (s *simSocket) TryRecv(part *zmsg.Msg) error {
	if len(s.reading) == 0 {
		m, err := s.receive()
		if err != nil {
			return err
		}
		s.reading = s.net.parts.of(m.parts)
	}
	s.reading[0].MoveTo(part)
	s.reading = s.reading[1:]
	return nil
}

func (s *simSocket) receive() (simMsg, error) {
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.oneIn(50):
		return simMsg{}, syscall.EINTR
	case s.config.Kind == zmq4.REQ && !s.awaiting, s.config.Kind == zmq4.REP && s.replying:
		return simMsg{}, errEFSM
	}
	for range s.pipes {
		p := s.pipes[s.turn%len(s.pipes)]
		for len(p.in) > 0 {
			m := p.in[0]
			if p.in = p.in[1:]; s.config.Kind == zmq4.REQ && m.request != s.request {
				continue // the answer to an earlier request
			}
			s.source, s.peer = -1, ""
			if p.conn != nil {
				s.peer = p.conn.address[p.conn.side(p)]
			}
			s.awaiting = false
			if s.config.Kind == zmq4.REP {
				s.replyTo, s.answering, s.replying = p, m.request, true
			}
			s.turn++
			if c := p.conn; c != nil && !c.stalled && c.held[1-c.side(p)] > 0 {
				c.held[1-c.side(p)]--
				n.arrive(c, 1-c.side(p)) // there was no room
			}
			s.dropEnded()
			return m, nil
		}
		s.turn++
	}
	return simMsg{}, syscall.EAGAIN
}

// dropEnded drops the pipes whose connection has ended and that are empty.
func (s *simSocket) dropEnded() {
	for i := 0; i < len(s.pipes); {
		p := s.pipes[i]
		if p.conn != nil || len(p.in) > 0 || p.dials && !p.immediate && !s.shut {
			i++
			continue
		}
		// As in libzmq, the last one takes its place.
		p.attached = false
		last := len(s.pipes) - 1
		s.pipes[i], s.pipes = s.pipes[last], s.pipes[:last]
		if s.sendTurn >= last {
			s.sendTurn = 0
		}
	}
}

func (s *simSocket) TrySend(part []byte, place zmsg.Place) error { return s.send(part, nil, place) }

func (s *simSocket) TrySendBuffer(part *zmsg.Buffer, place zmsg.Place) error {
	return s.send(part.Bytes(), part, place)
}

func (s *simSocket) TrySendTracked(_ *zmsg.MessageTracker, part []byte, place zmsg.Place) error {
	return s.send(part, nil, place)
}

func (s *simSocket) send(part []byte, buffer *zmsg.Buffer, place zmsg.Place) error {
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.oneIn(50) {
		return syscall.EINTR
	}
	if !s.more {
		to, err := s.destinations()
		if err != nil {
			return err
		}
		s.sendTo, s.sending = to, simMsg{}
	} else if k := len(s.sendTo); s.config.Kind != zmq4.PUB && s.config.Kind != zmq4.REP && k > 0 && n.oneIn(200) {
		if p := s.sendTo[0]; p.conn != nil {
			n.cutConn(p.conn)
			s.sending.release()
			s.more = false
			return syscall.EAGAIN
		}
	}
	s.sending.parts = append(s.sending.parts, slices.Clone(part))
	if buffer != nil {
		s.sending.held = append(s.sending.held, buffer.Retain())
	}
	if s.more = place == zmsg.More; s.more {
		return nil
	}
	m := s.sending
	m.frame = len(m.parts) > 1 && !s.rogue
	s.sending = simMsg{}
	switch s.config.Kind {
	case zmq4.REQ:
		s.request++
		m.request, s.awaiting = s.request, true
	case zmq4.REP:
		m.request, s.replying, s.replyTo = s.answering, false, nil
	}
	for _, p := range s.sendTo {
		copied := m
		copied.held = nil
		for _, b := range m.held {
			copied.held = append(copied.held, b.Retain())
		}
		if !p.exists() { // it was lost between the two parts
			n.drop([]simMsg{copied})
			continue
		}
		p.out = append(p.out, copied)
		n.pump(p)
	}
	m.release()
	return nil
}

// destinations returns the pipes that the next message goes to.
func (s *simSocket) destinations() ([]*simPipe, error) {
	switch s.config.Kind {
	case zmq4.REP:
		if !s.replying {
			return nil, errEFSM
		}
		if p := s.replyTo; p != nil && p.conn != nil {
			return []*simPipe{p}, nil
		}
		return nil, nil
	case zmq4.SUB:
		return nil, syscall.ENOTSUP
	case zmq4.PUB:
		var to []*simPipe
		for _, p := range s.pipes {
			switch {
			case !p.subscribed || p.conn == nil:
			case len(p.out) < simHWM:
				to = append(to, p)
			case s.nodrop:
				return nil, syscall.EAGAIN
			}
		}
		return to, nil
	}
	for range s.pipes {
		p := s.pipes[s.sendTurn%len(s.pipes)]
		s.sendTurn = (s.sendTurn + 1) % len(s.pipes)
		if p.writable() {
			return []*simPipe{p}, nil
		}
	}
	return nil, syscall.EAGAIN
}

// writable reports whether the pipe takes messages.
func (p *simPipe) writable() bool {
	if p.socket.config.Kind == zmq4.PUSH && len(p.out) >= simHWM {
		return false
	}
	return p.exists()
}

// exists reports whether what is sent to the pipe can arrive.
func (p *simPipe) exists() bool { return p.conn != nil || p.dials && !p.immediate }

// readable reports whether the pipe takes what arrives.
func (p *simPipe) readable() bool {
	return p.socket.config.Kind != zmq4.PULL || len(p.in) < max(1, p.socket.config.ReceiveHWM)
}

// drop counts the frames among messages that do not arrive. n.mu must be held.
func (n *simNet) drop(messages []simMsg) {
	for i := range messages {
		messages[i].release()
		if messages[i].frame {
			n.lost++
		}
	}
}

func (s *simSocket) Source() int           { return s.source }
func (s *simSocket) Peer() string          { return s.peer }
func (s *simSocket) NoteMessage(int, bool) {}

// pump makes the network take what it can take of a pipe.
func (n *simNet) pump(p *simPipe) {
	c := p.conn
	for c != nil && p.losing != c && !c.stalled && len(p.out) > 0 {
		if p.socket.config.Kind == zmq4.PUSH && len(c.flight[c.side(p)]) >= simTransit {
			return
		}
		m := p.out[0]
		p.out = p.out[1:]
		m.release()
		n.transfer(c, c.side(p), m)
	}
	if c != nil {
		notify(p.socket.news)
	}
}

// transfer makes a message arrive at the other end after those before it.
func (n *simNet) transfer(c *simConn, from int, m simMsg) {
	c.flight[from] = append(c.flight[from], m)
	now := time.Now()
	at := now.Add(n.delay())
	if at.Before(c.arrival[from]) {
		at = c.arrival[from]
	}
	c.arrival[from] = at
	n.after(at.Sub(now), func() { n.arrive(c, from) })
}

func (n *simNet) arrive(c *simConn, from int) {
	if c.cut || len(c.flight[from]) == 0 {
		return
	}
	to := c.ends[1-from]
	if c.stalled || to.conn == c && !to.readable() {
		c.held[from]++
		return
	}
	m := c.flight[from][0]
	c.flight[from] = c.flight[from][1:]
	switch {
	case m.parts == nil && to.conn == c:
		n.cut(c)
		n.lose(to, c)
	case to.conn == c && to.attached:
		to.in = append(to.in, m)
		notify(to.socket.news)
	default:
		n.drop([]simMsg{m})
	}
	if p := c.ends[from]; p.conn == c {
		n.pump(p)
	}
}

// ---- connections ----

// dial connects to an endpoint, with a new pipe.
func (s *simSocket) dial(endpoint string) {
	p := &simPipe{socket: s, endpoint: endpoint, dials: true, immediate: s.immediate}
	s.dialed = append(s.dialed, p)
	if !s.immediate {
		p.attached = true
		s.pipes = append(s.pipes, p)
	}
	s.net.try(p, s.net.delay())
}

// try tries to make a connection after a delay.
func (n *simNet) try(p *simPipe, delay time.Duration) {
	p.tries++
	try := p.tries
	n.after(delay, func() {
		if p.tries != try || p.socket.shut {
			return
		}
		l := n.listeners[p.endpoint]
		if l == nil || !n.reachable {
			p.socket.emit(transport.Event{Kind: transport.ConnectRetried, Endpoint: p.endpoint})
			n.retry(p)
			return
		}
		n.peers++
		w := &simPending{from: p, at: &simPipe{socket: l, endpoint: p.endpoint}, try: try}
		p.socket.begun++
		l.begun++
		l.admit(w)
		n.after(simHandshake, func() { n.handshakeOver(w) })
	})
}

// retry tries again to make a connection, unless the owner of the socket does.
func (n *simNet) retry(p *simPipe) {
	if !p.socket.config.Redials() {
		n.try(p, simReconnect)
	}
}

// admit lets a peer connect, or wait.
func (s *simSocket) admit(w *simPending) {
	switch {
	case !s.config.Exclusive:
	case s.occupied, s.admitted > 0, len(s.pending) > 0:
		s.pending = append(s.pending, w)
		time.AfterFunc(0, func() { s.report(transport.Event{Kind: transport.PeerPending}) })
		return
	default:
		s.admitted++
	}
	s.net.after(s.net.delay(), func() { s.net.handshake(w) })
}

// admitNext admits the peer that has waited longest.
func (s *simSocket) admitNext() {
	if len(s.pending) > 0 && !s.occupied && s.admitted == 0 {
		w := s.pending[0]
		s.pending = s.pending[1:]
		s.admitted++
		s.net.after(s.net.delay(), func() { s.net.handshake(w) })
	}
}

// handshakeOver ends a handshake that has taken too long.
func (n *simNet) handshakeOver(w *simPending) {
	s := w.at.socket
	if i := slices.Index(s.pending, w); i >= 0 {
		s.pending = slices.Delete(s.pending, i, i+1)
		n.fail(w, simHandshake)
	}
}

// fail ends a handshake.
func (n *simNet) fail(w *simPending, age time.Duration) {
	for _, p := range []*simPipe{w.from, w.at} {
		p.socket.begun--
		p.socket.emit(transport.Event{Kind: transport.HungUp, Endpoint: p.endpoint, Age: age})
	}
	if w.from.tries == w.try && !w.from.socket.shut {
		w.from.socket.emit(transport.Event{Kind: transport.ConnectRetried, Endpoint: w.from.endpoint})
		n.retry(w.from)
	}
}

// handshake completes a handshake.
func (n *simNet) handshake(w *simPending) {
	p, q := w.from, w.at
	if p.tries != w.try || p.socket.shut || q.socket.shut || !n.reachable {
		n.fail(w, 0)
		return
	}
	p.socket.begun--
	q.socket.begun--
	n.peers++
	c := &simConn{ends: [2]*simPipe{p, q}, address: [2]string{strings.TrimPrefix(p.endpoint, "tcp://"), fmt.Sprintf("10.0.0.1:%d", n.peers)}}
	n.conns = append(n.conns, c)
	p.conn, q.conn = c, c
	p.socket.attach(p)
	q.socket.attach(q)
	p.socket.emit(transport.Event{Kind: transport.Connected, Endpoint: p.endpoint, Address: c.address[0]})
	q.socket.emit(transport.Event{Kind: transport.Connected, Endpoint: q.endpoint, Address: c.address[1], Peer: c.address[1]})
	for _, e := range c.ends {
		if e.socket.config.Kind == zmq4.SUB {
			other := c.ends[1-c.side(e)]
			n.after(n.delay(), func() { other.subscribed = other.conn == c })
		}
	}
	n.pump(p)
	n.pump(q)
}

// attach gives the socket a pipe. A PAIR socket that has one refuses a second.
func (s *simSocket) attach(p *simPipe) {
	if !p.attached && !(s.config.Kind == zmq4.PAIR && len(s.pipes) > 0) {
		p.attached = true
		s.pipes = append(s.pipes, p)
	}
	notify(s.news)
}

// cutConn ends a connection, with what is on its way. Each end notices it after
// a time of its own.
func (n *simNet) cutConn(c *simConn) {
	n.cut(c)
	for _, p := range c.ends {
		n.after(n.delay(), func() { n.lose(p, c) })
	}
}

// cut drops what is on its way.
func (n *simNet) cut(c *simConn) {
	c.cut = true
	n.ended++
	for i := range c.flight {
		n.drop(c.flight[i])
		c.flight[i], c.held[i] = nil, 0
	}
}

// cutAll cuts all connections.
func (n *simNet) cutAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range slices.Clone(n.conns) {
		n.cutConn(c)
	}
}

// lostFrames returns how many frames were sent and do not arrive.
func (n *simNet) lostFrames() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return uint64(n.lost)
}

// interrupted reports whether a connection has ended so far.
func (n *simNet) interrupted() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended > 0
}

// lose makes one end notice that its connection has ended.
func (n *simNet) lose(p *simPipe, c *simConn) {
	if p.conn != c || p.losing == c {
		return
	}
	p.losing = c
	s := p.socket
	e := transport.Event{Kind: transport.Disconnected, Endpoint: p.endpoint, Address: c.address[c.side(p)]}
	if !p.dials {
		e.Peer = e.Address
	}
	s.emit(e)
	if p.dials {
		s.emit(transport.Event{Kind: transport.ConnectRetried, Endpoint: p.endpoint})
	}
	n.after(n.delay(), func() { // the socket itself may be notified later
		if p.conn == c {
			n.release(p)
			notify(s.news)
			if p.dials {
				n.retry(p)
			}
		}
	})
}

// release takes a pipe from its connection.
func (n *simNet) release(p *simPipe) {
	c := p.conn
	p.conn, p.subscribed = nil, false
	if !p.dials || p.immediate || p.socket.shut {
		n.drop(p.out)
		p.out = nil
	}
	p.socket.dropEnded()
	if c.ends[0].conn != c && c.ends[1].conn != c {
		n.cut(c)
		n.conns = slices.DeleteFunc(n.conns, func(open *simConn) bool { return open == c })
	}
}

// stall makes a connection transfer nothing, until the next call.
func (n *simNet) stall(c *simConn, stalled bool) {
	if c.stalled = stalled; stalled {
		return
	}
	for i, p := range c.ends {
		held := c.held[i]
		c.held[i] = 0
		for range held {
			n.arrive(c, i)
		}
		if p.conn == c {
			n.pump(p)
		}
	}
}

func (s *simSocket) Dial(endpoint string) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.dial(endpoint)
	return nil
}

func (s *simSocket) Redial(endpoint string) {
	s.Disconnect(endpoint)
	s.Dial(endpoint)
}

func (s *simSocket) Disconnect(endpoint string) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for _, p := range s.dialed {
		if p.endpoint == endpoint {
			s.net.leave(p, true)
			s.net.drop(p.in)
			p.in = nil
		}
	}
	s.dialed = slices.DeleteFunc(s.dialed, func(p *simPipe) bool { return p.endpoint == endpoint })
	s.pipes = slices.DeleteFunc(s.pipes, func(p *simPipe) bool { return p.dials && p.endpoint == endpoint })
}

// Part is Disconnect: Dial connects again.
func (s *simSocket) Part(endpoint string) { s.Disconnect(endpoint) }

func (s *simSocket) Parted(endpoint string) bool {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return !slices.ContainsFunc(s.dialed, func(p *simPipe) bool { return p.endpoint == endpoint })
}

// leave ends a pipe on this side. What is on its way arrives before the peer
// notices it, or is lost.
func (n *simNet) leave(p *simPipe, arrives bool) {
	p.tries++
	c := p.conn
	n.drop(p.out)
	p.out = nil
	if c == nil {
		return
	}
	n.ended++
	if from := c.side(p); !c.cut {
		if !arrives && n.rng.IntN(2) == 0 {
			n.drop(c.flight[from])
			c.flight[from], c.held[from] = nil, 0
		}
		n.transfer(c, from, simMsg{})
	}
	n.release(p)
}

func (s *simSocket) ProcessCommands() (state zmq4.State, _ error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for _, p := range s.pipes {
		if len(p.in) > 0 {
			state |= zmq4.POLLIN
		}
		if p.writable() {
			state |= zmq4.POLLOUT
		}
	}
	return state, nil
}

func (s *simSocket) SettlePeers() bool {
	s.ProcessCommands()
	return false
}

func (s *simSocket) ReleaseSlot() (again time.Time) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.occupied = false
	s.admitNext()
	return time.Time{}
}

func (s *simSocket) Peers() int { return int(max(0, s.peerNum.Load())) }

func (s *simSocket) Pending() int {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return len(s.pending)
}

func (s *simSocket) Handshaking() bool {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.begun > 0
}

func (s *simSocket) Spoiled() bool                                          { return false }
func (s *simSocket) Outgoing(all []transport.Outgoing) []transport.Outgoing { return all }
func (s *simSocket) Written(all []transport.Written) ([]transport.Written, bool) {
	return all, false
}

func (s *simSocket) SetImmediate(value bool) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.immediate = value
	return nil
}

func (s *simSocket) SetXpubNodrop(value bool) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.nodrop = value
	return nil
}

// Shut closes the socket.
func (s *simSocket) Shut(linger time.Duration) {
	n := s.net
	n.mu.Lock()
	s.shut = true
	n.open--
	for _, ep := range s.bound {
		delete(n.listeners, ep)
	}
	s.sending.release()
	before := n.lost
	for _, p := range append(s.dialed, s.pipes...) {
		if c := p.conn; c != nil && !c.cut && linger > 0 {
			for _, m := range p.out {
				m.release()
				n.transfer(c, c.side(p), m)
			}
			p.out = nil
		}
		n.leave(p, linger > 0)
	}
	if s.discard != nil {
		s.discard(n.lost - before)
	}
	for _, p := range append(s.dialed, s.pipes...) {
		n.drop(p.in)
		p.in = nil
	}
	for _, c := range slices.Clone(n.conns) { // those without a pipe
		for _, p := range c.ends {
			if p.socket == s && p.conn == c {
				n.leave(p, linger > 0)
			}
		}
	}
	s.pipes, s.dialed = nil, nil
	for _, w := range s.pending {
		n.fail(w, 0)
	}
	s.pending = nil
	n.mu.Unlock()
	close(s.stop)
	<-s.done
	for _, part := range s.reading {
		part.Close()
	}
	s.reading = nil
}

// ---- the monitor ----

// emit makes the monitor report an event, after those before it.
func (s *simSocket) emit(e transport.Event) {
	if s.shut {
		return
	}
	due := time.Now().Add(s.net.delay())
	if due.Before(s.lastEvent) {
		due = s.lastEvent
	}
	s.lastEvent = due
	s.events = append(s.events, simEvent{e, due})
	notify(s.newEvent)
	if s.net.oneIn(10) {
		notify(s.news)
	}
}

func (s *simSocket) nextEvent() (e simEvent, ok bool) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if len(s.events) == 0 {
		return e, false
	}
	e, s.events = s.events[0], s.events[1:]
	return e, true
}

// monitor reports the events. When the socket is shut it reports what is left,
// and the connections that have ended with it.
func (s *simSocket) monitor() {
	defer close(s.done)
	for {
		e, ok := s.nextEvent()
		if !ok {
			select {
			case <-s.newEvent:
				continue
			case <-s.stop:
			}
			if e, ok = s.nextEvent(); !ok {
				break
			}
		}
		timer := time.NewTimer(time.Until(e.due))
		select {
		case <-timer.C:
		case <-s.stop:
			timer.Stop()
		}
		s.account(e.Event)
		s.report(e.Event)
	}
	for s.peerNum.Add(-1) >= 0 {
		last := len(s.known) - 1
		s.report(transport.Event{Kind: transport.Disconnected, Peer: s.known[last].Peer, Address: s.known[last].Address})
		s.known = s.known[:last]
	}
}

// account keeps count, as transport's monitor and gate do.
func (s *simSocket) account(e transport.Event) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.steps++
	switch {
	case e.Kind == transport.Connected:
		s.peerNum.Add(1)
		s.known = append(s.known, e)
		s.occupied = true
		s.admitted = max(0, s.admitted-1)
	case e.Kind == transport.Disconnected:
		s.peerNum.Add(-1)
		at := slices.IndexFunc(s.known, func(k transport.Event) bool { return k.Address == e.Address })
		s.known = slices.Delete(s.known, at, at+1)
	case e.HandshakeFailed():
		if s.admitted = max(0, s.admitted-1); s.admitted == 0 && !s.occupied {
			s.admitNext()
		}
	}
}

// ---- message parts ----

// simParts makes libzmq's message parts of bytes: it sends them through two
// sockets of libzmq within the process.
type simParts struct {
	ctx     *zmq4.Context
	mu      sync.Mutex
	in, out *zmsg.Socket
}

func newSimParts(endpoint string) (*simParts, error) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		return nil, err
	}
	var ends [2]*zmsg.Socket
	for i, attach := range []func(*zmsg.Socket, string) error{func(s *zmsg.Socket, ep string) error { return s.Bind(ep) }, func(s *zmsg.Socket, ep string) error { return s.Connect(ep) }} {
		plain, err := ctx.NewSocket(zmq4.PAIR)
		if err != nil {
			return nil, err
		}
		if ends[i], err = zmsg.Wrap(plain); err != nil {
			return nil, err
		}
		if err := attach(ends[i], endpoint); err != nil {
			return nil, err
		}
	}
	return &simParts{ctx: ctx, in: ends[0], out: ends[1]}, nil
}

// of returns the parts of a message.
func (f *simParts) of(parts [][]byte) (all []*zmsg.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, part := range parts {
		if err := retryEINTR(func() error { return f.in.TrySend(part, i < len(parts)-1) }); err != nil {
			panic(err)
		}
	}
	for range parts {
		m := new(zmsg.Msg)
		if err := retryEINTR(func() error { return f.out.TryRecv(m) }); err != nil {
			panic(err)
		}
		all = append(all, m)
	}
	return all
}

func (f *simParts) close() {
	f.in.Close()
	f.out.Close()
	f.ctx.Term()
}
