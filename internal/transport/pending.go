package transport

import (
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Peers that connect and do not go on with their handshake take descriptors,
// and libzmq drops them only after handshakeLimit. So each listening socket has
// so many of them at most, and the oldest end first. The bytes that a connection
// has brought show how far its handshake has come. The monitor does not know
// whose handshake has succeeded, and must not end an established connection.

const (
	// maxPendingPeers is how many handshakes may be pending at one socket.
	maxPendingPeers = 256
	// pendingGrace is how long a handshake may be pending in any case.
	pendingGrace = 250 * time.Millisecond
	// lastDescriptors are kept free of connections even where all of those are
	// established.
	lastDescriptors = 16
	// evictionTime is how long it may take until libzmq has closed a connection
	// that was ended, and the monitor has read all events that came before.
	evictionTime = 10 * time.Millisecond
	// evictAtOnce is how many connections end when no descriptor is free.
	evictAtOnce = 8
)

// The fewest bytes that a whole handshake brings: a greeting, and what follows
// it according to security and side.
const (
	plainHandshake       = 64 + 26              // READY with a socket type
	curveServerHandshake = 64 + 202 + 2 + 257   // HELLO, INITIATE
	curveClientHandshake = 64 + 170 + 2 + 8 + 8 // WELCOME, READY
)

// curveServerReply is the fewest bytes that the server's side sends in a whole
// handshake: a greeting, WELCOME and READY. With ERROR instead they are fewer.
const curveServerReply = 64 + 170 + 2 + 6 + 8 + 16

// curveServerWaits is the most bytes that the server's side has sent while it waits
// for INITIATE, or for the answer to what it has asked about the peer's key: a
// greeting and WELCOME.
const curveServerWaits = 64 + 170

// stage is how far a handshake has come, as the bytes of its connection show.
type stage int

const (
	stageUnknown  stage = iota // the connection has ended, or the system does not report its bytes
	stagePending               // the peer has more to send
	stageAsked                 // the peer has sent the whole of it, and this end has more to send
	stageComplete              // the whole of it has been sent both ways
)

// stage returns how far the handshake of a connection has come.
func (m *monitor) stage(c *connection) stage {
	if c.complete {
		return stageComplete
	}
	if id, ok := identify(int(c.fd)); !ok || id != c.id {
		return stageUnknown
	}
	brought, ok := bytesReceived(int(c.fd))
	sent, known := outgoing(int(c.fd))
	switch {
	case !ok || !known:
		return stageUnknown
	case brought < m.handshake:
		return stagePending
	case sent.Delivered+sent.Queued < m.reply:
		return stageAsked
	}
	c.complete = true
	return stageComplete
}

// pending reports whether the peer's handshake cannot have ended yet.
func (m *monitor) pending(c *connection, now time.Time) bool {
	if c.established || c.ended != nil {
		return false
	}
	if now.Sub(c.since) > handshakeLimit+time.Second {
		c.established = true
		return false
	}
	brought, ok := bytesReceived(int(c.fd))
	c.established = !ok || brought >= m.handshake // or it has gone
	return !c.established
}

// limitPending ends the oldest handshakes of the site that has the most of them, if
// too many are pending. Of several such sites it is the one with the oldest. One
// site may have all: many cameras behind one router that start together look like a
// flood.
func (m *monitor) limitPending(now time.Time) {
	all, from := 0, map[netip.Addr]int{}
	for _, c := range m.conns {
		if c.mayBePending() {
			all++
			from[c.site]++
		}
	}
	for limit := min(maxPendingPeers, descriptorLimit()/4); all > limit; all-- {
		most := 0
		for _, n := range from {
			most = max(most, n)
		}
		i := slices.IndexFunc(m.conns, func(c *connection) bool { return from[c.site] == most && c.mayBePending() })
		if i < 0 || now.Sub(m.conns[i].since) < pendingGrace {
			return
		}
		if m.pending(m.conns[i], now) {
			m.evict(m.conns[i], ErrPending)
		}
		from[m.conns[i].site]--
	}
}

// site returns what counts as the place that a peer connects from: an IPv4 address,
// or a network of 64 bits of IPv6, as one machine may have all addresses of that.
// Link-local addresses are those of machines on one line, and count each.
func site(a netip.Addr) netip.Addr {
	if a.Is4() || a.IsLinkLocalUnicast() {
		return a
	}
	network, _ := a.Prefix(64)
	return network.Addr()
}

// mayBePending reports whether the handshake of a peer that has connected may not
// have ended yet, as far as is known.
func (c *connection) mayBePending() bool {
	return c.accepted && c.identified() && !c.established && c.ended == nil
}

// evict ends a connection for which there is no room. Its peer has done nothing
// wrong.
func (m *monitor) evict(c *connection, why error) {
	c.ended = why
	if dropped, ok := reserve.disconnect(int(c.fd), c.id); ok {
		brought, known := bytesReceived(int(c.fd))
		c.cut = known && brought-dropped < m.handshake && c.exists() // else it is another's count
		m.evicted = time.Now()
		m.report(Event{Kind: PeerClosed, Peer: c.peer, Err: why})
	}
}

// evictOldest ends the oldest of the pending handshakes, so many at most, that
// are at least so old, and returns how many.
func (m *monitor) evictOldest(most int, age time.Duration) (evicted int) {
	now := time.Now()
	for _, c := range m.conns {
		if evicted == most || now.Sub(c.since) < age {
			break
		}
		if c.accepted && c.identified() && m.pending(c, now) {
			m.evict(c, ErrPending)
			evicted++
		}
	}
	return evicted
}

// evictLast ends the connections that have the very last descriptors, whether
// established or not, and returns how many. While libzmq has no descriptor to
// accept a connection with, its thread tries without end.
func (m *monitor) evictLast() (evicted int) {
	limit := descriptorLimit()
	for _, c := range m.conns {
		if c.accepted && c.identified() && c.ended == nil && int(c.fd) >= limit-lastDescriptors {
			m.evict(c, ErrPending)
			evicted++
		}
	}
	return evicted
}

// accepted keeps descriptors free when a peer has connected, which is the last
// on the list.
func (m *monitor) accepted(now time.Time) {
	limit, last := descriptorLimit(), m.conns[len(m.conns)-1]
	if m.spoiled() {
		m.end(last, ErrSpoiled)
	}
	if int(last.fd) >= limit-headroom(limit) && m.evictOldest(1, pendingGrace) == 0 {
		m.evictLast()
	}
	m.limitPending(now)
	m.limitAccepted(now)
}

// acceptFailed keeps libzmq from trying without end to accept connections for
// which there is no descriptor.
func (m *monitor) acceptFailed(errno syscall.Errno) {
	if errno != syscall.EMFILE && errno != syscall.ENFILE {
		return
	}
	m.relieved = time.Now()
	since := m.relieved.Sub(m.evicted)
	if since < evictionTime || m.evictOldest(evictAtOnce, 0)+m.evictLast() > 0 || since < 5*evictionTime {
		return // libzmq closes some just now
	}
	for fd, id := range m.listeners {
		if n := reserve.turnAway(int(fd), id); n > 0 {
			m.report(Event{Kind: PeerClosed, Err: errno})
		}
	}
}

// justRelieved reports whether acceptFailed has just acted. libzmq reports each
// of its tries to accept, of which there are many. For a moment no other is read,
// so that the monitor does not fall behind.
func (m *monitor) justRelieved() bool {
	const pause = 2 * time.Millisecond
	return !m.relieved.IsZero() && time.Since(m.relieved) < pause
}
