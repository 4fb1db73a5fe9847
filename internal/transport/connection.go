package transport

import (
	"net/netip"
	"time"

	"github.com/pebbe/zmq4"
)

// connection is one connection of a socket. The monitor's goroutine owns it,
// except for counts.
type connection struct {
	fd       uint32
	id       socketID // zero if libzmq had closed it before the monitor looked
	unsure   socketID // of a socket that had fd then, but not this address; zero if there was none
	since    time.Time
	accepted bool       // the peer has connected, not this end
	peer     string     // the peer's address and port
	site     netip.Addr // where the peer is: see site
	local    string     // the address it was made from, at a socket that connects
	endpoint string     // this end's, that it was made at
	began    uint64     // monitor.events when it began

	// handshaked marks a connection whose handshake has succeeded. libzmq does
	// not report whose has, so the mark is a guess. But as many connections have
	// it as have succeeded and not yet ended. The mark may move to another
	// connection, but only to one that existed when the handshake succeeded.
	handshaked   bool
	handshakedAt uint64 // monitor.events when the handshake succeeded that the mark stands for
	established  bool   // the handshake has ended, as its bytes show
	rejected     bool   // the peer has rejected this end, and that was reported
	turnedAway   bool   // this end has most likely rejected the peer, as was reported
	isPeer       bool   // it counts towards Config.MaxPeers
	complete     bool   // the bytes of a whole handshake were sent both ways
	ended        error  // why this end has ended it; nil if it has not
	cut          bool   // and libzmq had not read the whole handshake then, so that this cannot succeed
	excess       bool   // or it has succeeded after the connection was ended for MaxPeers, and is not reported
	gone         bool   // libzmq had closed it when all connections were ended
	closed       bool   // libzmq had closed it at the last check, with or without a report

	counts  readCounts // what the owner has read; flow.mu guards it
	meter              // what the connection has brought
	counted bool       // meter.last is known
	mark    int64      // a publisher's: the bytes brought, when its socket was last settled
	seen    int64      // the bytes brought, at the last check
	most    int64      // and the most bytes that were unread so far
}

// newConnection returns the connection that libzmq has just reported.
func newConnection(r libzmqEvent, now time.Time) *connection {
	c := &connection{fd: r.value, endpoint: r.endpoint, since: now, accepted: r.kind == zmq4.EVENT_ACCEPTED}
	id, local, peer := identifySocket(int(c.fd))
	if c.accepted && !atEndpoint(local, r.endpoint) || !c.accepted && !atEndpoint(peer, r.endpoint) {
		// Most often libzmq has closed it, and another socket may have the descriptor.
		// Or the peer has reset it, and libzmq closes it next; or it is reached under
		// another address, as through a link to the file of ipc, or a proxy below libzmq.
		c.unsure = id
		return c
	}
	c.id = id
	if at := addrPort(peer); at.IsValid() {
		c.peer, c.site = at.String(), site(at.Addr())
	}
	return c
}

// identified reports whether the connection still existed when the monitor read
// the report of it. Otherwise libzmq has closed it, and ending it frees nothing.
func (c *connection) identified() bool { return c.id != (socketID{}) }

// exists reports whether libzmq may still have the connection.
func (c *connection) exists() bool {
	id, ok := identify(int(c.fd))
	switch {
	case c.identified():
		return ok && id == c.id
	case !identifies():
		return true
	}
	return ok && id == c.unsure
}

// remote returns the address of a peer that has connected to this end.
func (c *connection) remote() string {
	if c.accepted {
		return c.peer
	}
	return ""
}
