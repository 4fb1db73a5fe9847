package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
	wirebytes "github.com/vidgear-go/netgear/internal/zmtp"
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

// What a PAIR receive end that connects has not answered when its connection ends
// is not answered over the next connection.
func TestNoAnswerGoesToTheNextConnection(t *testing.T) {
	l := peertest.Listen(t, "127.0.0.1:0").(*net.TCPListener)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	called, lost := make(chan struct{}), make(chan struct{})
	recv := mustNew(t, Options{
		ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: port, BidirectionalMode: true,
		Respond: func(_ context.Context, f *Frame) (any, error) {
			if frameNumber(f.Message) == 1 {
				close(called)
				<-lost
			}
			return f.Message.Value(), nil
		},
	})
	c := acceptPair(t, l)
	io.WriteString(c, pairFrame(1))
	<-called
	io.WriteString(c, pairFrame(2)) // it is not read before the connection ends
	c.Close()
	await(t, "the loss", func() bool { return recv.Stats().Lost == 1 })
	close(lost)

	c = acceptPair(t, l)
	defer c.Close()
	io.WriteString(c, pairFrame(3))
	_, answer, err := wirebytes.ReadFrame(c)
	if err != nil || !bytes.Contains(answer, []byte(`"data": 3`)) {
		t.Errorf("frame 3 has the answer %s, %v", answer, err)
	}
	for i := range 3 {
		f := mustRecv(t, recv, testContext(t))
		if got := frameNumber(f.Message); got != i+1 {
			t.Errorf("frame %d came instead of %d", got, i+1)
		}
		f.Close()
	}
}

// acceptPair accepts a connection as a PAIR peer.
func acceptPair(t *testing.T, l *net.TCPListener) net.Conn {
	t.Helper()
	l.SetDeadline(time.Now().Add(testTimeout))
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("no connection: %v", err)
	}
	c.SetDeadline(time.Now().Add(testTimeout))
	if err := shakeHands(c, "PAIR"); err != nil {
		t.Fatal(err)
	}
	return c
}

// pairFrame returns the bytes of a frame with a number as its message.
func pairFrame(number int) string {
	header := fmt.Sprintf(`{"terminate_flag": false, "compression": false, "message": %d, "pattern": "0", "dtype": "uint8", "shape": [1, 1, 3]}`, number)
	return wirebytes.Frame(wirebytes.More, header) + wirebytes.Frame(0, "abc")
}
