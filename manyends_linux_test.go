package netgear

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// manyEndsEnv is how many ends TestManyEnds opens.
const manyEndsEnv = "NETGEAR_TEST_ENDS"

// manyEnds opens many ends in one process, sends a frame to each, closes them,
// and returns what each has cost, and what is left. It does so twice: memory
// that the allocators keep is used again.
func manyEnds() (results []string) {
	number, _ := strconv.Atoi(os.Getenv(manyEndsEnv))
	number = max(number, 60) / 2 * 2
	warm, err := New(Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		return []string{"WRONG " + err.Error()}
	}
	defer warm.Close()
	return append(openMany(number), openMany(number)...)
}

func openMany(number int) (results []string) {
	ctx := context.Background()
	before, began := usage(), time.Now()
	var ends []*NetGear
	pattern := func(i int) Pattern { return []Pattern{Pair, ReqRep, PubSub}[i%3] }
	for i := range number / 2 {
		recv, err := New(Options{ReceiveMode: true, Pattern: pattern(i), Address: "127.0.0.1", Port: "0"})
		if err != nil {
			return append(results, fmt.Sprintf("WRONG end %d: %v", 2*i, err))
		}
		send, err := New(Options{Pattern: pattern(i), Address: "127.0.0.1", Port: recv.Port(), RequestTimeout: testTimeout, TerminateDelay: -1})
		if err != nil {
			return append(results, fmt.Sprintf("WRONG end %d: %v", 2*i+1, err))
		}
		ends = append(ends, recv, send)
	}
	for i := 0; i < len(ends); i += 2 {
		_, err := ends[i+1].SendArray(ctx, testArray(0, "uint8", 8, 8, 3), nil)
		if err == nil && pattern(i/2) != PubSub {
			var f *Frame
			if f, err = ends[i].Recv(ctx); err == nil {
				f.Close()
			}
		}
		if err != nil {
			results = append(results, fmt.Sprintf("WRONG pair %d: %v", i/2, err))
		}
	}
	open := usage()
	per := func(a, b int64) float64 { return float64(a-b) / float64(number) }
	results = append(results, fmt.Sprintf("%d ends in %.1f s; each has %.1f descriptors, %.2f threads, %.1f goroutines, %.0f KB",
		number, time.Since(began).Seconds(), per(open[0], before[0]), per(open[1], before[1]), per(open[2], before[2]), per(open[3], before[3])/1024))
	began = time.Now()
	var closing sync.WaitGroup
	for _, n := range ends {
		closing.Go(func() { n.Close() })
	}
	closing.Wait()
	after := usage()
	for end := time.Now().Add(testTimeout); time.Now().Before(end) && (after[0] > before[0] || after[2] > before[2]); after = usage() {
		time.Sleep(10 * time.Millisecond) // the last goroutines and sockets end by themselves
	}
	results = append(results, fmt.Sprintf("closed in %.1f s; before and after: %d and %d descriptors, %d and %d goroutines, %d and %d threads, %d and %d MB",
		time.Since(began).Seconds(), before[0], after[0], before[2], after[2], before[1], after[1], before[3]>>20, after[3]>>20))
	if after[0] > before[0] || after[2] > before[2] {
		results = append(results, "WRONG something is left")
	}
	return results
}

// usage returns the descriptors, threads, goroutines and memory of this process.
func usage() [4]int64 {
	runtime.GC()
	files, _ := os.ReadDir("/proc/self/fd")
	threads, _ := os.ReadDir("/proc/self/task")
	return [4]int64{int64(len(files)), int64(len(threads)), int64(runtime.NumGoroutine()), alloctest.Memory()}
}

// Many ends in one process work, and leave nothing.
func TestManyEnds(t *testing.T) {
	t.Parallel()
	c := startProcess(t, childSpec{Role: "many ends"})
	for _, r := range c.hear().Results {
		if strings.HasPrefix(r, "WRONG") {
			t.Error(r)
		}
		t.Log(r)
	}
}
