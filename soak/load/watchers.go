package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/soak/internal/viewer"
)

// watcherCounts is what the process of the watchers answers.
type watcherCounts struct {
	Frames  []map[int]uint64 // of each watcher, by the stream's number
	Ages    ages             // of frames since the last answer
	Gone    uint64           // how often one has left
	Refused uint64           // how often the viewer was full
	Broken  uint64           // how often a connection ended otherwise
	Why     string           // the last of those
}

// ages are the ages of frames in milliseconds, sorted.
type ages struct {
	Arrived []float64 // from capture to the receive end
	Passed  []float64 // from there to a watcher
	Seen    []float64 // from capture to a watcher
}

func (a *ages) add(f viewer.Frame, now time.Time) {
	if f.Captured.IsZero() || len(a.Seen) == maxAges {
		return
	}
	a.Arrived = append(a.Arrived, f.Received.Sub(f.Captured).Seconds()*1000)
	a.Passed = append(a.Passed, now.Sub(f.Received).Seconds()*1000)
	a.Seen = append(a.Seen, now.Sub(f.Captured).Seconds()*1000)
}

func (a *ages) sort() {
	for _, of := range [][]float64{a.Arrived, a.Passed, a.Seen} {
		slices.Sort(of)
	}
}

// String describes the median and the 99th percentile of each.
func (a *ages) String() string {
	text := func(of []float64) string {
		return fmt.Sprintf("%.0f, %.0f", percentile(of, 50), percentile(of, 99))
	}
	return text(a.Seen) + " | " + text(a.Arrived) + " | " + text(a.Passed)
}

// watchers are WebSocket clients of package web's viewer, which acknowledge
// each frame at once.
type watchers struct {
	role *role

	mu     sync.Mutex
	counts watcherCounts
}

// maxAges bounds the ages that are kept for one answer.
const maxAges = 1 << 20

func runWatchers(r *role, c *commands) error {
	w := &watchers{role: r}
	for range r.Count {
		w.counts.Frames = append(w.counts.Frames, map[int]uint64{})
	}
	var watching sync.WaitGroup
	for i := range r.Count {
		watching.Go(func() {
			for c.ctx.Err() == nil {
				w.watch(c.ctx, i)
			}
		})
	}
	err := c.answer(func() (any, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.counts.Ages.sort()
		text, err := json.Marshal(w.counts)
		w.counts.Ages = ages{}
		return json.RawMessage(text), err
	})
	watching.Wait()
	return err
}

// errLeft ends the visit of a watcher that does not stay.
var errLeft = errors.New("it has left")

// watch is one visit of a watcher.
func (w *watchers) watch(ctx context.Context, i int) {
	n := 0
	err := viewer.Watch(ctx, w.role.URL, func(f viewer.Frame) error {
		w.count(i, f)
		if n++; n == w.role.Stay {
			return errLeft
		}
		return nil
	})
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(err, errLeft):
		w.counts.Gone++
	case errors.Is(err, viewer.ErrFull):
		w.counts.Refused++
	default:
		w.counts.Broken++
		w.counts.Why = err.Error()
	}
}

func (w *watchers) count(i int, f viewer.Frame) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.Frames[i][f.ID]++
	w.counts.Ages.add(f, now)
}

// minus returns the frames since earlier counts: of each watcher, and the shares
// of the streams at the watcher where they differ most.
func (c *watcherCounts) minus(earlier *watcherCounts) (each []float64, streams shares) {
	streams.min = 2
	for i, now := range c.Frames {
		var of []float64
		sum := 0.0
		for _, id := range slices.Sorted(maps.Keys(now)) {
			n := float64(now[id] - earlier.Frames[i][id])
			of, sum = append(of, n), sum+n
		}
		each = append(each, sum)
		if s := sharesOf(of); s.min < streams.min {
			streams = s
		}
	}
	return each, streams
}

// percentile returns a percentile of sorted values, 0 without any.
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p/100*float64(len(sorted))))]
}
