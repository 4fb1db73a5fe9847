package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/numbered"
)

// In PUB/SUB frames that no end reports may be missing where a fault explains it,
// and nowhere else: before the first one that comes, after the last one, and, where
// nothing counts them, in between. Frames are captured ten a second here.
func TestUnexplainedLosses(t *testing.T) {
	begun := time.UnixMicro(1_800_000_000_000_000)
	at := func(second float64) time.Time { return begun.Add(time.Duration(second * float64(time.Second))) }
	const start = 5 // seconds until both ends are ready
	for _, c := range []struct {
		name    string
		faults  [][2]float64 // from, to
		frames  []int64      // of 1 to 1000, in 100 seconds
		killed  bool         // the receive end, and nothing is counted
		dropped int64
		full    map[int64]bool
		problem string
	}{
		{"nothing", nil, sequence(1, 1000), false, 0, nil, ""},
		{"the first ones, until a little after the start", nil, sequence(110, 1000), false, 0, nil, ""},
		{"more of the first ones", nil, sequence(150, 1000), false, 0, nil, "149 frames of life 1 from 1 on are missing before the first one"},
		{"the first ones, with a fault at the start", [][2]float64{{8, 12}}, sequence(170, 1000), false, 0, nil, ""},
		{"the first ones, with a fault later", [][2]float64{{16, 18}}, sequence(170, 1000), false, 0, nil, "169 frames of life 1 from 1 on are missing before the first one"},
		{"the last ones", nil, sequence(1, 999), false, 0, nil, "1 frames of life 1 from 1000 on are missing after the last one"},
		{"the last ones, after a fault", [][2]float64{{95, 97}}, sequence(1, 940), false, 0, nil, ""},
		{"more than that", [][2]float64{{95, 97}}, sequence(1, 900), false, 0, nil, "100 frames of life 1 from 901 on are missing after the last one"},
		{"the last ones, after two faults", [][2]float64{{85, 87}, {94, 95}}, sequence(1, 840), false, 0, nil, ""},
		{"the last ones, long after a fault", [][2]float64{{80, 82}}, sequence(1, 810), false, 0, nil, "190 frames of life 1 from 811 on are missing after the last one"},
		{"none at all", nil, nil, false, 0, nil, "1000 frames of life 1 from 1 on are missing after the last one"},
		{"in between, not counted", nil, slices.Concat(sequence(1, 500), sequence(502, 1000)), true, 0, nil, "1 frames of life 1 from 501 on are missing between two that came"},
		{"in between, dropped", nil, slices.Concat(sequence(1, 500), sequence(502, 1000)), true, 1, nil, ""},
		{"in between, at a full queue", nil, slices.Concat(sequence(1, 500), sequence(512, 1000)), true, 0, set(501), ""},
		{"in between, and later at a full queue", nil, slices.Concat(sequence(1, 500), sequence(512, 1000)), true, 0, set(502), "11 frames of life 1 from 501 on are missing"},
		{"in between, with a fault", [][2]float64{{50, 51}}, slices.Concat(sequence(1, 490), sequence(560, 1000)), true, 0, nil, ""},
		{"in between, after later ones had come since the fault", [][2]float64{{50, 51}}, slices.Concat(sequence(1, 525), sequence(530, 1000)), true, 0, nil, "4 frames of life 1 from 526 on are missing between two that came"},
		{"in between, longer than the fault", [][2]float64{{50, 51}}, slices.Concat(sequence(1, 490), sequence(600, 1000)), true, 0, nil, "109 frames of life 1 from 491 on are missing between two that came"},
		{"in between, before the fault", [][2]float64{{50, 51}}, slices.Concat(sequence(1, 470), sequence(501, 1000)), true, 0, nil, "30 frames of life 1 from 471 on are missing between two that came"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var frames []numbered.Numbers
			for _, i := range c.frames {
				frames = append(frames, numbered.Numbers{Life: 1, Index: i, Captured: at(float64(i) / 10).UnixMicro()})
			}
			r, _ := receivedOf(t, true, 1, frames)
			r.counts, r.reported = !c.killed, c.dropped
			a := account{
				pattern: pubSub, severed: true, times: &times{}, receivers: []*receiverRecord{&r},
				senders: map[int64]*senderRecord{1: {begun: 1000, full: c.full, from: at(0).UnixMicro(), to: at(100).UnixMicro()}},
			}
			a.times.begin([]int{0}, at(0))(at(start))
			a.times.begin([]int{1}, at(0))(at(100)) // another connection
			for _, f := range c.faults {
				a.times.begin([]int{0}, at(f[0]))(at(f[1]))
			}
			b := a.balance()
			if got := strings.Join(b.Unreported, "; "); (got == "") != (c.problem == "") || !strings.Contains(got, c.problem) {
				t.Errorf("%q", got)
			}
		})
	}
}
