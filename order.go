package netgear

import (
	"fmt"
	"iter"
)

// errNoIterator is for InOrder.
var errNoIterator = fmt.Errorf("%w: the iterator is nil", ErrFrame)

// InOrder puts frames back into the order of their stamps (Options.Stamp), after
// they have been through several workers of a PushPull stream, say. It holds at
// most window frames back while one before them is missing; then it goes on
// without that one, and when it comes too late it is delivered where it comes.
// Frames without a stamp, and errors, pass through at once. Frames that are held
// back are in no queue: they count neither towards Options.QueueBytes nor in Stats.
//
// A number that is not above all others, on a frame captured after all others,
// tells that the sender started anew: what is held back is delivered, and the
// order begins again with 1. Frames of the old stream that are still with a worker
// are delivered where they come.
//
//	for frame, err := range netgear.InOrder(recv.Frames(ctx), 32) {
//
// A frame belongs to the loop's body once it is there, as with Frames; frames
// that are still held back when the loop is left are closed.
func InOrder(frames iter.Seq2[*Frame, error], window int) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		if frames == nil {
			yield(nil, wrap("order", errNoIterator))
			return
		}
		o := reorder{held: map[uint64]*Frame{}, next: 1}
		defer o.close()
		for f, err := range frames {
			if err != nil || f == nil || f.Stamp == nil {
				if !yield(f, err) {
					return
				}
				continue
			}
			if o.anew(f.Stamp) {
				if !o.deliver(yield, 0) {
					f.Close()
					return
				}
				o.next, o.start, o.top = 1, *f.Stamp, *f.Stamp
			}
			if o.isLate(f.Stamp) {
				if !yield(f, nil) {
					return
				}
				continue
			}
			o.held[f.Stamp.Seq] = f
			if f.Stamp.Seq > o.top.Seq {
				o.top = *f.Stamp
			}
			if !o.deliver(yield, window) {
				return
			}
		}
		o.deliver(yield, 0)
	}
}

// reorder holds the frames that came before their turn.
type reorder struct {
	held  map[uint64]*Frame
	next  uint64 // the number whose turn it is
	top   Stamp  // the largest number so far
	start Stamp  // of the frame that told that the sender started anew, if one has
}

// anew tells whether a frame is of a sender that started anew.
func (o *reorder) anew(s *Stamp) bool {
	return 0 < s.Seq && s.Seq <= o.top.Seq && s.Time.After(o.top.Time)
}

// isLate tells whether a frame's turn is over, or never comes: it is there
// already, or of the stream before the sender started anew, as a larger number
// with an earlier time tells.
func (o *reorder) isLate(s *Stamp) bool {
	return s.Seq < o.next || o.held[s.Seq] != nil ||
		s.Seq > o.start.Seq && s.Time.Before(o.start.Time)
}

// deliver hands out the frames whose turn it is, and as many more as keep the
// others within the window.
func (o *reorder) deliver(yield func(*Frame, error) bool, window int) bool {
	for len(o.held) > 0 {
		f := o.held[o.next]
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

// first is the earliest stamp that is held.
func (o *reorder) first() uint64 {
	var first uint64
	for seq := range o.held {
		if first == 0 || seq < first {
			first = seq
		}
	}
	return first
}

func (o *reorder) close() {
	for _, f := range o.held {
		f.Close()
	}
}
