package netgear

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stopwatch measures the library's time for something. It subtracts the time in
// which a thread was ready to run and had no processor, as on a machine that
// runs other tests too. Of several threads the one that waited longest counts.
type stopwatch struct {
	began   time.Time
	pids    []int
	waiting map[string]time.Duration // by thread, at the start
}

// startStopwatch starts a stopwatch for this process and for children of it.
func startStopwatch(children ...int) stopwatch {
	w := stopwatch{pids: append([]int{os.Getpid()}, children...)}
	w.waiting, w.began = w.threads(), time.Now()
	return w
}

// took returns the time since the start, less the time without a processor. The
// text contains both.
func (w *stopwatch) took() (took time.Duration, text string) {
	all := time.Since(w.began)
	var waited time.Duration
	for thread, now := range w.threads() {
		waited = max(waited, now-w.waiting[thread])
	}
	waited = min(waited, all)
	return all - waited, fmt.Sprintf("%v, %v of it without a processor", all, waited)
}

// threads returns how long each thread was ready to run and had no processor.
// It returns none if the system does not count that.
func (w *stopwatch) threads() map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, pid := range w.pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, file := range files {
			text, _ := os.ReadFile(file) // of a thread that may have ended
			if fields := strings.Fields(string(text)); len(fields) == 3 {
				ns, _ := strconv.ParseInt(fields[1], 10, 64)
				all[file] = time.Duration(ns)
			}
		}
	}
	return all
}

// endsWithin fails the test if more than the limit has passed since w was started.
func endsWithin(t *testing.T, what string, w stopwatch, limit time.Duration) {
	t.Helper()
	took, text := w.took()
	t.Logf("%s took %s", what, text)
	if took > limit {
		t.Errorf("%s took %s", what, text)
	}
}

// A stopwatch counts the time of a thread that is not ready to run.
func TestStopwatch(t *testing.T) {
	for range 10 { // other threads may have no processor meanwhile
		w := startStopwatch()
		time.Sleep(50 * time.Millisecond) // what is measured
		if took, _ := w.took(); took > 25*time.Millisecond {
			return
		}
	}
	t.Error("the time of a pause does not count")
}
