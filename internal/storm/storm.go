// Package storm disturbs the process that calls it, with signals and garbage
// collections. They interrupt system calls, also inside C libraries: the story of
// VidGear issue #390.
package storm

import (
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Signals sends SIGUSR1 to one of the process's threads after the other, libzmq's
// among them, until stop is called, which returns how many it sent. A busy
// machine may not get round to one in each interval.
func Signals(every time.Duration) (stop func() int64) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	var over atomic.Bool
	var sent atomic.Int64
	begin := time.Now()
	var sending, receiving sync.WaitGroup
	sending.Go(func() {
		for i := 0; !over.Load(); time.Sleep(time.Millisecond) { // the pace of the signals
			for ; !over.Load() && i < int(time.Since(begin)/every); i++ {
				if signalThread(i) == nil {
					sent.Add(1)
				}
			}
		}
	})
	receiving.Go(func() {
		for range c {
		}
	})
	return func() int64 {
		over.Store(true)
		sending.Wait()
		signal.Stop(c)
		close(c)
		receiving.Wait()
		return sent.Load()
	}
}

// signalThread sends SIGUSR1 to one thread of this process; where the system does
// not list threads, to the process.
func signalThread(i int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || len(threads) == 0 {
		return syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	}
	tid, err := strconv.Atoi(threads[i%len(threads)].Name())
	if err != nil {
		return err
	}
	return tgkill(os.Getpid(), tid, syscall.SIGUSR1)
}

// Collections collects garbage all the while, until stop is called.
func Collections() (stop func()) {
	var over atomic.Bool
	var busy sync.WaitGroup
	busy.Go(func() {
		for !over.Load() {
			runtime.GC()
			time.Sleep(5 * time.Millisecond) // the pace of the collections
		}
	})
	return func() {
		over.Store(true)
		busy.Wait()
	}
}
