package clocktest

import (
	"testing"
	"time"
)

func TestSet(t *testing.T) {
	now := time.Now()
	for _, by := range []time.Duration{time.Hour, -time.Hour, -48 * time.Hour, 1000 * time.Hour} {
		set := Set(now, by)
		if passed, wall := set.Sub(now), set.Round(0).Sub(now.Round(0)); passed != 0 || wall != by {
			t.Errorf("by %v: %v have passed, and %v by the wall clock", by, passed, wall)
		}
	}
}
