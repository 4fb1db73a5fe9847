package netgear

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// Frames of senders that have disconnected wait for a slow receiver, and none
// is lost.
func TestPullKeepsWhatGoneSendersLeft(t *testing.T) {
	const frames = 200 // of 192 KB: more than inflowSlack in all
	recv := mustNew(t, Options{ReceiveMode: true, Pattern: PushPull, Wire: AsyncWire, Address: "127.0.0.1", Port: "0",
		QueueFrames: 1, HighWaterMark: 1000, MaxFrameBytes: 1 << 20, TerminatePolicy: KeepWaiting})
	ctx := testContext(t)
	for s := range 2 {
		send := mustNew(t, Options{Pattern: PushPull, Wire: AsyncWire, Address: "127.0.0.1", Port: recv.Port(), HighWaterMark: 1000, RequestTimeout: 10 * time.Second})
		a := testArray(s, "uint8", 256, 256, 3)
		for i := range frames {
			if _, err := send.SendArray(ctx, a, fmt.Sprint(s, " ", i)); err != nil {
				t.Fatal(err)
			}
		}
		send.Close()
	}
	await(t, "the senders to be gone", func() bool { return recv.Stats().Lost == 2 })
	for range 2 * frames {
		mustRecv(t, recv, ctx).Close()
	}
	if s := recv.Stats(); s.Flooded != 0 || s.Retries != 0 {
		t.Errorf("%+v", s)
	}
}

// A frame that the receive end has dropped while the send end is being closed is
// the only one that is reported as lost.
func TestCloseAfterARejectedFrame(t *testing.T) {
	recv, send := openPair(t, Options{BidirectionalMode: true, JPEGCompression: JPEGBGR}, func(r, s *Options) {
		r.MaxFrameBytes, r.TerminatePolicy = 1<<20, KeepWaiting
		r.Respond = func(context.Context, *Frame) (any, error) { time.Sleep(100 * time.Millisecond); return nil, nil } // so that Close finds the rest in the queue
		s.SendAhead = 4
	})
	ctx := testContext(t)
	small, large := testArray(0, "uint8", 64, 64, 3), testArray(0, "uint8", 2000, 2000, 3)
	clear(large.Data)
	for _, a := range []Array{small, large, small, small} {
		if _, err := send.SendArray(ctx, a, nil); err != nil {
			t.Fatal(err)
		}
	}
	err := send.Close()
	var lost *LostError
	if !errors.As(err, &lost) || lost.Frames != 1 || !errors.Is(err, ErrRejected) {
		t.Errorf("%v", err)
	}
	if s := recv.Stats(); s.Frames != 3 {
		t.Errorf("%+v", s)
	}
}
