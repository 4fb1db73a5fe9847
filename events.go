package netgear

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// EventKind is the kind of an [Event].
type EventKind int

// The kinds of events.
const (
	EventConnected    EventKind = iota + 1 // a peer has connected, and the handshake has succeeded
	EventLost                              // a connection ended: the peer closed it, or was silent too long
	EventReconnecting                      // this end opens a new socket, because no peer answered or was connected
	EventStalled                           // receive end: no frame of any sender for Options.StallAfter
	EventResumed                           // receive end: a frame after EventStalled
	EventRefused                           // a peer connected, but the handshake failed
	EventTerminated                        // receive end: a sender sent its terminate message
	EventAdapted                           // send end: Options.Adapt has changed how frames are sent
)

// String returns such as "connected".
// For any other value it returns such as "EventKind(99)".
func (k EventKind) String() string { return eventKinds.text(k) }

// Event describes a change of an end's connections.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Endpoint string // the endpoint of this end, if it is known
	// Peer is the peer's IP address and port, such as "10.0.0.4:41022", at
	// EventConnected, EventLost, EventRefused and EventTerminated. It is empty
	// if it is not known: with ipc, with an SSH tunnel, and if the connection
	// had ended before this end asked the system for its address. Then it is
	// empty at EventConnected and at EventLost.
	//
	// EventLost has an address that EventConnected had, and that was not lost
	// since. libzmq does not report whose handshake has succeeded. If several
	// are pending, what was sent over the connections shows it, on Linux. On
	// other systems, or if a peer has sent a wrong handshake that has not
	// failed yet, EventConnected may have the address of another peer whose
	// handshake was pending.
	Peer string
	Port string // the sender's port, at EventTerminated in multi-server mode
	Err  error  // the reason of EventRefused and EventReconnecting; at EventLost the reason if this end closed the connection
	// Adapt is the change, at EventAdapted.
	Adapt *AdaptChange
}

// String returns one line without the time, such as
// "lost tcp://127.0.0.1:5555, peer 10.0.0.4:41022".
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	if e.Endpoint != "" {
		b.WriteString(" " + e.Endpoint)
	}
	if e.Peer != "" {
		b.WriteString(", peer " + e.Peer)
	}
	if e.Port != "" {
		b.WriteString(", port " + e.Port)
	}
	if e.Adapt != nil {
		b.WriteString(": " + e.Adapt.String())
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// events delivers events to Options.OnEvent in order on one goroutine, so the
// callback may block, and may call this end. At most maxEvents are buffered;
// then the oldest are dropped.
//
// A nil events belongs to an end without OnEvent; it does nothing.
type events struct {
	mu      sync.Mutex
	queued  []Event
	ended   bool
	more    chan struct{}
	done    chan struct{}
	batch   []Event              // what run delivers next
	refused map[string]time.Time // when a refusal last happened, by endpoint and error

	// A terminate message is read before its connection is lost, but libzmq
	// reports the two separately. So while a receive goroutine reads, a loss
	// and all events after it are deferred until it has read what had arrived.
	reading    bool
	deferred   []Event
	flushTimer *time.Timer // delivers them if the receive goroutine stays busy
}

// maxEvents is how many events are buffered for a slow callback.
const maxEvents = 1000

func startEvents(onEvent func(Event), calls *callbacks) *events {
	if onEvent == nil {
		return nil
	}
	s := &events{more: make(chan struct{}, 1), done: make(chan struct{}), refused: map[string]time.Time{}}
	go resume(func() { s.run(func(e Event) { calls.call(eventCallback, func() { onEvent(e) }) }) })
	return s
}

func (s *events) run(call func(Event)) {
	for {
		for len(s.batch) > 0 {
			e := s.batch[0]
			s.batch = s.batch[1:]
			call(e)
		}
		s.mu.Lock()
		ended := s.ended
		s.batch, s.queued = s.queued, nil
		s.mu.Unlock()
		if len(s.batch) == 0 {
			if ended {
				close(s.done)
				return
			}
			<-s.more
		}
	}
}

func (s *events) add(st Event) {
	if s == nil {
		return
	}
	st.Time = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended || s.repeats(&st):
	case st.Kind == EventTerminated || len(s.deferred) == 0 && !(st.Kind == EventLost && s.reading):
		s.deliver(st)
	default:
		s.deferred = append(s.deferred, st)
		if s.flushTimer == nil {
			s.flushTimer = time.AfterFunc(flushAfter, s.release)
		}
		if len(s.deferred) >= maxEvents {
			s.flush()
		}
	}
}

// repeats reports whether a refusal is the same as an earlier one. Two ends
// that do not match refuse each other repeatedly. That is one event until a
// peer connects.
func (s *events) repeats(st *Event) bool {
	switch st.Kind {
	case EventConnected:
		clear(s.refused)
	case EventRefused:
		what := fmt.Sprint(st.Endpoint, st.Err)
		last, before := s.refused[what]
		s.refused[what] = st.Time
		return before && st.Time.Sub(last) < dedupWindow
	}
	return false
}

func (s *events) deliver(all ...Event) {
	s.queued = append(s.queued, all...)
	s.queued = s.queued[max(0, len(s.queued)-maxEvents):]
	s.wake()
}

// flush delivers the deferred events. s.mu must be held.
func (s *events) flush() {
	s.deliver(s.deferred...)
	s.deferred = nil
	if s.flushTimer != nil {
		s.flushTimer.Stop()
		s.flushTimer = nil
	}
}

// release delivers the deferred events.
func (s *events) release() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
}

// setReading sets whether a receive goroutine reads, and delivers the deferred
// events.
func (s *events) setReading(reading bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = reading
	s.flush()
}

// pending reports whether events are deferred.
func (s *events) pending() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.deferred) > 0
}

func (s *events) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// end delivers all events, and blocks until that is done.
func (s *events) end() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.flush()
	s.ended = true
	s.mu.Unlock()
	s.wake()
	<-s.done
}
