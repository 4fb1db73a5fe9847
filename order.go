package netgear

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// errNoIterator is the error of InOrder for a nil iterator.
var errNoIterator = fmt.Errorf("%w: the iterator is nil", ErrFrame)

// InOrder restores the order of the frames' stamps (Options.Stamp), for
// instance after several workers of a PushPull stream have processed them. It
// holds at most window frames while one before them is missing. Then it
// continues without that one, which is yielded late if it still arrives. Frames
// without a stamp, and errors, are yielded at once. Held frames are in no
// queue: they count neither towards Options.QueueBytes nor in Stats.
//
// The order is that of each sender (Stamp.Sender) by itself. The window is for
// the frames of all: InOrder also continues without a frame when window frames
// have arrived since the one that it holds. Of more than 64 senders, the held
// frames of the one that has been silent for the longest time are yielded, and
// its order begins again with 1.
//
// A sender that restarts is another sender. Where stamps name none, a frame
// with a later time than all others, but not a larger number, shows that the
// sender has restarted. So do more than window frames in a row whose numbers
// have passed, as after a restart with the clock set back. The held frames are
// then yielded, and the order begins again with 1. Frames of the old stream that
// a worker still has are yielded when they arrive.
//
//	for frame, err := range netgear.InOrder(recv.Frames(ctx), 32) {
//
// As with Frames, the loop's body owns a yielded frame, and must Close it. When
// the loop is left, InOrder closes the frames that it still holds.
func InOrder(frames iter.Seq2[*Frame, error], window int) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		if frames == nil {
			yield(nil, wrap("order", errNoIterator))
			return
		}
		streams := reorders{bySender: map[uint64]*reorder{}, window: max(window, 0)}
		defer streams.close()
		for f, err := range frames {
			if err != nil || f == nil || f.Stamp == nil {
				if !yield(f, err) {
					return
				}
				continue
			}
			if !streams.arrived(f, yield) {
				return
			}
		}
		for _, o := range streams.waiting {
			if !o.deliver(yield, 0) {
				return
			}
		}
	}
}

// maxOrdered bounds the senders whose order is known, because a peer may invent
// them.
const maxOrdered = 64

// reorders holds the frames of all senders.
type reorders struct {
	window   int // frames that it may hold
	bySender map[uint64]*reorder
	waiting  []*reorder // those of which frames are held, by since
	came     uint64     // frames that have arrived
}

// arrived yields a frame, and what may follow it, or holds it. It returns false
// if the loop was left.
func (r *reorders) arrived(f *Frame, yield func(*Frame, error) bool) bool {
	r.came++
	o, ok := r.of(f.Stamp.Sender, yield)
	if !ok {
		f.Close()
		return false
	}
	o.came++
	o.last = r.came
	if o.restarted(f.Stamp) {
		if !o.deliver(yield, 0) {
			f.Close()
			return false
		}
		o.begin(f.Stamp)
	}
	if o.isLate(f.Stamp) {
		o.late++
		if !yield(f, nil) {
			return false
		}
	} else {
		next := o.next
		o.hold(f)
		if !o.deliver(yield, r.window) {
			return false
		}
		if len(o.held) == 1 || o.next != next { // it waits for another frame now
			r.waits(o)
		}
	}
	return r.release(yield)
}

// release continues, without the frames that are missing, where the frames that
// are held are too many, or have been held for too long.
func (r *reorders) release(yield func(*Frame, error) bool) bool {
	if len(r.bySender) == 1 {
		return true // it has a window of its own
	}
	total, again := 0, false
	for _, o := range r.waiting {
		total += len(o.held)
	}
	for _, o := range r.waiting {
		before := len(o.held)
		// Those of other senders that came since its first held frame count as if
		// they were held.
		others := int(min(r.came-o.since-(o.came-o.own), uint64(r.window)+1))
		if left := r.window - max(others, total-before); before > max(left, 0) {
			if !o.deliver(yield, max(left, 0)) {
				return false
			}
			total -= before - len(o.held)
			o.holdsSince()
			again = true
		}
	}
	if again {
		r.waiting = slices.DeleteFunc(r.waiting, func(o *reorder) bool { return len(o.held) == 0 })
		slices.SortFunc(r.waiting, bySince)
	}
	return true
}

// bySince compares senders by when the first of their held frames arrived.
func bySince(a, b *reorder) int { return cmp.Compare(a.since, b.since) }

// waits notes that a sender waits for another frame, or for none if no frame of
// it is held.
func (r *reorders) waits(o *reorder) {
	if i := slices.Index(r.waiting, o); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
	if len(o.held) > 0 {
		o.holdsSince()
		i, _ := slices.BinarySearchFunc(r.waiting, o, bySince)
		r.waiting = slices.Insert(r.waiting, i, o)
	}
}

// of returns the frames of a sender, and false if the loop was left.
func (r *reorders) of(sender uint64, yield func(*Frame, error) bool) (*reorder, bool) {
	if o := r.bySender[sender]; o != nil {
		return o, true
	}
	if len(r.bySender) == maxOrdered {
		var oldest *reorder
		for _, o := range r.bySender {
			if oldest == nil || o.last < oldest.last {
				oldest = o
			}
		}
		if !oldest.deliver(yield, 0) {
			return nil, false
		}
		delete(r.bySender, oldest.sender)
		r.waiting = slices.DeleteFunc(r.waiting, func(o *reorder) bool { return o == oldest })
	}
	o := &reorder{sender: sender, held: map[uint64]heldFrame{}, next: 1, window: r.window}
	r.bySender[sender] = o
	return o, true
}

func (r *reorders) close() {
	for _, o := range r.bySender {
		for _, h := range o.held {
			h.frame.Close()
		}
	}
}

// reorder holds the frames of a sender that arrived before frames with smaller
// numbers.
type reorder struct {
	sender uint64 // 0: stamps that name none
	window int    // frames that it may hold
	held   map[uint64]heldFrame
	next   uint64 // the number of the next frame to yield

	came  uint64 // frames of this sender that have arrived
	last  uint64 // reorders.came at the last of them
	since uint64 // reorders.came at the first of the held frames,
	own   uint64 // and came

	// Of stamps that name no sender.
	top    Stamp // the largest number so far
	latest Stamp // the latest time, of two windows of frames
	start  Stamp // of the first frame after a restart of the sender, if there was one
	late   int   // frames in a row that could not be yielded in order
}

// heldFrame is a frame that waits for one before it.
type heldFrame struct {
	frame *Frame
	came  uint64 // reorders.came when it arrived,
	own   uint64 // and reorder.came
}

// holdsSince sets since and own.
func (o *reorder) holdsSince() {
	o.since, o.own = o.last, o.came
	for _, h := range o.held {
		if h.came < o.since {
			o.since, o.own = h.came, h.own
		}
	}
}

// restarted reports whether a frame is of a sender that has restarted: its
// number is not a larger one, and its time is later than all others. After the
// clock was set back, a frame from before may have that time. Then, and where a
// sender restarts with an earlier time, the numbers of more frames in a row than
// a window's have passed.
func (o *reorder) restarted(s *Stamp) bool {
	if o.sender != 0 || s.Seq == 0 || s.Seq > o.top.Seq {
		return false
	}
	setBack := o.latest.Time.After(o.top.Time)
	return !setBack && s.Time.After(o.top.Time) || o.late > o.window
}

// begin begins the order again, with a frame of a sender that has restarted.
func (o *reorder) begin(s *Stamp) {
	o.next, o.late = 1, 0
	o.start, o.top, o.latest = *s, *s, *s
}

// isLate reports whether a frame cannot be yielded in order. Its number has
// passed, or is held already, or it belongs to the stream before the sender's
// restart. Such a frame has a larger number and an earlier time. So has a frame
// of the new stream after its clock was set back, so they are not more in a row
// than a window's.
func (o *reorder) isLate(s *Stamp) bool {
	return s.Seq < o.next || o.held[s.Seq].frame != nil ||
		o.sender == 0 && s.Seq > o.start.Seq && s.Time.Before(o.start.Time) && o.late <= o.window
}

// hold holds a frame until it is its turn.
func (o *reorder) hold(f *Frame) {
	s := f.Stamp
	o.held[s.Seq] = heldFrame{f, o.last, o.came}
	o.late = 0
	if s.Seq > o.start.Seq && s.Time.Before(o.start.Time) {
		o.start = Stamp{} // the clock was set back
	}
	if s.Seq > o.top.Seq {
		o.top = *s
	}
	if !s.Time.Before(o.latest.Time) || o.top.Seq > o.latest.Seq+2*uint64(o.window) {
		o.latest = *s
	}
}

// deliver yields the next frames in order, and as many more as are beyond the
// window.
func (o *reorder) deliver(yield func(*Frame, error) bool, window int) bool {
	for len(o.held) > 0 {
		f := o.held[o.next].frame
		if f == nil {
			if len(o.held) <= window {
				return true
			}
			o.next = o.first()
			continue
		}
		delete(o.held, o.next)
		o.next++
		if !yield(f, nil) {
			return false
		}
	}
	return true
}

// first returns the smallest number that is held.
func (o *reorder) first() uint64 {
	var first uint64
	for seq := range o.held {
		if first == 0 || seq < first {
			first = seq
		}
	}
	return first
}
