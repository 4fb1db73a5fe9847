package fanout

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/netgeartest"
)

func frame(t *testing.T, n int) *netgear.Frame {
	t.Helper()
	f, err := netgear.NewFrame(netgear.Array{DType: "uint8", Shape: []int{1, 1}, Data: []byte{byte(n)}}, n)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A full queue drops its oldest frames and counts them. A frame with a message
// of its own keeps it. The rest is sent after End.
func TestBranch(t *testing.T) {
	send, recv := netgeartest.Pipe(t, netgear.Options{JPEGCompression: netgear.JPEGOff}, netgear.Options{})
	b := NewBranch(send, Limits{Frames: 3, Bytes: 1 << 20}, slog.New(slog.DiscardHandler))
	for i := range 5 {
		b.Put(Item{Frame: frame(t, i)})
	}
	b.End()
	b.Put(Item{Frame: frame(t, 9)})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Run(ctx, ctx); err != nil {
			t.Error(err)
		}
	})
	for want := 2; want < 5; want++ {
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Message.Value(); got != int64(want) {
			t.Errorf("frame %v, want %d", got, want)
		}
		f.Close()
	}
	running.Wait()
	if c := b.Counts(); c.Sent != 3 || c.Dropped != 3 || c.Lost != 0 || c.Queue != 0 {
		t.Errorf("%+v", c)
	}
}

// Frames that take more memory than the queue may have push out the oldest ones. A
// single larger frame is accepted.
func TestBranchBytes(t *testing.T) {
	send, _ := netgeartest.Pipe(t, netgear.Options{}, netgear.Options{})
	b := NewBranch(send, Limits{Frames: 100, Bytes: 1000}, slog.New(slog.DiscardHandler))
	for i, c := range []struct {
		bytes int64
		queue int
		all   int64
	}{{400, 1, 400}, {600, 2, 1000}, {1, 2, 601}, {399, 3, 1000}, {5000, 1, 5000}, {1, 1, 1}, {999, 2, 1000}, {1000, 1, 1000}} {
		b.Put(Item{Frame: frame(t, i), Bytes: c.bytes})
		if len(b.queue) != c.queue || b.bytes != c.all {
			t.Errorf("frame %d of %d bytes: %d frames wait, of %d bytes; want %d of %d", i, c.bytes, len(b.queue), b.bytes, c.queue, c.all)
		}
	}
	if c := b.Counts(); c.Dropped != 7 {
		t.Errorf("%+v", c)
	}
	if item, ok, err := b.next(t.Context()); !ok || err != nil || item.Bytes != 1000 || b.bytes != 0 {
		t.Errorf("%+v %t %v, %d bytes wait", item, ok, err, b.bytes)
	} else {
		item.Frame.Close()
	}
}

// A branch without a receiver ends with its context.
func TestBranchWithoutReceiver(t *testing.T) {
	end, err := netgear.New(netgear.Options{Attach: netgear.AttachBind, Address: "127.0.0.1", Port: "0", MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	b := NewBranch(end, Limits{Frames: 2, Bytes: 1 << 20}, slog.New(slog.DiscardHandler))
	for i := range 4 {
		b.Put(Item{Frame: frame(t, i)})
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, ctx) }()
	peertest.Await(t, 30*time.Second, "the first to be under way", func() bool { return b.Counts().Queue <= 1 })
	cancel()
	if err := <-done; err == nil {
		t.Error("it ends without an error")
	}
	if c := b.Counts(); c.Sent != 0 || c.Dropped != 3 || c.Lost != 1 {
		t.Errorf("%+v", c)
	}
}
