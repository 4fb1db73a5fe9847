package record

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// fullDisk returns options for a disk that is full until makeRoom is called.
func fullDisk(t *testing.T, log peertest.LogHook) (o Options, makeRoom func()) {
	t.Helper()
	room := &atomic.Int64{}
	room.Store(300_000)
	return Options{Dir: t.TempDir(), Logger: slog.New(log), create: func(path string) (file, error) {
		f, err := createFile(path)
		return smallFile{f, room, syscall.ENOSPC}, err
	}}, func() { room.Store(1 << 40) }
}

// A Logger that ends its goroutine does not end the recording's.
func TestLoggerEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	o, makeRoom := fullDisk(t, func() { runtime.Goexit() })
	runFull(t, o, makeRoom, syscall.ENOSPC)
}

// While a Logger blocks, Write and Stats do not. Then everything that was queued
// is written.
func TestLoggerBlocks(t *testing.T) {
	t.Parallel()
	open, blocked := make(chan struct{}), &atomic.Bool{}
	o := Options{Path: filepath.Join(t.TempDir(), "a.mkv"), QueueFrames: 4, Logger: slog.New(peertest.LogHook(func() { blocked.Store(true); <-open }))}
	r := create(t, o)
	frames := jpegs(100)
	dropped := uint64(0)
	for i := range frames {
		if err := frames[i].write(t, r); errors.Is(err, ErrQueueFull) {
			dropped++
		} else if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			peertest.Await(t, waitLimit, "the first line", blocked.Load)
		}
	}
	if s := r.Stats(); dropped != 95 || s.Dropped != dropped || s.Queue != 4 {
		t.Errorf("%d dropped; %+v", dropped, s)
	}
	close(open)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if s := r.Stats(); s.Frames != 5 {
		t.Errorf("%+v", s)
	}
}

// The function that Play calls, or the body of a loop, panics or ends its
// goroutine. The Player stays usable.
func TestPlayFunctions(t *testing.T) {
	t.Parallel()
	p := open(t, recorded(t, jpegs(5)...))
	for name, end := range map[string]func(){"panic": func() { panic("the application's") }, "Goexit": runtime.Goexit} {
		for what, f := range map[string]func(){
			"Play": func() {
				_ = p.Play(context.Background(), func(context.Context, *Frame) error { end(); return nil }, Pace{})
			},
			"Frames": func() {
				for range p.Frames() {
					end()
				}
			},
		} {
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				f()
			}()
			select {
			case <-done:
			case <-time.After(waitLimit):
				t.Fatalf("%s: %s does not end", name, what)
			}
			n := 0
			if err := p.Play(context.Background(), func(context.Context, *Frame) error { n++; return nil }, Pace{Speed: math.Inf(1)}); err != nil || n != 5 {
				t.Errorf("%s: after %s %d frames are played: %v", name, what, n, err)
			}
		}
	}
}
