package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// WaitConnected blocks until at least so many peers are connected to this end,
// which Stats counts as Connected. It returns at once where they are, and for 0.
// A peer is connected when the ZeroMQ handshake has succeeded, in secure mode
// with the keys checked. That is what this end has seen: the peer may see it a
// moment later.
//
// A PubSub receive end subscribes right after the handshake. So a frame that is
// sent as soon as WaitConnected returns at the send end may be too early for the
// subscriber, and lost. In the other patterns no frame is lost for that.
//
// It ends with an error when the context does, which says so if the handshake
// fails, with ErrClosed after Close, and at a receive end with io.EOF after the
// sender's terminate message. Pair has one peer: ErrMode for more.
//
// A send end connects in the background. Where its last exchange has failed and
// its socket was closed for that, WaitConnected opens another, as the next send
// call would. It may be called from several goroutines, and inside callbacks.
func (n *NetGear) WaitConnected(ctx context.Context, peers int) error {
	if err := n.opened(); err != nil {
		return wrap("wait for peers", err)
	}
	if ctx == nil {
		return wrap("wait for peers", ErrContext)
	}
	l := n.link
	if peers > 1 && l.opts.Pattern == Pair {
		return wrap("wait for peers", fmt.Errorf("%w: %v has one peer, not %d", ErrMode, l.opts.Pattern, peers))
	}
	err := n.waitConnected(ctx, peers)
	if err == io.EOF {
		return err
	}
	return wrap(fmt.Sprintf("wait for %d peers at %s", peers, l.where()), err)
}

func (n *NetGear) waitConnected(ctx context.Context, peers int) error {
	l := n.link
	var ended <-chan struct{}
	if n.recv != nil {
		ended = n.recv.done
	}
	for {
		changed := l.change()
		switch {
		case l.drainCtx.Err() != nil:
			return ErrClosed
		case ctx.Err() != nil:
			return l.hint(ctx, ctx.Err())
		case l.peers() >= peers:
			return nil
		}
		due, stop := n.send.nextUpkeep()
		select {
		case <-changed:
		case <-due:
			if err := n.send.upkeep(ctx, changed); err != nil {
				stop()
				return err
			}
		case <-ended:
			if l.closing() == nil {
				return io.EOF
			}
		case <-l.drainCtx.Done():
		case <-ctx.Done():
		}
		stop()
	}
}

// change returns a channel that is closed with the next change of what
// WaitConnected depends on.
func (l *link) change() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// announce reports a change to the calls of WaitConnected. l.mu must be held.
func (l *link) announce() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// ---- a send end that does not send ----

// A send end does its upkeep in the send calls: it opens the socket that was
// closed after a failed exchange, connects again where it was rejected, and
// follows the host to another address. WaitConnected does so in their place.

// nextUpkeep returns a channel that delivers when there is something to do; nil
// where nothing is. stop releases it. A nil sendEnd has nothing to do.
func (s *sendEnd) nextUpkeep() (due <-chan time.Time, stop func() bool) {
	never := func() bool { return false }
	if s == nil {
		return nil, never
	}
	var in time.Duration
	if c := s.current(); c != nil && !s.resolver.moved() {
		at := c.rejected.next()
		if at.IsZero() {
			return nil, never
		}
		in = time.Until(at)
	}
	t := time.NewTimer(in)
	return t.C, t.Stop
}

// upkeep does what is due, unless a frame is on its way: then the exchange does
// it. It returns when changed is closed, too.
func (s *sendEnd) upkeep(ctx context.Context, changed <-chan struct{}) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.drainCtx, cancel)()
	if s.queue != nil {
		done := make(chan struct{})
		select {
		case s.queue.tasks <- func() { err = s.refresh(ctx); close(done) }:
			<-done
		case <-s.queue.done:
		case <-changed:
		case <-ctx.Done():
		}
	} else {
		select {
		case s.sendMu <- struct{}{}:
			err = s.refresh(ctx)
			s.unlock()
		case <-changed:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil // the caller returns why
	}
	return err
}

// halfOpenStep is how long one call of refresh probes a half-open connection.
const halfOpenStep = time.Second

// refresh sees to it that there is a socket which tries to connect. Its owner
// calls it.
func (s *sendEnd) refresh(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	if s.conn != nil {
		switch err := s.follow(); {
		case err == errMoved:
			s.shut(0)
		case err != nil:
			return err
		default:
			s.conn.retry()
			return nil
		}
	}
	err := s.endHalfOpen(ctx, time.Now().Add(halfOpenStep))
	if err == nil {
		err = s.connect(ctx)
	}
	if errors.Is(err, zmsg.ErrTimeout) {
		return nil // there is still no socket, so it is due again
	}
	return err
}
