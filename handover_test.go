package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// owned returns an array whose memory is overwritten when it is released; back
// counts the releases.
func owned(i int, back *atomic.Int32, shape ...int) (Array, func()) {
	a := testArray(i, "uint8", shape...)
	return a, func() {
		clear(a.Data)
		back.Add(1)
	}
}

// Owned memory arrives unchanged and is released exactly once, in every
// pattern, raw and as JPEG, with and without SendAhead. If it can no longer be
// read, it is released before the call returns.
func TestSendArrayOwned(t *testing.T) {
	for _, pattern := range allPatterns {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			for _, ahead := range []int{0, 2} {
				t.Run(fmt.Sprintf("%v/jpeg=%s/ahead=%d", pattern, c, ahead), func(t *testing.T) {
					recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: c, HighWaterMark: 100}, func(r, s *Options) { s.SendAhead = ahead })
					if pattern == PubSub {
						awaitSubscription(t, recv, send)
					}
					ctx := testContext(t)
					const frames = 12
					var back [frames]atomic.Int32
					for i := range frames {
						want := testArray(i, "uint8", 200, 300, 3)
						if c != JPEGOff {
							want.Data = throughCodec(t, &send.link.settings, want)
						}
						a, release := owned(i, &back[i], 200, 300, 3)
						if _, err := send.SendArrayOwned(ctx, a, i, release); err != nil {
							t.Fatal(err)
						}
						if early := c != JPEGOff || pattern != PubSub && ahead == 0; early && back[i].Load() != 1 {
							t.Errorf("frame %d was given back %d times when the call returned", i, back[i].Load())
						}
						f := mustRecv(t, recv, ctx)
						if !bytes.Equal(frameBytes(f), want.Data) {
							t.Errorf("frame %d arrived changed", i)
						}
						f.Close()
					}
					if err := send.Close(); err != nil {
						t.Error(err)
					}
					for i := range back {
						if n := back[i].Load(); n != 1 {
							t.Errorf("frame %d was given back %d times", i, n)
						}
					}
				})
			}
		}
	}
}

// For any reason of failure, the memory is released before the call returns.
func TestSendArrayOwnedThatFails(t *testing.T) {
	for _, ahead := range []int{0, 1} {
		recv, send := openPair(t, Options{JPEGCompression: JPEGOff}, func(r, s *Options) { s.SendAhead = ahead })
		nobody := mustNew(t, Options{Address: "127.0.0.1", Port: "1", JPEGCompression: JPEGOff, SendAhead: ahead, RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
		if ahead > 0 {
			fill(t, nobody)
		}
		closed := mustNew(t, Options{Address: "127.0.0.1", Port: "1", SendAhead: ahead})
		closed.Close()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		good := testArray(0, "uint8", 100, 100)
		for name, c := range map[string]struct {
			n       *NetGear
			ctx     context.Context
			a       Array
			message any
			want    error
		}{
			"a receive end":        {recv, testContext(t), good, nil, ErrMode},
			"no array":             {send, testContext(t), Array{}, nil, ErrFrame},
			"no message":           {send, testContext(t), good, make(chan int), ErrMessage},
			"closed":               {closed, testContext(t), good, nil, ErrClosed},
			"a context that ended": {send, ended, good, nil, context.Canceled},
			"nobody there":         {nobody, brief(t), good, nil, context.DeadlineExceeded},
		} {
			back := 0
			if _, err := c.n.SendArrayOwned(c.ctx, c.a, c.message, func() { back++ }); !errors.Is(err, c.want) || back != 1 {
				t.Errorf("%s, ahead=%d: given back %d times: %v", name, ahead, back, err)
			}
		}
	}
}

// A subscriber that reads nothing blocks no call, and keeps no more memory than
// documented. Close releases all of it.
func TestOwnedFramesOfASlowSubscriber(t *testing.T) {
	for _, hwm := range []int{1, 4} {
		for _, ahead := range []int{0, 2} {
			for _, subscribers := range []int{1, 3} {
				t.Run(fmt.Sprintf("hwm=%d/ahead=%d/subscribers=%d", hwm, ahead, subscribers), func(t *testing.T) {
					send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: PubSub, JPEGCompression: JPEGOff, HighWaterMark: hwm, SendAhead: ahead})
					for range subscribers {
						slow := newBare(t, zmq4.SUB, nil)
						slow.SetRcvhwm(1)
						slow.SetRcvbuf(4096)
						if err := slow.Connect(send.Endpoints()[0]); err != nil {
							t.Fatal(err)
						}
						slow.warm(send)
					}
					ctx := testContext(t)
					var back atomic.Int32
					const frames = 60
					for i := range frames {
						a, release := owned(i, &back, 1000, 1000, 3)
						if _, err := send.SendArrayOwned(ctx, a, nil, release); err != nil {
							t.Fatal(err)
						}
						time.Sleep(time.Millisecond) // so that it is not libzmq's thread that is slow
					}
					if err := send.Flush(ctx); err != nil {
						t.Fatal(err)
					}
					bound := (hwm+1)*subscribers + ahead
					await(t, "libzmq to let go of what is dropped", func() bool { return send.send.buffers.InUse() <= bound })
					send.Close()
					if n := back.Load(); n != frames {
						t.Errorf("%d of %d given back after Close", n, frames)
					}
				})
			}
		}
	}
}

// A publisher that sends nothing more keeps no memory.
func TestOwnedFramesGoBackWithoutACall(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: PubSub, JPEGCompression: JPEGOff})
	awaitSubscription(t, recv, send)
	ctx := testContext(t)
	back := make(chan bool, 1)
	a := testArray(0, "uint8", 500, 500)
	if _, err := send.SendArrayOwned(ctx, a, nil, func() { back <- true }); err != nil {
		t.Fatal(err)
	}
	mustRecv(t, recv, ctx).Close()
	select {
	case <-back:
	case <-ctx.Done():
		t.Error("the memory was not given back")
	}
}
