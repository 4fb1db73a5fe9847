package netgear

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// closes fails unless Close returns within the limit.
func closes(t *testing.T, n *NetGear) {
	t.Helper()
	done := make(chan struct{})
	from := startStopwatch()
	go func() {
		defer close(done)
		n.Close()
	}()
	select {
	case <-done:
		endsWithin(t, "Close", from, limit)
	case <-time.After(testTimeout):
		t.Fatalf("Close goes on %v later", testTimeout)
	}
}

// The terminate message of a publisher arrives at a full pipe: libzmq returns
// EAGAIN for it, but still reports room at a PUB socket.
func TestCloseOfAFullPublisher(t *testing.T) {
	for _, bound := range []bool{false, true} {
		t.Run(fmt.Sprintf("bound=%v", bound), func(t *testing.T) {
			recv, send := openPair(t, Options{Pattern: PubSub, JPEGCompression: JPEGOff, QueueFrames: 1}, func(r, s *Options) {
				if bound {
					r.Attach, s.Attach = AttachConnect, AttachBind
				}
			})
			awaitSubscription(t, recv, send)
			// Both ends are closed while frames are being sent.
			frame := testArray(0, "uint8", 1080, 1920, 3)
			for range 3 {
				if _, err := send.SendArray(testContext(t), frame, nil); err != nil {
					t.Fatal(err)
				}
			}
			var gone sync.WaitGroup
			gone.Go(func() { recv.Close() })
			closes(t, send)
			gone.Wait()
		})
	}
}

// Both ends of a raw stream are closed at the same moment, again and again.
func TestBothEndsCloseInMidStream(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 8
	}
	frame := testArray(0, "uint8", 1080, 1920, 3)
	for _, pattern := range allPatterns {
		t.Run(pattern.String(), func(t *testing.T) {
			for range rounds {
				recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: JPEGOff})
				ctx := testContext(t)
				var streaming sync.WaitGroup
				streaming.Go(func() {
					for {
						if _, err := send.SendArray(ctx, frame, nil); err != nil {
							return
						}
					}
				})
				mustRecv(t, recv, ctx).Close()
				var gone sync.WaitGroup
				gone.Go(func() { recv.Close() })
				closes(t, send)
				gone.Wait()
				streaming.Wait()
			}
		})
	}
}

// A receive end is closed while three publishers send small frames as fast as
// they can, with long queues of their own.
func TestCloseAmongFastPublishers(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: PubSub})
	ctx, cancel := context.WithCancel(testContext(t))
	var sending sync.WaitGroup
	for range 3 {
		send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: PubSub, HighWaterMark: 100_000, JPEGCompression: JPEGOff})
		sending.Go(func() {
			for ctx.Err() == nil {
				send.SendArray(ctx, testArray(0, "uint8", 4), nil)
			}
		})
	}
	await(t, "frames to be dropped", func() bool { return recv.Stats().Dropped > 1000 })
	closes(t, recv)
	cancel()
	sending.Wait()
}
