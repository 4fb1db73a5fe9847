package netgear

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/storm"
)

// ---- the story of VidGear issue #390 ----

// stormTime returns how long the stream runs.
func stormTime() time.Duration {
	if testing.Short() {
		return 3 * time.Second
	}
	return time.Minute
}

// A stream for a minute in each pattern under many signals, garbage collections
// and receive time-outs. No error is returned, no frame is lost in patterns
// with answers, and the receive goroutine continues.
func TestStorm(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), stormTime())
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

// signalStorm sends signals to the process's threads, and collects garbage all
// the while.
func signalStorm(t *testing.T, every time.Duration) (stop func()) {
	begin := time.Now()
	stopSignals, stopCollections := storm.Signals(every), storm.Collections()
	return func() {
		sent := stopSignals()
		stopCollections()
		took := time.Since(begin)
		t.Logf("%d signals in %v, %.0f a second", sent, took, float64(sent)/took.Seconds())
		// A thousand a second are meant; a busy machine may not get round to all.
		if least := 300 * took.Seconds(); float64(sent) < least {
			t.Errorf("%d signals in %v were no storm", sent, took)
		}
	}
}
