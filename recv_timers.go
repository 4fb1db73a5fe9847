package netgear

import "time"

// timer is one of the deadlines of the receive loop.
type timer int

const (
	// Of the socket.
	flushTimer timer = iota // deliver deferred events
	retryTimer              // connect again to an endpoint that rejected this end
	checkTimer              // PAIR: check which peer is served
	evictTimer              // PAIR: evict a peer that sent a terminate message and is still connected
	// Of the end.
	stallTimer // no frame has arrived for Options.StallAfter
	idleTimer  // nothing has arrived for idleLimit
	timerCount
)

// timers holds the deadlines by timer. The zero Time is no deadline.
type timers [timerCount]time.Time

// next returns the earliest deadline, the zero Time if none is set.
func (t *timers) next() (at time.Time) {
	for _, d := range t {
		if !d.IsZero() {
			at = earlier(at, d)
		}
	}
	return at
}

// advance sets a deadline, unless an earlier one is set.
func (t *timers) advance(which timer, at time.Time) { t[which] = earlier(t[which], at) }

// after sets a deadline after d, or none if d is 0.
func (t *timers) after(which timer, now time.Time, d time.Duration) {
	if t[which] = (time.Time{}); d > 0 {
		t[which] = now.Add(d)
	}
}

// take clears a deadline that is due and reports whether it was.
func (t *timers) take(which timer, now time.Time) bool {
	if t[which].IsZero() || now.Before(t[which]) {
		return false
	}
	t[which] = time.Time{}
	return true
}

// earlier returns the earlier of two times, of which d may be zero.
func earlier(d, other time.Time) time.Time {
	if d.IsZero() || other.Before(d) {
		return other
	}
	return d
}

// ---- what is due ----

// deadline returns when something is due next.
func (r *receiveEnd) deadline() time.Time {
	at := r.timers.next()
	if d := r.conn.timers.next(); !d.IsZero() {
		at = earlier(at, d)
	}
	return at
}

// onDeadline does what is due. A step that replaces the socket clears the
// deadlines of the one before.
func (r *receiveEnd) onDeadline(now time.Time) error {
	c := r.conn
	if c.timers.take(retryTimer, now) {
		c.retry()
	}
	if c.timers.take(flushTimer, now) {
		r.events.release()
	}
	if r.timers.take(stallTimer, now) {
		r.stalled = true
		r.events.add(Event{Kind: EventStalled, Endpoint: r.where()})
	}
	if c.timers.take(checkTimer, now) {
		return r.checkPeer(now)
	}
	if c.timers.take(evictTimer, now) {
		return r.evictPeer()
	}
	if r.timers.take(idleTimer, now) {
		r.timers.after(idleTimer, now, r.idleLimit())
		return r.onIdle(now)
	}
	return nil
}

// news reports whether an event has occurred that sets a deadline.
func (r *receiveEnd) news() bool {
	c := r.conn
	return c.peersChanged.Load() ||
		c.timers[flushTimer].IsZero() && r.events.pending() ||
		!c.rejected.next().Equal(c.timers[retryTimer])
}

// noteNews sets the deadlines that follow from the last events.
func (r *receiveEnd) noteNews(now time.Time) {
	c := r.conn
	if c.peersChanged.Swap(false) {
		c.pair.checks = 0
		c.timers.advance(checkTimer, now.Add(settleTime))
	}
	if c.timers[flushTimer].IsZero() && r.events.pending() {
		c.timers[flushTimer] = now.Add(lossDelay)
	}
	c.timers[retryTimer] = c.rejected.next()
}

// idleLimit returns after what time without a message a receive end acts:
// VidGear's 3 × request_timeout, or its subscriber_timeout. 0 is never.
func (s *settings) idleLimit() time.Duration {
	switch {
	case s.reportsIdle():
		return s.opts.SubscriberTimeout
	case s.spec.answers:
		return 3 * s.opts.RequestTimeout
	}
	return 0
}

// reportsIdle reports whether Recv returns an error when nothing has arrived
// for SubscriberTimeout.
func (s *settings) reportsIdle() bool {
	return s.opts.SubscriberTimeout > 0 && (!s.spec.answers || s.opts.Wire == AsyncWire)
}
