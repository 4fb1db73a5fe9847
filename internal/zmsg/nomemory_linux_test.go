package zmsg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/preload"
)

// Every allocation of this package's C code fails: the call returns
// ErrNoMemory, nothing is left, and the next call works.
func TestNoMemory(t *testing.T) {
	if !preload.Inside(t) {
		return
	}
	memory := preload.Open(t)
	KeepFreed() // before a test of it, which must not be the first
	size := 0
	for name, call := range map[string]func() error{
		"NewBuffer": func() error {
			size += 1 << 20 // none that the pool has
			b, err := NewBuffer(size)
			b.Release()
			return err
		},
		"Wrap": func() error {
			var e ExternalBuffers
			defer e.Close()
			done := make(chan bool, 1)
			b, err := e.Wrap(make([]byte, 10), func() { done <- true })
			if err != nil {
				return err
			}
			b.Release()
			<-done
			return nil
		},
		"NewMessageTracker": func() error {
			m, err := NewMessageTracker()
			if err == nil {
				m.Close()
			}
			return err
		},
		"KeepFreed": func() error { KeepFreed(); return nil },
	} {
		n := memory.FailEach(t, nil, call, func(n, failed int, err error) {
			if name != "KeepFreed" && (failed == 0) != (err == nil) || err != nil && !errors.Is(err, ErrNoMemory) {
				t.Errorf("%s: allocation %d, %d failed: %v", name, n, failed, err)
			}
			if buffers, _ := Live(); buffers != 0 {
				t.Errorf("%s: allocation %d: %d buffers are left", name, n, buffers)
			}
		})
		if t.Logf("%-20s %d allocations", name, n); n == 0 {
			t.Errorf("%s allocates nothing", name)
		}
	}
}

// exchangeEnv makes TestNoMemoryInLibzmq an exchange whose allocation of that
// number fails.
const exchangeEnv = "NETGEAR_TEST_EXCHANGE"

// Allocations fail inside libzmq while it sends: the call returns an error and
// sends the message later, or libzmq ends the process with a text that has
// the reason. That is how it treats its own memory; the process does not use a NULL
// pointer, nor does it wait forever.
func TestNoMemoryInLibzmq(t *testing.T) {
	if text := os.Getenv(exchangeEnv); text != "" {
		n, _ := strconv.Atoi(text)
		exchange(t, n)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), preload.Environment(t)...)
	results := map[string]int{}
	for n := 1; ; n++ {
		cmd := exec.Command(self, "-test.run", "^TestNoMemoryInLibzmq$", "-test.timeout", "30s", "-test.v")
		cmd.Env = append(env, fmt.Sprint(exchangeEnv, "=", n))
		out, err := cmd.CombinedOutput()
		var end *exec.ExitError
		switch {
		case err == nil && strings.Contains(string(out), "none failed"):
			t.Logf("%d allocations: %v", n-1, results)
			if n == 1 {
				t.Error("nothing is allocated")
			}
			return
		case err == nil:
			results["an error, and sent later"]++
		case errors.As(err, &end) && strings.Contains(string(out), "OUT OF MEMORY"):
			results["ended by libzmq's check"]++
		case errors.As(err, &end) && strings.Contains(string(out), "std::bad_alloc"):
			results["ended by C++'s operator new in libzmq"]++
		default:
			t.Fatalf("allocation %d: %v\n%s", n, err, out)
		}
	}
}

// exchange sends messages in every way of this package from one socket to
// another, while allocation n of the sending thread fails.
func exchange(t *testing.T, n int) {
	memory := preload.Open(t)
	a, b := pair(t, zmq4.PUSH, zmq4.PULL)
	connect(t, a, b)
	tracker, err := NewMessageTracker()
	if err != nil {
		t.Fatal(err)
	}
	defer tracker.Close()
	buffer, err := NewBuffer(5000)
	if err != nil {
		t.Fatal(err)
	}
	defer buffer.Release()
	tracked := make([]byte, 5000)
	sends := []func() error{
		func() error { return a.TrySendTracked(tracker, tracked, Last) },
		func() error { return a.TrySendBuffer(buffer, Last) },
		func() error { return a.TrySend([]byte("small"), Last) },
		func() error { return a.TrySend(tracked, Last) },
	}
	failed := 0
	for _, send := range sends {
		for end := time.Now().Add(20 * time.Second); ; {
			var err error
			if failed == 0 {
				failed += memory.Fail(n, false, nil, func() { err = send() })
				n -= memory.Seen()
			} else {
				err = send()
			}
			if err == nil {
				break
			}
			if failed == 0 && !errors.Is(err, syscall.EAGAIN) || time.Now().After(end) {
				t.Fatal(err)
			}
			if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.ENOMEM) {
				t.Fatalf("no memory: %v", err)
			}
		}
	}
	for range sends {
		receive(t, b).Close()
	}
	if failed == 0 {
		t.Log("none failed")
	}
}

// The limit of WaitUnshared is one of time that passes, not of the wall clock.
func TestWaitUnsharedWhileTheClockIsSet(t *testing.T) {
	if !preload.Inside(t) {
		return
	}
	clock := preload.Open(t)
	buffer, err := NewBuffer(10)
	if err != nil {
		t.Fatal(err)
	}
	defer buffer.Release()
	defer buffer.Retain().Release() // as a message would
	clock.SetClock(time.Hour)
	waited := make(chan bool)
	go func() {
		buffer.WaitUnshared(time.Millisecond)
		close(waited)
	}()
	select {
	case <-waited:
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for the wall clock") // and the goroutine is a leak
	}
}
