package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func someResults() *results {
	r := &results{Names: []string{ours, vidgear}, Outcomes: map[string]map[string][]outcome{}}
	for _, v := range []float64{100, 300, 200} {
		r.add("s", ours, outcome{FPS: v})
	}
	r.add("s", vidgear, outcome{FPS: 50})
	r.add("s", vidgear, outcome{Failed: "no answer"})
	r.add("s", vidgear, outcome{FPS: 400})
	return r
}

// A round that failed for one contender is left out of the ratio, and the other
// rounds keep their numbers.
func TestRatioIsWithinRounds(t *testing.T) {
	r := someResults()
	if got, want := r.ratio("s", ours, vidgear, fps), (spread{2, 1.25, 0.5, 2}); got != want {
		t.Errorf("ratio %v, want %v", got, want)
	}
	if got := r.over("s", ours, fps).format("%.0f"); got != "200 (100–300)" {
		t.Errorf("median and extremes: %s", got)
	}
	if got := r.over("s", imagezmq, fps).format("%.0f"); got != "–" {
		t.Errorf("nothing measured: %s", got)
	}
	if r.failures() == nil {
		t.Error("a failure is not told")
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		g    goal
		want string
	}{
		{goal{need: 0.5, got: spread{1, 0.5, 0.5, 0.5}}, "met"},
		{goal{need: 0.5, got: spread{1, 0.25, 0.25, 0.25}}, "**short by 50 %**"},
		{goal{need: 0.5, atMost: true, got: spread{1, 0.25, 0.25, 0.25}}, "met"},
		{goal{need: 0.5, atMost: true, got: spread{1, 0.75, 0.75, 0.75}}, "**short by 50 %**"},
	} {
		if got := c.g.verdict(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.g, got, c.want)
		}
	}
}

// A contender without PAIR uses REQ/REP in scenes with any pattern, and is left
// out of others.
func TestWhoTakesPart(t *testing.T) {
	c := &contender{Name: imagezmq, patterns: []int{1, 2}}
	if s, takes := c.takes(scene{Kind: stream, AnyPattern: true}); !takes || s.Pattern != 1 {
		t.Errorf("any pattern: %v, %v", s.Pattern, takes)
	}
	for _, s := range []scene{{Kind: stream}, {Kind: stream, Pattern: 1, JPEG: true}, {Kind: codec}, {Kind: stream, Pattern: 1, Without: []string{imagezmq}}} {
		if _, takes := c.takes(s); takes {
			t.Errorf("takes part in %+v", s)
		}
	}
}

func TestEveryGroupHasScenesOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, name := range append(slices.Clip(quickGroups), moreGroups...) {
		for _, l := range []lengths{quickLengths, fullLengths} {
			g, err := l.group(name)
			if err != nil || len(g.Scenes) == 0 || g.Rounds == 0 {
				t.Fatalf("%s: %+v, %v", name, g, err)
			}
			for _, s := range g.Scenes {
				if other, ok := seen[s.Name]; ok && other != name {
					t.Errorf("%q is in %s and %s", s.Name, other, name)
				}
				seen[s.Name] = name
			}
		}
	}
}

// The page replaces the last one, and nothing else.
func TestWritePage(t *testing.T) {
	const pageBegin, pageEnd = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"
	file := filepath.Join(t.TempDir(), "page.md")
	text := func() string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if err := os.WriteFile(file, []byte("before\n"+pageBegin+"the last one\n"+pageEnd+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := someResults()
	r.Machine.Date = "a day"
	for range 2 {
		if err := r.writePage(file); err != nil {
			t.Fatal(err)
		}
	}
	got := text()
	if !strings.HasPrefix(got, "before\n"+pageBegin) || !strings.HasSuffix(got, pageEnd+"after\n") ||
		strings.Count(got, "a day") != 1 || strings.Contains(got, "the last one") {
		t.Errorf("the page is now:\n%s", got)
	}
	os.WriteFile(file, []byte("no marks\n"), 0o644)
	if err := r.writePage(file); err == nil || text() != "no marks\n" {
		t.Errorf("a page without marks: %v, now %q", err, text())
	}
}
