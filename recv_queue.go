package netgear

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// recvQueue holds the frames that the receive goroutine has read until Recv
// takes them, in order. Workers decode the next frames in advance, on all
// cores. All of it is bounded: frames and bytes by the options, decoded frames
// by the window.
type recvQueue struct {
	maxFrames int
	maxBytes  int64
	latest    bool
	lossy     bool // drop new frames when full, and do not make the sender wait
	link      *link
	use       *useHistory // whether the application reads pixels

	mu      sync.Mutex
	items   []item
	bytes   int64
	early   atomic.Int64 // bytes that the receive goroutine has read ahead
	end     error        // after the items: io.EOF, ErrClosed
	waiting int          // Recv calls that wait
	full    bool         // the loop waits for room
	workers int
	started bool
	over    bool // a worker has ended: nothing more is decoded ahead

	ready chan struct{} // a token: check the head of the queue again
	work  *sync.Cond    // something to decode, or the end
	gone  sync.WaitGroup
}

// item is a frame in the queue, or an error in its place.
type item struct {
	frame *Frame
	err   error
	bytes int64
	state itemState
}

type itemState int8

const (
	undecoded itemState = iota
	decoding
	decoded
)

func newRecvQueue(l *link, use *useHistory) *recvQueue {
	q := &recvQueue{
		maxFrames: l.opts.QueueFrames,
		maxBytes:  l.opts.QueueBytes,
		latest:    l.opts.Latest,
		lossy:     l.spec.lossy,
		link:      l,
		use:       use,
		workers:   cores(),
		ready:     make(chan struct{}, 1),
	}
	if q.latest {
		q.maxFrames = max(q.maxFrames, len(l.opts.Ports)) // a place for each sender
	}
	q.work = sync.NewCond(&q.mu)
	return q
}

// signal makes one waiting Recv check the queue again. No token is lost: a Recv
// that takes one and leaves items or an end returns it.
func (q *recvQueue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// hasRoom is called by the receive goroutine before it reads. After false, the
// goroutine is woken once there is room.
func (q *recvQueue) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.full = !q.latest && !q.lossy && q.overLimit()
	return !q.full
}

func (q *recvQueue) overLimit() bool {
	return len(q.items) > 0 && (len(q.items) >= q.maxFrames || q.bytes >= q.maxBytes)
}

// push appends a frame. With Latest it replaces the sender's last one.
func (q *recvQueue) push(f *Frame) {
	it := item{frame: f, bytes: f.footprint()}
	if settled, _, extra, _ := f.outcome(); settled {
		it.state = decoded
		it.bytes += extra
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		f.Close()
		return
	}
	if q.lossy && !q.latest && q.overLimit() {
		q.drop(f)
		return
	}
	place := len(q.items)
	if q.latest {
		place = q.dropStale(f.Port)
	}
	q.items = slices.Insert(q.items, place, it)
	q.bytes += it.bytes
	if q.latest {
		q.trim(f)
	}
	if it.state == decoded || !q.ahead() {
		q.signal()
		return
	}
	q.startWorkers()
	q.work.Signal()
}

// ahead reports whether frames are decoded before Recv returns them. When the
// queue has ended, no worker starts. q.mu must be held.
func (q *recvQueue) ahead() bool {
	return q.use.ahead() && !q.over && (q.started || q.end == nil)
}

// startWorkers starts the workers, the first time that there is something to
// decode.
func (q *recvQueue) startWorkers() {
	if q.started {
		return
	}
	q.started = true
	q.gone.Add(q.workers)
	for range q.workers {
		go q.decodeLoop()
	}
}

// useChanged is called when the application has begun to read pixels, or reads
// them no longer: the workers decode the frames in the queue, or Recv returns
// them undecoded.
func (q *recvQueue) useChanged() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ahead() && q.undecodedLeft() {
		q.startWorkers()
	}
	q.work.Broadcast()
	q.signal()
}

// dropStale removes the frames of a sender, because a newer one has come, and
// returns the place for that: the first one's. At the end of the queue, a sender
// that sends faster than Recv is called would lose its turn to the others with
// each frame. An error that came after the frames stays before the new one. A
// frame that is being decoded stays, because a Recv waits for it.
func (q *recvQueue) dropStale(port string) (place int) {
	place = -1
	kept := q.items[:0]
	for _, it := range q.items {
		switch {
		case it.err != nil && followsError(kept):
		case it.err != nil:
			place = -1
			kept = append(kept, it)
		case it.state == decoding || it.frame.Port != port:
			kept = append(kept, it)
		default:
			if place < 0 {
				place = len(kept)
			}
			q.bytes -= it.bytes
			q.drop(it.frame)
		}
	}
	clear(q.items[len(kept):])
	q.items = kept
	if place < 0 {
		place = len(kept)
	}
	return place
}

// followsError reports whether the last item is an error. Another one behind it
// would report nothing new, and errors do not count as frames: their number must
// have a bound, too.
func followsError(items []item) bool {
	k := len(items)
	return k > 0 && items[k-1].err != nil
}

// deleteAt deletes an item, and an error behind it if that would follow another.
func (q *recvQueue) deleteAt(i int) {
	q.bytes -= q.items[i].bytes
	j := i + 1
	if j < len(q.items) && q.items[j].err != nil && followsError(q.items[:i]) {
		j++
	}
	q.items = slices.Delete(q.items, i, j)
}

// trim removes the oldest frames, with Latest, until the others are within the
// limits, but not the newest frame. A peer may invent ports, so the number of
// senders with a place is bounded. An error takes no sender's place, and neither
// does a frame that is being decoded: its sender's next one waits beside it.
func (q *recvQueue) trim(newest *Frame) {
	waiting := 0
	for _, it := range q.items {
		if it.replaceable() {
			waiting++
		}
	}
	for i := 0; i < len(q.items) && (waiting > q.maxFrames || q.bytes > q.maxBytes); {
		it := q.items[i]
		if !it.replaceable() || it.frame == newest {
			i++
			continue
		}
		q.deleteAt(i)
		q.drop(it.frame)
		waiting--
	}
}

// replaceable reports whether, with Latest, a newer frame may take the place of
// an item.
func (it *item) replaceable() bool { return it.err == nil && it.state != decoding }

func (q *recvQueue) drop(f *Frame) {
	f.Close()
	q.link.countDropped(f.Port)
}

// pushError queues an error for Recv, but not two in a row.
func (q *recvQueue) pushError(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil || followsError(q.items) {
		return
	}
	q.items = append(q.items, item{err: err, state: decoded})
	q.signal()
}

// finish sets what Recv returns after the last item.
func (q *recvQueue) finish(end error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end == nil {
		q.end = end
	}
	q.work.Broadcast()
	q.signal()
}

// discard ends the queue at once, frees its frames, and waits for the workers.
func (q *recvQueue) discard(end error) {
	q.mu.Lock()
	q.end = end
	for _, it := range q.items {
		if it.state != decoding && it.frame != nil {
			it.frame.Close()
			q.link.counters.discarded.Add(1)
		}
	}
	q.items, q.bytes = nil, 0
	q.work.Broadcast()
	q.signal()
	q.mu.Unlock()
	q.gone.Wait()
}

// decodeLoop is one worker. It returns when the queue has ended and nothing is
// left to decode.
func (q *recvQueue) decodeLoop() {
	defer q.gone.Done()
	dec, noDecoder := turbojpeg.NewDecoder()
	if noDecoder == nil {
		defer dec.Close()
		dec.Stop[0] = q.link.ctx.Done()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		it := q.nextUndecoded()
		if it == nil {
			if q.end != nil && !(q.ahead() && q.undecodedLeft()) {
				q.over = true
				q.work.Broadcast() // the other workers end, too
				q.signal()
				return
			}
			q.work.Wait()
			continue
		}
		it.state = decoding
		// The decoded pixels count from here on, and the memory for decoding
		// them until that is done.
		f := it.frame // items move while the lock is free
		it.bytes += f.decodingBytes()
		q.bytes += f.decodingBytes()
		share := q.share()
		if q.nextUndecoded() != nil {
			q.work.Signal() // there may be room for more frames than one was removed
		}
		q.mu.Unlock()
		fresh, err := true, noDecoder
		if err == nil {
			fresh, err = f.decodeAhead(decodeHow{dec: dec, settings: &q.link.settings, cores: share})
		}
		q.report(f, fresh, err)
		q.mu.Lock()
		q.finishDecode(f, err)
	}
}

// report counts a frame that cannot be decoded and will be dropped. It must be
// called without the lock, because it may call the application's logger. A
// Frame of Retain or Read may have found the damage before; then it is counted.
func (q *recvQueue) report(f *Frame, fresh bool, err error) {
	if err == nil || errors.Is(err, turbojpeg.ErrStopped) {
		return
	}
	f.source.suspect.Store(suspectFor)
	if fresh && !f.broken.Swap(true) {
		q.link.malformed(f.Peer, f.Port, err)
	}
}

// nextUndecoded returns a frame to decode, from the window at the head. The
// result is valid while the lock is held. With Latest a frame is decoded only
// when a Recv waits for it, because most are replaced before that.
func (q *recvQueue) nextUndecoded() *item {
	if !q.ahead() || q.latest && q.waiting == 0 {
		return nil
	}
	window := q.window()
	for i := range window {
		if it := &window[i]; it.state == undecoded {
			return it
		}
	}
	return nil
}

// window returns the head of the queue, which the workers decode: the first
// frame in any case, and those after it for whose pixels maxBytes has room. A
// JPEG of a few bytes may have MaxFrameBytes of them.
func (q *recvQueue) window() []item {
	window := q.items[:min(len(q.items), 2*q.workers)]
	room := q.maxBytes - q.bytes
	for i := range window {
		if it := &window[i]; it.state == undecoded {
			if room -= it.frame.decodingBytes(); room < 0 && i > 0 {
				return window[:i]
			}
		}
	}
	return window
}

// share returns the number of cores for each frame in the window. One frame on
// each core is decoded faster than strips of one frame on all cores. Strips are
// for a frame that is alone in the window.
func (q *recvQueue) share() int {
	frames := 0
	for _, it := range q.window() {
		if it.state != decoded {
			frames++
		}
	}
	return max(1, q.workers/max(1, frames))
}

func (q *recvQueue) undecodedLeft() bool {
	for _, it := range q.items {
		if it.state == undecoded {
			return true
		}
	}
	return false
}

// finishDecode stores the result of a decoding. A frame that could not be
// decoded leaves the queue. A frame that the queue dropped meanwhile (discard),
// or whose decoding Close has ended, is freed. report has counted damage.
func (q *recvQueue) finishDecode(f *Frame, err error) {
	at := slices.IndexFunc(q.items, func(it item) bool { return it.frame == f })
	if at < 0 && err == nil || errors.Is(err, turbojpeg.ErrStopped) {
		q.link.counters.discarded.Add(1)
	}
	switch {
	case at < 0:
		f.Close()
	case err != nil:
		q.remove(at)
		f.Close()
	default:
		q.items[at].state = decoded
		q.items[at].bytes -= f.freedBytes()
		q.bytes -= f.freedBytes()
	}
	// The frame behind one that has left may be returned as it is.
	if len(q.items) == 0 || q.items[0].state == decoded || q.items[0].state == undecoded && !q.ahead() {
		q.signal()
	}
}

func (q *recvQueue) remove(i int) {
	q.deleteAt(i)
	if len(q.items) > 0 {
		q.work.Signal() // the window has moved
	}
	if q.full {
		q.full = false
		q.link.wake()
	}
}

// pop blocks until it returns the next item. While it waits it is counted, so
// that with Latest a worker decodes.
func (q *recvQueue) pop(ctx context.Context) (*Frame, error) {
	q.wait(+1)
	defer q.wait(-1)
	for {
		if f, ok, err := q.take(); ok {
			return f, err
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *recvQueue) wait(d int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting += d
	if d > 0 && q.latest {
		q.work.Signal() // a worker decodes now
	}
}

func (q *recvQueue) take() (f *Frame, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		if q.end != nil {
			q.signal() // for the next caller
		}
		return nil, q.end != nil, q.end
	}
	it := q.items[0]
	if it.state == decoding || it.state == undecoded && q.ahead() {
		return nil, false, nil
	}
	q.remove(0)
	if len(q.items) > 0 || q.end != nil {
		q.signal()
	}
	return it.frame, true, it.err
}

// fill copies the number of queued items into Stats, by port where ports are
// counted.
func (q *recvQueue) fill(s *Stats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Queue, s.QueueBytes = len(q.items), q.bytes+q.early.Load()
	for _, it := range q.items {
		if it.frame == nil {
			continue // an error in its place
		}
		if p, ok := s.Ports[it.frame.Port]; ok {
			p.Queue++
			s.Ports[it.frame.Port] = p
		}
	}
}
