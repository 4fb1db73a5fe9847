package cwake

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// waits starts a Wait for a value that the test stores, as C does.
func waits(t *testing.T) (e *Event, result *atomic.Bool, waited chan bool) {
	t.Helper()
	e, err := NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	result, waited = new(atomic.Bool), make(chan bool, 1)
	return e, result, waited
}

func write(t *testing.T, e *Event) {
	t.Helper()
	if _, err := syscall.Write(e.FD(), []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
}

func awaitResult(t *testing.T, waited <-chan bool, want bool) {
	t.Helper()
	select {
	case got := <-waited:
		if got != want {
			t.Fatalf("Wait returned %v", got)
		}
	case <-time.After(timeout):
		t.Fatal("it was not woken")
	}
}

// Each write wakes the goroutine, though no one reads the descriptor, and
// however many came before. Without a result it sleeps on.
func TestEventWakes(t *testing.T) {
	e, result, waited := waits(t)
	asked := make(chan struct{}, 8)
	for range 3 {
		result.Store(false)
		go func() {
			waited <- e.Wait(func() bool {
				is := result.Load() // before the test changes it
				asked <- struct{}{}
				return is
			})
		}()
		<-asked // at once
		write(t, e)
		<-asked // after a write without a result
		select {
		case <-waited:
			t.Fatal("it returned without a result")
		default:
		}
		result.Store(true)
		write(t, e)
		awaitResult(t, waited, true)
		<-asked
	}
}

// A result that is there before the wait ends it. Its write may come later, and
// does not disturb the next wait.
func TestEventWithItsResultAtOnce(t *testing.T) {
	e, result, waited := waits(t)
	result.Store(true)
	if !e.Wait(result.Load) {
		t.Fatal("interrupted")
	}
	write(t, e)
	result.Store(false)
	go func() { waited <- e.Wait(result.Load) }()
	e.Interrupt()
	awaitResult(t, waited, false)
}

// Interrupt ends the running wait or else the next, and none after it.
func TestEventInterrupted(t *testing.T) {
	e, result, waited := waits(t)
	e.Interrupt()
	if e.Wait(result.Load) {
		t.Fatal("a result")
	}
	asleep := make(chan struct{}, 1)
	go func() {
		waited <- e.Wait(func() bool { asleep <- struct{}{}; return result.Load() })
	}()
	<-asleep
	e.Interrupt()
	awaitResult(t, waited, false)
	go func() { waited <- e.Wait(result.Load) }()
	result.Store(true)
	write(t, e)
	awaitResult(t, waited, true)
}
