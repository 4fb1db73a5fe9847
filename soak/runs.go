package main

import "github.com/vidgear-go/netgear/internal/numbered"

// run is a part of what a receive end got: frames of one life of the sender.
// Without gaps they are in order, and none is missing between First and Last.
type run struct {
	Life  int64 `json:"life"`
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	Count int64 `json:"count"` // frames received
	Late  int64 `json:"late"`  // of them, those after a frame that was sent later
}

// missing returns how many frames of the run did not arrive.
func (r run) missing() int64 { return r.Last - r.First + 1 - r.Count }

// runs divides the frames that a receive end gets into runs.
type runs struct {
	gaps  bool // a run may have them
	now   *progress
	ended func(run)
	twice func(numbered.Numbers) // with gaps: a frame that came already

	seen []uint64 // with gaps: a bit for each frame of the run
}

// frame adds a frame. A run ends where the next frame is of another life, or,
// without gaps, is not the next one.
func (r *runs) frame(n numbered.Numbers) {
	p := r.now
	last := p.Last.Load()
	same := p.Count.Load() > 0 && p.Life.Load() == n.Life
	switch {
	case same && r.gaps && r.mark(n.Index):
		r.twice(n)
		return
	case same && r.gaps && n.Index < last:
		p.First.Store(min(p.First.Load(), n.Index))
		p.Late.Add(1)
		p.Count.Add(1)
	case same && (n.Index == last+1 || r.gaps):
		p.Last.Store(n.Index)
		p.Count.Add(1)
	default:
		r.begin(n)
	}
	p.Frames.Add(1)
}

// mark notes a frame of a run with gaps, and reports whether it came already.
func (r *runs) mark(index int64) bool {
	word, bit := index/64, uint64(1)<<(index%64)
	for int64(len(r.seen)) <= word {
		r.seen = append(r.seen, 0)
	}
	before := r.seen[word]&bit != 0
	r.seen[word] |= bit
	return before
}

// begin ends the run, and begins another one.
func (r *runs) begin(n numbered.Numbers) {
	p := r.now
	if p.Count.Load() > 0 {
		r.ended(p.run()) // reported before it is replaced, so that it is in one place at least
	}
	p.Count.Store(0)
	p.Life.Store(n.Life)
	p.First.Store(n.Index)
	p.Last.Store(n.Index)
	p.Late.Store(0)
	p.Count.Store(1)
	if r.gaps {
		clear(r.seen)
		r.mark(n.Index)
	}
}
