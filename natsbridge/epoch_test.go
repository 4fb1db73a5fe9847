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

// Senders that stamps name have an epoch each, and an identity of their own where
// numbers and times are equal. Those of stamps that name none stay as they are.
func TestEpochsOfSenders(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	c := camera{epoch: 1}
	ids := map[string]bool{}
	number := func(sender, seq uint64) uint64 {
		j := &outgoing{camera: "a", frame: &netgear.Frame{Stamp: &netgear.Stamp{Seq: seq, Time: begun.Add(time.Duration(seq)), Sender: sender}}}
		c.number(j, begun)
		if id := j.id("frames"); ids[id] || j.sender != sender {
			t.Errorf("frame %d of %d has the sender %d and the id %q", seq, sender, j.sender, id)
		} else {
			ids[id] = true
		}
		return j.epoch
	}
	of := map[uint64]uint64{}
	for _, f := range []struct{ sender, seq uint64 }{{7, 100}, {0, 1}, {8, 1}, {7, 101}, {8, 2}, {9, 1}, {7, 50}, {0, 2}, {8, 3}, {9, 2}} {
		epoch := number(f.sender, f.seq)
		if of[f.sender] == 0 {
			of[f.sender] = epoch
		}
		if of[f.sender] != epoch {
			t.Errorf("frame %d of %d has the epoch %d after %d", f.seq, f.sender, epoch, of[f.sender])
		}
	}
	if of[0] != 1 || of[7] == of[8] || of[8] == of[9] || of[9] == of[7] || min(of[7], of[8], of[9]) <= 1 {
		t.Errorf("epochs %v", of)
	}
	// The ones used last are known, and another epoch is a new one.
	seen := map[uint64]bool{}
	for sender := uint64(100); sender < 100+2*maxSenders; sender++ {
		epoch := number(sender, 1)
		if seen[epoch] || number(7, 1000+sender) != of[7] {
			t.Errorf("sender %d has the epoch %d, and 7 has another", sender, epoch)
		}
		seen[epoch] = true
	}
	if again := number(8, 4); seen[again] || again == of[8] || c.senders.Len() != maxSenders {
		t.Errorf("epoch %d, %d senders", again, c.senders.Len())
	}
}

// The header of the sender is there if the stamp names one.
func TestSenderHeader(t *testing.T) {
	t.Parallel()
	for _, sender := range []uint64{0, 1, 1<<53 - 1, 1<<64 - 1} {
		d := description{dtype: "uint8", shape: []int{3, 4}, sender: sender, time: time.Unix(1, 0), size: 12, parts: 1}
		h := d.headers()
		if _, there := h[hdrSender]; there != (sender != 0) {
			t.Errorf("%d: %v", sender, h)
		}
		got, err := parse(h, 12, 100)
		if err != nil || got.sender != sender {
			t.Errorf("%d became %d, %v", sender, got.sender, err)
		}
		if got.sender++; got.same(&d) {
			t.Error("a part of another sender is taken for one of the same frame")
		}
	}
}
