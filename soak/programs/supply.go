package main

import (
	"context"
	"sync"
	"time"
)

// supply measures for how long there was no processor time: this process, which is
// to run every tick, ran so much too late. Those that it has started, at the same
// priority, do not run sooner, so nothing is expected of them in that time. It is
// also the time in which the whole machine stands still, as without memory.
type supply struct {
	mu    sync.Mutex
	ran   time.Time // when it ran last
	total time.Duration
	lacks []lack // of the last lackSpan
}

// lack is a part of supply's total.
type lack struct {
	at     time.Time
	lasted time.Duration
}

// lackSpan is the longest time that lately may ask for.
const lackSpan = time.Minute

// processorTime is that of this run.
var processorTime supply

// measure measures until the context ends.
func (s *supply) measure(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for s.run(time.Now()); ctx.Err() == nil; {
		select {
		case <-t.C:
			s.run(time.Now())
		case <-ctx.Done():
		}
	}
}

// run notes that this process runs.
func (s *supply) run(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.late(now)
	s.ran = now
	if late == 0 {
		return
	}
	s.total += late
	for len(s.lacks) > 0 && now.Sub(s.lacks[0].at) > lackSpan {
		s.lacks = s.lacks[1:]
	}
	s.lacks = append(s.lacks, lack{now, late})
}

// late returns how much too late this process runs. What every machine has is left
// out. s.mu must be held.
func (s *supply) late(now time.Time) time.Duration {
	if late := now.Sub(s.ran) - tick; !s.ran.IsZero() && late >= tick {
		return late
	}
	return 0
}

// lacked returns for how long there was none since the beginning.
func (s *supply) lacked() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// lately returns for how long there was none in the last d.
func (s *supply) lately(now time.Time, d time.Duration) (sum time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum = s.late(now) // others may run first after that
	for _, l := range s.lacks {
		if now.Sub(l.at) <= d {
			sum += l.lasted
		}
	}
	return sum
}
