package transport

import (
	"sync"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// process has the ZeroMQ context, which all sockets of the process share while
// any is open. A context costs two threads, and an idle end should cost none.
var process struct {
	sync.Mutex
	ctx  *zmq4.Context
	refs int
	zap  *zapHandler // while a socket with a gate is open
}

const maxSockets = 16384

// OpenSockets returns how many sockets hold the context of the process.
func OpenSockets() int {
	process.Lock()
	defer process.Unlock()
	return process.refs
}

func acquireContext() (*zmq4.Context, error) {
	process.Lock()
	defer process.Unlock()
	if process.ctx == nil {
		if err := checkDescriptors(); err != nil {
			return nil, err
		}
		zmsg.KeepFreed()
		ctx, err := zmq4.NewContext()
		if err != nil {
			return nil, err
		}
		if err := ctx.SetMaxSockets(maxSockets); err != nil {
			return nil, err
		}
		process.ctx = ctx
		reserve.open()
	}
	process.refs++
	return process.ctx, nil
}

// releaseContext ends the context with its last socket, which waits for the
// lingering messages. A socket that is opened meanwhile gets a new context.
func releaseContext() {
	if ctx := dropContext(); ctx != nil {
		ctx.Term()
	}
}

// dropContext drops one reference and returns the context if it was the last.
func dropContext() *zmq4.Context {
	process.Lock()
	defer process.Unlock()
	if process.refs--; process.refs > 0 {
		return nil
	}
	ctx := process.ctx
	process.ctx = nil
	reserve.close()
	return ctx
}
