package netem

import (
	"math"
	"slices"
	"testing"
	"time"
)

// arrival is a packet that came out of a link, by its number.
type arrival struct {
	number int
	sent   time.Duration
	at     time.Duration
}

// run offers packets of one size at a fixed interval in simulated time, and
// returns what comes out. change is called before each packet.
func run(l *Link, count, size int, every time.Duration, change func(i int, now time.Duration)) []arrival {
	var got []arrival
	sent := make([]time.Duration, count)
	drain := func(until time.Duration) {
		for {
			due, waits := l.Due()
			if !waits || due > until {
				return
			}
			for p := l.Take(due); p != nil; p = l.Take(due) {
				number := int(p[0]) | int(p[1])<<8 | int(p[2])<<16
				got = append(got, arrival{number, sent[number], due})
			}
		}
	}
	for i := range count {
		now := time.Duration(i) * every
		drain(now)
		if change != nil {
			change(i, now)
		}
		packet := make([]byte, size)
		packet[0], packet[1], packet[2] = byte(i), byte(i>>8), byte(i>>16)
		sent[i] = now
		l.Offer(now, packet)
	}
	drain(math.MaxInt64)
	return got
}

// near fails unless a measured value is within a share of the expected one.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s is %g, want %g within %g %%", what, got, want, 100*tolerance)
	}
}

func TestRate(t *testing.T) {
	const size, mbit = 1250, 1_000_000 // 10,000 bits a packet
	for _, rate := range []int64{2 * mbit, 20 * mbit} {
		l := NewLink(1, Settings{Rate: rate, Queue: 10 * size})
		got := run(l, 5000, size, 100*time.Microsecond, nil) // 100 Mbit/s
		span := (got[len(got)-1].at - got[0].at).Seconds()
		near(t, "the rate", float64((len(got)-1)*8*size)/span, float64(rate), 0.001)
		c := l.Counts()
		if c.Overflowed == 0 || c.Offered != c.Delivered+c.Overflowed || c.Delivered != int64(len(got)) {
			t.Errorf("counts do not add up: %+v, %d came out", c, len(got))
		}
		// What finds room in the queue waits for it to pass.
		slowest := slices.MaxFunc(got, func(a, b arrival) int { return int(a.at - a.sent - (b.at - b.sent)) })
		limit := time.Duration(10 * size * 8 * float64(time.Second) / float64(rate))
		if wait := slowest.at - slowest.sent; wait > limit || wait < limit*8/10 {
			t.Errorf("the longest wait is %v, want about %v and no more", wait, limit)
		}
	}
}

// TestLateCalls offers packets at once and takes them only at the end.
func TestLateCalls(t *testing.T) {
	l := NewLink(1, Settings{Rate: 1_000_000, Queue: 1 << 20})
	for range 100 {
		l.Offer(0, make([]byte, 1250))
	}
	for i := range 100 {
		if l.Take(time.Second) == nil {
			t.Fatalf("only %d of 100 packets passed in the time that they need", i)
		}
	}
	// The packets are due every 10 ms, and were taken at the end of the second.
	if late, want := l.Counts().Late, 49500*time.Millisecond; late != want {
		t.Errorf("the packets are %v late in all, want %v", late, want)
	}
}

func TestRateChanges(t *testing.T) {
	const size = 1250
	l := NewLink(1, Settings{Rate: 20_000_000, Queue: 5 * size})
	second := func(i int) int { return i / 5000 }
	got := run(l, 15000, size, 200*time.Microsecond, func(i int, now time.Duration) {
		switch i {
		case 5000:
			l.Set(now, Settings{Rate: 2_000_000, Queue: 5 * size})
		case 10000:
			l.Set(now, Settings{Rate: 20_000_000, Queue: 5 * size})
		}
	})
	var bits [3]float64
	for _, a := range got {
		if i := second(int(a.at / (200 * time.Microsecond))); i < len(bits) {
			bits[i] += 8 * size
		}
	}
	for i, want := range []float64{20e6, 2e6, 20e6} {
		near(t, "the rate", bits[i], want, 0.02)
	}
}

func TestDelayAndJitter(t *testing.T) {
	const delay, jitter = 40 * time.Millisecond, 10 * time.Millisecond
	got := run(NewLink(1, Settings{Delay: delay, Jitter: jitter}), 10000, 100, 5*time.Millisecond, nil)
	var sum time.Duration
	for i, a := range got {
		took := a.at - a.sent
		sum += took
		if a.number != i {
			t.Fatalf("packet %d is at place %d", a.number, i)
		}
		if took < delay || took > delay+jitter {
			t.Fatalf("packet %d took %v", i, took)
		}
	}
	if len(got) != 10000 {
		t.Fatalf("%d of 10000 arrived", len(got))
	}
	// Packets in order wait for delayed ones, so the mean is above the middle.
	near(t, "the mean delay", (sum / time.Duration(len(got))).Seconds(), 0.046, 0.05)
}

func TestLoss(t *testing.T) {
	const count = 50_000
	for name, loss := range map[string]Loss{
		"1 %":             Random(0.01),
		"5 %":             Random(0.05),
		"5 % in runs":     Runs(0.05, 4),
		"good and bad":    {Good: 0.001, Bad: 0.3, Enter: 0.01, Exit: 0.1},
		"everything lost": Random(1),
	} {
		l := NewLink(7, Settings{Loss: loss})
		got := run(l, count, 100, time.Millisecond, nil)
		near(t, name+": the share lost", 1-float64(len(got))/count, loss.Share(), 0.1)
		if c := l.Counts(); c.Lost != int64(count-len(got)) {
			t.Errorf("%s: %d are counted as lost, %d did not arrive", name, c.Lost, count-len(got))
		}
	}
}

// TestRuns checks how long the gaps are: four packets in the mean.
func TestRuns(t *testing.T) {
	got := run(NewLink(7, Settings{Loss: Runs(0.05, 4)}), 50_000, 100, time.Millisecond, nil)
	gaps, lost := 0, 0
	for i := 1; i < len(got); i++ {
		if missing := got[i].number - got[i-1].number - 1; missing > 0 {
			gaps++
			lost += missing
		}
	}
	near(t, "the mean length of a run", float64(lost)/float64(gaps), 4, 0.1)
}

func TestReorderAndDuplicate(t *testing.T) {
	const count = 30_000
	l := NewLink(3, Settings{Delay: 10 * time.Millisecond, Reorder: 0.02, Duplicate: 0.03})
	got := run(l, count, 100, time.Millisecond, nil)
	early, seen := 0, map[int]int{}
	for _, a := range got {
		if a.at-a.sent < 10*time.Millisecond && seen[a.number] == 0 {
			early++
		}
		seen[a.number]++
	}
	near(t, "the share out of order", float64(early)/count, 0.02, 0.05)
	near(t, "the share twice", float64(len(got)-count)/count, 0.03, 0.05)
	if len(seen) != count {
		t.Errorf("%d of %d arrived", len(seen), count)
	}
}

func TestDown(t *testing.T) {
	l := NewLink(1, Settings{Rate: 1_000_000})
	got := run(l, 300, 1000, 10*time.Millisecond, func(i int, now time.Duration) {
		l.Set(now, Settings{Rate: 1_000_000, Down: i >= 100 && i < 200})
	})
	for _, a := range got {
		if a.number >= 100 && a.number < 200 {
			t.Fatalf("packet %d arrived through a line that was down", a.number)
		}
	}
	if len(got) != 200 {
		t.Errorf("%d of 200 arrived", len(got))
	}
	if c := l.Counts(); c.Blocked != 100 {
		t.Errorf("%d are counted as blocked, want 100", c.Blocked)
	}
}

// TestSeed checks that equal seeds give equal results, and others do not.
func TestSeed(t *testing.T) {
	s := Settings{Rate: 5_000_000, Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: Runs(0.1, 3), Reorder: 0.1, Duplicate: 0.1}
	once := run(NewLink(1, s), 2000, 500, time.Millisecond, nil)
	if !slices.Equal(once, run(NewLink(1, s), 2000, 500, time.Millisecond, nil)) {
		t.Error("the same seed gives another result")
	}
	if slices.Equal(once, run(NewLink(2, s), 2000, 500, time.Millisecond, nil)) {
		t.Error("another seed gives the same result")
	}
}
