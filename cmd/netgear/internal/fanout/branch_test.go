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
	b := NewBranch(send, 3, slog.New(slog.DiscardHandler))
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

// A branch without a receiver ends with its context.
func TestBranchWithoutReceiver(t *testing.T) {
	end, err := netgear.New(netgear.Options{Attach: netgear.AttachBind, Address: "127.0.0.1", Port: "0", MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	b := NewBranch(end, 2, slog.New(slog.DiscardHandler))
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
