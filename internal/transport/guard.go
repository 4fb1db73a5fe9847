package transport

import (
	"encoding/binary"
	"errors"
	"time"
)

// The monitor of a socket checks its connections while there are any: how much
// has each brought that was not read, and is its handshake overdue?

const (
	// guardIdle and guardBusy are how often it checks, and guardBusy is for the
	// time after much has come. Every check wakes a thread, which is what it
	// costs, so all the monitors of a process check at the same time.
	guardIdle = 500 * time.Millisecond
	guardBusy = 20 * time.Millisecond
	// muchAtOnce is how many bytes are much.
	muchAtOnce = 1 << 20
	// worthPeeking is from how many unread bytes on it looks what they are.
	worthPeeking = 256 << 10
)

// meter holds what the monitor has counted of the bytes of one connection.
type meter struct {
	last int64 // bytes brought, at the last check
	base int64 // and when nothing was left unread
	at   time.Time
	read int64 // bytes read since then

	unread        int64 // bytes that were not read, at the last check
	perPart       int64 // bytes for each part, of those last read; 0 if unknown
	taken         int64 // bytes that libzmq had read, when it was last peeked at them
	peeks, tinies int   // how often it was peeked, and how often the parts were tiny
	resident      int64 // the process's memory then, since the first of those
	grown         int64 // and by how much it grew while libzmq read
	growth        int64 // the same, if the connection was ended for that
}

// rebase begins again: nothing is left unread.
func (m *meter) rebase(now time.Time) {
	*m = meter{last: m.last, base: m.last, at: now, perPart: m.perPart}
}

// inspect checks every connection, and sets when to check again.
func (m *monitor) inspect(now time.Time) {
	busy, waiting := false, m.leftUnread()
	m.unread = 0
	for _, c := range m.conns {
		m.unread += c.unread
	}
	for _, c := range m.conns {
		if c.ended != nil {
			continue
		}
		much, why := m.check(c, now)
		waiting += c.memory()
		if busy = busy || much; why != nil {
			m.end(c, why)
		}
	}
	noteWaiting(waiting)
	m.flow.prune()
	m.correctMarks(noConnection, true)
	m.limitPending(now)
	m.limitPeers(now)
	m.evictLast()
	m.limitChatter()
	switch {
	case len(m.conns) == 0:
		m.next = time.Time{}
	case busy:
		m.next = now.Add(guardBusy)
	default:
		m.next = nextIdle(now)
	}
}

// nextIdle returns the next whole guardIdle of the wall clock, so that all
// monitors check at the same time. It keeps the monotonic reading (which
// Truncate drops): otherwise, once the clock is set back, nothing would be
// checked until it has caught up.
func nextIdle(now time.Time) time.Time {
	return now.Add(guardIdle - time.Duration(now.UnixNano())%guardIdle)
}

// checkTripped checks the connections that data has come over.
func (m *monitor) checkTripped(now time.Time) {
	for fd := range m.trip.reported() {
		i := m.find(fd)
		if i < 0 || m.conns[i].ended != nil {
			continue
		}
		if _, why := m.check(m.conns[i], now); why != nil {
			m.end(m.conns[i], why)
		}
	}
	m.limitChatter()
}

// limitChatter ends the connections that subscribe to most, if all together
// subscribe to too much: libzmq goes over all subscriptions in one call, once
// when they come, and again for each connection that ends.
func (m *monitor) limitChatter() {
	if m.limits.pending == 0 {
		return
	}
	settled := m.flow.drained.Load()
	fresh := settled != m.settledAt
	m.settledAt = settled
	var pending, walk, number int64
	for _, c := range m.conns {
		if fresh {
			c.mark = c.seen
		}
		c.seen = c.last
		c.most = max(c.most, c.unread)
		if c.ended == nil {
			pending += c.last - c.mark
			walk += c.walk()
			number++
		}
	}
	if pending > enoughChatter {
		m.report(Event{Kind: Subscribed})
	}
	for pending > m.limits.pending || walk*number > maxChatterWalk {
		var worst *connection
		for _, c := range m.conns {
			if c.ended == nil && (worst == nil || c.last-c.mark+c.walk() > worst.last-worst.mark+worst.walk()) {
				worst = c
			}
		}
		if worst == nil {
			return
		}
		pending -= worst.last - worst.mark
		walk -= worst.walk()
		number--
		m.end(worst, ErrChatter)
	}
}

// walk returns about how many bytes of a connection's subscriptions libzmq goes
// over.
func (c *connection) walk() int64 { return max(c.most-freeChatter, 0) }

// check returns whether a connection has brought much, and why it must end.
func (m *monitor) check(c *connection, now time.Time) (much bool, why error) {
	read := m.flow.readSince(c)
	total, ok := bytesReceived(int(c.fd))
	if !ok || total < c.last { // the descriptor may be another's by now
		return read.condemned != nil, read.condemned
	}
	much = total-c.last > muchAtOnce
	c.last, c.counted = total, true
	unread := c.update(&read, &m.limits, now)
	if unread > worthPeeking && !m.flow.secure {
		c.peek(&m.limits)
	}
	switch why = c.verdict(unread, &m.limits, now); {
	case read.condemned != nil:
		return true, read.condemned
	case why == nil && c.tiny(max(unread, m.unread)):
		why = ErrTinyParts
	}
	return much || unread > muchAtOnce, why
}

// update returns how many bytes have come that were not read.
func (c *connection) update(read *reading, limits *limits, now time.Time) int64 {
	if c.read += read.bytes; read.parts > 0 {
		c.perPart = read.bytes / read.parts
	}
	if c.at.IsZero() {
		c.at = c.since
	}
	heartbeats := int64(now.Sub(c.at).Seconds() * float64(limits.bytesPerSecond))
	c.unread = c.last - c.base - c.read - heartbeats
	if read.all {
		c.perPart = 0 // what comes next may be of another size
	}
	if read.all || c.unread < 0 {
		c.rebase(now)
	}
	return c.unread
}

// memory returns about how much the unread parts of a connection take.
func (c *connection) memory() int64 {
	if c.perPart > 0 {
		return c.unread + c.unread/c.perPart*partMemory
	}
	return max(c.unread, c.growth)
}

// partMemory is about what libzmq takes for a part beside its bytes: its place in
// the queue and, for one of 34 bytes and more, an allocation.
const partMemory = 112

// countLeft adds up what connections have left unread that have ended: it stays
// in memory until the owner of the socket has read it, or has opened another. A
// peer that floods and connects again and again would pile that up. So if it is
// too much, the owner opens another socket, and until then no connection stays.
// A connection may have brought more since the last check.
func (m *monitor) countLeft(c *connection) {
	if now := m.flow.drained.Load(); now != m.drainedAt {
		m.left, m.leftEnded, m.drainedAt = 0, 0, now
	}
	left := c.memory()
	if c.handshaked {
		left = max(left, m.limits.unseen)
	}
	m.left += left
	if c.ended != nil {
		m.leftEnded += c.memory()
	}
	if m.limits.left > 0 && (m.left > m.limits.left || m.leftEnded > inflowSlack) {
		if !m.flow.spoiled.Swap(true) {
			// The owner may have read everything before this, and waits.
			m.report(Event{Kind: LeftUnread})
		}
	}
}

// leftUnread returns how much memory is taken by what ended connections have
// left and was not read.
func (m *monitor) leftUnread() int64 {
	if m.flow.drained.Load() != m.drainedAt {
		return 0
	}
	return m.left
}

// spoiled reports whether too much was left unread.
func (m *monitor) spoiled() bool {
	if m.flow.spoiled.Load() && m.flow.drained.Load() != m.drainedAt {
		m.left, m.leftEnded = 0, 0
		m.flow.spoiled.Store(false)
	}
	return m.flow.spoiled.Load()
}

// verdict returns why a connection must end, nil if it need not.
func (c *connection) verdict(unread int64, limits *limits, now time.Time) error {
	switch age := int64(now.Sub(c.since).Seconds()); {
	case limits.total > 0 && (unread > limits.bytes || c.last > limits.total+age*limits.totalPerSecond):
		return ErrChatter
	case unread > limits.bytes, c.perPart > 0 && unread/c.perPart > limits.parts:
		return ErrPiledUp
	}
	return nil
}

// A part takes 64 bytes of memory in libzmq and as few as two on the wire, and one
// of 34 bytes and more an allocation beside them (partMemory). So a message of very
// many small parts takes far more memory than bytes came: 32 times as much, and
// three times with parts of 54 bytes. libzmq hands out none of them before the
// last. What distinguishes it from a large one is how it looks in the system's
// buffer, together with the growth of the process. A picture of nothing but zeros
// looks alike, but takes no more memory than bytes. The process may grow by other
// things, too: by what other connections bring, and by what the application does,
// while this one waits or in the course of time.
const (
	tinyPart    = 64        // a part of at most so many bytes is tiny
	tinyPeeks   = 8         // so often it must look so,
	tinyShare   = 10        // and one time out of so many: with fewer it does not grow by tinyFactor
	tinyMost    = 1000      // after so many peeks the count begins again
	tinyGrowth  = 128 << 20 // so much the process must have grown since, while libzmq read
	tinyFactor  = 3         // and by so many bytes for each unread one of all connections
	peekAtLeast = 64
)

// peek looks at what a connection brings, unless libzmq reads none of it, as where
// the messages that wait are as many as may.
func (c *connection) peek(limits *limits) {
	var buffer [2048]byte
	var bytes []byte
	var outside int64 // unread bytes that libzmq does not have
	if !reserve.pinned(int(c.fd), c.id, func(fd int) {
		bytes = peek(fd, buffer[:])
		outside = inSystem(fd)
	}) {
		return
	}
	before := c.taken
	c.taken = c.last - outside
	c.noteGrowth(c.taken > before)
	if c.taken <= before || len(bytes) < peekAtLeast {
		return
	}
	if c.peeks >= tinyMost {
		c.peeks, c.tinies = 0, 0
	}
	if c.peeks++; c.unread-outside <= limits.whole || !tinyFrames(bytes) {
		return
	}
	if c.tinies++; c.tinies == 1 {
		c.resident, c.grown = residentMemory(), 0
	}
}

// noteGrowth notes by how much the process has grown since it was last peeked. It
// did so for other reasons if libzmq has read nothing since.
func (c *connection) noteGrowth(reads bool) {
	if c.tinies == 0 {
		return
	}
	now := residentMemory()
	if reads && c.resident != 0 && now != 0 { // 0 is not known
		c.grown += now - c.resident
	}
	c.resident = now
}

// tiny reports whether very many very small parts have piled up. unread are the
// unread bytes of all connections.
func (c *connection) tiny(unread int64) bool {
	if c.tinies < tinyPeeks || c.tinies*tinyShare < c.peeks || c.grown <= tinyGrowth || c.grown <= tinyFactor*unread {
		return false
	}
	c.growth = c.grown
	return true
}

// tinyFrames reports whether bytes are ZMTP frames of a few bytes each. The first
// may have begun before them. libzmq ignores the reserved bits of a frame's flags,
// and accepts commands between the parts of a message.
func tinyFrames(bytes []byte) bool {
	for start := 0; start <= tinyPart+2; start++ {
		frames, at := 0, start
		for at+1 < len(bytes) {
			size := uint64(bytes[at+1])
			if at += 2; bytes[at-2]&2 != 0 {
				if at+7 > len(bytes) {
					break
				}
				size = binary.BigEndian.Uint64(bytes[at-1:])
				at += 7
			}
			if frames++; size > uint64(len(bytes)) {
				at = len(bytes) + 1
				break
			}
			at += int(size)
		}
		if at+1 >= len(bytes) && frames*(tinyPart+2) >= len(bytes)-start {
			return true
		}
	}
	return false
}

// end ends a connection whose peer sent too much.
func (m *monitor) end(c *connection, why error) {
	c.ended = why
	if !errors.Is(why, ErrSpoiled) {
		m.markHandshaked(c)
	}
	if dropped, ok := reserve.disconnect(int(c.fd), c.id); ok {
		c.unread = max(c.unread-dropped, 0)
		m.report(Event{Kind: PeerClosed, Peer: c.peer, Err: why})
	}
}

// markHandshaked marks a connection whose handshake has certainly succeeded,
// since messages came over it. Where that was not the guess, the mark moves.
func (m *monitor) markHandshaked(c *connection) {
	if c.handshaked {
		return
	}
	if i := m.takenFor(c); i >= 0 {
		other := m.conns[i]
		other.handshaked, c.handshaked, c.handshakedAt = false, true, other.handshakedAt
	}
}
