package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
)

// Subscriber receives frames from NATS. Subscribe, Replay, Watch and Work return
// one. All methods may be called from any goroutine.
type Subscriber struct {
	from    origin
	limits  Limits
	closing chan struct{}
	recv    chan struct{} // holds a value while Recv waits, so that one call at a time does

	mu     sync.Mutex
	closed bool
	stats  SubscriberStats
}

// origin is where a Subscriber gets frames from.
type origin interface {
	// next blocks until a frame is complete, or the context ends, or close is
	// called. io.EOF is the end of a recording.
	next(ctx context.Context) (*incoming, error)
	close()
	// fill adds what the origin counts itself.
	fill(*SubscriberStats)
}

// incoming is a frame from an origin.
type incoming struct {
	*assembled
	meta // zero if no stream has it
}

// Recv returns the next frame. It blocks until there is one. The caller must
// Close it. Several goroutines may call it; they share the frames.
//
// Messages that are no frames, and incomplete frames, are left out and counted
// in Stats. A server that does not answer is not an error: Recv waits until it
// does again. Errors to test for: the context's, ErrClosed, io.EOF at the end of
// Replay, netgear.ErrContext, nats.ErrConnectionClosed, and
// jetstream.ErrStreamNotFound, ErrConsumerNotFound and ErrConsumerDeleted of a
// stream or consumer that has been deleted.
func (s *Subscriber) Recv(ctx context.Context) (*Delivery, error) {
	if ctx == nil {
		return nil, fmt.Errorf("natsbridge: %w", netgear.ErrContext)
	}
	if err := s.stopped(ctx); err != nil {
		return nil, err
	}
	select {
	case s.recv <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closing:
		return nil, ErrClosed
	}
	in, err := s.receive(ctx)
	<-s.recv
	if err != nil {
		return nil, err
	}
	return in, nil
}

// receive returns the next frame that can be used.
func (s *Subscriber) receive(ctx context.Context) (*Delivery, error) {
	for {
		in, err := s.from.next(ctx)
		if err != nil {
			return nil, err
		}
		d, err := newDelivery(in.assembled, s.limits.MaxFrameBytes)
		if err != nil {
			s.count(func(c *SubscriberDrops) *uint64 {
				if errors.Is(err, ErrTooLarge) {
					return &c.TooLarge
				}
				return &c.Unusable
			}, err)
			in.refuse()
			continue
		}
		in.describe(d)
		s.mu.Lock()
		s.stats.Frames++
		s.stats.Bytes += uint64(in.size)
		if d.Delivered > 1 {
			s.stats.Redelivered++
		}
		s.mu.Unlock()
		return d, nil
	}
}

// Deliveries returns an iterator over what Recv returns. It ends after Close and
// at the end of a recording. It yields other errors, with a nil Delivery, and
// ends after them. The loop's body must Close each Delivery.
func (s *Subscriber) Deliveries(ctx context.Context) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		for {
			d, err := s.Recv(ctx)
			if errors.Is(err, ErrClosed) || errors.Is(err, io.EOF) || !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Frames returns an iterator over the frames of Deliveries, as
// [netgear.NetGear.Frames] does, for [netgear.InOrder] and other functions. The
// loop's body must Close each frame. A frame of Work is acknowledged when it is
// yielded; for explicit acknowledgement use Deliveries.
func (s *Subscriber) Frames(ctx context.Context) iter.Seq2[*netgear.Frame, error] {
	return func(yield func(*netgear.Frame, error) bool) {
		for d, err := range s.Deliveries(ctx) {
			if err == nil {
				err = d.Ack(ctx)
			}
			if err != nil {
				d.Close() // if there is one, it is delivered again
				yield(nil, err)
				return
			}
			if !yield(d.Frame, nil) {
				return
			}
		}
	}
}

// Close ends the Subscriber. Frames that Recv returned stay valid. Frames of Work
// that this Subscriber has fetched ahead go to other workers. A second call does
// nothing. It returns nil.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if !closed {
		close(s.closing)
		s.from.close()
	}
	return nil
}

// Stats returns the counts at this moment. It may be called at any time, also
// after Close.
func (s *Subscriber) Stats() SubscriberStats {
	s.mu.Lock()
	stats := s.stats
	s.mu.Unlock()
	s.from.fill(&stats)
	return stats
}

// count counts something dropped.
func (s *Subscriber) count(which func(*SubscriberDrops) *uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*which(&s.stats.Dropped)++
	if err != nil {
		s.stats.LastError = err
	}
}

// arrived counts a message.
func (s *Subscriber) arrived() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Messages++
}

// refused counts a message that is no part of a frame, by the reason.
func (s *Subscriber) refused(err error) {
	s.count(func(c *SubscriberDrops) *uint64 {
		switch {
		case errors.Is(err, errForeign):
			return &c.Foreign
		case errors.Is(err, ErrTooLarge):
			return &c.TooLarge
		case errors.Is(err, errSize):
			return &c.BadSize
		}
		return &c.BadHeader
	}, err)
}

// newSubscriber returns a Subscriber without an origin.
func newSubscriber(l Limits) *Subscriber {
	return &Subscriber{limits: l, closing: make(chan struct{}), recv: make(chan struct{}, 1)}
}

// stopped returns the error of a call that ended without a frame.
func (s *Subscriber) stopped(ctx context.Context) error {
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	return ctx.Err()
}

// restarted counts that receiving began again, and waits before that.
func (s *Subscriber) restarted(ctx context.Context, err error) {
	s.mu.Lock()
	s.stats.Restarts++
	s.stats.LastError = err
	s.mu.Unlock()
	t := time.NewTimer(firstPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.closing:
	}
}
