package netgear

import (
	"context"
	"slices"
	"time"
)

// This file has what Options.SendLatest adds to the queue: one place for a
// frame that is not yet prepared, in which a newer one replaces it. The queue's
// channel has one mark for whatever is in the place.

// waitingFrame is a frame that waits in the place. It refers to no memory of
// the caller's, unless the library owns that memory.
type waitingFrame struct {
	payload payload
	message any
	memory  []byte // the copy of the pixels or of the JPEG; nil if there is none
	number  uint64
	size    int64
}

// release releases what the frame refers to. It may be called more than once.
func (w *waitingFrame) release() {
	w.payload.release()
}

// latestMarks is how many calls of Flush may wait at once before a send call
// waits for one.
const latestMarks = 16

// dueStep is how often the end checks whether the network takes the next frame.
const dueStep = 4 * time.Millisecond

// addLatest puts a frame into the place. sendMu must be held.
func (q *sendQueue) addLatest(ctx context.Context, p *payload, message any) error {
	q.adapt.offered(time.Now())
	w, err := q.wait(p, message)
	if err != nil {
		return wrap("send", err)
	}
	q.taken++
	w.number = q.taken
	q.count.Add(1)
	q.bytes.Add(w.size)
	if old := q.replace(w); old != nil {
		q.counters.skipped.Add(1)
		q.leave(old)
		return nil
	}
	if err := q.takePlace(ctx); err != nil {
		q.leave(w)
		return wrap("send to "+q.where(), err)
	}
	q.mu.Lock()
	q.newest = w
	q.mu.Unlock()
	q.frames <- queuedFrame{latest: true}
	return nil
}

// replace replaces the frame in the place, and returns it. It does nothing if
// there is none.
func (q *sendQueue) replace(w *waitingFrame) (old *waitingFrame) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if old = q.newest; old != nil {
		q.newest = w
	}
	return old
}

// wait returns a frame that refers to none of the caller's memory. It takes
// over memory that the library owns.
func (q *sendQueue) wait(p *payload, message any) (w *waitingFrame, err error) {
	w = &waitingFrame{payload: *p}
	if w.message, err = q.snapshot(message); err != nil {
		return nil, err
	}
	own := &w.payload
	own.coding.shape = slices.Clone(own.coding.shape)
	switch {
	case p.done != nil:
		p.done = nil
	case p.pooled != nil:
		p.pooled = nil
	case p.encode:
		own.picture, w.memory, err = own.picture.Copy(q.spareMemory())
	case p.ready != nil:
		w.memory = append(q.spareMemory(), p.ready...)
		own.ready = w.memory
	default:
		w.memory = append(q.spareMemory(), p.array.Data...)
		own.array.Data = w.memory
	}
	w.size = int64(max(len(w.memory), len(own.ready), len(own.array.Data)) + frameOverhead)
	return w, frameError(err)
}

// snapshot returns a message as the wire has it, with the time of the call. The
// number of a stamp is added when the frame is sent, because the receive end
// counts those that are missing.
func (q *sendQueue) snapshot(message any) (any, error) {
	c, ok := message.(StampedMessage)
	if !ok {
		c = StampedMessage{At: time.Now(), Message: message}
	}
	if err := c.checkStamp(); err != nil && q.opts.Stamp {
		return nil, err
	}
	text, err := q.wire.encodeMessage(c.Message)
	if err != nil || !q.opts.Stamp {
		return text, err
	}
	c.Message = text
	return c, nil
}

// spareMemory returns memory of an earlier frame, or nil.
func (q *sendQueue) spareMemory() (memory []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.spare); n > 0 {
		memory, q.spare = q.spare[n-1][:0], q.spare[:n-1]
	}
	return memory
}

// leave releases a frame that was sent, lost or replaced.
func (q *sendQueue) leave(w *waitingFrame) {
	defer w.release()
	q.count.Add(-1)
	q.bytes.Add(-w.size)
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.memory != nil && len(q.spare) < 2 {
		q.spare = append(q.spare, w.memory)
	}
	w.memory = nil
}

// sendNewest prepares and sends the frame in the place, once the network takes
// it. The queue's goroutine calls it.
func (q *sendQueue) sendNewest() (err error) {
	due := q.awaitDue()
	q.mu.Lock()
	w := q.newest
	q.newest = nil
	q.mu.Unlock()
	if !due {
		q.counters.skipped.Add(1)
		q.leave(w)
		return nil
	}
	var reply Reply
	var o outgoing
	defer func() { q.answer(reply, w.number, err) }() // the release function may end the goroutine
	defer q.leave(w)
	if err = q.gone; err == nil {
		if o, err = q.prepare(context.Background(), &w.payload, w.message); err == nil {
			defer o.release()
			reply, err = q.deliver(context.Background(), &o)
		}
	}
	if err != nil {
		q.fail(o.number, err)
		q.lose(w.number, err)
	}
	return err
}

// awaitDue waits until the next frame is due (Options.Adapt), or until the end
// is being closed. Meanwhile it does what the queue's goroutine does. It returns
// false if the frame is to be left out: without a peer it would be old when one
// comes.
func (q *sendQueue) awaitDue() bool {
	for !q.adapt.due() {
		if q.drainCtx.Err() == nil && q.peers() == 0 {
			return false
		}
		select {
		case <-q.drainCtx.Done():
			return true
		case <-q.idle:
			q.settleIdle()
		case do := <-q.tasks:
			do()
		case <-time.After(dueStep):
		}
	}
	return true
}
