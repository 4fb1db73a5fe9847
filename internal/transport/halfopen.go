package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// HalfOpen tracks a PAIR connection that may be half-open at the peer: the line
// was cut, this system gave the connection up, and the peer, which only listens,
// was not notified. A PAIR peer serves the old connection and refuses every
// other. VidGear's receive end does so for 12 s, and then mostly fails.
//
// So before the next connection is made, End connects once from the port of the
// lost one. The peer's system finds that such a connection exists, and asks.
// This system has none and answers with a reset, which ends the peer's half as
// well (RFC 9293, 3.5.1, half-open connections).
//
// libzmq can connect from a given port, too ("tcp://from;to"), but must not: at
// each try its I/O thread looks up the addresses of this machine for that, and
// aborts if it has no descriptor (ip_resolver.cpp, getifaddrs).
//
// The zero value is ready for use. All methods may be called from any goroutine.
type HalfOpen struct {
	mu       sync.Mutex
	heard    time.Time     // when the peer last answered
	quickest time.Duration // the shortest exchange so far, which took at least a round trip
	from, to string        // the lost connection's ends, "10.0.0.2:43210"; "" if there is none
}

// Silence is how long no answer must have come before a lost connection counts
// as half-open: a loss after a shorter time is one that the peer has caused. TCP
// takes twice as long to give a connection up.
const Silence = AckTimeout / 2

const (
	// probeShort and probeLong are how long the answer to a probe is awaited.
	// Short probes notice soon that the line is back. Long ones are for lines on
	// which no exchange was ever quicker. Every longEach-th probe is long in any
	// case, as the line that is back may be another.
	probeShort = 250 * time.Millisecond
	probeLong  = time.Second
	longEach   = 16
	// probeStays is how long a probe that was answered stays open. Meanwhile a
	// PAIR peer frees the slot of the connection that was reset: until then it
	// would refuse the next. This library's receive end also learns where the
	// probe comes from.
	probeStays = 100 * time.Millisecond
)

// Answered notes that the peer answered at a time, after an exchange that took
// so long. No connection is half-open then.
func (h *HalfOpen) Answered(at time.Time, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.heard.IsZero() || took < h.quickest {
		h.quickest = took
	}
	h.heard, h.from, h.to = at, "", ""
}

// Lost notes that a connection to an endpoint was lost at a time, and the local
// address that it was made from. The first one counts until the peer has
// answered again.
func (h *HalfOpen) Lost(at time.Time, from, endpoint string) {
	to, tcp := strings.CutPrefix(endpoint, "tcp://")
	h.mu.Lock()
	defer h.mu.Unlock()
	if tcp && from != "" && h.from == "" && !h.heard.IsZero() && at.Sub(h.heard) >= Silence {
		h.from, h.to = from, to
	}
}

// Clear notes that no connection is half-open any more.
func (h *HalfOpen) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from, h.to = "", ""
}

// Ends returns the two addresses of the connection that may be half-open. Both
// are empty if there is none.
func (h *HalfOpen) Ends() (from, to string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.from, h.to
}

// wait returns how long the answer to the i-th probe is awaited.
func (h *HalfOpen) wait(i int) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i%longEach == 0 {
		return probeLong
	}
	return min(max(2*h.quickest, probeShort), probeLong)
}

// End blocks until the peer's half of the lost connection has ended, if there is
// one. It returns zmsg.ErrTimeout at the deadline, and the context's error once
// that has ended. It does nothing where the port is not available, or once moved
// reports that the peer has another address. failed is called with the endpoint
// after each probe that was not answered.
func (h *HalfOpen) End(ctx context.Context, deadline time.Time, moved func() bool, failed func(endpoint string)) error {
	for i := 1; ; i++ {
		from, to := h.Ends()
		if from == "" || moved() {
			return nil
		}
		next := earlier(deadline, time.Now().Add(h.wait(i)))
		err := probe(ctx, from, to, next)
		switch {
		case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL):
			return nil // another program has the port, or this machine lost the address
		case err == nil, errors.Is(err, syscall.ECONNREFUSED):
			h.Clear() // the peer's system has no such connection
			return ctx.Err()
		}
		failed("tcp://" + to)
		if err := sleep(ctx, time.Until(next)); err != nil {
			return err
		}
		if time.Now().Before(deadline) {
			continue
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			return fmt.Errorf("cannot connect: close some file descriptors, or raise the limit (ulimit -n): %w", err)
		}
		return zmsg.ErrTimeout
	}
}

// probe connects from one address to another, and closes the connection. The
// deadline bounds the attempt to connect.
func probe(ctx context.Context, from, to string, deadline time.Time) error {
	local, err := netip.ParseAddrPort(from)
	if err != nil {
		return err
	}
	within, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Control: reuseAddress}
	c, err := dialer.DialContext(within, "tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	return sleep(ctx, probeStays)
}

// sleep waits for d, or until the context ends, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return ctx.Err()
}

// reuseAddress lets a socket have a port that a connection had before.
func reuseAddress(_, _ string, c syscall.RawConn) (err error) {
	return errors.Join(c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}), err)
}
