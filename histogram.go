package netgear

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// bounds holds the upper bounds of a Histogram, from less than an exchange on
// one machine takes to more than any time-out is by default.
var bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts durations by their length. Element i counts those that are
// at most Bounds()[i], and longer than the bound before it. The last element
// counts those that are longer than every bound.
type Histogram [17]uint64

// Bounds returns the upper bounds of the elements except the last: 16 durations
// from 100 microseconds to 10 seconds. The caller may keep the slice.
func (Histogram) Bounds() []time.Duration { return slices.Clone(bounds[:]) }

var _ [len(bounds) + 1]uint64 = Histogram{}

// bucket returns the element that counts d.
func bucket(d time.Duration) int {
	for i, bound := range bounds {
		if d <= bound {
			return i
		}
	}
	return len(bounds)
}

// LatencyStats holds how long something takes for a frame: see the fields of
// Stats. It counts since New.
//
// In JSON the durations are numbers, in seconds. Buckets is an object with the
// elements that are not 0, by their bounds in seconds: {"0.005": 17, "+Inf": 1}.
type LatencyStats struct {
	Frames          uint64        // frames that were measured
	Last, Mean, Max time.Duration // Mean is of all, also where Sum is at its limit
	// RecentMax is the longest of the last 30 to 60 seconds, 0 if there was
	// none. One outage does not keep it up, as it does Max. It is exact to a
	// microsecond, and within six days.
	RecentMax time.Duration
	// Sum is of all. It falls if the clocks disagree so that latencies are
	// negative. The largest time.Duration, 292 years, is its limit: frames of a
	// recording and of cameras without a clock may be years old.
	Sum     time.Duration
	Buckets Histogram
}

// Quantile returns an estimate of the duration that the share q of the frames
// did not exceed: 0.5 for the median. The estimate is linear within an element
// of Buckets, and at most Max. It is 0 without frames, or if q is not in 0 to 1.
func (l LatencyStats) Quantile(q float64) time.Duration {
	if l.Frames == 0 || !(q >= 0 && q <= 1) {
		return 0
	}
	rank, below := q*float64(l.Frames), 0.0
	for i, n := range l.Buckets {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		if i == len(bounds) {
			break
		}
		low := time.Duration(0)
		if i > 0 {
			low = bounds[i-1]
		}
		part := (rank - below) / float64(n)
		return min(low+time.Duration(part*float64(bounds[i]-low)), l.Max)
	}
	return l.Max
}

// ---- counting ----

// latencies holds the counts that LatencyStats reports. Any goroutine may add
// to it.
type latencies struct {
	last    atomic.Int64
	sum     atomic.Uint64 // the bits of a float64, which does not overflow
	max     atomic.Uint64 // ordered
	recent  [2]atomic.Uint64
	buckets [len(Histogram{})]atomic.Uint64
}

// since adds the time that has passed since began.
func (l *latencies) since(began time.Time) {
	now := time.Now()
	l.add(now.Sub(began), now)
}

// add counts a duration that ended now.
func (l *latencies) add(d time.Duration, now time.Time) {
	l.last.Store(int64(d))
	for {
		old := l.sum.Load()
		if l.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+float64(d))) {
			break
		}
	}
	raise(&l.max, ordered(d), 0)
	e := epoch(now)
	raise(&l.recent[e%2], packRecent(e, d), e<<recentBits)
	l.buckets[bucket(d)].Add(1)
}

// stats returns the counts. The number of frames is that of the buckets, so the
// two agree while others add.
func (l *latencies) stats(now time.Time) (s LatencyStats) {
	for i := range l.buckets {
		s.Buckets[i] = l.buckets[i].Load()
		s.Frames += s.Buckets[i]
	}
	if s.Frames == 0 {
		return LatencyStats{}
	}
	sum := math.Float64frombits(l.sum.Load())
	s.Last, s.Sum, s.Mean = time.Duration(l.last.Load()), nearest(sum), nearest(sum/float64(s.Frames))
	s.Max = unordered(l.max.Load())
	s.RecentMax = l.recentMax(now)
	return s
}

// nearest returns the nearest duration to a number of nanoseconds.
func nearest(ns float64) time.Duration {
	switch {
	case ns >= math.MaxInt64:
		return math.MaxInt64
	case ns <= math.MinInt64:
		return math.MinInt64
	}
	return time.Duration(ns)
}

// recentMax returns the maximum of this window and the one before.
func (l *latencies) recentMax(now time.Time) time.Duration {
	newest, e := uint64(0), epoch(now)
	for _, slot := range []uint64{l.recent[0].Load(), l.recent[1].Load()} {
		if of := slot >> recentBits; of == e || of+1 == e {
			newest = max(newest, slot&(1<<recentBits-1))
		}
	}
	if newest == 0 {
		return 0
	}
	return time.Duration(int64(newest)-recentZero) * time.Microsecond
}

// ordered returns d as a number of the same order that is never 0, so that 0
// can mean that there is none.
func ordered(d time.Duration) uint64 { return max(uint64(d)^1<<63, 1) }

func unordered(v uint64) time.Duration { return time.Duration(v ^ 1<<63) }

// The maximum of a window is one number, so that it can be replaced by one
// atomic operation: the window's number, then microseconds above -recentZero.
// The window's number has 24 bits, which is 15 years.
const (
	recentWindow = 30 // seconds
	recentBits   = 40
	recentZero   = 1 << (recentBits - 1)
)

// latencyOrigin is where windows are counted from, by the monotonic clock: with
// the wall clock's there would be no maximum after it is set back, until it has
// caught up.
var latencyOrigin = time.Now()

func epoch(now time.Time) uint64 {
	return uint64(now.Sub(latencyOrigin)/(recentWindow*time.Second)) % (1 << (64 - recentBits))
}

func packRecent(epoch uint64, d time.Duration) uint64 {
	us := max(min(d.Microseconds(), recentZero-1), 1-recentZero)
	return epoch<<recentBits | uint64(us+recentZero)
}

// raise sets a to v if v is larger, or if a is below floor.
func raise(a *atomic.Uint64, v, floor uint64) {
	for {
		old := a.Load()
		if old >= v && old >= floor || a.CompareAndSwap(old, v) {
			return
		}
	}
}

// ---- JSON ----

// seconds is a duration that is a number in JSON.
type seconds time.Duration

// MarshalJSON returns the number of seconds.
func (s seconds) MarshalJSON() ([]byte, error) {
	return []byte(inSeconds(time.Duration(s))), nil
}

// UnmarshalJSON reads what MarshalJSON returns.
func (s *seconds) UnmarshalJSON(raw []byte) error {
	var v float64
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	*s = seconds(math.Round(v * float64(time.Second)))
	return nil
}

func inSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// latencyJSON is LatencyStats as it is in JSON.
type latencyJSON struct {
	Frames                          uint64
	Last, Mean, Max, RecentMax, Sum seconds
	Buckets                         Histogram
}

// MarshalJSON returns the counts with durations as numbers, in seconds.
func (l LatencyStats) MarshalJSON() ([]byte, error) {
	return json.Marshal(latencyJSON{l.Frames, seconds(l.Last), seconds(l.Mean), seconds(l.Max), seconds(l.RecentMax), seconds(l.Sum), l.Buckets})
}

// UnmarshalJSON reads what MarshalJSON returns.
func (l *LatencyStats) UnmarshalJSON(raw []byte) error {
	if l == nil {
		return fmt.Errorf("netgear: %w: JSON is to be read into a LatencyStats that is nil", ErrOption)
	}
	var j latencyJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return fmt.Errorf("netgear: %w: a LatencyStats: %w", ErrOption, err)
	}
	*l = LatencyStats{j.Frames, time.Duration(j.Last), time.Duration(j.Mean), time.Duration(j.Max), time.Duration(j.RecentMax), time.Duration(j.Sum), j.Buckets}
	return nil
}

// boundText returns the name of an element in JSON.
func boundText(i int) string {
	if i == len(bounds) {
		return "+Inf"
	}
	return inSeconds(bounds[i])
}

// MarshalJSON returns an object with the elements that are not 0, in order.
func (h Histogram) MarshalJSON() ([]byte, error) {
	var fields []string
	for i, n := range h {
		if n > 0 {
			fields = append(fields, `"`+boundText(i)+`":`+strconv.FormatUint(n, 10))
		}
	}
	return []byte("{" + strings.Join(fields, ",") + "}"), nil
}

// UnmarshalJSON reads what MarshalJSON returns. It returns an error for a bound
// that a Histogram does not have.
func (h *Histogram) UnmarshalJSON(raw []byte) error {
	if h == nil {
		return fmt.Errorf("netgear: %w: JSON is to be read into a Histogram that is nil", ErrOption)
	}
	var fields map[string]uint64
	if err := json.Unmarshal(raw, &fields); err != nil {
		return fmt.Errorf("netgear: %w: a Histogram: %w", ErrOption, err)
	}
	var read Histogram
	for i := range read {
		read[i] = fields[boundText(i)]
		delete(fields, boundText(i))
	}
	for name := range fields {
		return fmt.Errorf("netgear: %w: a Histogram has no bound %.40q", ErrOption, name)
	}
	*h = read
	return nil
}
