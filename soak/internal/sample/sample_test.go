package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/page"
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
	buffer, err := zmsg.NewBuffer(64)
	if err != nil {
		t.Fatal(err)
	}
	defer buffer.Release()
	// The memory of a buffer may be that of an earlier one, and RSS then has it.
	memory, err := unix.Mmap(-1, 0, 32<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(memory)
	for i := 0; i < len(memory); i += 4096 { // each page
		memory[i] = 1
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	started, end := make(chan bool), make(chan bool)
	var running sync.WaitGroup
	defer running.Wait()
	defer close(end)
	for range 3 { // one of an earlier test may end meanwhile
		running.Go(func() {
			started <- true
			<-end
		})
		<-started
	}
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

// many returns marks of one kind, equally far apart.
func many(n int, apart, lasts float64) (all []mark) {
	for i := range n {
		at := float64(i) * apart
		all = append(all, mark{"cut", at, at + lasts})
	}
	return all
}

// The marks of each kind are in a row of their own, at their times. They are so few
// that each can be seen: those that begin too near to each other are one.
func TestMarks(t *testing.T) {
	const end = 2000 // of the run: marks that begin less than 10 s apart are one
	for _, c := range []struct {
		name  string
		marks []mark
		want  []page.Row
	}{
		{name: "none"},
		{"one", []mark{{"cut", 5, 6}}, []page.Row{{Name: "cut (1)", From: []float64{5}, To: []float64{6}}}},
		{"of two kinds", []mark{{"kill", 5, 8}, {"cut", 6, 7}, {"kill", 100, 100}}, []page.Row{
			{Name: "cut (1)", From: []float64{6}, To: []float64{7}},
			{Name: "kill (2)", From: []float64{5, 100}, To: []float64{8, 100}},
		}},
		{"far enough apart", []mark{{"cut", 5, 6}, {"cut", 15, 16}}, []page.Row{{Name: "cut (2)", From: []float64{5, 15}, To: []float64{6, 16}}}},
		{"too near", []mark{{"cut", 5, 6}, {"cut", 14.9, 17}, {"cut", 15, 16}}, []page.Row{{Name: "cut (3)", From: []float64{5, 15}, To: []float64{17, 16}}}},
		{"one during another", []mark{{"cut", 5, 50}, {"cut", 6, 7}}, []page.Row{{Name: "cut (2)", From: []float64{5}, To: []float64{50}}}},
		{"at once, begun later", []mark{{"cut", 5, 50}, {"cut", 20, 60}}, []page.Row{{Name: "cut (2)", From: []float64{5, 20}, To: []float64{50, 60}}}},
		{"not over", []mark{{"cut", 1990, math.Inf(1)}}, []page.Row{{Name: "cut (1)", From: []float64{1990}, To: []float64{end}}}},
		{"four times in each part", many(8, 2.5, 1), []page.Row{{Name: "cut (8)", From: []float64{0, 10}, To: []float64{8.5, 18.5}}}},
	} {
		s := &Series{marks: c.marks, all: []Sample{{Process: "end", Seconds: end}}}
		if got := s.rows(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
	for _, apart := range []float64{0.1, 1, 9.9, 10, 10.1, 20} {
		s := &Series{marks: many(int(end/apart), apart, 0), all: []Sample{{Process: "end", Seconds: end}}}
		if row := s.rows()[0]; len(row.From) > maxMarks+1 || len(row.To) != len(row.From) {
			t.Errorf("every %v s: %d marks", apart, len(row.From))
		}
	}
}

// A mark begins and ends when it is noted. Each chart has it, and the processes of
// one end have one name.
func TestMarkedCharts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeries(nil)
		add := func(process string) {
			for range 5 {
				s.Add(process, Values{RSS: 1, Threads: 1})
				time.Sleep(time.Second)
			}
		}
		add("send end a")
		over := s.Mark("kill")
		time.Sleep(2 * time.Second)
		over()
		add("send end a 2")
		charts := s.Charts("run", "a run")
		if len(charts) != 2 {
			t.Fatalf("%d charts", len(charts))
		}
		for _, c := range charts {
			if want := []page.Row{{Name: "kill (1)", From: []float64{5}, To: []float64{7}}}; !reflect.DeepEqual(c.Rows, want) || c.Marks == "" {
				t.Errorf("%s: %q %v", c.File, c.Marks, c.Rows)
			}
			if len(c.Series) != 2 || c.Series[0].Name != "send end a" || c.Series[1].Name != "send end a" {
				t.Errorf("%s: %v", c.File, c.Series)
			}
		}
	})
}
