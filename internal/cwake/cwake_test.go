package cwake

import (
	"errors"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

const timeout = 10 * time.Second

// startTest starts a Waker whose take sends on takes, and blocks until the test
// receives.
func startTest(t *testing.T) (w *Waker, fd int, takes chan bool) {
	t.Helper()
	takes = make(chan bool)
	w, err := Start(func(f int) error { fd = f; return nil }, func() { takes <- true })
	if err != nil {
		t.Fatal(err)
	}
	return w, fd, takes
}

func await(t *testing.T, takes <-chan bool) {
	t.Helper()
	select {
	case <-takes:
	case <-time.After(timeout):
		t.Fatal("it was not woken")
	}
}

func TestWakesAndTakesTheRestAtTheEnd(t *testing.T) {
	w, fd, takes := startTest(t)
	for range 3 {
		if _, err := syscall.Write(fd, []byte{0}); err != nil {
			t.Fatal(err)
		}
		await(t, takes)
	}
	stopped := make(chan bool)
	go func() {
		w.Stop()
		close(stopped)
	}()
	await(t, takes) // though no byte was written
	await(t, stopped)
}

// Writing to a full pipe does not block, and the goroutine is woken all the
// same.
func TestWritingToAFullPipeDoesNotBlock(t *testing.T) {
	w, fd, takes := startTest(t)
	var err error
	for n := 0; err == nil && n < 1<<24; n += 1024 {
		_, err = syscall.Write(fd, make([]byte, 1024))
	}
	if err != syscall.EAGAIN {
		t.Errorf("writing to a full pipe: %v", err)
	}
	await(t, takes)
	go func() {
		for range takes {
		}
	}()
	w.Stop()
	close(takes)
}

// If start fails, the pipe is closed and no goroutine runs.
func TestStartThatFails(t *testing.T) {
	want := errors.New("no")
	var fd int
	w, err := Start(func(f int) error { fd = f; return want }, func() { t.Error("woken") })
	if err != want || w != nil {
		t.Errorf("got %v, %v", w, err)
	}
	if _, err := syscall.Write(fd, []byte{0}); err != syscall.EBADF {
		t.Errorf("the pipe is open: %v", err)
	}
}

// A take that ends its goroutine, as a callback may in which t.FailNow is
// called, is called again with what it has left, and for what comes later.
func TestTakeThatEndsItsGoroutine(t *testing.T) {
	var left atomic.Int32
	left.Store(3)
	taken := make(chan bool, 10)
	var fd int
	w, err := Start(func(f int) error { fd = f; return nil }, func() {
		for n := left.Load(); n > 0; n = left.Load() {
			if left.CompareAndSwap(n, n-1) {
				taken <- true
				runtime.Goexit()
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	wake := func() {
		if _, err := syscall.Write(fd, []byte{0}); err != nil {
			t.Fatal(err)
		}
	}
	wake()
	for range 3 {
		await(t, taken)
	}
	left.Store(1)
	wake()
	await(t, taken)
	stopped := make(chan bool)
	go func() {
		w.Stop()
		close(stopped)
	}()
	await(t, stopped)
}
