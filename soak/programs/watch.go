package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/soak/internal/viewer"
)

// watch is a client that looks at the viewer all the time, and finds out when a
// camera is shown again.
type watch struct {
	limit  time.Duration
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	frames  map[string]uint64    // by the stream's name
	waiting map[string]time.Time // when cameras that are not yet shown returned
	took    []time.Duration      // until one was shown
	unseen  int                  // cameras that the next fault hit before they were shown
	late    []string             // cameras that were not shown in time
	broken  []string             // connections to the viewer that were lost: when, and why
	starved []string             // those that were lost without processor time
}

// A connection may be lost if processes had no processor time for brokenWithout of
// the last brokenSpan: the viewer asks for a sign of life every 20 s, and gives
// its client 10 s for that.
const (
	brokenSpan    = 40 * time.Second
	brokenWithout = 5 * time.Second
)

func newWatch(limit time.Duration) *watch {
	return &watch{limit: limit, frames: map[string]uint64{}, waiting: map[string]time.Time{}}
}

// start starts watching.
func (w *watch) start(address string) {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan struct{})
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			if err := viewer.Watch(ctx, address, w.frame); ctx.Err() == nil {
				w.lost(err, processorTime.lately(time.Now(), brokenSpan))
				time.Sleep(tick) // the viewer may have no place yet
			}
		}
	}()
}

func (w *watch) stop() {
	if w.cancel != nil {
		w.cancel()
		<-w.done
	}
}

// lost notes that the connection to the viewer was lost, and for how long there was
// no processor time before.
func (w *watch) lost(why error, without time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("%s %v (%v without processor time in the last %v)", time.Now().Format(time.TimeOnly), why, without.Round(time.Millisecond), brokenSpan)
	if without > brokenWithout {
		w.starved = append(w.starved, text)
	} else {
		w.broken = append(w.broken, text)
	}
}

func (w *watch) frame(f viewer.Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames[f.Stream]++
	if at, ok := w.waiting[f.Stream]; ok && f.Captured.After(at) {
		w.took = append(w.took, time.Since(at))
		delete(w.waiting, f.Stream)
	}
	return nil
}

// expect notes that a camera has returned.
func (w *watch) expect(name string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[name] = at
	go func() {
		awake(context.Background(), w.limit)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.waiting[name].Equal(at) {
			w.late = append(w.late, fmt.Sprintf("%s, which returned at %s", name, at.Format(time.TimeOnly)))
		}
	}()
}

// forget is called before the next fault of a camera.
func (w *watch) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.waiting[name]; ok {
		w.unseen++
		delete(w.waiting, name)
	}
}

// allShown reports whether no camera is waited for.
func (w *watch) allShown() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) == 0
}

// check returns an error if a camera was not shown in time, or the viewer has
// lost its client.
func (w *watch) check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.late) > 0 || len(w.broken) > 0 {
		return fmt.Errorf("not shown within %v: %d times, such as %q; connections lost: %d, such as %q", w.limit, len(w.late), w.late[:min(3, len(w.late))], len(w.broken), w.broken[:min(3, len(w.broken))])
	}
	return nil
}

// summary describes how soon cameras were shown.
func (w *watch) summary() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	took := slices.Sorted(slices.Values(w.took))
	if len(took) == 0 {
		return "no camera has returned yet"
	}
	at := func(p int) time.Duration { return took[(len(took)-1)*p/100].Round(10 * time.Millisecond) }
	text := fmt.Sprintf("%d returns shown after p50 %v, p99 %v, most %v (%d hit by the next fault before that)", len(took), at(50), at(99), at(100), w.unseen)
	if len(w.starved) > 0 {
		text += fmt.Sprintf(", %d connections to the viewer lost without processor time, such as %q", len(w.starved), w.starved[0])
	}
	return text
}
