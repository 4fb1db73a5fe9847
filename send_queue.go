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

// sendQueue is the queue of Options.SendAhead and SendLatest. A goroutine that holds
// sendEnd.sendMu prepares a frame and adds it. The goroutine run removes the
// frames in order and exchanges each for its answer. So the next frame is
// encoded while the last one is being sent. With SendLatest run prepares the
// frame as well: see send_latest.go.
type sendQueue struct {
	*sendEnd
	places chan struct{} // a token for each frame in the queue, acquired before the frame is prepared
	frames chan queuedFrame
	taken  uint64 // frames that have had a place; sendMu must be held
	done   chan struct{}
	idle   chan struct{} // makes run settle the socket
	tasks  chan func()   // makes run call the function, which then owns the socket

	count atomic.Int64 // frames not yet answered, and their bytes
	bytes atomic.Int64

	mu     sync.Mutex
	lost   LostError     // what has not been reported
	gone   error         // why frames are no longer sent, while the end is being closed
	newest *waitingFrame // with Options.SendLatest; nil: none waits
	spare  [][]byte      // memory of its copies, for the next ones
}

// queuedFrame is a frame in the queue, or a mark that Flush waits for.
type queuedFrame struct {
	outgoing
	number  uint64 // how many frames the end had taken with it
	latest  bool   // a mark for the frame in newest
	flushed chan struct{}
}

func startSendQueue(s *sendEnd) *sendQueue {
	size := s.opts.SendAhead
	if s.opts.SendLatest {
		size = latestMarks
	}
	if size == 0 {
		return nil
	}
	q := &sendQueue{sendEnd: s, places: make(chan struct{}, size), frames: make(chan queuedFrame, size), done: make(chan struct{}), idle: make(chan struct{}), tasks: make(chan func())}
	go resume(q.run)
	return q
}

// add queues a frame. The frame then refers to no memory of the caller's,
// unless the library owns that memory. sendMu must be held.
func (q *sendQueue) add(ctx context.Context, p *payload, message any) error {
	if q.opts.OnReply == nil {
		if err := q.report(); err != nil {
			return wrap("send to "+q.where(), err)
		}
	}
	if q.opts.SendLatest {
		return q.addLatest(ctx, p, message)
	}
	if err := q.takePlace(ctx); err != nil {
		return wrap("send to "+q.where(), err)
	}
	queued := false
	defer func() {
		if !queued { // also if the application's own methods panic, by which the message is encoded
			<-q.places
		}
	}()
	o, err := q.prepare(ctx, p, message)
	if err != nil {
		return wrap("send", err)
	}
	o.coding.shape = slices.Clone(o.coding.shape)
	q.taken++
	q.count.Add(1)
	q.bytes.Add(o.footprint())
	q.frames <- queuedFrame{outgoing: o, number: q.taken}
	queued = true
	return nil
}

// takePlace waits for a place in the queue. sendMu must be held.
func (q *sendQueue) takePlace(ctx context.Context) error {
	select {
	case q.places <- struct{}{}:
		return nil
	case <-q.drainCtx.Done():
		return ErrClosed
	case <-ctx.Done():
		return q.hint(ctx, ctx.Err())
	}
}

// run owns the exchange, and the socket, until the queue is closed and empty.
// Once the end is being closed the first loss is the last try. The frames
// behind it would wait as long for the same peer.
func (q *sendQueue) run() {
	for {
		var f queuedFrame
		var open bool
		select {
		case f, open = <-q.frames:
		case <-q.idle:
			q.settleIdle()
			continue
		case do := <-q.tasks:
			do()
			continue
		}
		if !open {
			close(q.done)
			return
		}
		<-q.places
		if f.flushed != nil {
			close(f.flushed)
			continue
		}
		var err error
		if f.latest {
			err = q.sendNewest()
		} else {
			err = q.sendQueued(&f)
		}
		if err != nil && q.gone == nil && q.drainCtx.Err() != nil && !errors.Is(err, ErrRejected) {
			q.gone = fmt.Errorf("not sent: the end is being closed, and a frame before it failed: %w", err)
		}
	}
}

// sendQueued exchanges a frame for its answer, unless it is lost because of
// gone. Then it releases the frame, counts it and reports its result. These
// steps are deferred, because the release function may end the goroutine.
func (q *sendQueue) sendQueued(f *queuedFrame) (err error) {
	size := f.footprint()
	var reply Reply
	if err = q.gone; err == nil {
		reply, err = q.deliver(context.Background(), &f.outgoing)
	}
	defer q.answer(reply, f.number, err)
	if err != nil {
		q.fail(f.outgoing.number, err)
		q.lose(f.number, err)
	}
	q.count.Add(-1)
	q.bytes.Add(-size)
	f.release()
	return err
}

// answer calls OnReply, if there is one.
func (q *sendQueue) answer(reply Reply, number uint64, err error) {
	if q.opts.OnReply == nil {
		return
	}
	if err != nil {
		err = wrap("send to "+q.where(), &LostError{Frames: 1, First: number, Err: err})
	}
	q.calls.call(replyCallback, func() { q.opts.OnReply(reply, err) })
}

func (q *sendQueue) lose(number uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost.Frames == 0 {
		q.lost = LostError{First: number, Err: err}
	}
	q.lost.Frames++
}

// report returns the losses that have not been reported.
func (q *sendQueue) report() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost.Frames == 0 {
		return nil
	}
	lost := q.lost
	q.lost = LostError{}
	return &lost
}

// length returns the frames in the queue and their size in bytes, for Stats.
func (q *sendQueue) length() (frames int, bytes int64) {
	return int(q.count.Load()), q.bytes.Load()
}

// Flush blocks until every frame that a send call has queued before it has been
// answered (Pair, ReqRep) or has gone to libzmq (PubSub). It returns a
// *[LostError] if frames were lost that no send call has reported. It is for a
// send end with Options.SendAhead or SendLatest, where it waits for the frame
// that is not yet sent; without them Flush returns at once. The end of
// the context ends the wait, not the sending. It may be called from several
// goroutines. Inside OnReply and release functions it returns ErrCallback.
func (n *NetGear) Flush(ctx context.Context) error {
	s, err := n.sender()
	if err != nil {
		return wrap("flush", err)
	}
	if ctx == nil {
		return wrap("flush", ErrContext)
	}
	if err := s.calls.check(forbidSend); err != nil {
		return wrap("flush", err)
	}
	if s.queue == nil {
		return nil
	}
	return wrap("flush to "+s.where(), s.queue.flush(ctx))
}

func (q *sendQueue) flush(ctx context.Context) error {
	flushed, err := q.mark(ctx)
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return q.report()
	case <-q.drainCtx.Done():
		return ErrClosed
	case <-ctx.Done():
		return q.hint(ctx, ctx.Err())
	}
}

// mark adds a mark to the queue, which run closes when the frames before it are
// done.
func (q *sendQueue) mark(ctx context.Context) (flushed chan struct{}, err error) {
	if err := q.lock(ctx); err != nil {
		return nil, err
	}
	defer q.unlock()
	if err := q.takePlace(ctx); err != nil {
		return nil, err
	}
	flushed = make(chan struct{})
	q.frames <- queuedFrame{flushed: flushed}
	return flushed, nil
}

// finish sends the frames in the queue and ends the goroutine. It takes at most
// the time of one frame's tries plus one. So a frame whose tries begin only now
// has an error of its own. drainCtx must have ended, so that nothing more is
// added.
func (q *sendQueue) finish() error {
	if q == nil {
		return nil
	}
	q.sendMu <- struct{}{} // a frame that was being prepared is in the queue then
	close(q.frames)
	q.unlock()
	tries := q.opts.MaxRetries
	if tries < 0 {
		tries = defaultMaxRetries
	}
	enough := time.NewTimer(time.Duration(tries+1) * q.opts.RequestTimeout)
	defer enough.Stop()
	select {
	case <-q.done:
	case <-enough.C:
		q.cancel()
		q.wake()
		<-q.done
	}
	return q.report()
}
