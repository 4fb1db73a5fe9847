package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
)

// recorded returns a connection to a server whose stream has frames 1 to n.
func recorded(t testing.TB, n int, o PublisherOptions) *nats.Conn {
	t.Helper()
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{}))
	o.Stream = "FRAMES"
	pub := publisher(t, nc, o)
	for i := range n {
		record(t, pub, "a", rawFrame(t, i+1, 3000))
	}
	return nc
}

// A call of Recv whose context ends costs no frame: the next call returns it.
func TestEndedRecvLosesNothing(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{}))
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES"})
	for n := range 3 {
		record(t, pub, "a", jpegFrame(t, n+1))
		time.Sleep(200 * time.Millisecond) // the pace of the recording
	}
	sub := subscriber(t)(Replay(within(t), nc, ReplayOptions{StreamSource: source()}))
	for n := 1; n <= 3; n++ {
		for {
			ctx, cancel := context.WithTimeout(within(t), 20*time.Millisecond)
			d, err := sub.Recv(ctx)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				continue
			}
			if err != nil {
				t.Fatalf("instead of frame %d: %v, %+v", n, err, sub.Stats())
			}
			equal(t, d, "a", jpegFrame(t, n))
			d.Close()
			break
		}
	}
	if _, err := sub.Recv(within(t)); err != io.EOF { //nolint:errorlint // the very error
		t.Errorf("at the end: %v", err)
	}
}

// After Close, and with a context that has ended, Recv returns no frame.
func TestRecvAfterClose(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	pub := publisher(t, nc, PublisherOptions{})
	sub := liveSub(t, nc, SubscribeOptions{})
	for n := range 8 {
		must(t, pub.Publish(within(t), "a", jpegFrame(t, n+1)))
	}
	await(t, "all frames wait", func() bool { return sub.Stats().Queue == 8 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 4 {
		if d, err := sub.Recv(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("the context has ended: %v, %v", d, err)
		}
	}
	must(t, sub.Close())
	must(t, sub.Close())
	for range 4 {
		if d, err := sub.Recv(within(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, %v", d, err)
		}
	}
}

// A connection that is closed for good ends the calls that wait for it.
func TestClosedConnection(t *testing.T) {
	url := recorded(t, 1, PublisherOptions{}).ConnectedUrl()
	for name, open := range map[string]func(*nats.Conn) (*Subscriber, error){
		"subscribe": func(nc *nats.Conn) (*Subscriber, error) { return Subscribe(nc, SubscribeOptions{}) },
		"watch": func(nc *nats.Conn) (*Subscriber, error) {
			return Watch(within(t), nc, WatchOptions{StreamSource{Stream: "FRAMES", Cameras: []string{"b"}}})
		},
		"work": func(nc *nats.Conn) (*Subscriber, error) {
			return Work(within(t), nc, WorkOptions{StreamSource: StreamSource{Stream: "FRAMES", Cameras: []string{"b"}}, Name: "w"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			nc := dial(t, url)
			sub := subscriber(t)(open(nc))
			result := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), limit/3)
			defer cancel()
			go func() {
				_, err := sub.Recv(ctx)
				result <- err
			}()
			nc.Close()
			if err := <-result; !errors.Is(err, nats.ErrConnectionClosed) {
				t.Errorf("%v; %+v", err, sub.Stats())
			}
		})
	}
}

// Ack is repeated if it failed, and reports that a frame has been returned.
func TestAckAgain(t *testing.T) {
	nc := recorded(t, 2, PublisherOptions{})
	work := subscriber(t)(Work(within(t), nc, WorkOptions{StreamSource: source(), Name: "w"}))
	d := receive(t, work)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if err := d.Ack(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended: %v", err)
		}
	}
	must(t, d.Ack(within(t)))
	must(t, d.Ack(within(t)))
	d.Close()
	must(t, d.Ack(within(t)))
	d = receive(t, work)
	d.Close()
	if err := d.Ack(within(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	d = receive(t, work)
	if d.Delivered != 2 {
		t.Errorf("delivery %d", d.Delivered)
	}
	must(t, d.Term())
	if err := d.Ack(within(t)); err == nil {
		t.Error("Ack after Term")
	}
}

// Last does not wait for ever for parts that have been deleted.
func TestLastIncomplete(t *testing.T) {
	for _, latest := range []bool{false, true} {
		nc := dial(t, startServer(t, nil).ClientURL())
		must(t, EnsureStream(within(t), nc, StreamOptions{Memory: true, LatestOnly: latest}))
		record(t, publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: 2000}), "a", rawFrame(t, 1, 9000))
		must(t, inStream(t, nc, "FRAMES").DeleteMsg(within(t), 1))
		must(t, inStream(t, nc, "FRAMES").DeleteMsg(within(t), 2))
		ctx, cancel := context.WithTimeout(t.Context(), limit/3)
		defer cancel()
		if d, err := Last(ctx, nc, WatchOptions{source()}, "a"); err == nil || ctx.Err() != nil {
			t.Errorf("latest only %v: %v, %v", latest, d, err)
		}
	}
}

// A recording whose last frames are deleted while it is replayed ends.
func TestReplayOfDeletedFrames(t *testing.T) {
	nc := recorded(t, 12, PublisherOptions{})
	sub := subscriber(t)(Replay(within(t), nc, ReplayOptions{StreamSource: source(), Speed: math.Inf(1)}))
	receive(t, sub)
	must(t, inStream(t, nc, "FRAMES").Purge(within(t)))
	ctx, cancel := context.WithTimeout(t.Context(), limit/3)
	defer cancel()
	for {
		d, err := sub.Recv(ctx)
		if err == io.EOF { //nolint:errorlint // the very error
			break
		}
		if err != nil {
			t.Fatalf("%v; %+v", err, sub.Stats())
		}
		d.Close()
	}
}

// A stream that is deleted ends Recv, also while it fetches parts.
func TestDeletedStream(t *testing.T) {
	for _, latest := range []bool{false, true} {
		for _, parts := range []int{0, 1024} {
			for _, kind := range []string{"follow", "watch", "work"} {
				t.Run(fmt.Sprint(kind, parts, latest), func(t *testing.T) {
					t.Parallel()
					nc := dial(t, startServer(t, nil).ClientURL())
					must(t, EnsureStream(within(t), nc, StreamOptions{Memory: true, LatestOnly: latest}))
					pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: parts})
					for n := range 6 {
						record(t, pub, fmt.Sprint("c", n), rawFrame(t, n+1, 3000))
					}
					var sub *Subscriber
					var err error
					switch kind {
					case "follow":
						sub, err = Replay(within(t), nc, ReplayOptions{StreamSource: source(), Speed: math.Inf(1), Follow: true})
					case "watch":
						sub, err = Watch(within(t), nc, WatchOptions{source()})
					default:
						sub, err = Work(within(t), nc, WorkOptions{StreamSource: source(), Name: "w", Prefetch: 4})
					}
					must(t, err)
					defer sub.Close()
					receive(t, sub)
					js, err := newJetStream(nc, "")
					must(t, err)
					must(t, js.DeleteStream(within(t), "FRAMES"))
					ctx, cancel := context.WithTimeout(t.Context(), limit/2)
					defer cancel()
					for {
						d, err := sub.Recv(ctx)
						if err != nil {
							if !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrConsumerDeleted) {
								t.Errorf("%v, %+v", err, sub.Stats())
							}
							break
						}
						d.Close()
					}
				})
			}
		}
	}
}

// A header has no more text than this format permits, so that incomplete frames
// take no more memory than their parts.
func TestLongHeaders(t *testing.T) {
	for _, name := range []string{hdrDType, hdrColorspace, hdrMessage} {
		h := good()
		h.Set(hdrEncoding, "jpeg")
		h.Set(name, strings.Repeat("1", maxHeaderMessage+1))
		if _, err := parse(h, 12, 1000); !errors.Is(err, errHeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Large messages that wait in the client library are bounded in bytes.
func TestWaitingMessages(t *testing.T) {
	for maxPayload, want := range map[int64]int{0: 256, 1 << 20: 256, 8 << 20: 32, 64 << 20: 8} {
		if n := waitingMessages(maxPayload); n != want {
			t.Errorf("max_payload %d: %d messages instead of %d", maxPayload, n, want)
		}
	}
}

// A small JPEG with many pixels is larger than the limit, too.
func TestDecodedSize(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	sub := liveSub(t, nc, SubscribeOptions{Limits: Limits{MaxFrameBytes: 64*48*3 - 1}})
	pub := publisher(t, nc, PublisherOptions{})
	must(t, pub.Publish(within(t), "a", jpegFrame(t, 1)))
	must(t, pub.Publish(within(t), "a", rawFrame(t, 2, 100)))
	equal(t, receive(t, sub), "a", rawFrame(t, 2, 100))
	if s := sub.Stats(); s.Dropped.TooLarge != 1 || s.Dropped.Sum() != 1 {
		t.Errorf("%+v", s)
	}
}

// Close reports no loss of a frame for which Publish has returned ErrClosed.
func TestCloseWhileBlocked(t *testing.T) {
	nc, _ := away(t)
	pub := publisher(t, nc, PublisherOptions{InFlight: 1, RetryFor: 200 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	must(t, pub.Publish(within(t), "a", jpegFrame(t, 1)))
	refused := make(chan error, 1)
	go func() { refused <- pub.Publish(within(t), "a", jpegFrame(t, 2)) }()
	await(t, "the second frame waits", func() bool { return pub.Stats().InFlight == 2 })
	closed := pub.Close()
	if err := <-refused; !errors.Is(err, ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
	// The first is lost, if RetryFor does not end before.
	s := pub.Stats()
	if n := s.Dropped.Closed; s.Dropped.Sum() != 1 || n > 0 != errors.Is(closed, ErrLost) {
		t.Errorf("Close: %v; %+v", closed, s)
	}
}

// A frame of another Subject is not taken for one of this.
func TestNestedSubjects(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	sub := liveSub(t, nc, SubscribeOptions{Subject: "frames"})
	must(t, publisher(t, nc, PublisherOptions{Subject: "frames.site"}).Publish(within(t), "1", jpegFrame(t, 1)))
	must(t, nc.PublishMsg(&nats.Msg{Subject: "frames.x.+1", Header: good(), Data: make([]byte, 12)}))
	must(t, publisher(t, nc, PublisherOptions{}).Publish(within(t), "2", jpegFrame(t, 2)))
	equal(t, receive(t, sub), "2", jpegFrame(t, 2))
	if s := sub.Stats(); s.Dropped.BadHeader != 1 || s.Dropped.Foreign != 1 {
		t.Errorf("%+v", s)
	}
}

// Frames of a stream that was deleted and created again are not left out
// silently: the Subscriber ends.
func TestStreamCreatedAgain(t *testing.T) {
	t.Parallel()
	nc := recorded(t, 6, PublisherOptions{})
	sub := subscriber(t)(Replay(within(t), nc, ReplayOptions{StreamSource: source(), Speed: math.Inf(1), Follow: true}))
	for range 6 {
		receive(t, sub)
	}
	js, err := newJetStream(nc, "")
	must(t, err)
	must(t, js.DeleteStream(within(t), "FRAMES"))
	must(t, EnsureStream(within(t), nc, StreamOptions{}))
	record(t, publisher(t, nc, PublisherOptions{Stream: "FRAMES"}), "a", jpegFrame(t, 1))
	ctx, cancel := context.WithTimeout(t.Context(), limit/2)
	defer cancel()
	if d, err := sub.Recv(ctx); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("%v, %v; %+v", d, err, sub.Stats())
	}
}

// The zero values and nil do not panic.
func TestNil(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	var none context.Context
	pub := publisher(t, nc, PublisherOptions{})
	sub := subscriber(t)(Subscribe(nc, SubscribeOptions{}))
	d := &Delivery{}
	for name, call := range map[string]func() error{
		"publish":  func() error { return pub.Publish(none, "a", nil) },
		"zero":     func() error { return pub.Publish(within(t), "a", &netgear.Frame{}) },
		"flush":    func() error { return pub.Flush(none) },
		"forward":  func() error { return pub.Forward(within(t), nil, nil) },
		"forward2": func() error { return pub.Forward(none, nil, nil) },
		"send":     func() error { return sub.SendTo(within(t), nil) },
		"recv":     func() error { return second(sub.Recv(none)) },
		"ack":      func() error { return d.Ack(none) },
		"nak":      func() error { return d.Nak(0) },
		"progress": d.InProgress,
		"term":     d.Term,
		"last":     func() error { return second(Last(none, nc, WatchOptions{source()}, "a")) },
		"last nc":  func() error { return second(Last(within(t), nil, WatchOptions{source()}, "a")) },
		"ensure":   func() error { return EnsureStream(none, nc, StreamOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := call(); err == nil {
				t.Error("no error")
			}
		})
	}
	must(t, d.Close())
	must(t, (*Delivery)(nil).Close())
}

// A camera that is named twice is received once.
func TestCamerasTwice(t *testing.T) {
	nc := recorded(t, 1, PublisherOptions{})
	twice := []string{"a", "b", "a"}
	live := liveSub(t, nc, SubscribeOptions{Cameras: twice})
	stored := subscriber(t)(Replay(within(t), nc, ReplayOptions{StreamSource: StreamSource{Stream: "FRAMES", Cameras: twice}}))
	pub := publisher(t, nc, PublisherOptions{})
	for n := range 2 {
		must(t, pub.Publish(within(t), "a", jpegFrame(t, n+2)))
		equal(t, receive(t, live), "a", jpegFrame(t, n+2))
	}
	equal(t, receive(t, stored), "a", rawFrame(t, 1, 3000))
}
