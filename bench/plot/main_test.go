package main

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// drawn draws a chart, and returns it as SVG.
func drawn(t *testing.T, c chart) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "chart.svg")
	if err := c.draw(file); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(svg)
}

// The colors of the marks: all of one, and its beginning.
const (
	whole     = "#AAAAAA"
	beginning = "#222222"
)

// boxes returns the left and the right X of each box of a color in SVG.
func boxes(t *testing.T, svg, color string) (all [][2]float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`<path d="M([\d.]+),[\d.]+L([\d.]+),[^>]*fill:`+color).FindAllStringSubmatch(svg, -1) {
		left, err1 := strconv.ParseFloat(m[1], 64)
		right, err2 := strconv.ParseFloat(m[2], 64)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		all = append(all, [2]float64{left, right})
	}
	return all
}

// Marks are where the lines have their times. The first and the last mark of the
// chart, at 0 and 100, are the scale.
func TestMarks(t *testing.T) {
	for _, c := range []struct{ from, to float64 }{{0, 0}, {0, 10}, {25, 25}, {50, 60}, {99, 100}, {30, 70}} {
		svg := drawn(t, chart{
			Title: "a chart", Marks: "faults",
			Series: []series{{Name: "end", X: []float64{0, 50, 100}, Y: []float64{1, 2, 3}}},
			Rows:   []row{{Name: "scale", From: []float64{0, 100}, To: []float64{0, 100}}, {Name: "cut (1)", From: []float64{c.from}, To: []float64{c.to}}},
		})
		all, begin := boxes(t, svg, whole), boxes(t, svg, beginning)
		if len(all) != 3 || len(begin) != 3 {
			t.Fatalf("%d marks with %d beginnings, not 3", len(all), len(begin))
		}
		x := func(at float64) float64 { return all[0][0] + at/100*(all[1][0]-all[0][0]) }
		near := func(got [2]float64, left, right float64) bool {
			return math.Abs(got[0]-left) < 0.1 && math.Abs(got[1]-right) < 0.1
		}
		if left, right := x(c.from), x(c.to); !near(all[2], left, right) || !near(begin[2], left, left+markWidth) {
			t.Errorf("%v to %v: a mark at %v that begins at %v, not from %v to %v", c.from, c.to, all[2], begin[2], left, right)
		}
		for _, text := range []string{">faults<", ">cut (1)<"} {
			if !strings.Contains(svg, text) {
				t.Errorf("no %s", text)
			}
		}
	}
}

// A chart is higher by its rows, so that its lines have the same space.
func TestRowsTakeNoSpace(t *testing.T) {
	height := func(rows ...row) float64 {
		svg := drawn(t, chart{Series: []series{{Name: "end", X: []float64{0, 1}, Y: []float64{1, 2}}}, Rows: rows})
		h, err := strconv.ParseFloat(regexp.MustCompile(`height="([\d.]+)pt"`).FindStringSubmatch(svg)[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	one := row{Name: "cut (1)", From: []float64{0}, To: []float64{1}}
	if more := height(one, one) - height(); math.Abs(more-3*rowHeight) > 0.1 {
		t.Errorf("higher by %v", more)
	}
}

// Lines with one name have one entry in the legend, and one color. A mark after the
// last point is within the chart.
func TestLines(t *testing.T) {
	svg := drawn(t, chart{
		Series: []series{{"a", []float64{0, 1}, []float64{1, 1}}, {"b", []float64{0, 9}, []float64{2, 2}}, {"a", []float64{2, 3}, []float64{1, 1}}},
		Rows:   []row{{Name: "cut (1)", From: []float64{12}, To: []float64{20}}},
	})
	if n := strings.Count(svg, ">a<"); n != 1 {
		t.Errorf("%d entries in the legend", n)
	}
	if n := strings.Count(svg, "stroke:#009E73"); n > 0 {
		t.Error("the third line has a third color")
	}
	if all := boxes(t, svg, whole); len(all) != 1 || all[0][1] > float64(width-legendWidth) {
		t.Errorf("marks at %v", all)
	}
}

// A long title is within the chart.
func TestLongTitle(t *testing.T) {
	for _, n := range []int{10, 80, 120} {
		svg := drawn(t, chart{Title: strings.Repeat("n", n), Series: []series{{Name: "end", X: []float64{0, 1}, Y: []float64{1, 2}}}})
		x := regexp.MustCompile(`<text x="(-?[\d.]+)"[^>]*>nnn`).FindStringSubmatch(svg)
		if x == nil || strings.HasPrefix(x[1], "-") {
			t.Errorf("%d letters begin at %v", n, x)
		}
	}
}

func TestPlainTicks(t *testing.T) {
	for high, want := range map[float64]string{59.7: "0 25 50", 100: "0 50 100", 1: "0 0.5 1"} {
		var labels []string
		for _, tick := range plainTicks(0, high) {
			if !tick.IsMinor() {
				labels = append(labels, tick.Label)
			}
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("to %v: %q", high, got)
		}
	}
}
