package netgear

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Peers that connect and do not go on with their handshake take descriptors,
// and are dropped by libzmq only after handshakeLimit. So each listening socket
// has so many of them at most, and the oldest go first. How far a handshake has
// come shows in the bytes that the connection has brought: the monitor does not
// know whose handshake has succeeded, and must not end an established one.

const (
	// maxPendingPeers and maxPendingFromOne are how many handshakes may be
	// pending at one socket, in all and from one address.
	maxPendingPeers   = 256
	maxPendingFromOne = 64
	// pendingGrace is how long a handshake is not held against a peer.
	pendingGrace = 250 * time.Millisecond
	// lastDescriptors are kept free of connections even where all of those are
	// established.
	lastDescriptors = 16
	// evictionTime is how long it may take until libzmq has closed a connection
	// that was ended, and the monitor has read of all that came before.
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

var errPending = errors.New("too many connections: handshakes are pending, or descriptors are scarce (ulimit -n)")

// handshakeBytes returns the fewest bytes that a peer of this end brings in its
// handshake.
func (o *Options) handshakeBytes() int64 {
	switch {
	case o.SecureMode == Grasslands:
		return plainHandshake
	case o.ReceiveMode: // the CURVE server
		return curveServerHandshake
	}
	return curveClientHandshake
}

// newPeerConn returns the connection that libzmq has just reported.
func newPeerConn(fd uint32, now time.Time) peerConn {
	l := peerConn{fd: fd, since: now}
	l.id, _ = identify(int(fd))
	if peer, err := unix.Getpeername(int(fd)); err == nil {
		if at := addrPort(peer); at.IsValid() {
			l.peer, l.host = at.String(), at.Addr().String()
		}
	}
	return l
}

// pending reports whether the peer's handshake cannot have ended yet.
func (m *monitor) pending(l *peerConn, now time.Time) bool {
	if l.established || l.killed != nil {
		return false
	}
	if now.Sub(l.since) > handshakeLimit+time.Second {
		l.established = true
		return false
	}
	brought, ok := bytesReceived(int(l.fd))
	if ok && brought >= m.handshake {
		l.established = true
	}
	return ok && brought < m.handshake
}

// limitPending ends the oldest handshakes if too many are pending.
func (m *monitor) limitPending(now time.Time) {
	all, from := 0, map[string]int{}
	for i := range m.links {
		if l := &m.links[i]; l.accepted && !l.established && l.killed == nil {
			all++
			from[l.host]++
		}
	}
	most := min(maxPendingPeers, descriptorLimit()/4)
	if all <= min(most, maxPendingFromOne) {
		return
	}
	for i := range m.links {
		l := &m.links[i]
		if !l.accepted || l.established || l.killed != nil || all <= most && from[l.host] <= maxPendingFromOne {
			continue
		}
		if now.Sub(l.since) < pendingGrace {
			return // and so are all that follow
		}
		if m.pending(l, now) {
			m.evict(l)
		}
		all--
		from[l.host]--
	}
}

// evict ends a connection whose handshake is pending.
func (m *monitor) evict(l *peerConn) {
	l.killed = errPending
	if _, ok := spare.disconnect(int(l.fd), l.id); ok {
		m.evicted = time.Now()
		m.closedPeer(l.peer, errPending)
	}
}

// evictOldest ends the oldest of the pending handshakes, so many at most, that
// are at least so old, and returns how many.
func (m *monitor) evictOldest(most int, age time.Duration) (evicted int) {
	now := time.Now()
	for i := range m.links {
		l := &m.links[i]
		if evicted == most || now.Sub(l.since) < age {
			break
		}
		if l.accepted && m.pending(l, now) {
			m.evict(l)
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
	for i := range m.links {
		l := &m.links[i]
		if l.accepted && l.killed == nil && int(l.fd) >= limit-lastDescriptors {
			m.evict(l)
			evicted++
		}
	}
	return evicted
}

// accepted looks after descriptors when a peer has connected, which is the last
// on the list.
func (m *monitor) accepted(now time.Time) {
	limit, last := descriptorLimit(), &m.links[len(m.links)-1]
	if m.spoiled() {
		m.kill(last, errSpoiled)
	}
	if int(last.fd) >= limit-headroom(limit) && m.evictOldest(1, pendingGrace) == 0 {
		m.evictLast()
	}
	m.limitPending(now)
}

// acceptFailed sees to it that libzmq does not try without end to accept
// connections for which there is no descriptor.
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
		if n := spare.turnAway(int(fd), id); n > 0 {
			m.closedPeer("", errno)
		}
	}
}

// justRelieved reports whether acceptFailed has just acted. libzmq reports each
// of its tries to accept, of which there are many: for a moment no other is read,
// so that the monitor does not fall behind.
func (m *monitor) justRelieved() bool {
	const pause = 2 * time.Millisecond
	return !m.relieved.IsZero() && time.Since(m.relieved) < pause
}
