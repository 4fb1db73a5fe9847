package netgear

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ahead is the queue of Options.SendAhead. Whoever holds NetGear.turn makes a
// frame ready and puts it in; the goroutine run takes the frames out in order
// and exchanges each for its answer. So the next frame is encoded while the last
// one is on its way.
type ahead struct {
	n      *NetGear
	places chan struct{} // a token for each frame in the queue, taken before the frame is made ready
	frames chan queued
	taken  uint64 // frames that have had a place; whoever holds turn
	done   chan struct{}

	count atomic.Int64 // frames not yet answered, and their bytes
	bytes atomic.Int64

	mu   sync.Mutex
	lost LostError // what nobody has been told of
}

// queued is a frame in the queue, or the end of a Flush in its place.
type queued struct {
	outgoing
	number  uint64
	flushed chan struct{}
}

func startAhead(n *NetGear) *ahead {
	if n.opts.SendAhead == 0 {
		return nil
	}
	a := &ahead{n: n, places: make(chan struct{}, n.opts.SendAhead), frames: make(chan queued, n.opts.SendAhead), done: make(chan struct{})}
	go a.run()
	return a
}

// send queues a frame, which then needs nothing of the caller's any more unless
// it was handed over. The caller holds turn.
func (a *ahead) send(ctx context.Context, p *payload, message any) error {
	if a.n.opts.OnReply == nil {
		if err := a.report(); err != nil {
			return wrap("send to "+a.n.where(), err)
		}
	}
	if err := a.takePlace(ctx); err != nil {
		return wrap("send to "+a.n.where(), err)
	}
	o, err := a.n.makeReady(ctx, p, message)
	if err != nil {
		<-a.places
		return wrap("send", err)
	}
	o.coding.shape = slices.Clone(o.coding.shape)
	a.taken++
	a.count.Add(1)
	a.bytes.Add(o.footprint())
	a.frames <- queued{outgoing: o, number: a.taken}
	return nil
}

// takePlace waits for a place in the queue. The caller holds turn.
func (a *ahead) takePlace(ctx context.Context) error {
	select {
	case a.places <- struct{}{}:
		return nil
	case <-a.n.shutting.Done():
		return ErrClosed
	case <-ctx.Done():
		return a.n.hint(ctx, ctx.Err())
	}
}

// run owns the exchange's half of NetGear.tx, and the socket, until the queue is
// closed and empty. Once the end is being closed the first loss is the last try:
// what comes behind it would wait as long for the same peer.
func (a *ahead) run() {
	defer close(a.done)
	var gone error
	for q := range a.frames {
		<-a.places
		if q.flushed != nil {
			close(q.flushed)
			continue
		}
		var reply Reply
		err := gone
		if err == nil {
			reply, err = a.n.deliver(context.Background(), &q.outgoing)
		}
		if err != nil && gone == nil && a.n.shutting.Err() != nil && !errors.Is(err, ErrRejected) {
			gone = fmt.Errorf("not sent: the end is being closed, and a frame before it failed: %w", err)
		}
		a.settle(&q, reply, err)
	}
}

// settle is the end of a frame.
func (a *ahead) settle(q *queued, reply Reply, err error) {
	size := q.footprint()
	q.release()
	if err != nil {
		a.lose(q.number, err)
	}
	a.count.Add(-1)
	a.bytes.Add(-size)
	if a.n.opts.OnReply != nil {
		a.n.opts.OnReply(reply, wrap("send to "+a.n.where(), err))
	}
}

func (a *ahead) lose(number uint64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lost.Frames == 0 {
		a.lost = LostError{First: number, Err: err}
	}
	a.lost.Frames++
}

// report is what nobody has been told of, once.
func (a *ahead) report() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lost.Frames == 0 {
		return nil
	}
	lost := a.lost
	a.lost = LostError{}
	return &lost
}

// length is what Stats reports.
func (a *ahead) length() (frames int, bytes int64) {
	return int(a.count.Load()), a.bytes.Load()
}

// Flush waits until every frame that a send call has taken before it has been
// answered (Pair, ReqRep) or has gone to libzmq (PubSub), and returns a
// *[LostError] if some were lost of which no send call has told. It is for a
// send end with Options.SendAhead; without that there is nothing to wait for.
// The end of the context ends the wait at once, not the sending. It may be
// called from several goroutines.
func (n *NetGear) Flush(ctx context.Context) error {
	if err := n.opened(); err != nil {
		return wrap("flush", err)
	}
	if n.opts.ReceiveMode {
		return wrap("flush", fmt.Errorf("%w: this is a receive end", ErrMode))
	}
	if ctx == nil {
		return wrap("flush", ErrContext)
	}
	if n.ahead == nil {
		return nil
	}
	return wrap("flush to "+n.where(), n.ahead.flush(ctx))
}

func (a *ahead) flush(ctx context.Context) error {
	flushed, err := a.mark(ctx)
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return a.report()
	case <-a.n.shutting.Done():
		return ErrClosed
	case <-ctx.Done():
		return a.n.hint(ctx, ctx.Err())
	}
}

// mark puts a mark into the queue, which is closed when its turn comes.
func (a *ahead) mark(ctx context.Context) (flushed chan struct{}, err error) {
	if err := a.n.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer a.n.endTurn()
	if err := a.takePlace(ctx); err != nil {
		return nil, err
	}
	flushed = make(chan struct{})
	a.frames <- queued{flushed: flushed}
	return flushed, nil
}

// finish sends what is in the queue, within what one frame's tries may take and
// one more, so that a frame whose tries begin only now can say what it failed
// of; and ends the goroutine. NetGear.shutting has ended: nothing is added any more.
func (a *ahead) finish() error {
	if a == nil {
		return nil
	}
	a.n.turn <- struct{}{} // whoever makes a frame ready has put it in then
	close(a.frames)
	a.n.endTurn()
	tries := a.n.opts.MaxRetries
	if tries < 0 {
		tries = defaultMaxRetries
	}
	enough := time.NewTimer(time.Duration(tries+1) * a.n.opts.RequestTimeout)
	defer enough.Stop()
	select {
	case <-a.done:
	case <-enough.C:
		a.n.end()
		a.n.wake()
		<-a.done
	}
	return a.report()
}
