package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/vidgear-go/netgear/internal/page"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// display is the line on stderr that shows how far a run is.
type display struct {
	s      *soak
	begun  time.Time
	shown  time.Time
	frames int64
	every  time.Duration
	before string
}

func newDisplay(s *soak) *display {
	d := &display{s: s, begun: time.Now(), shown: time.Now(), every: time.Minute, before: "\n"}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		d.every, d.before = time.Second, "\r\x1b[K"
	}
	return d
}

func (d *display) update() {
	if time.Since(d.shown) >= d.every {
		d.show()
	}
}

func (d *display) show() {
	d.s.mu.Lock()
	frames, faults, problems, what := int64(0), d.s.faults, len(d.s.problems), d.s.what
	for line := range d.s.frames {
		frames += d.s.received(line)
	}
	d.s.mu.Unlock()
	rate := float64(frames-d.frames) / time.Since(d.shown).Seconds()
	d.frames, d.shown = frames, time.Now()
	text := fmt.Sprintf("%s%v, %v: %d frames", d.before, d.s, time.Since(d.begun).Round(time.Second), frames)
	if d.s.flags.duration == 0 {
		text += fmt.Sprintf(" (%.1f %%)", 100*float64(frames)/float64(d.s.flags.frames*int64(d.s.count(false))))
	}
	text += fmt.Sprintf(", %.0f a second", rate)
	if faults > 0 {
		text += fmt.Sprintf(", %d faults, now %s", faults, d.s.describe(what))
	}
	if problems > 0 {
		text += fmt.Sprintf(", %d PROBLEMS", problems)
	}
	fmt.Fprint(os.Stderr, text)
}

func (d *display) end() {
	d.show()
	fmt.Fprintln(os.Stderr)
}

func (o *outcome) failed() bool { return len(o.Problems)+len(o.Unreported) > 0 }

// result returns how a run ended.
func (o *outcome) result() string {
	switch text := fmt.Sprintf("FAILED: %d problems", len(o.Problems)+len(o.Unreported)); {
	case o.failed() && o.Stopped:
		return text + ", interrupted"
	case o.failed():
		return text
	case o.Stopped:
		return "interrupted, no problem until then"
	}
	return "passed"
}

// judge fills in what became of the frames and of the processes.
func (s *soak) judge(o *outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.balance = s.account.balance()
	o.Problems, o.Stats, o.Faults, o.Load = s.problems, s.stats, s.faults, page.LoadAverage()
	o.Kinds, o.Reasons, o.Revived = s.kinds, s.reasons, s.revived
	if !s.possible(fault{Kind: nameFault}) && slices.Contains(s.flags.chosen, nameFault) {
		o.LeftOut = append(o.LeftOut, "name: the Python end cannot have a hosts file of its own (unshare -m)")
	}
	var own []sample.Trend
	for _, t := range s.series.Trends() {
		o.Trends = append(o.Trends, t.String())
		if s.isPython(t.Process) {
			continue
		}
		if own = append(own, t); t.Grows {
			o.Problems = append(o.Problems, t.String())
		}
	}
	o.Unjudged = sample.Unjudged(own)
	if o.Received == 0 {
		o.Problems = append(o.Problems, "no frame was received")
	}
	if s.flags.plots && len(s.series.Charts("", "")) == 0 {
		o.NoPlots = fmt.Sprintf("no process has three samples, of which there is one in %v", s.every())
	}
	if s.flags.plots {
		if err := page.Draw(context.Background(), s.series.Charts("soak", s.title()), s.folder); err != nil {
			fmt.Fprintln(os.Stderr, "soak: no plots:", err)
		}
	}
	for _, problem := range append(o.Problems, o.Unreported...) {
		fmt.Fprintln(os.Stderr, "FAILED:", problem)
	}
}

// title returns the title of the plots.
func (s *soak) title() string {
	text := s.String()
	if s.Secure == 0 {
		text += ", in the clear"
	}
	return fmt.Sprintf("%s, seed %d", text, s.flags.seed)
}

// isPython reports whether a process is not this library's. What it holds is
// sampled, and not judged.
func (s *soak) isPython(process string) bool {
	i, ok := s.python()
	return ok && strings.HasPrefix(process+" ", s.name(i)+" ")
}

// dump makes the ends of this library list their goroutines on stderr.
func (s *soak) dump() {
	for _, p := range slices.Concat(s.processes(false), s.processes(true)) {
		if !p.python {
			p.end()
			p.signal(syscall.SIGQUIT)
		}
	}
}

// column is a column of a table. It is left out where all of its cells are 0, unless
// it is always there.
type column struct {
	name   string
	always bool
	cell   func(*outcome) string
	note   string // what it counts
}

// count returns a column of numbers.
func count(name string, number func(*outcome) int64, note string) column {
	return column{name: name, cell: func(o *outcome) string { return fmt.Sprint(number(o)) }, note: note}
}

// Two tables have all figures, so that neither is wider than a terminal.
var (
	runColumns = []column{
		{name: "stream", always: true, cell: func(o *outcome) string { return o.Name }},
		{name: "minutes", always: true, cell: func(o *outcome) string { return fmt.Sprintf("%.1f", o.Seconds/60) }},
		count("faults", func(o *outcome) int64 { return int64(o.Faults) }, ""),
		{name: "result", always: true, cell: (*outcome).result},
	}
	frameColumns = []column{
		{name: "sent", always: true, cell: func(o *outcome) string { return fmt.Sprint(o.Sent) }},
		{name: "received", always: true, cell: func(o *outcome) string { return fmt.Sprint(o.Received) }},
		count("lost", func(o *outcome) int64 { return o.Lost }, "by the reports of send calls, Missed and Dropped"),
		count("not counted", func(o *outcome) int64 { return o.Uncounted }, "lost in PUB/SUB, with a receive end that was killed, or an end in Python"),
		count("sent again", func(o *outcome) int64 { return o.Twice }, "received twice"),
		count("late", func(o *outcome) int64 { return o.Late }, "after frames that were sent later, as when two connections are read together"),
		count("killed", func(o *outcome) int64 { return o.WithReceiver + o.WithConnection + o.InTransit },
			"with a killed end or connection, and in PUB/SUB before a subscriber connected"),
		{name: "pause, s", cell: func(o *outcome) string { return fmt.Sprintf("%.2f", o.Longest) }, note: "the longest without a frame and without a fault"},
	}
)

// grid returns the columns of all outcomes as a Markdown table with aligned cells,
// and the notes of those that it has. The first column is the number of the run.
func grid(all []outcome, columns []column) string {
	number := 0
	columns = append([]column{{name: "run", always: true, cell: func(*outcome) string { number++; return fmt.Sprint(number) }}}, columns...)
	var notes strings.Builder
	lines := make([]string, len(all)+2)
	for _, c := range columns {
		width, zero := utf8.RuneCountInString(c.name), true
		cells := []string{c.name, ""}
		for i := range all {
			cell := c.cell(&all[i])
			cells = append(cells, cell)
			width, zero = max(width, utf8.RuneCountInString(cell)), zero && strings.Trim(cell, "0.") == ""
		}
		if zero && !c.always {
			continue
		}
		cells[1] = strings.Repeat("-", width)
		for i, cell := range cells {
			lines[i] += fmt.Sprintf("| %-*s ", width, cell)
		}
		if c.note != "" {
			fmt.Fprintf(&notes, "- %s: %s\n", c.name, c.note)
		}
	}
	return strings.Join(lines, "|\n") + "|\n\n" + notes.String()
}

// table returns the results as Markdown tables. results.jsonl has all figures.
func table(all []outcome) string {
	var b strings.Builder
	b.WriteString(grid(all, runColumns) + grid(all, frameColumns))
	for i, o := range all {
		if i == 0 || o.Seed != all[i-1].Seed {
			fmt.Fprintf(&b, "- seed %d\n", o.Seed)
		}
		if o.Unjudged != "" {
			fmt.Fprintf(&b, "- %s: %s\n", o.Name, o.Unjudged)
		}
		for _, reason := range slices.Sorted(maps.Keys(o.Revived)) {
			fmt.Fprintf(&b, "- %s: Python %s: %d\n", o.Name, reason, o.Revived[reason])
		}
		for _, left := range o.LeftOut {
			fmt.Fprintf(&b, "- %s: left out: %s\n", o.Name, left)
		}
		if o.NoPlots != "" {
			fmt.Fprintf(&b, "- %s: no plots: %s\n", o.Name, o.NoPlots)
		}
	}
	return b.String()
}

// revivals returns how often a Python end was started again because it hung or
// gave up.
func (o *outcome) revivals() (n int) {
	for _, times := range o.Revived {
		n += times
	}
	return n
}
