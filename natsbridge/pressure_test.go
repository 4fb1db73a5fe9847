package natsbridge

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/netgeartest"
)

// away returns a connection whose server has been stopped, and a function that
// starts the server again.
func away(t testing.TB) (nc *nats.Conn, start func()) {
	t.Helper()
	dir := t.TempDir()
	port, err := strconv.Atoi(peertest.FreePort(t)) // no other program gets it meanwhile
	must(t, err)
	s := startServer(t, func(o *server.Options) { o.StoreDir, o.Port = dir, port })
	nc = dial(t, s.ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{}))
	stop(s)
	await(t, "the connection is lost", func() bool { return !nc.IsConnected() })
	return nc, func() {
		startServer(t, func(o *server.Options) { o.StoreDir, o.Port = dir, port })
	}
}

// What happens while the server is away is a choice, and every frame is
// accounted for. When the server is back, frames are published again.
func TestBackpressure(t *testing.T) {
	for _, stream := range []string{"", "FRAMES"} {
		for _, choice := range []Backpressure{Block, DropNewest, KeepLatest} {
			t.Run(stream+choice.String(), func(t *testing.T) {
				t.Parallel()
				nc, start := away(t)
				pub := publisher(t, nc, PublisherOptions{Stream: stream, Backpressure: choice, InFlight: 2, Logger: slog.New(slog.DiscardHandler)})
				const frames = 8
				var waited, refused int
				for n := range frames {
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					if choice == Block && n >= 2 {
						cancel()
					}
					switch err := pub.Publish(ctx, "a", jpegFrame(t, n+1)); {
					case errors.Is(err, context.Canceled):
						waited++
					case errors.Is(err, ErrDropped):
						refused++
					case err != nil:
						t.Error(err)
					}
					cancel()
				}
				want := map[Backpressure]PublisherStats{
					Block: {InFlight: 2, Dropped: PublisherDrops{NoRoom: 6}}, DropNewest: {InFlight: 2, Dropped: PublisherDrops{NoRoom: 6}},
					KeepLatest: {InFlight: 2, Waiting: 1, Dropped: PublisherDrops{Replaced: 5}},
				}[choice]
				s := pub.Stats()
				if s.InFlight != want.InFlight || s.Waiting != want.Waiting || s.Dropped != want.Dropped || (choice == Block) != (waited == 6) || (choice == DropNewest) != (refused == 6) {
					t.Errorf("%+v", s)
				}
				start()
				must(t, pub.Flush(within(t)))
				if s := pub.Stats(); s.Frames+s.Dropped.Sum() != frames || s.Dropped != want.Dropped {
					t.Errorf("afterwards: %+v", s)
				}
			})
		}
	}
}

// A server that stays away costs the frames of RetryFor each, and Close does not
// wait for it.
func TestServerStaysAway(t *testing.T) {
	nc, _ := away(t)
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", RetryFor: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	for n := range 5 {
		must(t, pub.Publish(within(t), "a", jpegFrame(t, n+1)))
	}
	must(t, pub.Flush(within(t)))
	if s := pub.Stats(); s.Dropped.Expired != 5 || s.Dropped.Sum() != 5 || !errors.Is(s.LastError, errNotConnected) {
		t.Errorf("%+v", s)
	}
	must(t, pub.Close())
	if err := pub.Publish(within(t), "a", jpegFrame(t, 1)); !errors.Is(err, netgear.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	nc.Close()
	other, err := NewPublisher(nc, PublisherOptions{Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	must(t, other.Publish(within(t), "a", jpegFrame(t, 1)))
	if err := other.Close(); !errors.Is(err, ErrLost) || other.Stats().Dropped.Closed != 1 {
		t.Errorf("a closed connection: %v, %+v", err, other.Stats())
	}
}

// Wrong credentials do not affect the camera, and every frame is accounted for.
// nats.go closes a connection that is refused twice, unless it has the option
// IgnoreAuthErrorAbort.
func TestWrongCredentials(t *testing.T) {
	s := startServer(t, func(o *server.Options) { o.Username, o.Password = "camera", "secret" })
	for _, option := range []nats.Option{func(*nats.Options) error { return nil }, nats.IgnoreAuthErrorAbort()} {
		nc := dial(t, s.ClientURL(), nats.UserInfo("camera", "wrong"), option)
		cameraEnd, in := netgeartest.Pipe(t, netgear.Options{}, netgear.Options{})
		pub := publisher(t, nc, PublisherOptions{Backpressure: KeepLatest, InFlight: 1, RetryFor: 300 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(within(t))
		ended := make(chan error, 1)
		go func() { ended <- pub.Forward(ctx, in, CameraName("a")) }()
		const frames = 20
		for n := range frames {
			_, err := cameraEnd.SendFrame(ctx, jpegFrame(t, n+1), nil)
			must(t, err)
		}
		await(t, "every frame is accounted for", func() bool {
			s := pub.Stats()
			return s.Dropped.Replaced+s.Dropped.Closed+s.Dropped.Expired+uint64(s.InFlight+s.Waiting) == frames
		})
		await(t, "the reason is known", func() bool { return errors.Is(nc.LastError(), nats.ErrAuthorization) })
		if s := pub.Stats(); s.Frames != 0 || !errors.Is(nc.LastError(), nats.ErrAuthorization) {
			t.Errorf("%+v", s)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Forward: %v", err)
		}
	}
}

// A subscriber that does not read, and one whose process has stopped reading its
// socket, affect neither the publisher nor other subscribers.
func TestSlowConsumers(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	pubConn := dial(t, url)
	pub := publisher(t, pubConn, PublisherOptions{})
	const frames = 300
	slow := map[Backpressure]*Subscriber{}
	for _, choice := range []Backpressure{Block, DropNewest, KeepLatest} {
		slow[choice] = liveSub(t, dial(t, url), SubscribeOptions{Backpressure: choice, QueueFrames: 4})
	}
	good := liveSub(t, dial(t, url), SubscribeOptions{Backpressure: Block, QueueFrames: 64})
	for n := range frames {
		must(t, pub.Publish(within(t), "a", rawFrame(t, n+1, 10_000)))
		d := receive(t, good)
		if d.Frame.Stamp.Seq != uint64(n+1) {
			t.Fatalf("frame %d after %d", d.Frame.Stamp.Seq, n)
		}
		d.Close()
	}
	if s := pub.Stats(); s.Frames+uint64(s.InFlight) != frames || s.Dropped.Sum() != 0 {
		t.Errorf("%+v", s)
	}
	wantDrops := map[Backpressure]func(SubscriberDrops) uint64{
		Block:      func(d SubscriberDrops) uint64 { return d.SlowClient },
		DropNewest: func(d SubscriberDrops) uint64 { return d.NoRoom },
		KeepLatest: func(d SubscriberDrops) uint64 { return d.Replaced },
	}
	wantFirst := map[Backpressure]uint64{Block: 1, DropNewest: 1, KeepLatest: frames - 3}
	for choice, s := range slow {
		least := uint64(frames - 4)
		if choice == Block {
			least = frames - 4 - 1 - liveMessages
		}
		await(t, choice.String()+" has dropped the rest", func() bool { return wantDrops[choice](s.Stats().Dropped) >= least })
		if first := receive(t, s).Frame.Stamp.Seq; first != wantFirst[choice] {
			t.Errorf("%v: the first is %d", choice, first)
		}
		if d := s.Stats().Dropped; d.Sum() != wantDrops[choice](d) {
			t.Errorf("%v: %+v", choice, d)
		}
	}
}

// A frame that does not fit is refused, with a name.
func TestTooLarge(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{Memory: true}))
	quiet := slog.New(slog.DiscardHandler)
	for _, o := range []PublisherOptions{
		{MaxFrameBytes: 1000}, {PartBytes: 1024}, {PartBytes: 1024, Stream: "FRAMES"},
	} {
		o.Logger = quiet
		pub := publisher(t, nc, o)
		_ = pub.Publish(within(t), "a", rawFrame(t, 1, 1100_000)) // the count is what is tested
		must(t, pub.Flush(within(t)))
		if s := pub.Stats(); s.Dropped.TooLarge != 1 || s.Dropped.Sum() != 1 || !errors.Is(s.LastError, ErrTooLarge) {
			t.Errorf("%+v: %+v", o, s)
		}
	}
	other := publisher(t, nc, PublisherOptions{Stream: "OTHER", RetryFor: 100 * time.Millisecond, Logger: quiet})
	must(t, other.Publish(within(t), "a", jpegFrame(t, 1)))
	must(t, other.Flush(within(t)))
	if s := other.Stats(); s.Dropped.Rejected != 1 || s.LastError == nil {
		t.Errorf("another stream's subject: %+v", s)
	}
	nowhere := publisher(t, nc, PublisherOptions{Stream: "OTHER", Subject: "nowhere", RetryFor: 100 * time.Millisecond, Logger: quiet})
	must(t, nowhere.Publish(within(t), "a", jpegFrame(t, 1)))
	must(t, nowhere.Flush(within(t)))
	if s := nowhere.Stats(); s.Dropped.Expired != 1 || s.Retries == 0 {
		t.Errorf("no stream: %+v", s)
	}
}
