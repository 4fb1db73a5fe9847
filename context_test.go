package netgear

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// Every blocking call ends with its context, for any reason of waiting.
func TestContextEndsEveryWait(t *testing.T) {
	for _, pattern := range allPatterns {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		if _, err := recv.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: Recv: %v", pattern, err)
		}
		cancel()
		if _, err := recv.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: Recv with a context that has ended: %v", pattern, err)
		}
	}
	for _, pattern := range []Pattern{Pair, ReqRep} {
		nobody := newBare(t, zmq4.PUSH, nil) // accepts the connection and sends nothing useful
		for name, o := range map[string]Options{
			"no peer":       {Address: "127.0.0.1", Port: peertest.ClosedPort(t), Pattern: pattern},
			"another kind":  {Address: "127.0.0.1", Port: nobody.port(), Pattern: pattern},
			"bound, nobody": {Address: "127.0.0.1", Port: "0", Attach: AttachBind, Pattern: pattern},
		} {
			send := mustNew(t, o)
			for range 2 { // the first leaves an exchange unfinished
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
				if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v, %s: Send: %v", pattern, name, err)
				}
				cancel()
			}
		}
	}
}

// The wait for another send call also ends with the context.
func TestContextEndsTheWaitForATurn(t *testing.T) {
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peertest.ClosedPort(t)})
	first := make(chan error, 1)
	go func() {
		_, err := send.SendArray(context.Background(), testArray(0, "uint8", 2, 2), nil)
		first <- err
	}()
	await(t, "the first Send to take its turn", func() bool { return len(send.send.sendMu) == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second: %v", err)
	}
	send.Close()
	if err := <-first; !errors.Is(err, ErrClosed) {
		t.Errorf("the first, after Close: %v", err)
	}
}

// Close from another goroutine ends calls that wait, and is idempotent.
func TestCloseEndsEveryWait(t *testing.T) {
	for _, pattern := range allPatterns {
		t.Run("Recv/"+pattern.String(), func(t *testing.T) {
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
			done := make(chan error, 3)
			for range 3 {
				go func() {
					_, err := recv.Recv(context.Background())
					done <- err
				}()
			}
			await(t, "the callers to wait", func() bool {
				recv.recv.queue.mu.Lock()
				defer recv.recv.queue.mu.Unlock()
				return recv.recv.queue.waiting == 3
			})
			var closers sync.WaitGroup
			for range 3 {
				closers.Go(func() {
					recv.Close()
				})
			}
			closers.Wait()
			for range 3 {
				if err := <-done; !errors.Is(err, ErrClosed) {
					t.Errorf("got %v", err)
				}
			}
			for range recv.Frames(context.Background()) {
				t.Error("a closed end has frames")
			}
		})
		t.Run("Send/"+pattern.String(), func(t *testing.T) {
			send := mustNew(t, Options{Address: "127.0.0.1", Port: peertest.ClosedPort(t), Pattern: pattern})
			done := make(chan error, 1)
			go func() {
				var err error
				for err == nil { // PubSub sends without a subscriber until it is closed
					_, err = send.SendArray(context.Background(), testArray(0, "uint8", 200, 200), nil)
				}
				done <- err
			}()
			if pattern != PubSub {
				await(t, "the sender to take its turn", func() bool { return len(send.send.sendMu) == 1 })
			}
			send.Close()
			send.Close()
			if err := <-done; !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
}
