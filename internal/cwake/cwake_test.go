package cwake

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

const patience = 10 * time.Second

// startTest starts a Waker whose goroutine says each time that it takes, and waits
// there until it is heard.
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
	case <-time.After(patience):
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
	await(t, takes) // though nobody has written
	await(t, stopped)
}

// Whoever writes to a full pipe is not held up, and the goroutine is woken all
// the same.
func TestAFullPipeHoldsNobodyUp(t *testing.T) {
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

// Where C cannot begin, the pipe is closed and there is no goroutine.
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
