//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

package examples

import (
	"image/png"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

func init() { more = append(more, "./workers") }

func TestWorkersBadInput(t *testing.T) {
	t.Parallel()
	refuses(t, "workers", []string{"-workers", "0"}, []string{"-workers must be"})
	refuses(t, "workers", []string{"-only", "both"}, []string{"-only", "send, worker or collect"})
	refuses(t, "workers", []string{"-only", "send", "-frames", "5555"}, []string{"5555", "HOST:PORT"})
}

// Every frame comes back from the workers, in order, with one and with two.
func TestWorkers(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "found.png")
	text, _ := start(t, "workers", "-workers", "2", "-n", "12", "-width", "192", "-o", out).exits(0)
	counts(t, text, map[string]int{`(?m)^workers: 1, frames: 12, each once and in order, in [\d.]+ s: [\d.]+ fps$`: 1,
		`(?m)^workers: 2, frames: 12, each once and in order, `: 1, `(?m)^process \d+: 12 frames$`: 1, `(?m)^speed-up: [\d.]+ with 2 workers`: 1})
	// Both workers of the second round processed frames, with the same results.
	shares := regexp.MustCompile(`(?m)^process \d+: (\d+) frames$`).FindAllStringSubmatch(text, -1)
	if len(shares) != 3 {
		t.Errorf("the frames were shared out as %q", shares)
	}
	people := regexp.MustCompile(`(?m)^people found: \d+$`).FindAllString(text, -1)
	if len(people) != 2 || people[0] != people[1] {
		t.Errorf("one worker and two: %q", people)
	}
	times := regexp.MustCompile(`(?m) in ([\d.]+) s: `).FindAllStringSubmatch(text, -1)
	speedUp := regexp.MustCompile(`(?m)^speed-up: ([\d.]+) `).FindStringSubmatch(text)
	if len(times) != 2 || len(speedUp) != 2 {
		t.Fatalf("times %q, speed-up %q", times, speedUp)
	}
	one, two, ratio := number(t, times[0][1]), number(t, times[1][1]), number(t, speedUp[1])
	// All three are rounded to hundredths.
	if low, high := (one-0.005)/(two+0.005)-0.005, (one+0.005)/max(two-0.005, 0.001)+0.005; ratio < low-1e-9 || ratio > high+1e-9 {
		t.Errorf("%v s and %v s are a speed-up from %v to %v, not %v", one, two, low, high, ratio)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() < 800 {
		t.Errorf("contact sheet: %v", err)
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Each program separately: the workers end with the sender.
func TestWorkersByHand(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	frames := l.Addr().String()
	l.Close()
	collector := start(t, "workers", "-only", "collect", "-results", "127.0.0.1:0", "-n", "8", "-o", filepath.Join(t.TempDir(), "found.png"))
	collector.prints("\n", 1)
	text, _ := collector.stdout.SoFar()
	results := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(text)
	worker := start(t, "workers", "-only", "worker", "-frames", frames, "-results", results, "-width", "192")
	start(t, "workers", "-only", "send", "-frames", frames, "-n", "8").exits(0)
	text, _ = collector.exits(0)
	counts(t, text, map[string]int{`(?m)^process \d+: 8 frames$`: 1})
	worker.exits(0)
}
