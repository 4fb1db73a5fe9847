package natsbridge

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/netgeartest"
)

// A Logger that blocks, ends its goroutine or calls the Publisher holds up no
// frame and no other call.
func TestLoggers(t *testing.T) {
	nc, _ := away(t)
	open := make(chan struct{})
	var pub *Publisher
	for name, log := range map[string]peertest.LogHook{
		"blocks":              func() { <-open },
		"ends its goroutine":  func() { runtime.Goexit() },
		"calls the Publisher": func() { pub.Stats(); _ = pub.Flush(context.Background()) },
		"publishes another":   func() { _ = pub.Publish(context.Background(), "b", nil) },
	} {
		var err error
		pub, err = NewPublisher(nc, PublisherOptions{InFlight: 1, RetryFor: 20 * time.Millisecond, Logger: slog.New(log)})
		must(t, err)
		peertest.Ends(t, limit, name+": Publish", func() {
			for n := range 3 {
				if err := pub.Publish(within(t), "a", jpegFrame(t, n+1)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		peertest.Ends(t, limit, name+": Flush", func() {
			if err := pub.Flush(within(t)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		peertest.Ends(t, limit, name+": Stats", func() {
			if s := pub.Stats(); s.Dropped.Expired != 3 || s.InFlight != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
		if name == "blocks" {
			close(open)
		}
		peertest.Ends(t, limit, name+": Close", func() { must(t, pub.Close()) })
	}
}

// Forward closes the frame for which the application's function panics, or ends
// the goroutine. Another call of Forward continues.
func TestForwardFunctions(t *testing.T) {
	ctx := within(t)
	nc := dial(t, startServer(t, nil).ClientURL())
	for name, end := range map[string]func(){"panic": func() { panic("the application's") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			camera, in := netgeartest.Pipe(t, netgear.Options{}, netgear.Options{})
			pub := publisher(t, nc, PublisherOptions{})
			_, err := camera.SendFrame(ctx, jpegFrame(t, 1), nil)
			must(t, err)
			var frame *netgear.Frame
			peertest.Ends(t, limit, "Forward", func() {
				_ = pub.Forward(ctx, in, func(f *netgear.Frame) string { frame = f; end(); return "a" })
			})
			if _, err := frame.Bytes(); !errors.Is(err, netgear.ErrFrame) {
				t.Errorf("the frame is not closed: %v", err)
			}
			_, err = camera.SendFrame(ctx, jpegFrame(t, 2), nil)
			must(t, err)
			must(t, camera.Close())
			must(t, pub.Forward(ctx, in, CameraName("a")))
			if s := pub.Stats(); s.Frames+uint64(s.InFlight) != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The body of a loop over frames panics, or ends its goroutine. The Subscriber
// continues.
func TestLoopBodies(t *testing.T) {
	ctx := within(t)
	nc := dial(t, startServer(t, nil).ClientURL())
	sub := liveSub(t, nc, SubscribeOptions{})
	pub := publisher(t, nc, PublisherOptions{})
	n := 0
	for _, end := range []func(){func() { panic("the application's") }, runtime.Goexit} {
		for range 2 {
			n++
			must(t, pub.Publish(ctx, "a", jpegFrame(t, n)))
		}
		peertest.Ends(t, limit, "Deliveries", func() {
			for d, err := range sub.Deliveries(ctx) {
				if err == nil {
					d.Close()
				}
				end()
			}
		})
		peertest.Ends(t, limit, "Frames", func() {
			for f, err := range sub.Frames(ctx) {
				if err == nil {
					f.Close()
				}
				end()
			}
		})
	}
	must(t, pub.Publish(ctx, "a", jpegFrame(t, n+1)))
	equal(t, receive(t, sub), "a", jpegFrame(t, n+1))
}
