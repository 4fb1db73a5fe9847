package transport

import (
	"time"

	"github.com/pebbe/zmq4"
)

// limits are what one connection may bring beyond what was read from it.
// Heartbeats are never read, so each limit grows with time.
type limits struct {
	bytes, bytesPerSecond int64 // at any time
	total, totalPerSecond int64 // while it is open; no limit if total is 0
	parts                 int64 // at any time, by the size of those read last
	whole                 int64 // in whole messages of tiny parts: libzmq limits the messages that wait
	left                  int64 // in bytes of memory, after connections have ended; no limit if 0
	unseen                int64 // what a connection that has ended is taken to have left at least
	pending               int64 // of all connections, since the socket was settled last; no limit if 0
}

const (
	// inflowSlack is what may be on its way beside one message of the largest
	// size: the system's own buffers, and small messages that wait.
	inflowSlack = 64 << 20
	// maxChatter is what the peer of a send end without answers may send at
	// once, and maxTotalChatter what it may send while its connection is open:
	// subscriptions. libzmq takes about a hundred bytes for each of theirs.
	maxChatter      = 32 << 10
	maxTotalChatter = 1 << 20
	// maxLeftChatter is for what subscribers that have gone leave unread: libzmq
	// goes over all subscriptions for each of them, in one call.
	maxLeftChatter = 8 << 20
	// maxPendingChatter is for what all subscribers have sent since the socket
	// was settled last: libzmq takes 10 µs for a topic, and goes over all of them
	// in one call. From enoughChatter on the socket is settled.
	maxPendingChatter = 128 << 10
	enoughChatter     = 4 << 10
	// maxChatterWalk bounds the product of the number of connections and the
	// bytes of their subscriptions, less freeChatter for each: for each connection
	// that ends libzmq goes over all subscriptions.
	maxChatterWalk = 8 << 20
	freeChatter    = 256
	// chatterPerSecond and secureChatter are for a peer that sends a heartbeat
	// every 10 ms, in the clear and encrypted.
	chatterPerSecond = 2 << 10
	secureChatter    = 16 << 10
	// maxChatterPart is the largest message that it may send. A handshake takes
	// less, and so does every subscription of NetGear's, which is empty.
	maxChatterPart = 4 << 10
	// maxPendingParts is how many parts may wait to be read: each takes 64
	// bytes, however small it is.
	maxPendingParts = 1 << 20
)

// newLimits returns the limits for each connection of a socket.
func newLimits(c *Config) limits {
	l := limits{bytesPerSecond: heartbeatBytes(c), parts: maxPendingParts, left: c.MaxMessage + inflowSlack, unseen: muchAtOnce}
	switch one := c.MaxMessage + maxChatterPart; {
	case c.hearsNothing():
		l.bytes, l.total, l.unseen = maxChatter, maxTotalChatter, 2*maxChatter
		if l.bytesPerSecond += chatterPerSecond; c.Secure {
			l.bytesPerSecond += secureChatter
		}
		l.totalPerSecond = l.bytesPerSecond
		if l.left = maxLeftChatter; !c.pushes() {
			l.pending = maxPendingChatter
		}
	case c.Kind == zmq4.PULL:
		// Here so many messages wait in libzmq, by its own count.
		waiting := int64(max(c.ReceiveHWM, 1) + 2)
		l.bytes = inflowSlack + one*waiting
		l.parts += c.MaxParts * waiting
		l.whole = c.MaxParts * waiting * (tinyPart + 2)
		// Frames of senders that have gone are as good as any: none may be lost.
		l.left = 2 * l.bytes
	default:
		l.bytes = inflowSlack + one
	}
	return l
}

// heartbeatBytes returns how many bytes of heartbeats a second may bring. Four
// come in a second if the interval is one: a PING and a PONG for either end's.
func heartbeatBytes(c *Config) int64 {
	const spare = 64
	if c.HeartbeatInterval <= 0 {
		return spare
	}
	one := int64(9)
	if c.Secure {
		one += 33
	}
	return spare + 4*one*int64(time.Second)/int64(max(c.HeartbeatInterval, time.Millisecond))
}
