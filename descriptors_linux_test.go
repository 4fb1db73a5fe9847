package netgear

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// fewDescriptors opens ends of every pattern while only a few descriptors are
// free, as the first of the process and besides another. It returns the
// results.
func fewDescriptors() (results []string) {
	var held []*os.File
	hold := func() bool {
		f, err := os.Open(os.DevNull)
		if err == nil {
			held = append(held, f)
		}
		return err == nil
	}
	free := func(n int) {
		for range min(n, len(held)) {
			held[len(held)-1].Close()
			held = held[:len(held)-1]
		}
	}
	try := func(kind string, k int) {
		for _, receive := range []bool{true, false} {
			for hold() {
			}
			free(k)
			_, err := open(Options{ReceiveMode: receive, Pattern: Pattern(k % 3), Address: "127.0.0.1", Port: "0", Attach: AttachBind})
			results = append(results, fmt.Sprintf("%s, %d free: %v", kind, k, err))
			if err == nil || errors.Is(err, syscall.EMFILE) {
				continue
			}
			results[len(results)-1] = "WRONG " + results[len(results)-1]
		}
	}
	for k := range 61 {
		try("first", k)
	}
	free(len(held))
	beside, err := New(Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		return append(results, fmt.Sprint("WRONG ", err))
	}
	for k := range 61 {
		try("beside another", k)
	}
	free(len(held))
	beside.Close()
	_, err = open(Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	return append(results, fmt.Sprint("at last: ", err))
}

// open opens an end and closes it.
func open(o Options) (*NetGear, error) {
	n, err := New(o)
	if err == nil {
		n.Close()
	}
	return n, err
}

// With any number of free descriptors, opening an end succeeds or returns an
// error that names what is missing.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	c := startProcess(t, childSpec{Role: "few descriptors", Descriptors: 128})
	a := c.hear()
	opened, refused := 0, 0
	for _, r := range a.Results {
		switch {
		case strings.HasPrefix(r, "WRONG"):
			t.Error(r)
		case strings.HasSuffix(r, "<nil>"):
			opened++
		case strings.Contains(r, "ulimit -n"):
			refused++
		default:
			t.Errorf("the error does not say what to do: %s", r)
		}
	}
	if opened < 20 || refused < 150 || !strings.HasSuffix(a.Results[len(a.Results)-1], "<nil>") {
		t.Errorf("%d opened, %d refused: %q", opened, refused, a.Results)
	}
}

// 600 silent connections occupy every descriptor while other ends of the
// process open and close. The process must not abort, nor spin, and a good
// sender must be admitted.
func TestDescriptorsUsedUp(t *testing.T) {
	limits := []int{128, 256, 600, 1024}
	if testing.Short() || alloctest.Race {
		limits = limits[1:2]
	}
	for _, limit := range limits {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			c := startChild(t, childSpec{Role: "rebind", Receive: true, Bind: true, Pattern: ReqRep, Descriptors: limit})
			opened, stop := siege{number: 600, pause: 10 * time.Millisecond}.lay(c.port)
			defer stop() // which may be called twice
			await(t, "600 to connect", func() bool { return opened.Load() >= 600 })
			began := startStopwatch(c.Pid())
			send := mustNew(t, Options{Address: "127.0.0.1", Port: c.port, Pattern: ReqRep, JPEGCompression: JPEGOff, RequestTimeout: testTimeout, MaxRetries: 1})
			sendSmall(t, send)
			endsWithin(t, "a frame from a good sender", began, 5*time.Second)
			// Its connection may be one of those that are ended for the last
			// descriptors. Then it is one of 601 that connect, as are these.
			for range 10 {
				again := mustNew(t, Options{Address: "127.0.0.1", Port: c.port, Pattern: ReqRep, JPEGCompression: JPEGOff, RequestTimeout: testTimeout, MaxRetries: 1})
				sendSmall(t, again)
				again.Close()
			}
			after := c.account()
			t.Logf("%d connections; %d ends opened", opened.Load(), after.Opens)
			stop()
			await(t, "another end to be opened", func() bool { return c.account().Opens > after.Opens })
			sendSmall(t, send)
		})
	}
}

// While no descriptor is available for new connections, libzmq's thread does
// not spin.
func TestNoSpinWithoutDescriptors(t *testing.T) {
	c := startChild(t, childSpec{Role: "end", Receive: true, Bind: true, Pattern: ReqRep, Descriptors: 128})
	// Established peers stay: none of them may be disconnected.
	for range 128 {
		stay(t, c.port, "REQ")
	}
	opened, stop := siege{number: 100, pause: 500 * time.Millisecond}.lay(c.port)
	defer stop()
	before, began := c.account(), time.Now()
	time.Sleep(2 * time.Second) // what is measured
	share := float64(c.account().CPU-before.CPU) / float64(time.Since(began))
	t.Logf("%.1f %% of a core; %d connections", 100*share, opened.Load())
	if share > 0.5 {
		t.Errorf("%.0f %% of a core while connections cannot be accepted", 100*share)
	}
}

// stay opens a connection that ends its handshake, if it is admitted, and
// stays.
func stay(t *testing.T, port, kind string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err != nil {
		return
	}
	t.Cleanup(func() { c.Close() })
	c.Write([]byte(greeting + ready(kind)))
}
