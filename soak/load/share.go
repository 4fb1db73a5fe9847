package main

import (
	"fmt"
	"slices"
	"strings"
)

// shares are what each of several peers got, as parts of the mean.
type shares struct {
	mean     float64
	min, max float64
	least    int // the index of the one that got least
}

// sharesOf compares counts.
func sharesOf(counts []float64) (s shares) {
	for _, n := range counts {
		s.mean += n / float64(len(counts))
	}
	if s.mean == 0 {
		return s
	}
	s.min, s.max = slices.Min(counts)/s.mean, slices.Max(counts)/s.mean
	s.least = slices.Index(counts, slices.Min(counts))
	return s
}

// check returns an error if a peer is further from its share than tolerated, and
// than a frame: of a rate that both keep, one may get a frame more than another
// in the same time.
func (s shares) check(tolerance float64) error {
	if s.mean > 0 {
		tolerance = max(tolerance, 1/s.mean)
	}
	if s.min < 1-tolerance || s.max > 1+tolerance {
		return fmt.Errorf("the shares are %s, with a mean of %.1f frames; number %d got least; -tolerance %v is allowed (a machine that is busy with other work needs more)", s, s.mean, s.least, tolerance)
	}
	return nil
}

func (s shares) String() string { return fmt.Sprintf("%.2f–%.2f", s.min, s.max) }

// table is a table in Markdown.
type table struct {
	title string
	head  []string
	rows  [][]string
}

func (t *table) row(format string, cells ...any) {
	t.rows = append(t.rows, strings.Split(fmt.Sprintf(format, cells...), " | "))
}

func (t table) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n| %s |\n|%s\n", t.title, strings.Join(t.head, " | "), strings.Repeat("---|", len(t.head)))
	for _, row := range t.rows {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(row, " | "))
	}
	return out.String()
}
