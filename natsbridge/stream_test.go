package natsbridge

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
)

// record publishes frames of a camera, and waits until the stream has them.
func record(t testing.TB, p *Publisher, camera string, frames ...*netgear.Frame) {
	t.Helper()
	for _, f := range frames {
		must(t, p.Publish(within(t), camera, f))
	}
	must(t, p.Flush(within(t)))
	if s := p.Stats(); s.Dropped.Sum() != 0 {
		t.Fatalf("%+v", s)
	}
}

// inStream returns a stream as JetStream describes it.
func inStream(t testing.TB, nc *nats.Conn, name string) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	s, err := js.Stream(within(t), name)
	must(t, err)
	return s
}

// source returns a StreamSource of the default stream.
func source() StreamSource { return StreamSource{Stream: "FRAMES"} }

// What was recorded is replayed, from a time, in order, with frames in parts.
func TestReplay(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{MaxAge: time.Hour, MaxBytes: 64 << 20}))
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: 2000})
	small, big, other := jpegFrame(t, 1), rawFrame(t, 2, 9000), jpegFrame(t, 3)
	record(t, pub, "a", small, big)
	before := time.Now()
	record(t, pub, "b", other)

	all := subscriber(t)(Replay(within(t), nc, ReplayOptions{StreamSource: source(), Speed: math.Inf(1)}))
	for _, want := range []*netgear.Frame{small, big} {
		equal(t, receive(t, all), "a", want)
	}
	d := receive(t, all)
	equal(t, d, "b", other)
	if d.Stored.Before(before.Add(-time.Second)) || d.StreamSeq != 7 {
		t.Errorf("stored at %v as %d", d.Stored, d.StreamSeq)
	}
	if _, err := all.Recv(within(t)); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if s := all.Stats(); s.Dropped.Sum() != 0 || s.Frames != 3 {
		t.Errorf("%+v", s)
	}

	o := ReplayOptions{StreamSource: source(), From: d.Stored, Follow: true}
	late := subscriber(t)(Replay(within(t), nc, o))
	equal(t, receive(t, late), "b", other)
	record(t, pub, "a", rawFrame(t, 4, 3000))
	equal(t, receive(t, late), "a", rawFrame(t, 4, 3000))

	o.Cameras, o.Follow, o.From = []string{"none"}, false, time.Time{}
	if _, err := subscriber(t)(Replay(within(t), nc, o)).Recv(within(t)); !errors.Is(err, io.EOF) {
		t.Errorf("without a frame: %v", err)
	}
}

// The clock keeps the distances of the recording, divided by the speed.
func TestPace(t *testing.T) {
	at := time.Unix(1000, 0)
	c := clock{speed: 2}
	must(t, c.wait(t.Context(), nil, at))
	begin := c.zero
	must(t, c.wait(t.Context(), nil, at.Add(100*time.Millisecond)))
	if passed := time.Since(begin); passed < 50*time.Millisecond {
		t.Errorf("the frame comes after %v", passed)
	}
	// A caller that was late gets the next ones in their distances.
	c.zero = c.zero.Add(-time.Hour)
	must(t, c.wait(t.Context(), nil, at.Add(200*time.Millisecond)))
	if late := time.Since(c.zero.Add(100 * time.Millisecond)); late > time.Minute {
		t.Errorf("still %v late", late)
	}
	closing := make(chan struct{})
	close(closing)
	if err := c.wait(t.Context(), closing, at.Add(time.Hour)); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// A stream with the latest frames has one of each camera, whole, also in parts.
func TestLatest(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{LatestOnly: true, Memory: true}))
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: 2000})
	last := rawFrame(t, 9, 5000)
	record(t, pub, "a", jpegFrame(t, 1), rawFrame(t, 2, 9000), rawFrame(t, 8, 5000), last)
	record(t, pub, "b", rawFrame(t, 3, 7000), jpegFrame(t, 4))

	watch := subscriber(t)(Watch(within(t), nc, WatchOptions{source()}))
	equal(t, receive(t, watch), "a", last)
	equal(t, receive(t, watch), "b", jpegFrame(t, 4))
	record(t, pub, "b", rawFrame(t, 5, 4000))
	equal(t, receive(t, watch), "b", rawFrame(t, 5, 4000))

	d, err := Last(within(t), nc, WatchOptions{source()}, "a")
	must(t, err)
	defer d.Close()
	equal(t, d, "a", last)
	if _, err := Last(within(t), nc, WatchOptions{source()}, "c"); !errors.Is(err, ErrNoFrame) {
		t.Errorf("no camera: %v", err)
	}
	info, err := inStream(t, nc, "FRAMES").Info(within(t), jetstream.WithSubjectFilter(">"))
	must(t, err)
	for subject, n := range info.State.Subjects {
		if n != 1 {
			t.Errorf("%d messages on %s", n, subject)
		}
	}
}

// While a frame in parts is read, newer ones replace it: what is read is always
// one frame.
func TestLatestWhileReplaced(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{LatestOnly: true, Memory: true}))
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: 2000})
	record(t, pub, "a", rawFrame(t, 1, 9000))
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for n := 2; ; n++ {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if err := pub.Publish(t.Context(), "a", rawFrame(t, n, 9000)); err != nil {
				t.Error(err)
			}
		}
	})
	watch := subscriber(t)(Watch(within(t), nc, WatchOptions{source()}))
	newest := uint64(0)
	for range 20 {
		d, err := Last(within(t), nc, WatchOptions{source()}, "a")
		must(t, err)
		equal(t, d, "a", rawFrame(t, int(d.Frame.Stamp.Seq), 9000))
		d.Close()
		w := receive(t, watch)
		equal(t, w, "a", rawFrame(t, int(w.Frame.Stamp.Seq), 9000))
		if w.Frame.Stamp.Seq <= newest {
			t.Errorf("frame %d after %d", w.Frame.Stamp.Seq, newest)
		}
		newest = w.Frame.Stamp.Seq
	}
	close(done)
	running.Wait()
	if s := watch.Stats().Dropped; s.Sum() != s.Replaced {
		t.Errorf("%+v", s)
	}
}

// A frame that is published twice, by the same or another Publisher, is stored
// once, whole or in parts.
func TestDuplicates(t *testing.T) {
	for _, partBytes := range []int{0, 2000} {
		nc := dial(t, startServer(t, nil).ClientURL())
		must(t, EnsureStream(within(t), nc, StreamOptions{Memory: true}))
		o := PublisherOptions{Stream: "FRAMES", PartBytes: partBytes}
		a, b := publisher(t, nc, o), publisher(t, nc, o)
		record(t, a, "a", rawFrame(t, 1, 5000))
		record(t, b, "a", rawFrame(t, 1, 5000), rawFrame(t, 2, 5000))
		record(t, a, "a", rawFrame(t, 2, 5000))
		if a, b := a.Stats(), b.Stats(); a.Duplicates != 1 || b.Duplicates != 1 || a.Frames != 2 || b.Frames != 2 {
			t.Errorf("%+v %+v", a, b)
		}
		sub := subscriber(t)(Replay(within(t), nc, ReplayOptions{StreamSource: source(), Speed: math.Inf(1)}))
		got := []uint64{}
		for d, err := range sub.Deliveries(within(t)) {
			must(t, err)
			got = append(got, d.Frame.Stamp.Seq)
			d.Close()
		}
		if fmt.Sprint(got) != "[1 2]" {
			t.Errorf("stored: %v", got)
		}
	}
}

// A frame whose worker ends goes to another, and one that was acknowledged to
// none.
func TestWork(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{}))
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: 2000})
	record(t, pub, "a", jpegFrame(t, 1), rawFrame(t, 2, 9000), jpegFrame(t, 3))
	o := WorkOptions{StreamSource: source(), Name: "w", AckWait: 500 * time.Millisecond}
	dead := subscriber(t)(Work(within(t), dial(t, nc.ConnectedUrl()), o))
	first, second := receive(t, dead), receive(t, dead)
	equal(t, first, "a", jpegFrame(t, 1))
	equal(t, second, "a", rawFrame(t, 2, 9000))
	must(t, first.Ack(within(t)))

	other := subscriber(t)(Work(within(t), nc, o)) // second is never acknowledged
	d := receive(t, other)
	equal(t, d, "a", jpegFrame(t, 3))
	for range 3 { // it may take as long as it likes
		must(t, d.InProgress())
	}
	d.Close() // without Ack: again, at once
	seen := map[uint64]uint64{}
	for range 2 {
		d := receive(t, other)
		seen[d.Frame.Stamp.Seq] = d.Delivered
		must(t, d.Ack(within(t)))
		must(t, d.Ack(within(t))) // has no effect
	}
	if seen[2] != 2 || seen[3] != 2 {
		t.Errorf("deliveries by frame: %v", seen)
	}
	stream := inStream(t, nc, "FRAMES")
	c, err := stream.Consumer(within(t), "w")
	must(t, err)
	await(t, "every frame is acknowledged", func() bool {
		info, err := c.Info(within(t))
		must(t, err)
		return info.NumAckPending == 0 && info.NumPending == 0
	})
	if s := other.Stats(); s.Redelivered != 2 || s.Frames != 3 || s.Dropped.Sum() != 0 {
		t.Errorf("%+v", s)
	}
}

// A frame that is refused or dropped has a named count, and does not affect the
// next ones.
func TestFullStream(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{MaxBytes: 20_000, DiscardNew: true, Memory: true}))
	for _, partBytes := range []int{0, 2000} {
		pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: partBytes})
		for n := range 6 {
			must(t, pub.Publish(within(t), "a", rawFrame(t, n+1, 6000)))
		}
		must(t, pub.Flush(within(t)))
		s := pub.Stats()
		if s.Dropped.StreamFull == 0 || s.Dropped.Sum() != s.Dropped.StreamFull || s.Frames+s.Dropped.StreamFull != 6 || s.LastError == nil {
			t.Errorf("%+v", s)
		}
	}
	// All parts of a frame are stored, or none.
	sub := subscriber(t)(Replay(within(t), nc, ReplayOptions{StreamSource: source(), Speed: math.Inf(1)}))
	for d, err := range sub.Deliveries(within(t)) {
		must(t, err)
		d.Close()
	}
	if s := sub.Stats(); s.Dropped.Sum() != 0 || s.Frames < 3 {
		t.Errorf("%+v", s)
	}
}

// Deletion by size may leave the rest of a frame in the stream. It is counted,
// and the next ones are replayed.
func TestIncompleteInStream(t *testing.T) {
	nc := dial(t, startServer(t, nil).ClientURL())
	must(t, EnsureStream(within(t), nc, StreamOptions{Memory: true}))
	pub := publisher(t, nc, PublisherOptions{Stream: "FRAMES", PartBytes: 2000})
	record(t, pub, "a", rawFrame(t, 1, 9000), rawFrame(t, 2, 9000))
	must(t, inStream(t, nc, "FRAMES").Purge(within(t), jetstream.WithPurgeSequence(3)))
	for name, open := range map[string]func() (*Subscriber, error){
		"replay": func() (*Subscriber, error) {
			return Replay(within(t), nc, ReplayOptions{StreamSource: source()})
		},
		"work": func() (*Subscriber, error) {
			return Work(within(t), nc, WorkOptions{StreamSource: source(), Name: "w"})
		},
	} {
		sub := subscriber(t)(open())
		equal(t, receive(t, sub), "a", rawFrame(t, 2, 9000))
		if s := sub.Stats(); s.Dropped.Incomplete != 1 || s.Dropped.Sum() != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
