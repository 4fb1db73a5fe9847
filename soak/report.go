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
	unjudged := ""
	if o.Unjudged != "" {
		unjudged = " (" + o.Unjudged + ")"
	}
	switch text := fmt.Sprintf("FAILED: %d problems", len(o.Problems)+len(o.Unreported)); {
	case o.failed() && o.Stopped:
		return text + ", interrupted"
	case o.failed():
		return text
	case o.Stopped:
		return "interrupted, no problem until then" + unjudged
	}
	return "passed" + unjudged
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

// table returns the results as a Markdown table.
func table(all []outcome) string {
	var b strings.Builder
	b.WriteString("| stream | frames sent | received | lost, reported | lost, not counted | twice, sent again | late | with a killed end or connection | faults | Python started again | longest pause, s | minutes | seed | result |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, o := range all {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.2f | %.1f | %d | %s |\n", o.Name, o.Sent, o.Received, o.Lost, o.Uncounted, o.Twice, o.Late,
			o.WithReceiver+o.WithConnection+o.InTransit, o.Faults, o.revivals(), o.Longest, o.Seconds/60, o.Seed, o.result())
	}
	b.WriteString("\nlost, reported: by the send call, Missed or Dropped. not counted: in PUB/SUB, with a receive end that was killed, or an end in Python. late: frames that arrived after frames that were sent later, as in PUB/SUB when the rest of a lost connection and the next one are read together. " +
		"with a killed end or connection: in its queue or on its way, and in PUB/SUB before a subscriber was connected.\n")
	for _, o := range all {
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
