package transport

import (
	"sync"
	"sync/atomic"
	"time"
)

// flow counts what the owner of a socket has read from each connection. The
// monitor compares that with the bytes that the connection has brought (see
// guard.go). libzmq's receive pipes have no limit, so nothing else bounds what a
// peer can pile up in them.
type flow struct {
	secure bool   // parts cross the wire encrypted
	alarm  func() // makes the monitor check at once; set before the first message

	// The owner's: the message that is being read.
	bytes, parts int64
	source       int // the descriptor of the connection it came over; -1 if unknown

	drained atomic.Uint64 // how often there was nothing left to read
	alarmed atomic.Bool
	spoiled atomic.Bool // connections that have ended left too much unread
	sources sources

	mu sync.Mutex
	// By descriptor: the monitor's connections, and others with an entry for what
	// was read from them before the monitor has listed them, or afterwards.
	conns map[int]*connection
}

// readCounts are what the owner of the socket has read from one connection since
// the monitor last asked. flow.mu guards them.
type readCounts struct {
	listed                 bool // the monitor has the connection on its list
	bytes, parts, messages int64
	at                     uint64 // flow.drained when the last message was read
	proven                 bool   // a message was read, at any time: its handshake has succeeded

	unreadable int       // messages in a row that could not be read
	since      time.Time // when the first of them was
	condemned  error     // why the connection must end
}

const (
	// maxUnreadable is how many messages that cannot be read a connection may
	// bring within a second, if none among them can be.
	maxUnreadable = 1000
	// maxCounted bounds the connections that are counted. Descriptors do, too.
	maxCounted = 1 << 16
)

func newFlow(secure bool) *flow {
	return &flow{secure: secure, source: -1, conns: map[int]*connection{}}
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
		c.counts.bytes += f.bytes
		c.counts.parts += f.parts
		c.counts.messages++
		c.counts.proven = true
		c.counts.at = f.drained.Load()
	}
	f.mu.Unlock()
	f.bytes, f.parts = 0, 0
}

// Drained notes that no whole message is left to read.
func (f *flow) Drained() { f.drained.Add(1) }

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

// conn returns a connection, and nil if it is not counted. f.mu must be held.
func (f *flow) conn(fd int) *connection {
	c := f.conns[fd]
	if c == nil && fd >= 0 && len(f.conns) < maxCounted {
		c = &connection{}
		f.conns[fd] = c
	}
	return c
}

// noteMessage notes whether a message that came over a connection could be read.
func (f *flow) noteMessage(fd int, readable bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns[fd] == nil {
		return
	}
	c := &f.conns[fd].counts
	if readable {
		c.unreadable = 0
		return
	}
	if c.unreadable == 0 || time.Since(c.since) > time.Second {
		c.unreadable, c.since = 0, time.Now()
	}
	if c.unreadable++; c.unreadable >= maxUnreadable && c.condemned == nil {
		c.condemned = ErrUnreadable
		f.alarmed.Store(true)
		f.alarm()
	}
}

// reading is what readSince returns.
type reading struct {
	bytes, parts int64
	all          bool  // a message was read, and then all there was
	condemned    error // why the connection must end
}

// readSince returns what was read from a connection since the last call.
func (f *flow) readSince(conn *connection) (r reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &conn.counts
	r = reading{bytes: c.bytes, parts: c.parts, all: c.messages > 0 && f.drained.Load() > c.at, condemned: c.condemned}
	if c.bytes, c.parts = 0, 0; r.all {
		c.messages = 0
	}
	return r
}

// proven reports whether a message was read over a connection.
func (f *flow) proven(c *connection) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return c.counts.proven
}

// list counts what is read over a connection that has begun. Counts of an earlier
// connection with the same descriptor are dropped.
func (f *flow) list(c *connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.counts = readCounts{listed: true}
	f.conns[int(c.fd)] = c
}

// drop drops the counts of a connection that has ended.
func (f *flow) drop(fd uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, int(fd))
}

// prune drops the counts of all connections that the monitor has not listed: the
// owner may read what a lost connection brought after that has ended.
func (f *flow) prune() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for fd, c := range f.conns {
		if !c.counts.listed {
			delete(f.conns, fd)
		}
	}
}
