package sample

import (
	"strings"
	"testing"
)

// What is not judged is known, with the reason: of a process that has too few
// samples, and of memory and threads where none ran for long enough.
func TestUnjudged(t *testing.T) {
	const few, short = "growth not judged: no process has 20 samples", "memory and threads not judged: no process ran for more than 2 minutes"
	for _, c := range []struct {
		name    string
		seconds []float64 // of each process
		samples int
		want    string
	}{
		{"nothing ran", nil, 0, few},
		{"few samples", []float64{10}, 10, few},
		{"few samples, far apart", []float64{1000}, 10, few},
		{"short", []float64{60}, 60, short},
		{"long", []float64{180}, 180, ""},
		{"one was started again, the other lived through the run", []float64{60, 180, 60}, 180, ""},
	} {
		s := NewSeries(nil)
		for i, seconds := range c.seconds {
			for k := range c.samples {
				s.all = append(s.all, Sample{Process: string(rune('a' + i)), Seconds: seconds * float64(k) / float64(c.samples), Values: Values{RSS: 20, Threads: 9, Descriptors: 9}})
			}
		}
		all := s.Trends()
		if got := Unjudged(all); got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
		for _, trend := range all {
			if judged := !strings.HasSuffix(trend.String(), ", not judged"); judged != (trend.Unjudged == "") {
				t.Errorf("%s: %v (%q)", c.name, trend, trend.Unjudged)
			}
		}
	}
}
