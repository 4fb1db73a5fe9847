package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "end" {
		exit(runEnd(os.Args[2]))
	}
	os.Exit(m.Run())
}

// TestShortRun sends real frames over a network whose rate drops. It looks at
// what the network must cause, and at no time that depends on the machine.
func TestShortRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5 s")
	}
	needNetwork(t)
	m := &measurement{frames: filepath.Join(t.TempDir(), "frames.bgr"), width: 320, height: 240}
	pixels := make([]byte, m.width*m.height*3)
	for i := range pixels {
		pixels[i] = byte(rand.Uint32()) // noise, which no codec makes small
	}
	if err := os.WriteFile(m.frames, pixels, 0o600); err != nil {
		t.Fatal(err)
	}
	const rtt = 40 * time.Millisecond
	s := scene{Name: "test", MaxAge: time.Second, Length: 2 * time.Second, Steps: []step{
		makeStep(0, 20*mbit, rtt, 0, false),
		makeStep(time.Second, 4*mbit, rtt, 0, true),
	}}
	for _, pattern := range []int{0, 2} {
		t.Run(patternNames[pattern], func(t *testing.T) {
			t.Parallel()
			o, err := m.measure(context.Background(), &s, &contenders[0], pattern, false)
			if err != nil {
				t.Fatal(err)
			}
			if o.Received == 0 || o.FPS == 0 || o.KB < 10 {
				t.Errorf("no frames were measured: %+v", o)
			}
			if o.P50 < rtt/2 || o.P99 < o.P50 {
				t.Errorf("the ages are %v and %v, and the delay is %v", o.P50, o.P99, rtt/2)
			}
			if pattern == 0 && o.Lost > 1 { // the last one may be on its way
				t.Errorf("%d of %d frames were lost in lockstep", o.Lost, o.Sent)
			}
			if o.Used == 0 || len(o.Recover) != 1 || len(o.Seconds) != 2 {
				t.Errorf("the summary is not complete: %+v", o)
			}
		})
	}
}

// needNetwork skips the test where networks cannot be emulated, but not in CI.
func needNetwork(t *testing.T) {
	t.Helper()
	if err := probe(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// someWatch has frames at 10 fps of an age that changes at 5 s and at 7 s.
func someWatch() *watch {
	s := &scene{MaxAge: 500 * time.Millisecond, Length: 10 * time.Second, Steps: []step{
		makeStep(0, 8*mbit, 0, 0, false), makeStep(5*time.Second, 4*mbit, 0, 0, true),
	}}
	w := &watch{scene: s, sent: 101}
	for i := range 100 {
		at := time.Duration(i) * 100 * time.Millisecond
		age := 100 * time.Millisecond
		if at >= 5*time.Second && at < 7*time.Second {
			age = 800 * time.Millisecond
		}
		w.arrivals = append(w.arrivals, arrival{Index: int64(i), Captured: at - age, At: at, Width: 640, Bytes: 50_000})
		w.samples = append(w.samples, sample{at: at, passed: int64(i) * 50_000, queued: 1000})
	}
	return w
}

func TestSummary(t *testing.T) {
	var o outcome
	someWatch().summarize(&o)
	if o.FPS != 10 || o.P50 != 100*time.Millisecond || o.P99 != 800*time.Millisecond || math.Abs(o.Fresh-0.7) > 1e-9 || o.Lost != 1 || o.KB != 50 {
		t.Errorf("the summary is %+v", o)
	}
	if want := []time.Duration{1910 * time.Millisecond}; !slices.Equal(o.Recover, want) {
		t.Errorf("recovered after %v, want %v", o.Recover, want)
	}
	if o.Used < 0.6 || o.Used > 0.7 { // 4 of 6 Mbit/s
		t.Errorf("the share of the rate is %v", o.Used)
	}
}

// A stream with one late frame a second never recovers, although between its
// frames no late one arrives.
func TestSlowStreamNeverRecovers(t *testing.T) {
	w := someWatch()
	w.arrivals = nil
	for at := 400 * time.Millisecond; at < w.scene.Length; at += 900 * time.Millisecond {
		w.arrivals = append(w.arrivals, arrival{Captured: at - 880*time.Millisecond, At: at})
	}
	if got := w.recoveries(); got[0] >= 0 {
		t.Errorf("recovered after %v", got)
	}
}

func TestMahimahiTraces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	for text, want := range map[string]string{
		"10\n20\n150\n": "[240000 120000 240000 120000]",
		"350\n":         "[12000 12000 12000 120000]",
		"":              "it is empty",
		"1\nx\n":        `"x" is no time`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		rates, err := readMahimahi(file, 4)
		if got := fmt.Sprint(rates, err); !strings.Contains(got, want) {
			t.Errorf("%q gives %s, want %s", text, got, want)
		}
	}
}

func TestScenesAreComplete(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, []byte("10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	scenes, err := makeScenes(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range scenes {
		names = append(names, s.Name)
		if s.capacity(0, s.Length) == 0 || s.MaxAge == 0 || s.at(s.Length).At > s.Length {
			t.Errorf("%s is not complete", s.Name)
		}
	}
	if !slices.Equal(names, sceneNames()) {
		t.Errorf("the scenes are %v, and their names %v", names, sceneNames())
	}
}

// Each contender's name is known to the plots, which have a color for it.
func TestPage(t *testing.T) {
	r := &results{Scenes: []sceneInfo{{Name: "steps", Title: "a title", MaxAge: time.Second}}}
	for i := range contenders {
		c := &contenders[len(contenders)-1-i]
		r.Outcomes = append(r.Outcomes, outcome{Scene: "steps", Contender: c.Name, Pattern: c.patterns[0], Recover: []time.Duration{-1, 1500 * time.Millisecond}})
	}
	r.Outcomes[0].Late = 20 * time.Millisecond
	r.sort()
	var text strings.Builder
	r.print(&text)
	if got := text.String(); !strings.Contains(got, "20.0 | machine too busy |") || !strings.Contains(got, "**never, 1.5, missed** | 0, met |") || strings.Count(got, "never, 1.5") != 1+len(contenders) || strings.Index(got, contenders[0].Name) > strings.Index(got, "imagezmq") {
		t.Errorf("the page is:\n%s", got)
	}
}
