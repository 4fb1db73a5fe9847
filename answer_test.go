package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestBidirectional(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			t.Run(fmt.Sprintf("%v/jpeg=%s", pattern, c), func(t *testing.T) {
				recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: c, BidirectionalMode: true})
				ctx := testContext(t)
				round := func() Reply {
					t.Helper()
					r, err := send.SendArray(ctx, testArray(0, "uint8", 8, 8, 3), nil)
					if err != nil {
						t.Fatal(err)
					}
					f, err := recv.Recv(ctx)
					if err != nil {
						t.Fatal(err)
					}
					f.Close()
					return r
				}
				if r := round(); r.PythonType != "NoneType" || !r.Data.IsNone() {
					t.Errorf("before SetReturnData: %+v", r)
				}
				for _, data := range []any{"s", 7, 1.5, true, []int{1}, map[string]int{"a": 1}, Tuple{1, 2}, nil} {
					if err := recv.SetReturnData(data); err != nil {
						t.Fatal(err)
					}
					want, _ := asJSON.encodeMessage(data)
					if r := round(); r.Data.String() != want.String() || r.Array != nil {
						t.Errorf("%v came back as %+v", data, r)
					}
				}
				a := testArray(5, "uint8", 24, 16, 3)
				for range 2 {
					if err := recv.SetReturnData(a); err != nil {
						t.Fatal(err)
					}
				}
				want := a.Data
				if c != JPEGOff {
					want = throughCodec(t, &recv.link.settings, a)
				}
				for range 3 {
					if r := round(); r.PythonType != "ndarray" || r.Array == nil || !bytes.Equal(r.Array.Data, want) || !slices.Equal(r.Array.Shape, a.Shape) {
						t.Errorf("the array came back as %s %v", r.PythonType, r.Array)
					}
				}
			})
		}
	}
}

func TestReturnNeedsItsMode(t *testing.T) {
	recv, send := openPair(t, Options{})
	if err := recv.SetReturnData(1); !errors.Is(err, ErrMode) {
		t.Errorf("plain mode: %v", err)
	}
	if err := send.SetReturnData(1); !errors.Is(err, ErrMode) {
		t.Errorf("send end: %v", err)
	}
}

// The context of Respond ends with Close, which waits for it.
func TestCloseEndsRespond(t *testing.T) {
	called, ended := make(chan struct{}), make(chan error, 1)
	recv, send := openPair(t, Options{BidirectionalMode: true}, func(r, _ *Options) {
		r.Respond = func(ctx context.Context, _ *Frame) (any, error) {
			close(called)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}
	})
	ctx, cancel := context.WithCancel(testContext(t))
	sent := make(chan error, 1)
	go func() { sent <- second(send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil)) }()
	<-called
	recv.Close()
	select {
	case err := <-ended:
		if err != context.Canceled {
			t.Error(err)
		}
	default:
		t.Error("Close did not wait for Respond")
	}
	if n := recv.Stats().NoData; n != 1 {
		t.Errorf("%d counted", n)
	}
	cancel()
	<-sent
}

// A PAIR receive end whose queue is full reads ahead. When the connection of such
// a frame has ended, its answer must not go to the next connection, where it would
// be taken for the answer to another frame.
func TestNoAnswerGoesToAnotherConnection(t *testing.T) {
	recv, send := openPair(t, Options{BidirectionalMode: true, RequestTimeout: time.Second, MaxRetries: 1, QueueFrames: 1}, func(r, s *Options) {
		s.Attach, r.Attach = AttachBind, AttachConnect
		r.RequestTimeout = testTimeout
		r.Respond = func(_ context.Context, f *Frame) (any, error) { return f.Message.Value(), nil }
	})
	ctx := testContext(t)
	a := testArray(0, "uint8", 4, 4)
	if _, err := send.SendArray(ctx, a, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := send.SendArray(ctx, a, 2); !errors.Is(err, ErrPeerGone) {
		t.Fatalf("the queue is full, and a frame was answered: %v", err)
	}
	early := recv.Stats().QueueBytes
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		await(t, "the third frame to be read", func() bool { return recv.Stats().QueueBytes > early })
		for range 3 {
			mustRecv(t, recv, ctx).Close()
		}
	}()
	reply, err := send.SendArray(ctx, a, 3)
	if got := frameNumber(reply.Data); err != nil || got != 3 {
		t.Errorf("frame 3 has the answer to %d, %v", got, err)
	}
	<-taken
}
