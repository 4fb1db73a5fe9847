package transport

import (
	"slices"
	"time"
)

// A socket that listens has at most Config.MaxPeers peers. Each takes memory in
// libzmq and in the monitor, and a descriptor, for as long as it stays connected.
// Connections whose handshakes have not ended count apart (pending.go): otherwise
// peers without a key would take the places of those that have one.
//
// No peer ends for another one. A connection that begins while all places are
// taken ends at once, before a message can have come over it. Of several
// handshakes that are pending when the last place is taken, the first to end has
// it, and the connections of the others end.

// otherPeers is how many connections may be open beside those of peers: those
// whose handshakes are pending, and those that wait at the gate. Of handshakes that
// are younger than pendingGrace more than maxPendingPeers may be pending.
const otherPeers = maxPendingPeers + maxWaiting

// limitPeers notes which connections have become peers, and ends those for which
// there is no place. First come those whose handshakes were reported before the
// last event: when libzmq reports a handshake, its last bytes may not have been
// sent. The others come in the order in which they began. At an exclusive socket
// the gate does all that.
func (m *monitor) limitPeers(now time.Time) {
	if m.exclusive || m.maxPeers == 0 || len(m.conns) <= m.maxPeers {
		return
	}
	free := m.maxPeers - m.countPeers()
	for _, reported := range []bool{true, false} {
		for _, c := range m.conns {
			switch {
			case c.isPeer || !c.standing() || reported && !(c.handshaked && c.handshakedAt < m.events) || !m.handshakeEnded(c, now):
			case free > 0:
				c.isPeer = true
				free--
			default:
				m.evict(c, ErrPeers)
			}
		}
	}
}

// limitAccepted ends the connection that has just begun, the last on the list, if
// there is no place for its peer, or if there are too many connections in any state.
func (m *monitor) limitAccepted(now time.Time) {
	if m.maxPeers == 0 || len(m.conns) <= m.maxPeers {
		return
	}
	if len(m.conns) == m.maxPeers+1 { // nothing was counted while there were fewer
		m.limitPeers(now)
	}
	last, why := m.conns[len(m.conns)-1], error(nil)
	switch {
	case !last.standing() || last.isPeer:
		return
	case !m.exclusive && m.countPeers() >= m.maxPeers:
		why = ErrPeers
	case m.countStanding() > m.maxPeers+otherPeers:
		why = ErrPending
	default:
		return
	}
	m.evict(last, why)
}

// noteExcess reports whether the handshake that has succeeded is most likely that of
// a connection that this end had ended by then, as there was no place. It is not
// reported: the owner of a PAIR socket would take the end of that for the loss of
// the peer that it serves.
func (m *monitor) noteExcess(endpoint string) bool {
	if !slices.ContainsFunc(m.conns, func(c *connection) bool { return c.ended == ErrPeers }) {
		return false
	}
	i := m.guess(endpoint)
	if i < 0 || m.conns[i].ended != ErrPeers {
		return false
	}
	m.conns[i].excess = true
	return true
}

// handshakeEnded reports whether the handshake of a connection has succeeded. What
// was sent both ways shows it. Where the system does not report that, as over ipc,
// it is true from the beginning. A peer that speaks an older ZMTP sends fewer bytes:
// there it is true when libzmq would have ended the handshake.
func (m *monitor) handshakeEnded(c *connection, now time.Time) bool {
	switch m.stage(c) {
	case stageComplete:
		return true
	case stageUnknown:
		return c.exists()
	}
	return now.Sub(c.since) > handshakeLimit+time.Second
}

// standing reports whether a peer has made the connection and this end has not
// ended it.
func (c *connection) standing() bool { return c.accepted && c.identified() && c.ended == nil }

func (m *monitor) countPeers() (number int) {
	for _, c := range m.conns {
		if c.isPeer && c.ended == nil {
			number++
		}
	}
	return number
}

func (m *monitor) countStanding() (number int) {
	for _, c := range m.conns {
		if c.standing() {
			number++
		}
	}
	return number
}
