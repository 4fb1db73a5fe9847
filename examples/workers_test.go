//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

package examples

import (
	"image/png"
	"net"
	"os"
	"path/filepath"
	"regexp"
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
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() < 800 {
		t.Errorf("contact sheet: %v", err)
	}
}

// Each piece by itself: the workers end with the sender.
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
	text, _ := collector.stdout.get()
	results := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(text)
	worker := start(t, "workers", "-only", "worker", "-frames", frames, "-results", results, "-width", "192")
	start(t, "workers", "-only", "send", "-frames", frames, "-n", "8").exits(0)
	text, _ = collector.exits(0)
	counts(t, text, map[string]int{`(?m)^process \d+: 8 frames$`: 1})
	worker.exits(0)
}
