package netgear

import (
	"errors"
	"testing"
	"time"
)

// at returns a time of a clock that the test sets, in milliseconds.
func at(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }

func TestTimers(t *testing.T) {
	var all timers
	if !all.next().IsZero() {
		t.Error("a deadline, and none is set")
	}
	all.after(idleTimer, at(0), 12*time.Second)
	all.after(stallTimer, at(0), 0)
	if !all[stallTimer].IsZero() || !all.next().Equal(at(12000)) {
		t.Errorf("%v", all)
	}
	all.advance(checkTimer, at(500))
	all.advance(checkTimer, at(900)) // later: it stays
	all.advance(flushTimer, at(700))
	if !all.next().Equal(at(500)) || !all[checkTimer].Equal(at(500)) {
		t.Errorf("%v", all)
	}
	if all.take(checkTimer, at(499)) || all.take(evictTimer, at(99999)) {
		t.Error("taken before it was due, or never set")
	}
	if !all.take(checkTimer, at(500)) || all.take(checkTimer, at(500)) {
		t.Error("what is due is taken once")
	}
	if !all.next().Equal(at(700)) {
		t.Errorf("%v", all)
	}
}

// The results of checks of a PAIR socket, for each state of its peers.
func TestPairChecks(t *testing.T) {
	view := func(ms, peers int, served, waiting bool, heard int) pairView {
		return pairView{now: at(ms), peers: peers, served: served, waiting: waiting, lastFrame: at(heard), timeout: 4 * time.Second}
	}
	type step struct {
		see   pairView
		again int // when to check again, in ms; 0 for never
		free  bool
		why   error
	}
	for name, steps := range map[string][]step{
		"no peer":                             {{see: view(0, 0, false, false, 0), free: true}},
		"one peer, served":                    {{see: view(0, 1, true, false, 0)}},
		"the served peer is going":            {{see: view(0, 0, true, false, 0), again: 100}, {see: view(100, 0, false, true, 0), free: true}},
		"another waits, and frames come":      {{see: view(3000, 1, true, true, 2900), again: 6900}},
		"another waits, and none come":        {{see: view(3000, 1, true, true, 0), again: 4000}, {see: view(4000, 1, true, true, 0), why: ErrTimeout}},
		"none comes, and no other waits":      {{see: view(90000, 1, true, false, 0)}},
		"connected and never served":          {{see: view(0, 1, false, false, 0), again: 100}, {see: view(50, 1, false, false, 0), again: 100}, {see: view(100, 1, false, false, 0), why: errNotServed}},
		"connected and served after a moment": {{see: view(0, 1, false, false, 0), again: 100}, {see: view(100, 1, true, false, 0)}, {see: view(150, 1, false, false, 0), again: 250}},
	} {
		t.Run(name, func(t *testing.T) {
			var p pairState
			for i, s := range steps {
				again, free, why := p.check(s.see)
				if s.again == 0 != again.IsZero() || s.again != 0 && !again.Equal(at(s.again)) || free != s.free || !errors.Is(why, s.why) {
					t.Errorf("check %d: again %v, free %v, %v", i, again, free, why)
				}
			}
		})
	}
}

// If there is nothing to do a check is repeated at growing intervals, and then
// not until a peer connects or disconnects.
func TestPairChecksAreRepeated(t *testing.T) {
	var p pairState
	for _, want := range []int{100, 400, 1600} {
		if got := p.more(at(0)); !got.Equal(at(want)) {
			t.Errorf("again at %v, want %v", got, at(want))
		}
	}
	if got := p.more(at(0)); !got.IsZero() {
		t.Errorf("again at %v", got)
	}
}
