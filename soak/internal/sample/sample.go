// Package sample measures what processes hold while they run: memory, threads,
// descriptors, goroutines, buffers, Mats. It writes the samples as JSON lines,
// draws them, and finds out whether they grow.
package sample

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// The names of the values.
const (
	RSS         = "RSS" // MiB
	Threads     = "threads"
	Descriptors = "descriptors"
	Goroutines  = "goroutines"
	Heap        = "heap"     // MiB in use by Go, with what is not yet collected
	Buffers     = "buffers"  // of the library, in C memory
	Messages    = "messages" // received and not closed
	Mats        = "Mats"     // not closed; only if gocv counts them (-tags matprofile)
)

// Values are measured values by name.
type Values map[string]float64

// Of returns RSS, Threads and Descriptors of any process. It reads Linux's
// files.
func Of(pid int) (Values, error) {
	folder := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return nil, err
	}
	v := Values{}
	for line := range strings.Lines(string(status)) {
		key, text, _ := strings.Cut(line, ":")
		number, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 64)
		switch {
		case err != nil:
		case key == "VmRSS":
			v[RSS] = number / 1024
		case key == "Threads":
			v[Threads] = number
		}
	}
	if v[Descriptors], err = entries(folder + "fd"); err != nil {
		return nil, err
	}
	if _, ok := v[RSS]; !ok {
		return nil, fmt.Errorf("process %d has ended", pid)
	}
	return v, nil
}

// entries returns how many entries a folder has.
func entries(folder string) (float64, error) {
	f, err := os.Open(folder)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	return float64(len(names)), err
}

// Self returns every value of this process. Descriptors include the one that
// reads them.
func Self() (Values, error) {
	v, err := Of(os.Getpid())
	if err != nil {
		return nil, err
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	buffers, messages := zmsg.Live()
	v[Goroutines] = float64(runtime.NumGoroutine())
	v[Heap] = float64(memory.HeapAlloc) / (1 << 20)
	v[Buffers], v[Messages] = float64(buffers), float64(messages)
	if countMats != nil {
		v[Mats] = float64(countMats())
	}
	return v, nil
}

// countMats returns how many Mats are not closed. It is nil if gocv does not
// count them.
var countMats func() int
