package natsbridge

import (
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// TestEpochs sends stamps and counts the epochs in which they are published. A
// sender that restarts begins another one, wherever its clock is then. A frame
// that comes late or twice does not.
func TestEpochs(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	type run struct {
		first, last uint64        // numbers, one every 40 ms
		at          time.Duration // of what would be number 0
	}
	const frame = 40 * time.Millisecond
	for name, c := range map[string]struct {
		runs []run
		want int
	}{
		"one run":                               {[]run{{1, 5000, 0}}, 1},
		"again":                                 {[]run{{1, 5000, 0}, {1, 5000, time.Hour}}, 2},
		"again, the clock an hour back":         {[]run{{1, 5000, 0}, {1, 5000, -time.Hour}}, 2},
		"again, the clock a day back, twice":    {[]run{{1, 5000, 0}, {1, 5000, -24 * time.Hour}, {1, 5000, -48 * time.Hour}}, 3},
		"again, the clock back within the run":  {[]run{{1, 5000, 0}, {1, 5000, time.Minute}}, 2},
		"the same, the first frames are lost":   {[]run{{3, 5000, 0}, {7, 5000, time.Minute}}, 2},
		"the same, to just before the start":    {[]run{{1, 5000, 0}, {2, 5000, -time.Second}}, 2},
		"again after one frame, the clock back": {[]run{{1, 1, 0}, {1, 10, -time.Hour}}, 2},
		"published from the middle, then again": {[]run{{3000, 5000, 0}, {1, 5000, -time.Hour}}, 2},
		"a frame twice":                         {[]run{{1, 5000, 0}, {5000, 5000, 0}, {5001, 6000, 0}}, 1},
		"ten frames late":                       {[]run{{1, 90, 0}, {101, 110, 0}, {91, 100, 0}, {111, 5000, 0}}, 1},
		"a thousand frames late":                {[]run{{1001, 2000, 0}, {1, 1000, 0}, {2001, 2100, 0}}, 1},
		"an old one twice, much later":          {[]run{{1, 5000, 0}, {17, 17, 0}, {64, 64, 0}, {5001, 6000, 0}}, 1},
		"the clock is set back in the run":      {[]run{{1, 3000, 0}, {3001, 5000, -time.Hour}}, 1},
	} {
		camera, epochs := camera{epoch: 1}, map[uint64]bool{}
		for _, r := range c.runs {
			for seq := r.first; seq <= r.last; seq++ {
				j := &outgoing{frame: &netgear.Frame{Stamp: &netgear.Stamp{Seq: seq, Time: begun.Add(r.at + time.Duration(seq)*frame)}}}
				camera.number(j, begun)
				epochs[j.epoch] = true
			}
		}
		if len(epochs) != c.want {
			t.Errorf("%s: %d epochs, want %d", name, len(epochs), c.want)
		}
		if n := len(camera.stamps.known); n > 14 {
			t.Errorf("%s: %d stamps are kept", name, n)
		}
	}
}
