package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

func self(t *testing.T) Values {
	t.Helper()
	v, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each value grows when the process holds more.
func TestSelf(t *testing.T) {
	before := self(t)
	for _, name := range []string{RSS, Threads, Descriptors, Goroutines, Heap} {
		if before[name] <= 0 {
			t.Errorf("%s is %v", name, before[name])
		}
	}
	buffer, err := zmsg.NewBuffer(32 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer buffer.Release()
	pixels := buffer.Bytes()
	for i := 0; i < len(pixels); i += 4096 { // each page
		pixels[i] = 1
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	started, end := make(chan bool), make(chan bool)
	defer close(end)
	go func() {
		started <- true
		<-end
	}()
	<-started
	after := self(t)
	for name, least := range map[string]float64{RSS: 20, Descriptors: 1, Goroutines: 1, Buffers: 1} {
		if after[name]-before[name] < least {
			t.Errorf("%s: %v, then %v", name, before[name], after[name])
		}
	}
}

func TestOf(t *testing.T) {
	v, err := Of(os.Getppid())
	if err != nil || v[RSS] <= 0 || v[Threads] < 1 || v[Descriptors] < 1 {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := Of(1 << 30); err == nil {
		t.Errorf("of no process: %v", v)
	}
}

func TestSeries(t *testing.T) {
	var out bytes.Buffer
	s := NewSeries(&out)
	for i := range 60 {
		v := Values{RSS: 50, Descriptors: float64(9 + i), "own": float64(i)}
		s.Add("leaks", v)
		s.Add("does not", Values{RSS: 50, Descriptors: 9})
	}
	s.begun = time.Time{} // Seconds of the next one is far off
	s.Add("short", Values{RSS: 1})

	var grown []string
	for _, trend := range s.Trends() {
		if trend.Grows {
			grown = append(grown, trend.Value+" of "+trend.Process)
		}
	}
	if !slices.Equal(grown, []string{"descriptors of leaks"}) {
		t.Errorf("grown: %q", grown)
	}
	var names []string
	for _, c := range s.Charts("run", "a run") {
		for _, line := range c.Series {
			names = append(names, c.File+": "+line.Name)
		}
	}
	want := []string{"run-rss: leaks", "run-rss: does not", "run-descriptors: leaks", "run-descriptors: does not", "run-own: leaks"}
	if !slices.Equal(names, want) {
		t.Errorf("charts: %q", names)
	}
	lines := json.NewDecoder(&out)
	for i, want := range s.Samples() {
		var got Sample
		if err := lines.Decode(&got); err != nil || got.Process != want.Process || got.Values[RSS] != want.Values[RSS] {
			t.Fatalf("line %d: %+v, %v", i, got, err)
		}
	}
}

func TestWatch(t *testing.T) {
	s := NewSeries(nil)
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := s.Watch(ctx, time.Millisecond, "self", func() (Values, error) {
		if n++; n == 5 {
			cancel()
		}
		return Self()
	})
	if all := s.Samples(); err != nil || len(all) < 5 {
		t.Errorf("%d samples, %v", len(all), err)
	}
	if err := s.Watch(context.Background(), time.Millisecond, "none", func() (Values, error) { return Of(1 << 30) }); err == nil {
		t.Error("a process that does not exist is watched")
	}
}

// Growth of RSS by 6 MiB over the second half is a trend in a long run alone: Go's
// heap goes up and down by as much while little is allocated.
func TestShortRunsMayTakeMoreMemory(t *testing.T) {
	for _, c := range []struct {
		seconds, growth float64
		grows           bool
	}{{60, 20, false}, {180, 6, false}, {180, 10, true}, {2000, 6, true}, {2000, 3, false}} {
		s := NewSeries(io.Discard)
		for i := range 200 {
			at := float64(i) / 200
			s.all = append(s.all, Sample{Process: "end", Seconds: at * c.seconds, Values: Values{RSS: 20 + 2*c.growth*at}})
		}
		for _, trend := range s.Trends() {
			if trend.Grows != c.grows {
				t.Errorf("%v MiB in the second half of %v s: %v", c.growth, c.seconds, trend)
			}
		}
	}
}
