package netgear

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"
)

// StateKind says what happened to an end's connection.
type StateKind int

const (
	Connected    StateKind = iota + 1 // a peer has connected and shaken hands
	Lost                              // a connection ended: the peer went, or was silent too long
	Reconnecting                      // this end opens a new socket, because nobody answered or nobody was there
	Stalled                           // receive end: no frame for Options.StallAfter
	Resumed                           // receive end: a frame after Stalled
	Refused                           // somebody was there, but the handshake failed
	Terminated                        // receive end: a sender said goodbye
)

var stateNames = [...]string{Connected: "connected", Lost: "lost", Reconnecting: "reconnecting", Stalled: "stalled", Resumed: "resumed", Refused: "refused", Terminated: "terminated"}

func (k StateKind) String() string {
	if k < Connected || int(k) >= len(stateNames) {
		return "StateKind(" + strconv.Itoa(int(k)) + ")"
	}
	return stateNames[k]
}

// State is one event in the life of an end's connections.
type State struct {
	Kind     StateKind
	Time     time.Time
	Endpoint string // this end's endpoint that it is about, where that is known
	Port     string // the sender's port, at Terminated in multi-server mode
	Err      error  // at Refused and Reconnecting: why; at Lost, if this end closed the connection: why
}

// states calls Options.OnState, for one event after the other, in a goroutine
// of its own: the application may take its time, and may call this end. Events
// wait in memory, so many at most.
type states struct {
	mu      sync.Mutex
	queued  []State
	ended   bool
	more    chan struct{}
	done    chan struct{}
	refused map[string]time.Time // by what was said, when it last happened

	// A goodbye comes before the loss of its connection, but libzmq tells of the
	// two on different ways. So while a receive goroutine reads, a loss and all
	// that comes after it are held until it has read what was there.
	reading bool
	held    []State
	late    *time.Timer // tells of them if the receive goroutine is kept busy
}

const (
	// maxStates is how many events wait for a slow callback; then the oldest go.
	maxStates = 1000
	// grace is how long after a loss something may still be read of it.
	grace = 20 * time.Millisecond
	// heldLimit is how long a loss is held where the receive goroutine does not
	// come to read: the queue is full, or Respond takes its time.
	heldLimit = 500 * time.Millisecond
	// standing is how long a refusal that is not repeated counts as the same.
	standing = 10 * time.Second
)

func startStates(call func(State)) *states {
	if call == nil {
		return nil
	}
	s := &states{more: make(chan struct{}, 1), done: make(chan struct{}), refused: map[string]time.Time{}}
	go s.run(call)
	return s
}

func (s *states) run(call func(State)) {
	defer close(s.done)
	for {
		s.mu.Lock()
		batch, ended := s.queued, s.ended
		s.queued = nil
		s.mu.Unlock()
		for _, st := range batch {
			call(st)
		}
		if len(batch) == 0 {
			if ended {
				return
			}
			<-s.more
		}
	}
}

func (s *states) add(st State) {
	if s == nil {
		return
	}
	st.Time = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended || s.repeats(&st):
	case st.Kind == Terminated || len(s.held) == 0 && !(st.Kind == Lost && s.reading):
		s.tell(st)
	default:
		s.held = append(s.held, st)
		if s.late == nil {
			s.late = time.AfterFunc(heldLimit, s.release)
		}
		if len(s.held) >= maxStates {
			s.letGo()
		}
	}
}

// repeats: two ends that do not match are refused again and again; that is one
// event, until somebody gets in.
func (s *states) repeats(st *State) bool {
	switch st.Kind {
	case Connected:
		clear(s.refused)
	case Refused:
		what := fmt.Sprint(st.Endpoint, st.Err)
		last, before := s.refused[what]
		s.refused[what] = st.Time
		return before && st.Time.Sub(last) < standing
	}
	return false
}

func (s *states) tell(all ...State) {
	s.queued = append(s.queued, all...)
	s.queued = s.queued[max(0, len(s.queued)-maxStates):]
	s.wake()
}

// letGo tells what was held. The caller has the lock.
func (s *states) letGo() {
	s.tell(s.held...)
	s.held = nil
	if s.late != nil {
		s.late.Stop()
		s.late = nil
	}
}

// release tells what was held.
func (s *states) release() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letGo()
}

// read says whether a receive goroutine reads from now on, and calls release.
func (s *states) read(reading bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = reading
	s.letGo()
}

// holds tells whether something is held.
func (s *states) holds() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held) > 0
}

func (s *states) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// end lets the events that are queued be told, and waits for that.
func (s *states) end() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.letGo()
	s.ended = true
	s.mu.Unlock()
	s.wake()
	<-s.done
}

// givenUp are endpoints that refused this end and that libzmq will therefore not
// connect to again: a key may yet be added there, or a program restarted with
// other options. Whoever owns the socket connects anew after a while.
type givenUp struct {
	mu        sync.Mutex
	endpoints map[string]time.Time // when to try again
}

// secondThoughts is how long a refusal stands before it is put to the test.
const secondThoughts = 500 * time.Millisecond

func (g *givenUp) add(endpoint string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.endpoints == nil {
		g.endpoints = map[string]time.Time{}
	}
	g.endpoints[endpoint] = time.Now().Add(secondThoughts)
}

func (g *givenUp) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.endpoints)
}

// drop forgets one endpoint, which the socket has left.
func (g *givenUp) drop(endpoint string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.endpoints, endpoint)
}

// next is when something is to be tried; zero if nothing is.
func (g *givenUp) next() (at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.endpoints {
		at = earlier(at, t)
	}
	return at
}

// retry connects anew to what is due.
func (g *givenUp) retry(s *socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for ep, at := range g.endpoints {
		if !time.Now().Before(at) {
			delete(g.endpoints, ep)
			if !slices.Contains(s.endpoints, withoutSource(ep)) {
				continue // the peer's host has another address since
			}
			s.Disconnect(ep)
			s.Connect(ep)
		}
	}
}

// watch is told of connections by the socket's monitor.
func (n *NetGear) watch(e event) {
	endpoint := withoutSource(e.endpoint)
	n.resolver.observe(e)
	n.clients.observe(e)
	switch {
	case e.kind == zmq4.EVENT_HANDSHAKE_SUCCEEDED:
		n.refused.Store(nil)
		n.hangups.Store(0)
		n.settler.want()
		n.newcomers()
		if endpoint != e.endpoint {
			n.leftover.cleared()
		}
		n.states.add(State{Kind: Connected, Endpoint: endpoint})
		n.connections.log(n.opts.Logger, slog.LevelInfo, "connected", "endpoint", endpoint)
	case e.kind == zmq4.EVENT_DISCONNECTED:
		if n.closing() != nil {
			// Its own doing, or that of a peer that has heard the goodbye.
			n.departed.Store(true)
			n.wake()
			return
		}
		n.counters.lost.Add(1)
		if n.opts.ReceiveMode {
			n.endedFruitless()
		}
		n.newcomers()
		n.settler.want()
		n.leftover.lost(e.from)
		n.states.add(State{Kind: Lost, Endpoint: endpoint, Err: e.why})
		n.wake()
		n.connections.log(n.opts.Logger, slog.LevelInfo, "connection lost", "endpoint", endpoint)
	case e.refused():
		n.counters.refused.Add(1)
		if e.why != nil {
			return // this end has ended it, and closedPeer has reported why
		}
		n.refused.Store(&refusal{e, time.Now()})
		if e.kind == zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL && e.after < handshakeTime {
			n.hungUp() // later it is that nobody spoke, or that this end had to wait
		}
		if !n.opts.binds() && e.kind != zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL {
			n.givenUp.add(e.endpoint)
		}
		n.wake()
		n.states.add(State{Kind: Refused, Endpoint: endpoint, Err: n.refusal()})
		n.bursts.log(n.opts.Logger, slog.LevelWarn, "handshake failed", "endpoint", endpoint, "kind", e.kind.String(), "value", e.value)
	}
}

// closedPeer counts and logs a connection that this end has ended.
func (n *NetGear) closedPeer(peer string, why error) {
	if errors.Is(why, errPending) || errors.As(why, new(syscall.Errno)) {
		n.floods.log(n.opts.Logger, slog.LevelWarn, "too many connections, closed one", "endpoint", n.where(), "peer", peer, "err", why)
		return
	}
	if errors.Is(why, errSpoiled) { // it did nothing wrong itself
		n.floods.log(n.opts.Logger, slog.LevelWarn, "closed a connection, as there is too much to read already", "endpoint", n.where(), "peer", peer, "err", why)
		return
	}
	n.counters.flooded.Add(1)
	n.floods.log(n.opts.Logger, slog.LevelWarn, "closed the connection of a peer that floods", "endpoint", n.where(), "peer", peer, "err", why)
}

// newcomers makes a Pair receive end look who is served, and who waits.
func (n *NetGear) newcomers() {
	if n.opts.servesOne() {
		n.crowd.Store(true)
		n.wake()
	}
}

// knocked is called when a peer waits at the door.
func (n *NetGear) knocked() {
	n.settler.want()
	n.newcomers()
}

// hungUp counts a peer that ended the handshake without a word. A tunnel does so
// itself when it leads nowhere, which says nothing of the peer.
func (n *NetGear) hungUp() {
	if n.tunnel != nil && n.tunnel.Err() != nil {
		n.hangups.Store(0)
		return
	}
	n.hangups.Add(1)
}

// reconnecting is said when the old socket is gone and before a new one takes its
// place.
func (n *NetGear) reconnecting(why error) {
	n.counters.retries.Add(1)
	n.states.add(State{Kind: Reconnecting, Endpoint: n.where(), Err: why})
}
