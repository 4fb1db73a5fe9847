package netgear

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// ---- the story of VidGear issue #390 ----

// storm returns how long the stream runs.
func storm() time.Duration {
	if testing.Short() {
		return 3 * time.Second
	}
	return time.Minute
}

// A stream for a minute in each pattern under many signals, garbage collections
// and receive time-outs. No error is returned, no frame is lost in patterns
// with answers, and the receive goroutine continues.
func TestStorm(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), storm())
	defer cancel()
	stopSignals := signalStorm(t, time.Millisecond)
	defer stopSignals()
	// All at once; t.Parallel would run as many as there are cores.
	var streams sync.WaitGroup
	for _, pattern := range allPatterns {
		recv, send := openPair(t, Options{Pattern: pattern}, func(r, s *Options) {
			if pattern == PubSub {
				r.SubscriberTimeout = time.Millisecond
			}
		})
		streams.Add(1)
		go func() {
			defer streams.Done()
			weather(t, ctx, recv, send)
		}()
	}
	streams.Wait()
}

// Ends open and close under the storm, too: a signal may interrupt any call
// into libzmq, and some of them then do half of what they should.
func TestStormWhileOpeningAndClosing(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 300
	}
	defer signalStorm(t, 10*time.Microsecond)()
	for i := range rounds {
		recv, send := openPair(t, Options{Pattern: allPatterns[i%3]})
		if i%3 < 2 {
			if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
				t.Fatal(err)
			}
		}
		send.Close()
		recv.Close()
	}
}

// weather is one stream until ctx ends.
func weather(t *testing.T, ctx context.Context, recv, send *NetGear) {
	pattern := recv.link.opts.Pattern
	sent := make(chan int, 1)
	go func() {
		i := 0
		for ; ctx.Err() == nil; i++ {
			if _, err := send.SendArray(context.Background(), testArray(i, "uint8", 120, 160, 3), i); err != nil {
				t.Errorf("frame %d: %v", i, err)
				break
			}
		}
		send.Close()
		sent <- i
	}()
	next, received, timeouts := int64(0), 0, 0
	for {
		// Short contexts are the receive time-outs.
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		f, err := recv.Recv(short)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
			timeouts++
			if pattern == PubSub && ctx.Err() != nil {
				break // its terminate message may be dropped like any frame
			}
			continue
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Errorf("%v: %v", pattern, err)
			break
		}
		i := f.Message.Value().(int64)
		if i < next || pattern != PubSub && i != next {
			t.Errorf("%v: frame %d came when %d was due", pattern, i, next)
		}
		next = i + 1
		received++
		f.Close()
	}
	total := <-sent
	if pattern != PubSub && received != total || received == 0 {
		t.Errorf("%d of %d frames arrived", received, total)
	}
	if s := recv.Stats(); s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
	t.Logf("%v: %d sent, %d received, %d time-outs", pattern, total, received, timeouts)
}

// signalStorm sends a signal to one of the process's threads after the other,
// and collects garbage all the while.
func signalStorm(t *testing.T, every time.Duration) (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	var over atomic.Bool
	var sent atomic.Int64
	begin := time.Now()
	var busy sync.WaitGroup
	busy.Add(3)
	go func() {
		defer busy.Done()
		for i := 0; !over.Load(); time.Sleep(time.Millisecond) { // the pace of the signals
			for ; !over.Load() && i < int(time.Since(begin)/every); i++ {
				if signalThread(i) == nil {
					sent.Add(1)
				}
			}
		}
	}()
	go func() {
		defer busy.Done()
		for !over.Load() {
			runtime.GC()
			time.Sleep(5 * time.Millisecond) // the pace of the collections
		}
	}()
	go func() {
		defer busy.Done()
		for range c {
		}
	}()
	return func() {
		over.Store(true)
		signal.Stop(c)
		close(c)
		busy.Wait()
		took := time.Since(begin)
		t.Logf("%d signals in %v, %.0f a second", sent.Load(), took, float64(sent.Load())/took.Seconds())
		// A thousand a second are meant; a busy machine may not get round to all.
		if least := 300 * took.Seconds(); float64(sent.Load()) < least {
			t.Errorf("%d signals in %v were no storm", sent.Load(), took)
		}
	}
}

// signalThread sends SIGUSR1 to one thread of this process, libzmq's own among
// them; where the system does not list threads, to the process.
func signalThread(i int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || len(threads) == 0 {
		return syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	}
	tid := 0
	for _, c := range threads[i%len(threads)].Name() {
		tid = 10*tid + int(c-'0')
	}
	return tgkill(os.Getpid(), tid, syscall.SIGUSR1)
}
