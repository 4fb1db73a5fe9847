package sample

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/page"
	"github.com/vidgear-go/netgear/soak/internal/trend"
)

// Sample is what a process held at one moment.
type Sample struct {
	Process string  `json:"process"`
	Seconds float64 `json:"seconds"` // since the series began
	Values  Values  `json:"values"`
}

// Series is the samples of all processes of a run. It is safe for concurrent
// use.
type Series struct {
	begun time.Time

	mu    sync.Mutex
	out   *json.Encoder
	all   []Sample
	marks []mark
}

// mark is what happened to the processes, such as a fault, in seconds since the
// series began.
type mark struct {
	kind     string
	from, to float64
}

// NewSeries returns an empty series, whose samples are also written to w, as JSON
// lines. w may be nil.
func NewSeries(w io.Writer) *Series {
	s := &Series{begun: time.Now()}
	if w != nil {
		s.out = json.NewEncoder(w)
	}
	return s
}

// Add adds a sample of a process. A process that was started again is another
// one, with another name.
func (s *Series) Add(process string, v Values) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sample := Sample{Process: process, Seconds: s.now(), Values: v}
	s.all = append(s.all, sample)
	if s.out == nil {
		return nil
	}
	return s.out.Encode(sample)
}

// Mark notes that something of a kind happens to the processes, until the function
// that it returns is called. The charts have a row of marks for each kind.
func (s *Series) Mark(kind string) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.marks)
	s.marks = append(s.marks, mark{kind, s.now(), math.Inf(1)})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.marks[i].to = s.now()
	}
}

// now returns the seconds since the series began.
func (s *Series) now() float64 { return time.Since(s.begun).Seconds() }

// Watch adds a sample of a process in each interval until the context ends, or
// until there is an error, such as that of a process that has ended. read is Self,
// or calls Of.
func (s *Series) Watch(ctx context.Context, every time.Duration, process string, read func() (Values, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		v, err := read()
		if err == nil {
			err = s.Add(process, v)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Samples returns a copy of the samples.
func (s *Series) Samples() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// allowances are how much a value may grow over the second half of a run:
//
//   - RSS, 4 MiB: the Go heap, the pools of libzmq and the C library's arenas
//     settle late. Over the 2.6 million frames of the second half of a long run
//     a leak of two bytes for each frame is more. In a tested half of less than
//     ten minutes (short), 8 MiB: where little is allocated Go's heap goes up and
//     down by 4 MiB in a minute or two.
//   - threads, 4: the Go runtime starts one for each call into C that lasts, and
//     never ends it.
//   - everything else, 1.5: what a process holds besides the frames in transit is
//     constant, and a single step is not reported as a trend.
//
// RSS and threads are tested only if the tested half is a minute or longer
// (settling), as they take that long to settle.
//
// The heap is not tested, as a collection changes it by more than any leak.
var allowances = Values{RSS: 4, Threads: 4, Descriptors: 1.5, Goroutines: 1.5, Buffers: 1.5, Messages: 1.5, Mats: 1.5}

// In seconds.
const (
	settling = 60
	short    = 600
)

// Trend is what became of one value of one process.
type Trend struct {
	Process, Value string
	Last           float64
	trend.Result
	Unjudged string // why it does not count as growth, whatever it is; "": it does
}

// Why growth is not judged.
const (
	fewSamples = "no process has 20 samples"              // twice trend.MinSamples
	shortTime  = "no process ran for more than 2 minutes" // twice settling
)

// String returns such as "RSS of send end 1 grows by 5.2 in 61 samples (0.043 a
// second, Z 8.1)".
func (t Trend) String() string {
	verb := "changes"
	if t.Grows {
		verb = "grows"
	}
	text := fmt.Sprintf("%s of %s %s by %.2f in %d samples (%.4g a second, Z %.1f)", t.Value, t.Process, verb, t.Growth, t.Samples, t.Slope, t.Z)
	if t.Unjudged != "" {
		text += ", not judged"
	}
	return text
}

// Unjudged returns what growth is not judged in any process, and why, such as
// "memory and threads not judged: no process ran for more than 2 minutes". It
// returns "" if all is.
func Unjudged(all []Trend) string {
	judged := map[string]bool{}
	why := fewSamples
	for _, t := range all {
		judged[t.Value] = judged[t.Value] || t.Unjudged == ""
		if t.Unjudged == shortTime {
			why = shortTime
		}
	}
	switch {
	case judged[RSS]:
		return ""
	case judged[Descriptors]:
		return "memory and threads not judged: " + why
	}
	return "growth not judged: " + fewSamples
}

// Trends tests every value of every process: see package trend.
func (s *Series) Trends() (all []Trend) {
	s.each(func(process, value string, x, y []float64) {
		allowance, ok := allowances[value]
		if !ok {
			return
		}
		half := x[len(x)-1] - x[len(x)/2]
		if half < short && value == RSS {
			allowance *= 2
		}
		t := Trend{Process: process, Value: value, Last: y[len(y)-1], Result: trend.Test(x, y, allowance)}
		switch {
		case t.Samples < trend.MinSamples:
			t.Unjudged = fewSamples
		case half < settling && (value == RSS || value == Threads):
			t.Grows, t.Unjudged = false, shortTime
		}
		all = append(all, t)
	})
	return all
}

// Charts returns a chart for each value with a line for each process, and the
// marks. The names of the files begin with the prefix. Processes that were started
// again, with a number behind the name, have the name and color of the first one.
// They are left out if they have fewer than three samples.
func (s *Series) Charts(prefix, title string) []page.Chart {
	charts, rows := map[string]*page.Chart{}, s.rows()
	s.each(func(process, value string, x, y []float64) {
		if len(x) < 3 {
			return
		}
		c := charts[value]
		if c == nil {
			unit := value
			if value == RSS || value == Heap {
				unit += ", MiB"
			}
			c = &page.Chart{File: prefix + "-" + strings.ToLower(value), Title: title + ": " + value, X: "seconds", Y: unit, Rows: rows}
			if len(rows) > 0 {
				c.Marks = "faults (how many)"
			}
			charts[value] = c
		}
		c.Series = append(c.Series, page.Series{Name: strings.TrimRight(process, " 0123456789"), X: x, Y: y})
	})
	var all []page.Chart
	for _, value := range slices.Sorted(maps.Keys(charts)) {
		all = append(all, *charts[value])
	}
	return all
}

// maxMarks bounds the marks of a row, so that each can be seen where the plot is 900
// pixels wide.
const maxMarks = 200

// rows returns the marks of each kind, in the order of the names. Those of a kind
// that begin within the maxMarks-th part of the run are one.
func (s *Series) rows() (all []page.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := 0.0
	for _, sample := range s.all {
		end = max(end, sample.Seconds)
	}
	for _, m := range s.marks {
		end = max(end, m.from)
	}
	kinds := map[string][]mark{}
	for _, m := range s.marks {
		m.to = min(m.to, end)
		kinds[m.kind] = append(kinds[m.kind], m)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		all = append(all, row(kinds[kind], end/maxMarks))
	}
	return all
}

// row returns the marks of one kind, which are in the order of their beginnings.
// Its name has how many they are.
func row(marks []mark, apart float64) page.Row {
	r := page.Row{Name: fmt.Sprintf("%s (%d)", marks[0].kind, len(marks))}
	for _, m := range marks {
		if last := len(r.To) - 1; last >= 0 && m.from-r.From[last] < apart {
			r.To[last] = max(r.To[last], m.to)
			continue
		}
		r.From, r.To = append(r.From, m.from), append(r.To, m.to)
	}
	return r
}

// each calls a function for each value of each process, in the order of their
// first samples.
func (s *Series) each(do func(process, value string, x, y []float64)) {
	type key struct{ process, value string }
	var order []key
	x, y := map[key][]float64{}, map[key][]float64{}
	for _, sample := range s.Samples() {
		for _, value := range slices.Sorted(maps.Keys(sample.Values)) {
			k := key{sample.Process, value}
			if x[k] == nil {
				order = append(order, k)
			}
			x[k], y[k] = append(x[k], sample.Seconds), append(y[k], sample.Values[value])
		}
	}
	for _, k := range order {
		do(k.process, k.value, x[k], y[k])
	}
}
