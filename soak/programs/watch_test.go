package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A viewer that loses its client fails the run, unless there was no processor time.
func TestLostConnections(t *testing.T) {
	for without, fails := range map[time.Duration]bool{0: true, brokenWithout: true, brokenWithout + 1: false} {
		w := newWatch(time.Second)
		w.lost(errors.New("EOF"), without)
		err := w.check()
		if (err != nil) != fails {
			t.Errorf("%v without processor time: %v", without, err)
		}
		if fails && !strings.Contains(err.Error(), "EOF") {
			t.Error(err)
		}
	}
}

func TestSupply(t *testing.T) {
	var s supply
	begun := time.Now()
	at := func(d time.Duration) time.Time { return begun.Add(d) }
	s.run(at(0))
	s.run(at(tick))
	s.run(at(3*tick - 1)) // every machine has that
	s.run(at(3 * time.Second))
	for now := 3 * time.Second; now < 30*time.Second; now += tick {
		s.run(at(now))
	}
	s.run(at(32 * time.Second))
	first, second := 3*time.Second-3*tick+1-tick, 2*time.Second
	if got := s.lacked(); got != first+second {
		t.Errorf("%v in all, want %v", got, first+second)
	}
	for _, c := range []struct{ now, span, want time.Duration }{
		{32 * time.Second, time.Second, second},
		{32 * time.Second, 30 * time.Second, first + second},
		{40 * time.Second, 30 * time.Second, second + 8*time.Second - tick}, // it is late now
	} {
		if got := s.lately(at(c.now), c.span); got != c.want {
			t.Errorf("%v at %v, in %v: want %v", got, c.now, c.span, c.want)
		}
	}
}
