// Package fanout sends the frames of one stream to several ends. Each has a
// queue of its own, so that a slow one loses only its own frames.
package fanout

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/loglimit"
)

// Item is a frame for a branch, and the message to send with it.
type Item struct {
	Frame   *netgear.Frame // the branch closes it
	Message any
	Bytes   int64 // the memory of the frame
}

// Limits bounds the queue of a branch. A single frame of more bytes is accepted.
type Limits struct {
	Frames int
	Bytes  int64
}

// Branch sends frames to one end.
type Branch struct {
	end    *netgear.NetGear
	limits Limits
	logger *slog.Logger

	mu    sync.Mutex
	queue []Item
	bytes int64 // of queue
	ended bool  // no frame follows
	more  chan struct{}
	limit loglimit.Limiter // of the lines about losses

	sent, dropped, lost atomic.Uint64
}

// NewBranch returns a branch whose queue has these limits.
func NewBranch(end *netgear.NetGear, limits Limits, logger *slog.Logger) *Branch {
	return &Branch{end: end, limits: limits, logger: logger, more: make(chan struct{}, 1)}
}

// Put queues a frame, which the branch owns from then on. At a full queue it
// drops the oldest frames. It never waits.
func (b *Branch) Put(item Item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		item.Frame.Close()
		b.dropped.Add(1)
		return
	}
	for len(b.queue) > 0 && (len(b.queue) >= b.limits.Frames || b.bytes+item.Bytes > b.limits.Bytes) {
		b.removeFirst().Frame.Close()
		b.dropped.Add(1)
	}
	b.queue = append(b.queue, item)
	b.bytes += item.Bytes
	b.wake()
}

// removeFirst removes the first item. b.mu must be held.
func (b *Branch) removeFirst() Item {
	item := b.queue[0]
	b.queue = slices.Delete(b.queue, 0, 1)
	b.bytes -= item.Bytes
	return item
}

// End ends the stream: Run returns after the last queued frame.
func (b *Branch) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.wake()
}

func (b *Branch) wake() {
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// Run sends the queued frames until End, or until ctx ends. The exchange that is
// under way then is bounded by late, and the queued frames are dropped. A frame
// that cannot be sent is counted and logged, and the next one follows.
func (b *Branch) Run(ctx, late context.Context) error {
	defer b.discard()
	for {
		item, ok, err := b.next(ctx)
		if err != nil || !ok {
			return err
		}
		err = b.send(late, item)
		item.Frame.Close()
		switch {
		case err == nil:
		case errors.Is(err, netgear.ErrClosed) || late.Err() != nil:
			b.lost.Add(1)
			return err
		default:
			b.lost.Add(1)
			b.report(err)
		}
	}
}

func (b *Branch) send(ctx context.Context, item Item) error {
	_, err := b.end.SendFrame(ctx, item.Frame, item.Message)
	if err == nil {
		b.sent.Add(1)
	}
	return err
}

// next waits for a frame. It returns false after the last.
func (b *Branch) next(ctx context.Context) (Item, bool, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Item{}, false, err
		}
		b.mu.Lock()
		if len(b.queue) > 0 {
			item := b.removeFirst()
			b.mu.Unlock()
			return item, true, nil
		}
		ended := b.ended
		b.mu.Unlock()
		if ended {
			return Item{}, false, nil
		}
		select {
		case <-b.more:
		case <-ctx.Done():
		}
	}
}

// report logs a loss, at most once a second.
func (b *Branch) report(err error) {
	b.limit.Log(b.logger, slog.LevelWarn, "a frame could not be passed on", "error", err, "lost", b.lost.Load())
}

// discard drops what is queued, and refuses further frames.
func (b *Branch) discard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for _, item := range b.queue {
		item.Frame.Close()
		b.dropped.Add(1)
	}
	b.queue, b.bytes = nil, 0
}

// Counts are the counts of a branch.
type Counts struct {
	Sent    uint64 // frames sent
	Bytes   uint64 // their bytes on the wire
	Dropped uint64 // frames that were dropped because the queue was full, or at the end
	Lost    uint64 // frames that could not be sent
	Queue   int    // frames that wait
	Peers   int    // connected peers
}

// Counts returns the counts of the branch.
func (b *Branch) Counts() Counts {
	b.mu.Lock()
	queue := len(b.queue)
	b.mu.Unlock()
	s := b.end.Stats()
	return Counts{Sent: b.sent.Load(), Bytes: s.Bytes, Dropped: b.dropped.Load(), Lost: b.lost.Load(), Queue: queue, Peers: s.Connected}
}
