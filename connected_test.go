package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPorts(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Ports: []string{"0", "0"}, Pattern: ReqRep, MultiserverMode: true})
	ports := recv.Ports()
	if len(ports) != 2 || ports[0] == ports[1] || slices.Contains(ports, "0") || recv.Port() != ports[0] {
		t.Errorf("ports %v, port %s", ports, recv.Port())
	}
	for i, p := range ports {
		if recv.Endpoints()[i] != "tcp://127.0.0.1:"+p {
			t.Errorf("port %s of %s", p, recv.Endpoints()[i])
		}
	}
	everywhere := mustNew(t, Options{ReceiveMode: true, Address: "*", Port: "0"})
	send := mustNew(t, Options{Address: "::1", Port: everywhere.Port()})
	if send.Port() != everywhere.Port() {
		t.Errorf("%v, %v", send.Endpoints(), everywhere.Endpoints())
	}
	awaitPeers(t, everywhere, 1)
}

// begun calls WaitConnected in a goroutine, and returns once that waits.
func begun(t *testing.T, ctx context.Context, n *NetGear, peers int) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- n.WaitConnected(ctx, peers) }()
	await(t, "the wait to begin", func() bool {
		n.link.mu.Lock()
		defer n.link.mu.Unlock()
		return n.link.changed != nil || len(result) > 0
	})
	return result
}

// Both ends wait, whichever is first, in every pattern.
func TestWaitConnected(t *testing.T) {
	for wire, patterns := range wirePatterns {
		for _, pattern := range patterns {
			t.Run(fmt.Sprint(wire, " ", pattern), func(t *testing.T) {
				ctx := testContext(t)
				o := Options{Wire: wire, Pattern: pattern, Address: "127.0.0.1", Port: "0", ReceiveMode: true, Attach: AttachBind}
				recv := mustNew(t, o)
				if err := recv.WaitConnected(ctx, 0); err != nil {
					t.Error(err)
				}
				came := begun(t, ctx, recv, 1)
				o.ReceiveMode, o.Port, o.Attach = false, recv.Port(), AttachConnect
				send := mustNew(t, o)
				if err := send.WaitConnected(ctx, 1); err != nil {
					t.Fatal(err)
				}
				if err := firstOf(t, came); err != nil {
					t.Fatal(err)
				}
				if send.Stats().Connected != 1 || recv.Stats().Connected != 1 {
					t.Errorf("%d and %d connected", send.Stats().Connected, recv.Stats().Connected)
				}
			})
		}
	}
}

// One peer of two is not enough.
func TestWaitConnectedForTwo(t *testing.T) {
	o := Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: PubSub, Attach: AttachConnect}
	send := mustNew(t, Options{Address: "127.0.0.1", Port: "0", Pattern: PubSub, Attach: AttachBind})
	came := begun(t, testContext(t), send, 2)
	o.Port = send.Port()
	one := mustNew(t, o)
	awaitPeers(t, one, 1)
	awaitPeers(t, send, 1)
	select {
	case err := <-came:
		t.Fatalf("with one peer: %v", err)
	default:
	}
	mustNew(t, o)
	if err := firstOf(t, came); err != nil {
		t.Error(err)
	}
}

func TestWaitConnectedEnds(t *testing.T) {
	ends := map[string]Options{"receive": {ReceiveMode: true, Address: "127.0.0.1", Port: "0"}, "send": {Address: "127.0.0.1", Port: "1"}, "sending ahead": {Address: "127.0.0.1", Port: "1", SendAhead: 1}}
	for name, o := range ends {
		n := mustNew(t, o)
		ctx, cancel := context.WithCancel(testContext(t))
		waits := begun(t, ctx, n, 1)
		cancel()
		if err := firstOf(t, waits); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no peer is connected") {
			t.Errorf("%s, the context's end: %v", name, err)
		}
		waits = begun(t, testContext(t), n, 1)
		n.Close()
		if err := firstOf(t, waits); !errors.Is(err, ErrClosed) {
			t.Errorf("%s, Close: %v", name, err)
		}
		if err := n.WaitConnected(testContext(t), 0); !errors.Is(err, ErrClosed) {
			t.Errorf("%s, after Close: %v", name, err)
		}
		if err := n.WaitConnected(testContext(t), 2); !errors.Is(err, ErrMode) {
			t.Errorf("%s, two: %v", name, err)
		}
	}
	recv, send := openPair(t, Options{})
	awaitPeers(t, recv, 1)
	awaitPeers(t, send, 1) // otherwise it has no peer for the terminate message
	waits := begun(t, testContext(t), recv, 1)
	if err := firstOf(t, waits); err != nil {
		t.Error(err)
	}
	send.Close()
	await(t, "the loss", func() bool { return recv.Stats().Connected == 0 })
	if err := recv.WaitConnected(testContext(t), 1); err != io.EOF {
		t.Errorf("after the terminate message: %v", err)
	}
}

// A send end has no socket after a failed exchange; WaitConnected waits
// nevertheless.
func TestWaitConnectedAfterAFailure(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, ahead := range []int{0, 1} {
			t.Run(fmt.Sprintf("%v/ahead=%d", pattern, ahead), func(t *testing.T) {
				ctx := testContext(t)
				p := freePort(t)
				send := mustNew(t, Options{Address: "127.0.0.1", Port: p, Pattern: pattern, SendAhead: ahead, RequestTimeout: 50 * time.Millisecond, MaxRetries: 1})
				_, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil)
				if ahead > 0 {
					err = send.Flush(ctx)
				}
				if !errors.Is(err, ErrPeerGone) || send.link.current() != nil {
					t.Fatalf("%v, socket %v", err, send.link.current())
				}
				mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: p, Pattern: pattern})
				if err := send.WaitConnected(ctx, 1); err != nil {
					t.Fatal(err)
				}
				send.link.opts.RequestTimeout = testTimeout
				if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil); err != nil {
					t.Error(err)
				}
				if err := send.Flush(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// freePort returns a port that is free at the moment.
func freePort(t *testing.T) string {
	n := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	port := n.Port()
	n.Close()
	return port
}

// libzmq does not connect again to a peer that rejected it. WaitConnected does.
func TestWaitConnectedAfterARejection(t *testing.T) {
	wrong := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: PubSub})
	send := mustNew(t, Options{Address: "127.0.0.1", Port: wrong.Port()})
	await(t, "the rejection", func() bool { return send.Stats().Refused > 0 })
	ctx, cancel := context.WithCancel(testContext(t))
	waits := begun(t, ctx, send, 1)
	cancel()
	if err := firstOf(t, waits); !errors.Is(err, ErrMismatch) {
		t.Errorf("while it is rejected: %v", err)
	}
	wrong.Close()
	mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: wrong.Port()})
	if err := send.WaitConnected(testContext(t), 1); err != nil {
		t.Error(err)
	}
}
