package transport

import (
	"testing"
	"time"
)

func TestLeftover(t *testing.T) {
	const from, to = "10.0.0.2:43210", "tcp://10.0.0.1:5555"
	now := time.Now()
	lost := func(from, endpoint string) func(*HalfOpen) {
		return func(h *HalfOpen) { h.Lost(now, from, endpoint) }
	}
	answered := func(h *HalfOpen) { h.Answered(now, 0) }
	long := func(h *HalfOpen) { h.Answered(now.Add(-Silence), 0) }
	for name, c := range map[string]struct {
		did  []func(*HalfOpen)
		want string
	}{
		"never heard":          {[]func(*HalfOpen){lost(from, to)}, ""},
		"just heard":           {[]func(*HalfOpen){answered, lost(from, to)}, ""},
		"silent":               {[]func(*HalfOpen){long, lost(from, to)}, from},
		"the first counts":     {[]func(*HalfOpen){long, lost(from, to), lost("127.0.0.1:1", to)}, from},
		"not known from where": {[]func(*HalfOpen){long, lost("", to)}, ""},
		"not over TCP":         {[]func(*HalfOpen){long, lost(from, "ipc:///tmp/a")}, ""},
		"answered since":       {[]func(*HalfOpen){long, lost(from, to), answered}, ""},
		"cleared":              {[]func(*HalfOpen){long, lost(from, to), (*HalfOpen).Clear}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var h HalfOpen
			for _, do := range c.did {
				do(&h)
			}
			got, peer := h.Ends()
			if got != c.want || (peer == "10.0.0.1:5555") != (got != "") {
				t.Errorf("%q to %q, want %q", got, peer, c.want)
			}
		})
	}
}

// A probe waits longer for its answer where no exchange was ever quick.
func TestProbeWait(t *testing.T) {
	for _, c := range []struct {
		took []time.Duration
		i    int
		want time.Duration
	}{
		{[]time.Duration{time.Millisecond}, 1, probeShort},
		{[]time.Duration{time.Millisecond}, longEach, probeLong},
		{[]time.Duration{300 * time.Millisecond}, 1, 600 * time.Millisecond},
		{[]time.Duration{5 * time.Second}, 1, probeLong},
		{[]time.Duration{5 * time.Second, time.Millisecond, time.Second}, 1, probeShort},
	} {
		var h HalfOpen
		for _, took := range c.took {
			h.Answered(time.Now(), took)
		}
		if got := h.wait(c.i); got != c.want {
			t.Errorf("after %v, probe %d: %v, want %v", c.took, c.i, got, c.want)
		}
	}
}
