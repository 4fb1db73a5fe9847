package netgear

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// Respond must not close its frame; if it does, the frame is delivered all the
// same.
func TestRespondClosesItsFrame(t *testing.T) {
	for _, c := range []Colorspace{JPEGOff, JPEGBGR} {
		t.Run(c.String(), func(t *testing.T) {
			recv, send := openPair(t, Options{BidirectionalMode: true, JPEGCompression: c}, func(r, _ *Options) {
				r.Respond = func(_ context.Context, f *Frame) (any, error) {
					f.Close()
					return f, nil
				}
			})
			reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 64, 64, 3), nil)
			if err != nil || reply.Array == nil {
				t.Errorf("%+v, %v", reply, err)
			}
			f := mustRecv(t, recv, testContext(t))
			if len(frameBytes(f)) != 64*64*3 {
				t.Errorf("%d bytes", len(frameBytes(f)))
			}
			f.Close()
			if frameBytes(f) != nil {
				t.Error("the frame is not closed by its owner")
			}
		})
	}
}

// A callback that ends its goroutine, as t.FailNow does, ends the receive end.
func TestGoexitInRespond(t *testing.T) {
	recv, send := openPair(t, Options{BidirectionalMode: true, RequestTimeout: 100 * time.Millisecond, MaxRetries: 1}, func(r, _ *Options) {
		r.Respond = func(context.Context, *Frame) (any, error) {
			runtime.Goexit()
			return nil, nil
		}
	})
	send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil)
	if _, err := recv.Recv(testContext(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Recv: %v", err)
	}
	recv.Close()
	if recv.recv.conn != nil {
		t.Error("the socket is open after Close")
	}
}

// WaitConnected cannot open a socket inside callbacks that run in the place of a
// send call, and reports that.
func TestWaitConnectedInsteadOfASendCall(t *testing.T) {
	o := Options{Address: "127.0.0.1", Port: peertest.FreePort(t), RequestTimeout: 50 * time.Millisecond, MaxRetries: 1, JPEGCompression: JPEGOff}
	ctx := testContext(t)
	waited := make(chan error, 1)
	var send *NetGear
	ahead := o
	opened := make(chan struct{})
	ahead.SendAhead, ahead.OnReply = 2, func(Reply, error) {
		<-opened
		waited <- send.WaitConnected(ctx, 1)
	}
	send = mustNew(t, ahead)
	close(opened)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, ErrCallback) {
		t.Errorf("inside OnReply: %v", err)
	}
	other := mustNew(t, o)
	_, err := other.SendArrayOwned(ctx, testArray(0, "uint8", 2, 2), nil, func() { waited <- other.WaitConnected(ctx, 1) })
	if !errors.Is(err, ErrPeerGone) {
		t.Error(err)
	}
	if err := <-waited; !errors.Is(err, ErrCallback) {
		t.Errorf("inside a release function: %v", err)
	}
}

// A send end opens no socket after Close.
func TestNoSocketAfterClose(t *testing.T) {
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peertest.ClosedPort(t)})
	send.Close()
	send.send.upkeep(context.Background(), nil)
	if c := send.send.conn; c != nil {
		c.Shut(0)
		t.Error("a socket after Close")
	}
}

// A PAIR peer that rejects a frame before it has arrived whole: the call returns
// only when libzmq no longer reads the caller's memory.
func TestRejectedBeforeItArrived(t *testing.T) {
	peer := newBare(t, zmq4.PAIR, nil)
	proxy := peertest.NewProxy(t, peertest.Listen(t, "127.0.0.1:0"), "127.0.0.1:"+peer.port())
	send := mustNew(t, Options{Address: "127.0.0.1", Port: proxy.Port, JPEGCompression: JPEGOff, RequestTimeout: time.Second, MaxRetries: 2})
	awaitPeers(t, send, 1)
	a := testArray(1, "uint8", 4000, 4000, 3)
	want := bytes.Clone(a.Data)
	proxy.Hold(1 << 20)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		proxy.AwaitHeld(t)
		peer.send([]byte(rejectedText + "x ! no"))
	}()
	if _, err := send.SendArray(testContext(t), a, nil); !errors.Is(err, ErrRejected) && !errors.Is(err, ErrPeerGone) {
		t.Error(err)
	}
	if send.send.tracker.Pending() {
		t.Error("libzmq still reads the caller's memory")
	}
	<-sent
	clear(a.Data)
	proxy.Release()
	if parts := peer.recv(time.Second); len(parts) == 2 && !bytes.Equal(parts[1], want) {
		t.Error("the peer got what was written after the call")
	}
}

// A frame that was sent, and is dropped without Close, is freed by the garbage
// collector: the application has no view of its memory.
func TestSentFrameIsCollected(t *testing.T) {
	recv, send := openPair(t, Options{})
	before, _ := zmsg.Live()
	func() {
		f, err := NewFrame(testArray(0, "uint8", 300, 300), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := send.SendFrame(testContext(t), f, nil); err != nil {
			t.Fatal(err)
		}
		mustRecv(t, recv, testContext(t)).Close()
	}()
	await(t, "the frame to be freed", func() bool {
		runtime.GC()
		live, _ := zmsg.Live()
		return live <= before
	})
}

// A socket that could not change an endpoint stays stale after a failed call.
func TestStaleSocketStaysStale(t *testing.T) {
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peertest.ClosedPort(t), Pattern: PubSub})
	x := &send.send.frame
	send.send.conn.stale = true // as follow sets it
	x.ctx = context.Background()
	x.recover(errors.New("connect failed"))
	if !send.send.conn.stale {
		t.Error("stale is forgotten")
	}
}

// Error texts quote a bounded part of what they are about.
func TestErrorsAreBounded(t *testing.T) {
	_, err := NewFrame(Array{DType: strings.Repeat("x", 1<<20), Shape: []int{1}, Data: []byte{1}}, nil)
	if !errors.Is(err, ErrFrame) || len(err.Error()) > 1000 {
		t.Errorf("%d bytes", len(err.Error()))
	}
}
