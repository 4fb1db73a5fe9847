// Package netgeartest opens connected ends for tests of programs that use
// netgear.
package netgeartest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// connectLimit bounds the wait for the connection. It takes milliseconds, unless
// the two ends do not go together.
const connectLimit = 10 * time.Second

// Pipe returns a send end and a receive end that are connected over the loopback
// interface, on a free port. What the options do not say is filled in: ReceiveMode,
// Address ("127.0.0.1"; with ipc a path in a temporary folder), the port, Attach of
// the other end where one end has it, and in the secure modes a temporary folder of
// new certificates for both. Port and Ports are ignored, but for the number of
// Ports of an end that listens. TerminateDelay is none by default, as neither end is
// VidGear.
//
// With PubSub the subscription is in effect when Pipe returns, so that no frame is
// lost for coming too early. To know that, Pipe sends small frames until one
// arrives. They count in the Stats and stamps of both ends, and OnReply gets them.
//
// The test's cleanup closes both ends, the send end first. The test may close them
// earlier. If an end cannot be opened or connected, Pipe fails the test and reports
// why. So it must be called in the test's own goroutine.
func Pipe(tb testing.TB, sendOptions, recvOptions netgear.Options) (send, recv *netgear.NetGear) {
	tb.Helper()
	sendOptions.ReceiveMode, recvOptions.ReceiveMode = false, true
	if sendOptions.TerminateDelay == 0 {
		sendOptions.TerminateDelay = -1 // neither end is VidGear
	}
	if why := differ(&sendOptions, &recvOptions); why != "" {
		tb.Fatalf("netgeartest: the two ends cannot connect: %s", why)
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectLimit)
	defer cancel()
	provide(tb, &sendOptions, &recvOptions)
	if attach(&sendOptions, &recvOptions) {
		send = listen(tb, sendOptions)
		recv = connect(tb, recvOptions, send)
	} else {
		recv = listen(tb, recvOptions)
		send = connect(tb, sendOptions, recv)
	}
	tb.Cleanup(func() {
		if err := send.Close(); err != nil {
			tb.Logf("netgeartest: the send end: %v", err)
		}
		recv.Close()
	})
	for _, end := range []*netgear.NetGear{send, recv} {
		if err := end.WaitConnected(ctx, 1); err != nil {
			tb.Fatalf("netgeartest: the two ends do not connect: %v", err)
		}
	}
	if sendOptions.Pattern == netgear.PubSub {
		if err := awaitSubscription(ctx, send, recv); err != nil {
			tb.Fatalf("netgeartest: no frame reaches the subscriber: %v", err)
		}
	}
	return send, recv
}

// differ returns what the two ends must have alike and do not; "" if there is
// nothing.
func differ(s, r *netgear.Options) string {
	switch {
	case s.Pattern != r.Pattern:
		return fmt.Sprintf("the send end has the pattern %v, the receive end %v", s.Pattern, r.Pattern)
	case s.Wire != r.Wire:
		return fmt.Sprintf("the send end has the wire %v, the receive end %v", s.Wire, r.Wire)
	case s.SecureMode != r.SecureMode:
		return fmt.Sprintf("the send end has the secure mode %v, the receive end %v", s.SecureMode, r.SecureMode)
	case s.Attach != netgear.AttachDefault && s.Attach == r.Attach:
		return fmt.Sprintf("both have Attach: %v", s.Attach)
	}
	return ""
}

// provide fills in addresses and certificates.
func provide(tb testing.TB, s, r *netgear.Options) {
	tb.Helper()
	if s.Protocol == "ipc" || r.Protocol == "ipc" {
		s.Protocol, r.Protocol = "ipc", "ipc"
		if s.Address == "" && r.Address == "" {
			// tb.TempDir may be too long a path for a local socket.
			dir, err := os.MkdirTemp("", "ng")
			if err != nil {
				tb.Fatalf("netgeartest: %v", err)
			}
			tb.Cleanup(func() { os.RemoveAll(dir) })
			s.Address = filepath.Join(dir, "s")
		}
	}
	both(&s.Address, &r.Address, func() string { return "127.0.0.1" })
	if s.SecureMode == netgear.Grasslands {
		return
	}
	both(&s.CustomCertLocation, &r.CustomCertLocation, func() string {
		location := tb.TempDir()
		if _, err := netgear.CreateCertificates(location); err != nil {
			tb.Fatalf("netgeartest: %v", err)
		}
		return location
	})
}

// both sets each of two texts that is empty to the other, or to what otherwise
// returns.
func both(a, b *string, otherwise func() string) {
	if *a == "" && *b == "" {
		*a = otherwise()
	}
	if *a == "" {
		*a = *b
	}
	if *b == "" {
		*b = *a
	}
}

// attach sets which end listens, and reports whether it is the send end.
func attach(s, r *netgear.Options) bool {
	if s.Attach != netgear.AttachBind && r.Attach != netgear.AttachConnect {
		s.Attach, r.Attach = netgear.AttachConnect, netgear.AttachBind
		return false
	}
	s.Attach, r.Attach = netgear.AttachBind, netgear.AttachConnect
	return true
}

// listen opens the end that listens, on free ports.
func listen(tb testing.TB, o netgear.Options) *netgear.NetGear {
	tb.Helper()
	ports := make([]string, max(1, len(o.Ports)))
	for i := range ports {
		ports[i] = "0"
	}
	if o.Protocol == "ipc" {
		for i := range ports {
			ports[i] = fmt.Sprint(i + 1)
		}
	}
	o.Port, o.Ports = "", ports
	return open(tb, o)
}

// connect opens the end that connects, to the first port of the other.
func connect(tb testing.TB, o netgear.Options, to *netgear.NetGear) *netgear.NetGear {
	tb.Helper()
	o.Port, o.Ports = "", []string{to.Port()}
	return open(tb, o)
}

func open(tb testing.TB, o netgear.Options) *netgear.NetGear {
	tb.Helper()
	n, err := netgear.New(o)
	if err != nil {
		end := "send"
		if o.ReceiveMode {
			end = "receive"
		}
		tb.Fatalf("netgeartest: the %s end: %v", end, err)
	}
	tb.Cleanup(func() { n.Close() })
	return n
}

// probeWait is how long one probe may take to arrive before the next is sent.
const probeWait = 5 * time.Millisecond

// awaitSubscription sends frames until the newest has arrived: no other is on its
// way then. Nothing reports when a subscription has taken effect.
func awaitSubscription(ctx context.Context, send, recv *netgear.NetGear) error {
	for i := 0; ; i++ {
		mark := fmt.Sprintf("netgeartest: probe %d", i)
		if _, err := send.SendArray(ctx, netgear.Array{DType: "uint8", Shape: []int{1, 1}, Data: []byte{0}}, mark); err != nil {
			return err
		}
		switch arrived, err := awaitProbe(ctx, recv, mark); {
		case err != nil:
			return err
		case arrived:
			return nil
		}
	}
}

// awaitProbe reports whether a probe has arrived within probeWait. Earlier ones are
// dropped.
func awaitProbe(ctx context.Context, recv *netgear.NetGear, mark string) (bool, error) {
	within, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	for {
		frame, err := recv.Recv(within)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case within.Err() != nil && err != nil:
			return false, nil
		case errors.Is(err, netgear.ErrTimeout):
			continue // SubscriberTimeout
		case err != nil:
			return false, err
		}
		arrived := frame.Message.Value() == mark
		frame.Close()
		if arrived {
			return true, nil
		}
	}
}
