package netgear

import (
	"fmt"
	"iter"
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
// A frame with a later time than all others, but not a larger number, shows
// that the sender has restarted. So do more than window frames in a row whose
// numbers have passed, as after a restart with the clock set back. The held
// frames are then yielded, and the order begins again with 1. Frames of the old
// stream that a worker still has are yielded when they arrive.
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
		o := reorder{held: map[uint64]*Frame{}, next: 1, window: max(window, 0)}
		defer o.close()
		for f, err := range frames {
			if err != nil || f == nil || f.Stamp == nil {
				if !yield(f, err) {
					return
				}
				continue
			}
			if o.restarted(f.Stamp) {
				if !o.deliver(yield, 0) {
					f.Close()
					return
				}
				o.begin(f.Stamp)
			}
			if o.isLate(f.Stamp) {
				o.late++
				if !yield(f, nil) {
					return
				}
				continue
			}
			o.hold(f)
			if !o.deliver(yield, window) {
				return
			}
		}
		o.deliver(yield, 0)
	}
}

// reorder holds the frames that arrived before frames with smaller numbers.
type reorder struct {
	window int // frames that it may hold
	held   map[uint64]*Frame
	next   uint64 // the number of the next frame to yield
	top    Stamp  // the largest number so far
	latest Stamp  // the latest time, of two windows of frames
	start  Stamp  // of the first frame after a restart of the sender, if there was one
	late   int    // frames in a row that could not be yielded in order
}

// restarted reports whether a frame is of a sender that has restarted: its
// number is not a larger one, and its time is later than all others. After the
// clock was set back, a frame from before may have that time. Then, and where a
// sender restarts with an earlier time, the numbers of more frames in a row than
// a window's have passed.
func (o *reorder) restarted(s *Stamp) bool {
	if s.Seq == 0 || s.Seq > o.top.Seq {
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
	return s.Seq < o.next || o.held[s.Seq] != nil ||
		s.Seq > o.start.Seq && s.Time.Before(o.start.Time) && o.late <= o.window
}

// hold holds a frame until it is its turn.
func (o *reorder) hold(f *Frame) {
	s := f.Stamp
	o.held[s.Seq] = f
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

func (o *reorder) close() {
	for _, f := range o.held {
		f.Close()
	}
}
