package netgear

import (
	"strconv"
	"sync"
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
	Err      error  // at Refused and Reconnecting: why
}

// states calls Options.OnState, for one event after the other, in a goroutine
// of its own: the application may take its time, and may call this end. Events
// wait in memory; there are few of them.
type states struct {
	mu     sync.Mutex
	queued []State
	ended  bool
	more   chan struct{}
	done   chan struct{}
}

func startStates(call func(State)) *states {
	if call == nil {
		return nil
	}
	s := &states{more: make(chan struct{}, 1), done: make(chan struct{})}
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
	if !s.ended {
		s.queued = append(s.queued, st)
	}
	s.mu.Unlock()
	s.wake()
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
	s.ended = true
	s.mu.Unlock()
	s.wake()
	<-s.done
}

// losing holds back what a receive end has to say of lost connections until the
// receive goroutine has read what came over them: a goodbye comes before the
// loss, but libzmq tells of the two on different ways.
type losing struct {
	mu     sync.Mutex
	reader bool // a receive goroutine runs and will tell
	held   []State
}

// grace is how long after a loss something may still be read of it.
const grace = 20 * time.Millisecond

func (l *losing) add(to *states, s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader {
		l.held = append(l.held, s)
	} else {
		to.add(s)
	}
}

func (l *losing) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) > 0
}

// tell tells what was held back. reader says whether the goroutine goes on.
func (l *losing) tell(to *states, reader bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.held {
		to.add(s)
	}
	l.held, l.reader = nil, reader
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
			s.Disconnect(ep)
			s.Connect(ep)
		}
	}
}

// watch is told of connections by the socket's monitor.
func (n *NetGear) watch(e event) {
	switch {
	case e.kind == zmq4.EVENT_HANDSHAKE_SUCCEEDED:
		n.refused.Store(nil)
		n.hangups.Store(0)
		if n.opts.Pattern == Pair && n.opts.ReceiveMode && n.peers() > 1 {
			n.crowd.Store(true)
			n.wake()
		}
		n.states.add(State{Kind: Connected, Endpoint: e.endpoint})
		n.opts.Logger.Info("connected", "endpoint", e.endpoint)
	case e.kind == zmq4.EVENT_DISCONNECTED:
		if n.closing() != nil {
			return // its own doing
		}
		n.counters.lost.Add(1)
		n.losing.add(n.states, State{Kind: Lost, Endpoint: e.endpoint})
		n.wake()
		n.opts.Logger.Info("connection lost", "endpoint", e.endpoint)
	case e.refused():
		n.counters.refused.Add(1)
		n.refused.Store(&e)
		if e.kind == zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL {
			n.hangups.Add(1)
		}
		if !n.opts.binds() && e.kind != zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL {
			n.givenUp.add(e.endpoint)
		}
		n.wake()
		n.states.add(State{Kind: Refused, Endpoint: e.endpoint, Err: n.refusal()})
		n.bursts.log(n.opts.Logger, "handshake failed", "endpoint", e.endpoint, "kind", e.kind.String(), "value", e.value)
	}
}

// reconnecting is said before a new socket takes the old one's place.
func (n *NetGear) reconnecting(why error) {
	n.counters.retries.Add(1)
	n.states.add(State{Kind: Reconnecting, Endpoint: n.where(), Err: why})
}
