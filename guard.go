package netgear

import (
	"encoding/binary"
	"time"
)

// The monitor of a socket looks at its connections while there are some: how
// much has each brought that was not read, and is its handshake overdue?

const (
	// guardIdle and guardBusy are how often it looks, and guardBusy is for the
	// time after much has come. Every look wakes a thread, which is what it costs,
	// so all the monitors of a process look at the same time.
	guardIdle = 500 * time.Millisecond
	guardBusy = 20 * time.Millisecond
	// muchAtOnce is how many bytes are much.
	muchAtOnce = 1 << 20
	// worthPeeking is from how many unread bytes on it looks what they are.
	worthPeeking = 256 << 10
)

// meter is what the monitor knows of the bytes of one connection.
type meter struct {
	last int64 // bytes brought, when it last looked
	base int64 // and when nothing was left unread
	at   time.Time
	read int64 // bytes read since then

	unread        int64 // bytes that were not read, when it last looked
	perPart       int64 // bytes for each part, of those last read; 0 if unknown
	peeks, tinies int   // how often it peeked, and how often the parts were tiny
	resident      int64 // the process's memory at the first of those
	growth        int64 // and by how much it grew until the connection was ended for that
}

// rebase begins again: nothing is left unread.
func (m *meter) rebase(now time.Time) {
	*m = meter{last: m.last, base: m.last, at: now, perPart: m.perPart}
}

// inspect looks at every connection, and sets when to look again.
func (m *monitor) inspect(now time.Time) {
	busy := false
	for i := range m.links {
		l := &m.links[i]
		if l.killed != nil {
			continue
		}
		much, why := m.check(l, now)
		if busy = busy || much; why != nil {
			m.kill(l, why)
		}
	}
	m.flow.prune(func(fd int) bool { return m.find(uint32(fd)) >= 0 })
	m.limitPending(now)
	m.evictLast()
	m.limitChatter()
	switch {
	case len(m.links) == 0:
		m.next = time.Time{}
	case busy:
		m.next = now.Add(guardBusy)
	default:
		m.next = now.Truncate(guardIdle).Add(guardIdle)
	}
}

// tripped looks at the connections that data has come over.
func (m *monitor) tripped(now time.Time) {
	for fd := range m.trip.take() {
		i := m.find(fd)
		if i < 0 || m.links[i].killed != nil {
			continue
		}
		if _, why := m.check(&m.links[i], now); why != nil {
			m.kill(&m.links[i], why)
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
	for i := range m.links {
		l := &m.links[i]
		if fresh {
			l.mark = l.seen
		}
		l.seen = l.last
		l.most = max(l.most, l.unread)
		if l.killed == nil {
			pending += l.last - l.mark
			walk += l.walk()
			number++
		}
	}
	if pending > enoughChatter {
		m.subscribed()
	}
	for pending > m.limits.pending || walk*number > maxChatterWalk {
		var worst *peerConn
		for i := range m.links {
			if l := &m.links[i]; l.killed == nil && (worst == nil || l.last-l.mark+l.walk() > worst.last-worst.mark+worst.walk()) {
				worst = l
			}
		}
		if worst == nil {
			return
		}
		pending -= worst.last - worst.mark
		walk -= worst.walk()
		number--
		m.kill(worst, errChatter)
	}
}

// walk returns about how many bytes of a connection's subscriptions libzmq goes
// over.
func (l *peerConn) walk() int64 { return max(l.most-freeChatter, 0) }

// check returns whether a connection has brought much, and why it must end.
func (m *monitor) check(l *peerConn, now time.Time) (much bool, why error) {
	read := m.flow.take(int(l.fd))
	total, ok := bytesReceived(int(l.fd))
	if !ok || total < l.last { // the descriptor may be another's by now
		return read.condemned != nil, read.condemned
	}
	much = total-l.last > muchAtOnce
	l.last = total
	unread := l.update(&read, &m.limits, now)
	if unread > worthPeeking && !m.flow.secure {
		l.peek()
	}
	if read.condemned != nil {
		return true, read.condemned
	}
	return much || unread > muchAtOnce, l.verdict(unread, &m.limits, now)
}

// update returns how many bytes have come that were not read.
func (l *peerConn) update(read *reading, limits *inflowLimits, now time.Time) int64 {
	if l.read += read.bytes; read.parts > 0 {
		l.perPart = read.bytes / read.parts
	}
	if l.at.IsZero() {
		l.at = l.since
	}
	heartbeats := int64(now.Sub(l.at).Seconds() * float64(limits.bytesPerSecond))
	l.unread = l.last - l.base - l.read - heartbeats
	if read.all {
		l.perPart = 0 // what comes next may be of another size
	}
	if read.all || l.unread < 0 {
		l.rebase(now)
	}
	return l.unread
}

// memory returns about how much the unread parts of a connection take.
func (l *peerConn) memory() int64 {
	if l.perPart > 0 {
		return l.unread + l.unread/l.perPart*partMemory
	}
	return max(l.unread, l.growth)
}

// partMemory is what libzmq takes for a part beside its bytes, or for those of
// a small one.
const partMemory = 64

// leave adds up what connections have left unread that have ended: it stays in
// memory until the owner of the socket has read it, or has opened another. A
// peer that floods and connects again and again would pile that up. So if it is
// too much, the owner opens another socket, and until then no connection stands.
// A connection may have brought more since the monitor last looked at it.
func (m *monitor) leave(l *peerConn) {
	if now := m.flow.drained.Load(); now != m.drainedAt {
		m.left, m.leftKilled, m.drainedAt = 0, 0, now
	}
	left := l.memory()
	if l.shaken {
		left = max(left, m.limits.unseen)
	}
	m.left += left
	if l.killed != nil {
		m.leftKilled += l.memory()
	}
	if m.limits.left > 0 && (m.left > m.limits.left || m.leftKilled > inflowSlack) {
		if !m.flow.spoiled.Swap(true) && m.wakeOwner != nil {
			// It may have read everything before this, and then it waits.
			m.wakeOwner()
		}
	}
}

// spoiled reports whether too much was left unread.
func (m *monitor) spoiled() bool {
	if m.flow.spoiled.Load() && m.flow.drained.Load() != m.drainedAt {
		m.left, m.leftKilled = 0, 0
		m.flow.spoiled.Store(false)
	}
	return m.flow.spoiled.Load()
}

// verdict returns why a connection must end, nil if it need not.
func (l *peerConn) verdict(unread int64, limits *inflowLimits, now time.Time) error {
	switch age := int64(now.Sub(l.since).Seconds()); {
	case limits.total > 0 && (unread > limits.bytes || l.last > limits.total+age*limits.totalPerSecond):
		return errChatter
	case unread > limits.bytes, l.perPart > 0 && unread/l.perPart > limits.parts:
		return errPiledUp
	case l.tiny(unread):
		return errTinyParts
	}
	return nil
}

// A part takes 64 bytes of memory in libzmq and as few as two on the wire, so a
// message of very many very small parts takes far more memory than bytes came.
// libzmq hands out none of them before the last. What tells it from a large one
// is what it looks like in the system's buffer, together with the growth of the
// process: a picture of nothing but zeros looks alike, but takes no more memory
// than bytes.
const (
	tinyPart    = 16        // a part of at most so many bytes is tiny
	tinyPeeks   = 8         // so often it must look so, nine times out of ten
	tinyGrowth  = 128 << 20 // so much the process must have grown since
	tinyFactor  = 3         // and by so many bytes for each that came
	peekAtLeast = 64
)

// peek looks at what a connection brings.
func (l *peerConn) peek() {
	var buffer [2048]byte
	bytes := peek(int(l.fd), buffer[:])
	if len(bytes) < peekAtLeast {
		return
	}
	if l.peeks++; !tinyFrames(bytes) {
		return
	}
	if l.tinies++; l.tinies == 1 {
		l.resident = residentMemory()
	}
}

// tiny reports whether very many very small parts have piled up.
func (l *peerConn) tiny(unread int64) bool {
	if l.tinies < tinyPeeks || l.tinies*10 < l.peeks*9 {
		return false
	}
	l.growth = residentMemory() - l.resident
	return l.resident > 0 && l.growth > tinyGrowth && l.growth > tinyFactor*unread
}

// tinyFrames reports whether bytes are ZMTP frames of a few bytes each. The
// first may have begun before them.
func tinyFrames(bytes []byte) bool {
	for start := 0; start <= tinyPart+2; start++ {
		frames, at := 0, start
		for at+1 < len(bytes) && bytes[at] <= 3 {
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

// kill ends a connection whose peer sent too much.
func (m *monitor) kill(l *peerConn, why error) {
	l.killed = why
	if why != errSpoiled {
		m.certain(l)
	}
	if dropped, ok := spare.disconnect(int(l.fd), l.id); ok {
		l.unread = max(l.unread-dropped, 0)
		m.closedPeer(l.peer, why)
	}
}

// certain marks a connection whose handshake has succeeded for certain, since
// messages came over it. Where that was not the guess, the mark moves.
func (m *monitor) certain(l *peerConn) {
	if l.shaken {
		return
	}
	if i := m.takenFor(l); i >= 0 {
		m.links[i].shaken, l.shaken, l.shakenAt = false, true, m.links[i].shakenAt
	}
}
