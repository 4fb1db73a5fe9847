package natsbridge

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/netgeartest"
)

// liveSub returns a Subscriber whose subscription the server has.
func liveSub(t testing.TB, nc *nats.Conn, o SubscribeOptions) *Subscriber {
	t.Helper()
	s := subscriber(t)(Subscribe(nc, o))
	must(t, nc.FlushWithContext(within(t)))
	return s
}

// A frame from a receive end goes through core NATS into a send end.
func TestBridge(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	cameraEnd, in := netgeartest.Pipe(t, netgear.Options{Stamp: true}, netgear.Options{Stamp: true})
	out, viewer := netgeartest.Pipe(t, netgear.Options{Stamp: true}, netgear.Options{Stamp: true})
	sub := liveSub(t, dial(t, url), SubscribeOptions{})
	pub := publisher(t, dial(t, url), PublisherOptions{})
	errs := make(chan error, 2)
	ctx := within(t)
	go func() { errs <- pub.Forward(ctx, in, CameraName("door")) }()
	go func() { errs <- sub.SendTo(ctx, out) }()
	sent := jpegFrame(t, 1)
	for n := range 3 {
		_, err := cameraEnd.SendFrame(ctx, sent, stamped(n+1, map[string]any{"n": n}))
		must(t, err)
		got, err := viewer.Recv(ctx)
		must(t, err)
		if string(got.JPEG()) != string(sent.JPEG()) || got.Stamp == nil || got.Stamp.Seq != uint64(n+1) || got.Stamp.Sender != stamped(n+1, 0).Sender || !got.Stamp.Time.Equal(stamped(n+1, 0).At) {
			t.Errorf("frame %d arrives as %v with the stamp %v", n, got.Message, got.Stamp)
		}
		got.Close()
	}
	must(t, cameraEnd.Close())
	if err := <-errs; err != nil {
		t.Errorf("Forward: %v", err)
	}
	must(t, sub.Close())
	if err := <-errs; err != ErrClosed { //nolint:errorlint // the very error
		t.Errorf("SendTo: %v", err)
	}
	must(t, pub.Flush(ctx)) // a frame counts when the server has confirmed it
	if p, s := pub.Stats(), sub.Stats(); p.Frames != 3 || s.Frames != 3 || p.Dropped.Sum()+s.Dropped.Sum() != 0 {
		t.Errorf("%+v %+v", p, s)
	}
}

// Everything a frame has arrives, in one message and in parts.
func TestFrames(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	long := make([]string, 2000)
	msgpack, err := netgear.MessageFromMsgpack([]byte("\x81\xa1a\x92\x01\xc4\x03\x01\x02\x03"))
	must(t, err)
	array := netgear.Array{DType: "float32", Shape: []int{50, 60, 2}, Data: make([]byte, 50*60*2*4)}
	frames := map[string]func() (*netgear.Frame, error){
		"jpeg":         func() (*netgear.Frame, error) { return netgear.NewJPEGFrame(photo(3), stamped(1, "é\n")) },
		"array":        func() (*netgear.Frame, error) { return netgear.NewFrame(array, stamped(2, nil)) },
		"no stamp":     func() (*netgear.Frame, error) { return netgear.NewFrame(array, 1.5) },
		"long message": func() (*netgear.Frame, error) { return netgear.NewFrame(array, stamped(4, long)) },
		"msgpack":      func() (*netgear.Frame, error) { return netgear.NewFrame(array, stamped(5, msgpack)) },
	}
	for _, partBytes := range []int{0, 5000} {
		sub := liveSub(t, dial(t, url), SubscribeOptions{Cameras: []string{"c1", "c2"}})
		pub := publisher(t, dial(t, url), PublisherOptions{PartBytes: partBytes})
		for name, create := range frames {
			t.Run(name, func(t *testing.T) {
				f, err := create()
				must(t, err)
				defer f.Close()
				must(t, pub.Publish(within(t), "c2", f))
				equal(t, receive(t, sub), "c2", f)
			})
		}
		if s := sub.Stats(); s.Dropped.Sum() != 0 || s.Partial != 0 || partBytes > 0 == (s.Messages == s.Frames) {
			t.Errorf("%+v", s)
		}
	}
}
