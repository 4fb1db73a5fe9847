package netgear

import (
	"math"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/loglimit"
)

// unlogged holds frames that no line of the log has named yet.
type unlogged struct {
	frames      uint64
	first, last uint64 // the smallest and the largest of their stamps' numbers; if none has one, first is larger
}

// add adds frames with the numbers from first to last.
func (u *unlogged) add(frames, first, last uint64) {
	if u.frames == 0 {
		*u = unlogged{0, first, last}
	}
	u.frames += min(frames, math.MaxUint64-u.frames)
	u.first, u.last = min(u.first, first), max(u.last, last)
}

// number returns first or last for the log: nil if the frames have no numbers.
func (u *unlogged) number(n uint64) any {
	if u.first > u.last {
		return nil
	}
	return n
}

// take returns the frames if a line may be logged now. Otherwise, and if there
// are none, it returns zero.
func (u *unlogged) take(limit *loglimit.Limiter, now time.Time) (line unlogged) {
	if u.frames == 0 {
		return line
	}
	if limit.Pass(now) {
		line, *u = *u, unlogged{}
	}
	return line
}

// lossLog limits the lines about lost frames: the next line has the number of
// all frames since the last one.
type lossLog struct {
	limit loglimit.Limiter
	mu    sync.Mutex
	rest  unlogged
}

// add adds a frame, of which number is that of its stamp, 0 if it has none, and
// returns what is to be logged now.
func (l *lossLog) add(number uint64) unlogged {
	first, last := number, number
	if number == 0 {
		first = math.MaxUint64
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest.add(1, first, last)
	return l.rest.take(&l.limit, time.Now())
}

// fail counts and logs a frame that a send call has taken, and that was not
// sent or answered. number is that of its stamp, 0 if it has none.
func (s *sendEnd) fail(number uint64, err error) {
	s.counters.failed.Add(1)
	if line := s.failedLog.add(number); line.frames > 0 {
		s.opts.Logger.Warn("frames were not sent, or not answered", loglimit.Known("endpoint", s.where(), "frames", line.frames, "first", line.number(line.first), "last", line.number(line.last), "err", err)...)
	}
}

// overflow counts and logs that the current frame found the queue of a
// subscriber full.
func (s *sendEnd) overflow() {
	s.counters.overflow.Add(1)
	if line := s.overflowLog.add(s.number); line.frames > 0 {
		s.opts.Logger.Warn("the queue of a subscriber is full, and it loses frames", loglimit.Known("endpoint", s.where(), "frames", line.frames, "first", line.number(line.first), "last", line.number(line.last))...)
	}
}

// noteStamp counts the stamp of a frame, and logs what it shows to be missing,
// and whether it has arrived before.
func (r *receiveEnd) noteStamp(f *Frame) {
	missed, again := r.perPort.stamp(f.Port, f.Stamp, f.ReceivedAt)
	var sender any
	if f.Stamp.Sender != 0 {
		sender = f.Stamp.Sender
	}
	if missed.frames > 0 {
		r.opts.Logger.Warn("frames did not arrive", loglimit.Known("endpoint", r.where(), "peer", f.Peer, "port", f.Port, "sender", sender, "frames", missed.frames, "first", missed.first, "last", missed.last)...)
	}
	if again.frames > 0 {
		r.opts.Logger.Warn("frames arrived again", loglimit.Known("endpoint", r.where(), "peer", f.Peer, "port", f.Port, "sender", sender, "frames", again.frames, "first", again.first, "last", again.last)...)
	}
}
