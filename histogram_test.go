package netgear

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/clocktest"
)

// inWindow returns a time in a window that begins on a whole number of windows.
func inWindow(seconds int64) time.Time {
	return latencyOrigin.Add(time.Duration(recentWindow*1000+seconds) * time.Second)
}

func TestHistogramBuckets(t *testing.T) {
	all := Histogram{}.Bounds()
	if len(all) != len(Histogram{})-1 {
		t.Fatalf("%d bounds", len(all))
	}
	for i, bound := range all {
		if i > 0 && bound <= all[i-1] {
			t.Errorf("bound %v after %v", bound, all[i-1])
		}
		if bucket(bound) != i || bucket(bound+1) != i+1 {
			t.Errorf("%v is in %d, and one more in %d", bound, bucket(bound), bucket(bound+1))
		}
	}
	if bucket(0) != 0 || bucket(-time.Hour) != 0 || bucket(math.MaxInt64) != len(all) {
		t.Error("the ends")
	}
	all[0] = time.Hour
	if (Histogram{}).Bounds()[0] == time.Hour {
		t.Error("a caller can change the bounds")
	}
}

// What was longest is known, and forgotten, whatever the wall clock is set to.
func TestRecentMaxWhileTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		var l latencies
		l.add(time.Minute, inWindow(0))
		l.add(time.Second, clocktest.Set(inWindow(61), by))
		if got := l.stats(clocktest.Set(inWindow(62), by)).RecentMax; got != time.Second {
			t.Errorf("the clock set by %v: %v", by, got)
		}
	}
}

// The longest duration of an outage is forgotten after a minute, and not before
// 30 seconds.
func TestRecentMax(t *testing.T) {
	type sample struct {
		at int64
		d  time.Duration
	}
	for _, c := range []struct {
		name    string
		samples []sample
		now     int64
		recent  time.Duration
		max     time.Duration
	}{
		{"none", nil, 0, 0, 0},
		{"at once", []sample{{0, time.Hour}}, 0, time.Hour, time.Hour},
		{"for 30 seconds", []sample{{29, time.Hour}}, 59, time.Hour, time.Hour},
		{"no longer than 60", []sample{{0, time.Hour}}, 60, 0, time.Hour},
		{"not replaced by a shorter one", []sample{{0, time.Hour}, {31, time.Second}}, 59, time.Hour, time.Hour},
		{"then by a shorter one", []sample{{0, time.Hour}, {31, time.Second}}, 60, time.Second, time.Hour},
		{"nor by one of the same window", []sample{{0, time.Hour}, {1, time.Second}}, 2, time.Hour, time.Hour},
		{"the slot is used again", []sample{{0, time.Hour}, {61, time.Second}, {62, 2 * time.Second}}, 63, 2 * time.Second, time.Hour},
		{"negative", []sample{{0, -time.Hour}, {1, -time.Second}, {2, -time.Minute}}, 3, -time.Second, -time.Second},
		{"years", []sample{{0, 50 * 365 * 24 * time.Hour}}, 0, (recentZero - 1) * time.Microsecond, 50 * 365 * 24 * time.Hour},
		{"a clock that was set back", []sample{{100, time.Hour}}, 0, 0, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l latencies
			for _, s := range c.samples {
				l.add(s.d, inWindow(s.at))
			}
			if s := l.stats(inWindow(c.now)); s.RecentMax != c.recent || s.Max != c.max || s.Frames != uint64(len(c.samples)) {
				t.Errorf("%+v, not %v of %v", s, c.recent, c.max)
			}
		})
	}
}

func TestLatencySums(t *testing.T) {
	var l latencies
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 1000 {
				l.add(time.Duration(i)*time.Millisecond, inWindow(int64(i)/100))
			}
		})
	}
	all.Wait()
	s := l.stats(inWindow(10))
	sum := 4 * 999 * 1000 / 2 * time.Millisecond
	if s.Frames != 4000 || s.Sum != sum || s.Mean != sum/4000 || s.Max != 999*time.Millisecond || s.RecentMax != s.Max || s.Last < 0 {
		t.Errorf("%+v", s)
	}
	if s.Buckets[bucket(time.Millisecond)] != 4 || s.Buckets[len(bounds)] != 0 || s.Buckets[bucket(time.Second)] != 4*499 {
		t.Errorf("%v", s.Buckets)
	}
}

func TestQuantile(t *testing.T) {
	var l latencies
	for i := range 100 {
		l.add(time.Duration(i+1)*time.Millisecond, inWindow(0)) // 1 to 100 ms
	}
	s := l.stats(inWindow(0))
	for q, want := range map[float64]time.Duration{0: 500 * time.Microsecond, 0.05: 5 * time.Millisecond, 0.5: 50 * time.Millisecond, 0.75: 75 * time.Millisecond, 1: 100 * time.Millisecond,
		-1: 0, 2: 0, math.NaN(): 0, math.Inf(1): 0} {
		if got := s.Quantile(q); (got - want).Abs() > time.Microsecond {
			t.Errorf("%v: %v, not %v", q, got, want)
		}
	}
	if got := (LatencyStats{}).Quantile(0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
	l.add(time.Hour, inWindow(0))
	if got := l.stats(inWindow(0)).Quantile(1); got != time.Hour {
		t.Errorf("beyond the bounds: %v", got)
	}
	var short latencies
	short.add(20*time.Microsecond, inWindow(0))
	if got := short.stats(inWindow(0)).Quantile(0.99); got != 20*time.Microsecond {
		t.Errorf("longer than the longest: %v", got)
	}
}

// Stats is readable as JSON, and is read back as it was.
func TestStatsAsJSON(t *testing.T) {
	var l latencies
	for _, d := range []time.Duration{1500 * time.Microsecond, 2 * time.Millisecond, time.Minute, -time.Second} {
		l.add(d, inWindow(0))
	}
	s := Stats{ReceiveMode: true, Pattern: PubSub, Frames: 4, Latency: l.stats(inWindow(0)), MalformedBy: MalformedStats{JPEG: 2}, Malformed: 2,
		Ports: map[string]PortStats{"11": {Frames: 4, Latency: l.stats(inWindow(0)), Last: time.Unix(1764547200, 0).UTC()}}}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Pattern":"PUB/SUB"`, `"Max":60,`, `"RecentMax":60,`, `"Sum":59.0035`, `"Buckets":{"0.0001":1,"0.0025":2,"+Inf":1}`, `"JPEG":2`, `"Last":"2025-12-01T00:00:00Z"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in %s", want, raw)
		}
	}
	var back Stats
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("%v: %+v\nis not %+v", err, back, s)
	}
	for name, bad := range map[string]any{
		`{"0.3": 1}`: new(Histogram), `[1]`: new(Histogram), `{"0.005": -1}`: new(Histogram), `7`: new(LatencyStats), `{"Max": "1s"}`: new(LatencyStats),
	} {
		if err := json.Unmarshal([]byte(name), bad); !errors.Is(err, ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
