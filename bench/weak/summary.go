package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// outcome is what one contender did in one scene.
type outcome struct {
	Scene, Contender string
	Pattern          int

	FPS      float64         // frames that arrived, per second
	P50, P99 time.Duration   // of the age on arrival
	Fresh    float64         // share of the seconds that are fresh
	Recover  []time.Duration // after each marked step; negative: not before the next
	Used     float64         // share of the rate
	Sent     int64           // send calls that succeeded
	Received int64
	Lost     int64         // frames sent that did not arrive
	KB       float64       // mean size of a JPEG, if known
	Queue    time.Duration // 99th percentile of the wait in the bottleneck's queue
	Late     time.Duration // mean time that the emulator delivered a packet too late
	Gone     string        `json:",omitempty"` // why it ended early

	Seconds []second // for the plot
}

// second is one second of a scene.
type second struct {
	Frames   int
	P50, Max time.Duration // age
	Used     float64
	Width    int
	KB       float64
	Queued   int // most bytes in the bottleneck's queue
}

func (w *watch) summarize(o *outcome) {
	s := w.scene
	o.Sent, o.Gone = w.sent, w.gone
	o.Received = int64(len(w.arrivals))
	o.Lost = max(0, o.Sent-o.Received)
	var ages []time.Duration
	bytes := 0
	for i := range w.arrivals {
		a := &w.arrivals[i]
		if a.At > s.Length {
			continue
		}
		ages = append(ages, a.age())
		bytes += a.Bytes
	}
	if n := len(ages); n > 0 {
		o.FPS = float64(n) / s.Length.Seconds()
		o.P50, o.P99 = quantile(ages, 0.5), quantile(ages, 0.99)
		o.KB = float64(bytes) / float64(n) / 1000
	}
	o.Used = w.used(0, s.Length)
	var waits []time.Duration
	for _, p := range w.samples {
		if rate := s.at(p.at).Up.Rate; rate > 0 {
			waits = append(waits, time.Duration(float64(8*p.queued)/float64(rate)*float64(time.Second)))
		}
	}
	if len(waits) > 0 {
		o.Queue = quantile(waits, 0.99)
	}
	o.Late = w.late
	o.Recover = w.recoveries()
	for t := time.Duration(0); t < s.Length; t += time.Second {
		o.Seconds = append(o.Seconds, w.second(t))
		if w.fresh(t) {
			o.Fresh += time.Second.Seconds() / s.Length.Seconds()
		}
	}
}

// used returns the share of what the bottleneck could pass between two times.
func (w *watch) used(from, to time.Duration) float64 {
	first, last := w.passedAt(from), w.passedAt(to)
	capacity := w.scene.capacity(first.at, last.at)
	if capacity == 0 {
		return 0
	}
	return min(1, float64(8*(last.passed-first.passed))/capacity)
}

// passedAt returns the last sample not after a time, or the first.
func (w *watch) passedAt(t time.Duration) (p sample) {
	for i, x := range w.samples {
		if i == 0 || x.at <= t {
			p = x
		}
	}
	return p
}

// recoveries returns, for each marked step, the time until the first second
// that is fresh. It is -1 if there is none before the next marked step.
func (w *watch) recoveries() (all []time.Duration) {
	s := w.scene
	for i, step := range s.Steps {
		if !step.Marked {
			continue
		}
		until := s.Length
		for _, later := range s.Steps[i+1:] {
			if later.Marked {
				until = later.At
				break
			}
		}
		all = append(all, w.recovery(step.At, until))
	}
	return all
}

func (w *watch) recovery(from, until time.Duration) time.Duration {
	for t := from; t+time.Second <= until; t += 10 * time.Millisecond {
		if w.fresh(t) {
			return t - from
		}
	}
	return -1
}

// fresh reports whether, in the second after a time, a frame arrives and none
// is on its way for longer than MaxAge.
func (w *watch) fresh(from time.Duration) bool {
	came, to := false, from+time.Second
	for i := range w.arrivals {
		a := &w.arrivals[i]
		if a.age() > w.scene.MaxAge && a.At >= from && a.Captured+w.scene.MaxAge < to {
			return false
		}
		came = came || a.At >= from && a.At < to
	}
	return came
}

func (w *watch) second(t time.Duration) (x second) {
	var ages []time.Duration
	bytes := 0
	for i := range w.arrivals {
		if a := &w.arrivals[i]; a.At >= t && a.At < t+time.Second {
			ages = append(ages, a.age())
			bytes += a.Bytes
			x.Width = a.Width
		}
	}
	x.Frames = len(ages)
	x.Used = w.used(t, t+time.Second)
	if len(ages) > 0 {
		x.P50, x.Max = quantile(ages, 0.5), slices.Max(ages)
		x.KB = float64(bytes) / float64(len(ages)) / 1000
	}
	for _, p := range w.samples {
		if p.at >= t && p.at < t+time.Second {
			x.Queued = max(x.Queued, p.queued)
		}
	}
	return x
}

// seconds prints each second, for -v.
func (w *watch) seconds() string {
	var b strings.Builder
	fmt.Fprintln(&b, "second  fps  age p50   max ms  used   KB  width  queued KB")
	for t := time.Duration(0); t < w.scene.Length; t += time.Second {
		x := w.second(t)
		fmt.Fprintf(&b, "%6.0f %4d %8d %8d %4.0f%% %5.0f %5d %6.0f\n", t.Seconds(), x.Frames, x.P50.Milliseconds(), x.Max.Milliseconds(), 100*x.Used, x.KB, x.Width, float64(x.Queued)/1000)
	}
	return b.String()
}

func quantile(values []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
