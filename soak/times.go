package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// times is when frames may be lost in PUB/SUB: from a little before something began
// that may lose frames on a connection until a little after its end. Elsewhere a
// frame that no end reports as lost is an error. A line is one of the connections.
type times struct{ all map[int][]span }

// span is a time in microseconds since 1970. What may lose frames ended at over.
type span struct{ from, over, to int64 }

const (
	// beforeFault is how old a frame may be in the queues and buffers that a
	// fault takes with it. The ends keep up.
	beforeFault = time.Second
	// afterFault is how long a connection may take until its subscription is in
	// effect again. An end notices some losses only by a time-out of 4 s, and
	// waits up to a second before it connects again.
	afterFault = 6 * time.Second
	// noticed is how long an end may send to a connection that a fault has ended.
	noticed = 500 * time.Millisecond
)

// begin notes that frames may be lost on lines from a time on, until the function
// that it returns is called with the end.
func (t *times) begin(lines []int, from time.Time) (end func(time.Time)) {
	if t.all == nil {
		t.all = map[int][]span{}
	}
	at := map[int]int{}
	for _, line := range lines {
		at[line] = len(t.all[line])
		t.all[line] = append(t.all[line], span{from.Add(-beforeFault).UnixMicro(), math.MaxInt64, math.MaxInt64})
	}
	return func(to time.Time) {
		for line, i := range at {
			t.all[line][i].over, t.all[line][i].to = to.Add(noticed).UnixMicro(), to.Add(afterFault).UnixMicro()
		}
	}
}

// cover reports whether frames may be lost on a line during all of a time. It must
// begin with something that may lose frames: where it begins later, frames had come
// that were captured after the end of that, so the subscription was in effect.
func (t *times) cover(line int, from, to int64) bool {
	spans := slices.SortedFunc(slices.Values(t.all[line]), func(a, b span) int { return cmp.Compare(a.from, b.from) })
	at, begins := from, false
	for _, s := range spans {
		begins = begins || s.from <= from && from <= s.over
		if s.from <= at && at < s.to {
			at = s.to
		}
	}
	return begins && at >= to
}

// lineOf returns the line between two ends. On one of the two sides there is one
// end.
func lineOf(life int64, receiver int) int { return max(placeOf(life), receiver) }

// explained reports whether it is known why frames are missing at a receive end.
// The send end may have reported that the first of them found its queue full: libzmq
// drops the next ones without a report, until the subscriber has read half of it.
func (a *account) explained(receiver int, g gap) bool {
	s := a.senders[g.Life]
	return a.times == nil || g.Count == 0 || g.To-g.From <= a.brief.Microseconds() || s != nil && s.full[g.First] ||
		a.times.cover(lineOf(g.Life, receiver), g.From, g.To)
}

// mayLose checks that frames may be missing at a receive end, at a place in the
// stream that where describes.
func (a *account) mayLose(b *balance, receiver int, g gap, where string) {
	if a.explained(receiver, g) {
		return
	}
	at := func(us int64) string { return time.UnixMicro(us).Format("15:04:05.000") }
	b.unreported("receive end %d: %d frames of %s from %d on are missing %s, between %s and %s, and no fault explains all of that", receiver+1, g.Count, lifeName(g.Life), g.First, where, at(g.From), at(g.To))
}

// stop notes when a send end stopped.
func (s *senderRecord) stop(now time.Time) {
	if s.to == 0 {
		s.to = now.UnixMicro()
	}
}

// checkGaps checks the gaps of a receive end whose missing frames nothing counts,
// except those that its own queue has dropped.
func (a *account) checkGaps(b *balance, r *receiverRecord) {
	dropped := r.reported
	for _, g := range r.gaps {
		if !a.explained(r.place, g) && g.Count <= dropped {
			dropped -= g.Count
			continue
		}
		a.mayLose(b, r.place, g, "between two that came")
	}
}
