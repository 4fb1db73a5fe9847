package main

import (
	"fmt"

	"github.com/vidgear-go/netgear/internal/numbered"
)

// A life is the number of a process of a send end, which its frames carry: those
// of the first send end count from 1, those of the second from perPlace+1.
const perPlace = 1_000_000

// lifeOf returns the life of the number-th process of a send end.
func lifeOf(place, number int) int64 { return int64(place*perPlace + number) }

// placeOf returns which send end a life belongs to.
func placeOf(life int64) int { return int(life / perPlace) }

// lifeName returns the name of a life.
func lifeName(life int64) string {
	if placeOf(life) == 0 {
		return fmt.Sprintf("life %d", life)
	}
	return fmt.Sprintf("life %d of send end %c", life%perPlace, 'a'+placeOf(life))
}

// run is a part of what a receive end got: frames of one life of a sender.
// Without gaps they are in order, Step apart, and none is missing between First
// and Last.
type run struct {
	Life  int64 `json:"life"`
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	Step  int64 `json:"step"`  // more than 1 where several receive ends get the frames in turn
	Count int64 `json:"count"` // frames received
	Late  int64 `json:"late"`  // of them, those after a frame that was sent later

	FirstAt int64 `json:"first_at"` // when the first and the last were captured, in microseconds
	LastAt  int64 `json:"last_at"`
}

// gap is a row of frames that had not come when a later one came, between two that
// had. Frames were captured From and To.
type gap struct {
	Life  int64 `json:"life"`
	First int64 `json:"first"` // the number of the first of them
	Count int64 `json:"count"`
	From  int64 `json:"from"`
	To    int64 `json:"to"`
}

// missing returns how many frames of the run did not arrive.
func (r run) missing() int64 { return (r.Last-r.First)/r.Step + 1 - r.Count }

// runs divides the frames that a receive end gets into runs.
type runs struct {
	gaps  bool  // a run may have them
	steps int64 // without gaps: the most that two frames of a run may be apart
	now   *progress
	ended func(run)
	twice func(numbered.Numbers) // with gaps: a frame that came already
	gap   func(gap)              // with gaps: frames are missing

	seen [several]bits // with gaps: the frames of the run, of each send end
}

// newRuns returns the runs of a receive end, which are reported as events.
func (s *settings) newRuns(now *progress, report func(event)) *runs {
	r := &runs{gaps: s.Pattern == pubSub, steps: 1, now: now}
	if s.Multiclient {
		r.steps = several
	}
	r.ended = func(ended run) { report(event{Event: runEvent, Run: &ended}) }
	r.gap = func(g gap) { report(event{Event: gapEvent, Gap: &g}) }
	r.twice = func(n numbered.Numbers) {
		report(event{Event: wrongEvent, Text: fmt.Sprintf("frame %d of %s came twice", n.Index, lifeName(n.Life))})
	}
	return r
}

// frame adds a frame. A run ends where the next frame is of another life, or,
// without gaps, is not the next one.
func (r *runs) frame(n numbered.Numbers) {
	open := &r.now.Open[placeOf(n.Life)]
	last := open.Last.Load()
	same := open.Count.Load() > 0 && open.Life.Load() == n.Life
	switch {
	case same && r.gaps && r.seen[placeOf(n.Life)].set(n.Index):
		r.twice(n)
		return
	case same && r.gaps && n.Index < last:
		if n.Index < open.First.Load() {
			open.First.Store(n.Index)
			open.FirstAt.Store(n.Captured)
		}
		open.Late.Add(1)
		open.Count.Add(1)
	case same && (r.gaps || r.follows(open, n.Index-last)):
		if r.gaps && n.Index > last+1 {
			r.gap(gap{Life: n.Life, First: last + 1, Count: n.Index - last - 1, From: open.LastAt.Load(), To: n.Captured})
		}
		open.Last.Store(n.Index)
		open.LastAt.Store(n.Captured)
		open.Count.Add(1)
	default:
		r.begin(open, n)
	}
	r.now.Frames.Add(1)
}

// follows reports whether the next frame of a run without gaps is so far from
// the last one. The second frame determines it.
func (r *runs) follows(open *openRun, step int64) bool {
	if open.Count.Load() == 1 && step > 0 && step <= r.steps {
		open.Step.Store(step)
	}
	return step == open.Step.Load()
}

// bits is a set of frames.
type bits []uint64

// set adds a frame, and reports whether it was in the set.
func (b *bits) set(index int64) bool {
	word, bit := index/64, uint64(1)<<(index%64)
	for int64(len(*b)) <= word {
		*b = append(*b, 0)
	}
	before := (*b)[word]&bit != 0
	(*b)[word] |= bit
	return before
}

// has reports whether a frame is in the set.
func (b bits) has(index int64) bool {
	word := index / 64
	return word < int64(len(b)) && b[word]&(1<<(index%64)) != 0
}

// begin ends the run, and begins another one.
func (r *runs) begin(open *openRun, n numbered.Numbers) {
	if open.Count.Load() > 0 {
		r.ended(open.run()) // reported before it is replaced, so that it is in one place at least
	}
	open.Count.Store(0)
	open.Life.Store(n.Life)
	open.First.Store(n.Index)
	open.Last.Store(n.Index)
	open.FirstAt.Store(n.Captured)
	open.LastAt.Store(n.Captured)
	open.Step.Store(0)
	open.Late.Store(0)
	open.Count.Store(1)
	if r.gaps {
		seen := &r.seen[placeOf(n.Life)]
		clear(*seen)
		seen.set(n.Index)
	}
}
