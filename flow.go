package netgear

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// flow counts what the owner of a socket has read from each connection. The
// monitor compares that with what the connection has brought (guard.go). The
// receive pipes of libzmq have no limit (receiveHWM), so nothing else bounds
// what a peer can pile up in them.
type flow struct {
	secure bool   // parts cross the wire encrypted
	alarm  func() // makes the monitor look at once; set before the first message

	// The owner's: the message that is being read.
	bytes, parts int64
	source       int // the descriptor of the connection it came over; -1 if unknown

	drained atomic.Uint64 // how often there was nothing left to read
	alarmed atomic.Bool
	spoiled atomic.Bool // connections that have ended left too much unread

	mu    sync.Mutex
	conns map[int]*inflow // by descriptor
	peers map[int]source  // by descriptor
}

// source is the peer whose messages come over a connection. The system gives a
// descriptor to another connection while messages of the first may still be
// unread. They are not told apart until all has been read once.
type source struct {
	peer    string
	ended   bool
	at      uint64 // flow.drained when the connection began, or had ended
	unclear bool   // messages of another connection may come until drained exceeds at
}

// came notes the peer of a connection that begins.
func (f *flow) came(fd int, peer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, reused := f.peers[fd]
	if len(f.peers) >= maxInflows && !reused {
		return
	}
	now := f.drained.Load()
	f.peers[fd] = source{peer: peer, at: now, unclear: reused && (!last.ended || last.at == now)}
}

// left notes that a connection has ended.
func (f *flow) left(fd int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.peers[fd]; ok {
		s.ended, s.at = true, f.drained.Load()
		f.peers[fd] = s
	}
}

// peer returns the address of the peer whose message has just been read from a
// connection; "" if it is not known.
func (f *flow) peer(fd int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.peers[fd]
	if s.unclear && f.drained.Load() == s.at {
		return ""
	}
	return s.peer
}

// inflow is what was read from one connection since the monitor last asked.
type inflow struct {
	bytes, parts, messages int64
	at                     uint64 // flow.drained when the last message was read

	unreadable int       // messages in a row that could not be read
	since      time.Time // when the first of them was
	condemned  error     // why the connection must end
}

const (
	// maxUnreadable is how many messages that cannot be read a connection may
	// bring within a second, if there is none among them that can.
	maxUnreadable = 1000
	// maxInflows bounds the connections that are counted. Descriptors do, too.
	maxInflows = 1 << 16
)

var (
	errUnreadable = errors.New("the peer sent a thousand messages within a second, of which none can be read")
	errPiledUp    = errors.New("the peer sent more than was read")
	errTinyParts  = errors.New("the peer sent very many very small parts, more than were read")
	errSpoiled    = errors.New("peers that have gone left too much unread")
	errChatter    = errors.New("the peer subscribed to too much, or sent what a send end does not expect")
)

func newFlow(secure bool) *flow {
	return &flow{secure: secure, source: -1, conns: map[int]*inflow{}, peers: map[int]source{}}
}

// Received counts one part. It is called by the socket's owner.
func (f *flow) Received(size int, more bool, fd int) {
	f.bytes += f.wireSize(size)
	f.parts++
	f.source = fd
	if more {
		return
	}
	f.mu.Lock()
	if c := f.conn(fd); c != nil {
		c.bytes += f.bytes
		c.parts += f.parts
		c.messages++
		c.at = f.drained.Load()
	}
	f.mu.Unlock()
	f.bytes, f.parts = 0, 0
}

// Drained notes that no whole message is left to read.
func (f *flow) Drained() { f.drained.Add(1) }

// settled notes that the socket has dealt with what was pending: a publisher has
// read all subscriptions then.
func (f *flow) settled(o *Options) {
	if o.hearsNothing() {
		f.Drained()
	}
}

// wireSize returns how many bytes a part takes on the wire: a frame has a flag
// and a length of one byte or eight, and encryption adds 33 bytes.
func (f *flow) wireSize(size int) int64 {
	n := int64(size)
	if f.secure {
		n += 33
	}
	if n > 255 {
		return n + 9
	}
	return n + 2
}

// conn returns the counts of a connection; nil if it is not counted. f.mu must
// be held.
func (f *flow) conn(fd int) *inflow {
	c := f.conns[fd]
	if c == nil && fd >= 0 && len(f.conns) < maxInflows {
		c = &inflow{}
		f.conns[fd] = c
	}
	return c
}

// judge notes whether a message that came over a connection could be read.
func (f *flow) judge(fd int, readable bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.conns[fd]
	if c == nil {
		return
	}
	if readable {
		c.unreadable = 0
		return
	}
	if c.unreadable == 0 || time.Since(c.since) > time.Second {
		c.unreadable, c.since = 0, time.Now()
	}
	if c.unreadable++; c.unreadable >= maxUnreadable && c.condemned == nil {
		c.condemned = errUnreadable
		f.alarmed.Store(true)
		f.alarm()
	}
}

// reading is what take returns.
type reading struct {
	bytes, parts int64
	all          bool  // a message was read, and then all there was
	condemned    error // why the connection must end
}

// take returns what was read from a connection since the last call.
func (f *flow) take(fd int) (r reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.conns[fd]
	if c == nil {
		return r
	}
	r = reading{bytes: c.bytes, parts: c.parts, all: c.messages > 0 && f.drained.Load() > c.at, condemned: c.condemned}
	if c.bytes, c.parts = 0, 0; r.all {
		c.messages = 0
	}
	return r
}

// forget drops the counts of a connection that has ended, or begins.
func (f *flow) forget(fd int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, fd)
}

// prune drops the counts of all connections but those that are open: what a
// lost connection brought may be read when it is gone.
func (f *flow) prune(open func(fd int) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for fd := range f.conns {
		if !open(fd) {
			delete(f.conns, fd)
		}
	}
}

// inflowLimits are what one connection may bring beyond what was read from it.
// Heartbeats are never read, so each limit grows with time.
type inflowLimits struct {
	bytes, bytesPerSecond int64 // at any time
	total, totalPerSecond int64 // while it stands; no limit if total is 0
	parts                 int64 // at any time, by the size of those read last
	left                  int64 // in bytes of memory, after connections have ended; no limit if 0
	unseen                int64 // what a connection that has ended is taken to have left at least
	pending               int64 // of all connections, since the socket was settled last; no limit if 0
}

const (
	// inflowSlack is what may be on its way beside one message of the largest
	// size: the system's own buffers, and small messages that wait.
	inflowSlack = 64 << 20
	// maxChatter is what the peer of a send end without answers may send at
	// once, and maxTotalChatter what it may send while its connection stands:
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

// hearsNothing reports whether no message is expected from the peers of this
// end but subscriptions.
func (o *Options) hearsNothing() bool { return !o.ReceiveMode && !o.Pattern.row().answers }

// inflowLimits returns the limits for each connection of this end.
func (o *Options) inflowLimits() inflowLimits {
	heartbeats := int64(64)
	if o.HeartbeatInterval > 0 {
		// Four a second if the interval is one: a PING and a PONG for either end's.
		one := int64(9)
		if o.SecureMode != Grasslands {
			one += 33
		}
		heartbeats += 4 * one * int64(time.Second) / int64(max(o.HeartbeatInterval, time.Millisecond))
	}
	limits := inflowLimits{bytesPerSecond: heartbeats, parts: maxPendingParts, left: o.MaxFrameBytes + inflowSlack, unseen: muchAtOnce}
	switch one := o.MaxFrameBytes + maxChatterPart; {
	case o.hearsNothing():
		limits.bytes, limits.total, limits.unseen = maxChatter, maxTotalChatter, 2*maxChatter
		if limits.bytesPerSecond += chatterPerSecond; o.SecureMode != Grasslands {
			limits.bytesPerSecond += secureChatter
		}
		limits.totalPerSecond = limits.bytesPerSecond
		if limits.left = maxLeftChatter; o.Pattern == PushPull {
			limits.left = 0 // its pipes have a limit, and are never read
		} else {
			limits.pending = maxPendingChatter
		}
	case o.Pattern == PushPull:
		// Here so many messages wait in libzmq, by its own count.
		waiting := int64(max(o.receiveHWM(), 1) + 2)
		limits.bytes = inflowSlack + one*waiting
		limits.parts += maxParts * waiting
		// Frames of senders that have gone are as good as any: none may be lost.
		limits.left = 2 * limits.bytes
	default:
		limits.bytes = inflowSlack + one
	}
	return limits
}

// maxPart returns the size of the largest message part that this end accepts.
func (o *Options) maxPart() int64 {
	if o.hearsNothing() {
		return maxChatterPart
	}
	return o.MaxFrameBytes
}
