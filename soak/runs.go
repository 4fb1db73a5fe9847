package main

import "github.com/vidgear-go/netgear/internal/numbered"

// run is a part of what a receive end got: frames of one life of the sender, in
// order. In the patterns with answers none is missing between First and Last.
type run struct {
	Life  int64 `json:"life"`
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	Count int64 `json:"count"` // frames received
}

// missing returns how many frames of the run did not arrive.
func (r run) missing() int64 { return r.Last - r.First + 1 - r.Count }

// runs divides the frames that a receive end gets into runs.
type runs struct {
	gaps  bool // a run may have them
	now   *progress
	ended func(run)
}

// frame adds a frame. A run ends where the next frame is not of the same life, or
// not the next one.
func (r *runs) frame(n numbered.Numbers) {
	p := r.now
	last := p.Last.Load()
	if p.Count.Load() > 0 && p.Life.Load() == n.Life && (n.Index == last+1 || r.gaps && n.Index > last) {
		p.Last.Store(n.Index)
		p.Count.Add(1)
		p.Frames.Add(1)
		return
	}
	if p.Count.Load() > 0 {
		r.ended(p.run()) // reported before it is replaced, so that it is in one place at least
	}
	p.Count.Store(0)
	p.Life.Store(n.Life)
	p.First.Store(n.Index)
	p.Last.Store(n.Index)
	p.Count.Store(1)
	p.Frames.Add(1)
}
