package netgear

import (
	"errors"
	"fmt"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// A PAIR socket serves one peer. Others wait, and the gate admits them one
// after the other. When the served peer has disconnected, the next is admitted.
// A served peer that is silent for RequestTimeout while another waits loses its
// place. It is frozen, or its machine was disconnected, and it may itself be
// the one that waits. That loses nothing, because a peer that waits has sent
// nothing yet.

// moreChecks is how often a PAIR socket is checked again if the first check
// found nothing to do. Each pause is four times as long as the last. On a busy
// machine the socket may process a change later than settleTime.
const moreChecks = 3

// pairState is the state between checks of a PAIR socket.
type pairState struct {
	unserved time.Time // since when a peer is connected and none is served; otherwise zero
	checks   int       // checks without a result since a peer has connected or disconnected
}

// pairView is the input of a check of a PAIR socket.
type pairView struct {
	now       time.Time
	peers     int  // connected peers
	served    bool // the socket has a peer to send to
	waiting   bool // others wait to be served
	lastFrame time.Time
	timeout   time.Duration // Options.RequestTimeout
}

var errNotServed = errors.New("a peer is connected and not served")

// check returns when to check again, or the zero Time if only after the next
// event. free reports whether the place is free, and why is the reason if the
// socket must be replaced.
func (p *pairState) check(v pairView) (again time.Time, free bool, why error) {
	if v.peers == 0 || v.served {
		p.unserved = time.Time{}
	}
	switch {
	case v.peers == 0 && !v.served:
		free = true
	case v.peers == 0:
		again = v.now.Add(mismatchGrace) // it is disconnecting or connecting
	case !v.served && p.unserved.IsZero():
		p.unserved = v.now
		again = v.now.Add(mismatchGrace)
	case !v.served:
		// The handshake of a peer took so long that another was admitted.
		if again = p.unserved.Add(mismatchGrace); !v.now.Before(again) {
			return time.Time{}, false, errNotServed
		}
	case v.waiting:
		if again = v.lastFrame.Add(v.timeout); !v.now.Before(again) {
			return time.Time{}, false, fmt.Errorf("%w: another peer is waiting, and the one that is served is silent", ErrTimeout)
		}
	}
	return again, free, nil
}

// more returns when to check again after a check without a result, or the zero
// Time after moreChecks.
func (p *pairState) more(now time.Time) time.Time {
	if p.checks >= moreChecks {
		return time.Time{}
	}
	p.checks++
	return now.Add(mismatchGrace << (2 * (p.checks - 1)))
}

// checkPeer admits the next peer if the served one has disconnected. It
// replaces the socket if the served one is silent while another waits.
func (r *receiveEnd) checkPeer(now time.Time) error {
	c := r.conn
	events, err := c.ProcessCommands()
	v := pairView{now: now, peers: r.peers(), served: err == nil && events&zmq4.POLLOUT != 0, lastFrame: r.lastFrame, timeout: r.opts.RequestTimeout}
	if !r.opts.binds() {
		return r.checkConnected(v)
	}
	v.waiting = c.Pending() > 0
	if v.lastFrame.Before(c.opened) {
		v.lastFrame = c.opened
	}
	again, free, why := c.pair.check(v)
	if why != nil {
		return r.reopen(why)
	}
	if free {
		c.turns++
		again = c.ReleaseSlot()
	}
	if again.IsZero() {
		again = c.pair.more(now)
	}
	c.timers[checkTimer] = again
	return nil
}

// checkConnected is checkPeer at an end that connects. There only one thing is to
// be done: to replace a socket that was still ending a connection when the next
// one was made, which then has no place.
func (r *receiveEnd) checkConnected(v pairView) error {
	c := r.conn
	again := time.Time{}
	if v.peers == 0 || v.served {
		c.pair.unserved = time.Time{}
	} else {
		var why error
		if again, _, why = c.pair.check(v); why != nil {
			return r.reopen(why)
		}
	}
	if again.IsZero() {
		again = c.pair.more(v.now)
	}
	c.timers[checkTimer] = again
	return nil
}

// evictPeer replaces the socket if a peer that sent a terminate message is
// still connected, and so prevents the next from being served.
func (r *receiveEnd) evictPeer() error {
	if r.peers() == 0 || r.conn.lost.Load() != r.conn.lostBefore {
		return nil // it has disconnected
	}
	r.shut(r.lingerTimeout())
	return r.open()
}

// ---- what comes while the queue is full ----

// maxEarly is far more messages than a PAIR peer sends before it has its
// answers: a frame and a terminate message.
const maxEarly = 8

var errFlood = errors.New("the peer does not wait for answers")

// readEarly reads a message for which the queue has no room yet. A peer that
// does not wait for answers would otherwise fill memory (see receiveHWM), so it
// is disconnected. REP cannot read ahead: it must answer a request before it
// reads the next. It returns zmsg.ErrTimeout at the deadline.
func (r *receiveEnd) readEarly(deadline time.Time) error {
	switch err := r.in.read(r.conn.socket, deadline, r.stopWaiting); {
	case err == nil && r.earlyFull():
		r.in.close()
		return r.reopen(errFlood)
	case err == nil:
		r.queue.early.Add(r.in.bytes())
		m := r.in.take()
		m.conn, m.turns = r.conn, r.conn.turns
		r.early = append(r.early, m)
		return nil
	case errors.Is(err, errRoom), errors.Is(err, errNews), errors.Is(err, zmsg.ErrTimeout), errors.Is(err, ErrClosed):
		return err
	default:
		return r.broken(err)
	}
}

// orphaned reports whether another connection may have taken the place of the one
// that a message came over. Its sender has sent it again, or reported it as lost.
// An answer would go to the next connection, and there be taken for that to
// another frame, as PAIR's answers have no number. Only a message that was read
// early can be orphaned: the next connection exists only after the owner of the
// socket, which handles the message, has made a place for it.
func (r *receiveEnd) orphaned(m *message) bool {
	return m.conn != nil && (m.conn != r.conn || m.turns != r.conn.turns)
}

// earlyFull reports whether the message just read exceeds what may be read
// ahead. Two large ones may be: a frame, and the same frame again after a loss.
func (r *receiveEnd) earlyFull() bool {
	return len(r.early) == maxEarly || len(r.early) >= 2 && r.queue.early.Load()+r.in.bytes() > r.opts.QueueBytes
}
