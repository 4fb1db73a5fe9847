package netgear

import (
	"context"
	"time"
)

// settler settles the socket of a publisher when peers have come, gone or
// subscribed while the application sends nothing. libzmq works on subscriptions
// and lost connections only in calls of the socket's owner, and then on all that
// are pending, in one call that nothing can end. So they must not pile up.
type settler struct {
	n      *NetGear
	wanted chan struct{} // holds one value: something is pending
	done   chan struct{} // closed when the goroutine has ended; nil before it starts
}

// newSettler returns nil at an end whose peers do not subscribe.
func newSettler(n *NetGear) *settler {
	if !n.opts.hearsSubscriptions() {
		return nil
	}
	return &settler{n: n, wanted: make(chan struct{}, 1)}
}

// hearsSubscriptions reports whether this end is a publisher.
func (o *Options) hearsSubscriptions() bool { return o.Pattern == PubSub && !o.ReceiveMode }

// want makes the goroutine settle the socket soon. It never blocks.
func (s *settler) want() {
	if s == nil {
		return
	}
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

func (s *settler) start() {
	if s != nil {
		s.done = make(chan struct{})
		go s.run()
	}
}

// await blocks until the goroutine has ended. NetGear.life must have ended.
func (s *settler) await() {
	if s != nil && s.done != nil {
		<-s.done
	}
}

func (s *settler) run() {
	defer close(s.done)
	life := s.n.life.Done()
	for {
		select {
		case <-life:
			return
		case <-s.wanted:
		}
		select {
		case <-life:
			return
		case <-time.After(admissionStep):
		}
		s.settle()
	}
}

// settle has the owner of the socket settle it.
func (s *settler) settle() {
	n := s.n
	if n.ahead != nil {
		select {
		case n.ahead.idle <- struct{}{}:
		case <-n.ahead.done:
		case <-n.life.Done():
		}
		return
	}
	if n.takeTurn(context.Background()) == nil {
		n.settleIdle()
		n.endTurn()
	}
}

// settleIdle settles the socket outside a send call. Only its owner may call it.
func (n *NetGear) settleIdle() {
	if n.sock != nil && n.shutting.Err() == nil {
		n.settleSocket(n.sock)
	}
}

// settleSocket lets libzmq work on what is pending for a socket.
func (n *NetGear) settleSocket(s *socket) {
	began := time.Now()
	s.Settle()
	s.flow.settled(&n.opts)
	if s.door.settled(began) {
		n.settler.want()
	}
}
