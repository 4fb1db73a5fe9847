package netgear

import (
	"context"
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
)

// settler settles the socket of a publisher, or of a PUSH end that listens, when
// peers have connected, disconnected or subscribed while the application sends
// nothing. libzmq processes subscriptions and lost connections only in calls of the
// socket's owner, and keeps 12 KB of each connection until then. One such call
// processes all that are pending, and cannot be interrupted. So they must not
// accumulate.
//
// A nil settler belongs to any other end and does nothing.
type settler struct {
	end    *sendEnd
	wanted chan struct{} // a token: something is pending
	done   chan struct{} // closed when the goroutine has ended; nil before it starts
}

// newSettler returns nil at any other end.
func newSettler(s *sendEnd) *settler {
	if !s.opts.publishes() && !(s.opts.Pattern == PushPull && s.opts.binds()) {
		return nil
	}
	return &settler{end: s, wanted: make(chan struct{}, 1)}
}

// want makes the goroutine settle the socket soon. It never blocks.
func (p *settler) want() {
	if p == nil {
		return
	}
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// pending returns the channel that has a token while something is pending.
func (p *settler) pending() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.wanted
}

func (p *settler) start() {
	if p != nil {
		p.done = make(chan struct{})
		go p.run()
	}
}

// await blocks until the goroutine has ended. The end's ctx must have ended.
func (p *settler) await() {
	if p != nil && p.done != nil {
		<-p.done
	}
}

func (p *settler) run() {
	defer close(p.done)
	closed := p.end.ctx.Done()
	for {
		select {
		case <-closed:
			return
		case <-p.wanted:
		}
		select {
		case <-closed:
			return
		case <-time.After(transport.AdmissionStep):
		}
		p.settle()
	}
}

// settle makes the owner of the socket settle it.
func (p *settler) settle() {
	s := p.end
	if s.queue != nil {
		select {
		case s.queue.idle <- struct{}{}:
		case <-s.queue.done:
		case <-s.ctx.Done():
		}
		return
	}
	if s.lock(context.Background()) == nil {
		s.settleIdle()
		s.unlock()
	}
}

// settleIdle settles the socket outside a send call. The socket's owner must
// call it.
func (s *sendEnd) settleIdle() {
	if s.conn != nil && s.drainCtx.Err() == nil {
		s.settle()
	}
}

// settle makes libzmq process what is pending for the socket. The socket's
// owner must call it.
func (s *sendEnd) settle() {
	if s.conn.SettlePeers() {
		s.settler.want()
	}
}
