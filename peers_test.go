package netgear

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestLateStart(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		probe := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
		port := probe.Port()
		probe.Close()
		send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: pattern})
		ctx := testContext(t)
		sent := make(chan error, 1)
		go func() {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), "early")
			sent <- err
		}()
		await(t, "the sender to take its turn", func() bool { return len(send.send.sendMu) == 1 })
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern})
		f, err := recv.Recv(ctx)
		if err != nil || f.Message.Value() != "early" {
			t.Fatalf("%v: %v", pattern, err)
		}
		f.Close()
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

// The receive end restarts in mid-stream repeatedly. The sender's application
// gets no error, and no frame is lost.
func TestReceiverRestarts(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			recv, send := openPair(t, Options{Pattern: pattern, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1, QueueFrames: 1})
			port := recv.Port()
			ctx := testContext(t)
			const frames = 60
			go func() {
				for i := range frames {
					if _, err := send.SendArray(ctx, testArray(i, "uint8", 20, 20), i); err != nil {
						t.Error(err)
					}
				}
				send.Close()
			}()
			next := int64(0)
			for {
				f, err := recv.Recv(ctx)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				i := f.Message.Value().(int64)
				f.Close()
				if i > next {
					t.Fatalf("frame %d came when %d was due", i, next)
				}
				next = i + 1
				if i%20 == 10 {
					// Frames that were answered and queued are lost with the
					// old end: they were answered before the application
					// received them.
					recv.Close()
					recv = mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern, QueueFrames: 1})
					g, err := recv.Recv(ctx)
					if err != nil {
						t.Fatal(err)
					}
					next = g.Message.Value().(int64) + 1
					g.Close()
				}
			}
			if next != frames {
				t.Errorf("ended at frame %d", next)
			}
		})
	}
}

func TestRetriesRunOutAndComeBack(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		probe := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
		port := probe.Port()
		probe.Close()
		send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: pattern, RequestTimeout: 40 * time.Millisecond, MaxRetries: 2})
		ctx := testContext(t)
		for range 2 {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil)
			if !errors.Is(err, ErrPeerGone) || errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), port) {
				t.Errorf("%v: %v", pattern, err)
			}
		}
		if got := send.Stats().Retries; got != 2 {
			t.Errorf("%v: %d retries", pattern, got)
		}
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern})
		sent := false
		for !sent {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil)
			if err != nil && !errors.Is(err, ErrPeerGone) {
				t.Fatal(err)
			}
			sent = err == nil
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// The reason for sending a frame again distinguishes that no peer is connected.
func TestSendingAgainWithoutAPeer(t *testing.T) {
	probe := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep})
	port := probe.Port()
	probe.Close()
	reasons := make(chan error, 10)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: ReqRep, RequestTimeout: 40 * time.Millisecond, MaxRetries: 2, OnEvent: func(e Event) {
		if e.Kind == EventReconnecting {
			reasons <- e.Err
		}
	}})
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 9, 9), nil); !errors.Is(err, ErrPeerGone) {
		t.Fatal(err)
	}
	if err := <-reasons; !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "no peer is connected") {
		t.Error(err)
	}
}

func TestReceiverWithoutSender(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: 10 * time.Millisecond, MaxRetries: 2})
	ctx := testContext(t)
	for range 2 {
		if _, err := recv.Recv(ctx); !errors.Is(err, ErrPeerGone) {
			t.Fatal(err)
		}
	}
	// It continued to listen, on the same port.
	send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port()})
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := recv.Recv(ctx)
		if errors.Is(err, ErrPeerGone) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		return
	}
}

// A peer that is connected and silent is not gone.
func TestSilentPeerIsNotGone(t *testing.T) {
	recv, send := openPair(t, Options{RequestTimeout: 10 * time.Millisecond, MaxRetries: 1}, func(r, s *Options) { s.RequestTimeout = time.Second })
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := recv.Recv(ctx)
		if err == nil {
			f.Close()
			break
		}
		if !errors.Is(err, ErrPeerGone) { // before the connection existed
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := recv.Recv(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after ten times the patience: %v", err)
	}
}

func TestSubscriberTimeout(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: PubSub}, func(r, s *Options) { r.SubscriberTimeout = 20 * time.Millisecond })
	ctx := testContext(t)
	for range 2 {
		if _, err := recv.Recv(ctx); !errors.Is(err, ErrTimeout) {
			t.Fatal(err)
		}
	}
	await(t, "a frame to come through", func() bool {
		send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil)
		return recv.Stats().Frames > 0
	})
	for {
		f, err := recv.Recv(ctx)
		if err == nil {
			f.Close()
			break
		}
		if !errors.Is(err, ErrTimeout) {
			t.Fatal(err)
		}
	}
}

// Two ends with different patterns return an error with that reason.
func TestPatternMismatch(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: PubSub})
	send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1})
	_, err := send.SendArray(testContext(t), testArray(0, "uint8", 9, 9), nil)
	if !errors.Is(err, ErrMismatch) || !errors.Is(err, ErrPeerGone) || !strings.Contains(err.Error(), "pattern") {
		t.Errorf("send end: %v", err)
	}
	await(t, "the receive end to notice", recv.link.mismatched)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := recv.Recv(ctx); !errors.Is(err, ErrMismatch) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive end: %v", err)
	}
	if recv.Stats().Refused == 0 {
		t.Error("no refusal was counted")
	}
}
