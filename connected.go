package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// WaitConnected blocks until at least that many peers are connected to this
// end. It is the number that Stats reports as Connected. It returns at once if
// they are connected already, and for 0. A peer is connected when the ZeroMQ
// handshake has succeeded, in secure mode with the keys checked. The peer may
// see the connection a moment later.
//
// A PubSub receive end subscribes right after the handshake. So a frame that
// the send end sends as soon as WaitConnected returns may be too early for the
// subscriber, and lost. The other patterns lose no frame in this way.
//
// It returns an error when the context ends, with the reason if the handshake
// fails. After Close it returns ErrClosed, and at a receive end io.EOF after
// the sender's terminate message. Pair has one peer: for more it returns
// ErrMode.
//
// A send end connects in the background. If its last exchange has failed and
// its socket was closed for that, WaitConnected opens another, as the next send
// call would. It may be called from several goroutines, and inside callbacks.
// Inside OnReply and release functions it returns ErrCallback if it would have to
// open a socket: those run in the place of the send call that owns it.
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
	if errors.Is(err, io.EOF) {
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

// change returns a channel that is closed when the state that WaitConnected
// waits for changes next.
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

// A send end does its maintenance in the send calls. It opens the socket that
// was closed after a failed exchange, connects again where it was rejected, and
// follows the host to another address. WaitConnected does the same for an end
// that does not send.

// nextUpkeep returns a channel that delivers when maintenance is due, or nil if
// there is none. stop releases the channel's timer. A nil sendEnd has no
// maintenance.
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

// upkeep does what is due, unless an exchange runs: then the exchange does it.
// It also returns when changed is closed.
func (s *sendEnd) upkeep(ctx context.Context, changed <-chan struct{}) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.drainCtx, cancel)()
	if err := s.calls.check(forbidSend); err != nil {
		return err
	}
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

// refresh ensures that there is a socket which tries to connect. Its owner must
// call it.
func (s *sendEnd) refresh(ctx context.Context) error {
	if ctx.Err() != nil || s.drainCtx.Err() != nil { // ctx ends a moment after drainCtx
		return nil
	}
	if s.conn != nil {
		switch err := s.follow(); {
		case errors.Is(err, errMoved):
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
