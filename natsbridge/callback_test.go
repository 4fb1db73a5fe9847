package natsbridge

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/netgeartest"
)

// hook is a handler that calls a function for each line.
type hook func()

func (hook) Enabled(context.Context, slog.Level) bool    { return true }
func (h hook) Handle(context.Context, slog.Record) error { h(); return nil }
func (h hook) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h hook) WithGroup(string) slog.Handler             { return h }

// ends fails the test if f does not end. f may end its goroutine, or panic.
func ends(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s does not end", what)
	}
}

// A Logger that blocks, ends its goroutine or calls the Publisher holds up no
// frame and no other call.
func TestLoggers(t *testing.T) {
	nc, _ := away(t)
	open := make(chan struct{})
	var pub *Publisher
	for name, log := range map[string]hook{
		"blocks":              func() { <-open },
		"ends its goroutine":  func() { runtime.Goexit() },
		"calls the Publisher": func() { pub.Stats(); _ = pub.Flush(context.Background()) },
		"publishes another":   func() { _ = pub.Publish(context.Background(), "b", nil) },
	} {
		var err error
		pub, err = NewPublisher(nc, PublisherOptions{InFlight: 1, RetryFor: 20 * time.Millisecond, Logger: slog.New(log)})
		must(t, err)
		ends(t, name+": Publish", func() {
			for n := range 3 {
				if err := pub.Publish(within(t), "a", jpegFrame(t, n+1)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		ends(t, name+": Flush", func() {
			if err := pub.Flush(within(t)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		ends(t, name+": Stats", func() {
			if s := pub.Stats(); s.Dropped.Expired != 3 || s.InFlight != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
		if name == "blocks" {
			close(open)
		}
		ends(t, name+": Close", func() { must(t, pub.Close()) })
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
			ends(t, "Forward", func() {
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
		ends(t, "Deliveries", func() {
			for d, err := range sub.Deliveries(ctx) {
				if err == nil {
					d.Close()
				}
				end()
			}
		})
		ends(t, "Frames", func() {
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
