package transport

import (
	"sync"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// process has the ZeroMQ contexts, which all sockets of the process share while
// any is open. A context costs two threads, and an idle end should cost none.
var process struct {
	sync.Mutex
	contexts [2]sharedContext // by zapUse: asksHandler, noHandler
	zap      *zapHandler      // while a socket with a gate is open
}

// sharedContext is a context with the number of sockets that hold it.
type sharedContext struct {
	ctx  *zmq4.Context
	refs int
}

// zapUse is what a socket requires of its context. libzmq finds the
// authentication handler by a fixed name in the context, so sockets that must
// not find one have a context of their own.
type zapUse int

const (
	asksHandler zapUse = iota // the socket has a gate
	noHandler                 // libzmq must find no handler
	anyContext                // either
)

const maxSockets = 16384

// OpenSockets returns how many sockets hold a context of the process.
func OpenSockets() int {
	process.Lock()
	defer process.Unlock()
	return openSockets()
}

// openSockets is OpenSockets with the lock held.
func openSockets() (n int) {
	for i := range process.contexts {
		n += process.contexts[i].refs
	}
	return n
}

// acquireContext returns a context for a socket. The caller must release it.
func acquireContext(use zapUse) (*sharedContext, error) {
	process.Lock()
	defer process.Unlock()
	if use == anyContext {
		use = asksHandler
		if process.contexts[asksHandler].refs == 0 && process.contexts[noHandler].refs > 0 {
			use = noHandler
		}
	}
	c := &process.contexts[use]
	if c.ctx == nil {
		ctx, err := newContext()
		if err != nil {
			return nil, err
		}
		if openSockets() == 0 {
			reserve.open()
		}
		c.ctx = ctx
	}
	c.refs++
	return c, nil
}

func newContext() (*zmq4.Context, error) {
	if err := checkDescriptors(); err != nil {
		return nil, err
	}
	zmsg.KeepFreed()
	ctx, err := zmsg.NewContext()
	if err != nil {
		return nil, err
	}
	return ctx, ctx.SetMaxSockets(maxSockets)
}

// release ends the context with its last socket, which waits for the lingering
// messages. A socket that is opened meanwhile gets a new context.
func (c *sharedContext) release() {
	if ctx := c.drop(); ctx != nil {
		ctx.Term()
	}
}

// drop drops one reference and returns the context if it was the last.
func (c *sharedContext) drop() *zmq4.Context {
	process.Lock()
	defer process.Unlock()
	if c.refs--; c.refs > 0 {
		return nil
	}
	ctx := c.ctx
	c.ctx = nil
	if openSockets() == 0 {
		reserve.close()
	}
	return ctx
}
