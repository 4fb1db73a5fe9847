package netgear

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// endings are how a callback ends other than by returning.
var endings = map[string]func(){
	"Goexit": runtime.Goexit,
	"panic":  func() { panic("the application's") },
}

// recovered calls f in a goroutine that f may end, and blocks until it has
// ended. It returns what f panicked with.
func recovered(t *testing.T, f func()) (panicked any) {
	t.Helper()
	return peertest.Ends(t, testTimeout, "the call", f)
}

// panicking is a value of the application's whose own methods end the call.
type panicking struct{ end func() }

func (p panicking) MarshalJSON() ([]byte, error) { p.end(); return nil, nil }
func (p panicking) EncodeMsgpack() ([]byte, error) {
	p.end()
	return nil, nil
}
func (p panicking) MarshalMsgpack() ([]byte, error) { p.end(); return nil, nil }

// panickingPicture is such a picture.
type panickingPicture struct{ end func() }

func (p panickingPicture) ColorModel() color.Model { return color.RGBAModel }
func (p panickingPicture) Bounds() image.Rectangle { return image.Rect(0, 0, 9, 9) }
func (p panickingPicture) At(x, y int) color.Color { p.end(); return color.Black }

// The application's code ends the goroutine of the call that runs it, or panics
// and the caller recovers. The end stays usable, release functions are called
// once, and Close ends.
func TestCallbacksThatEndTheCall(t *testing.T) {
	array := testArray(0, "uint8", 16, 16, 3)
	for name, o := range map[string]Options{
		"ReqRep": {Pattern: ReqRep, BidirectionalMode: true}, "Pair": {Pattern: Pair, JPEGCompression: JPEGOff}, "PubSub": {Pattern: PubSub},
		"Ahead": {Pattern: ReqRep, SendAhead: 1}, "Latest": {Pattern: ReqRep, SendLatest: true}, "Async": {Pattern: PushPull, Wire: AsyncWire},
	} {
		for how, end := range endings {
			t.Run(name+"/"+how, func(t *testing.T) {
				ahead, latest := o.SendAhead, o.SendLatest
				o := o
				o.SendAhead, o.SendLatest = 0, false
				recv, send := openPair(t, o, func(_, s *Options) { s.SendAhead, s.SendLatest = ahead, latest })
				awaitPeers(t, send, 1)
				ctx := testContext(t)
				releases := atomic.Int32{}
				for range 3 {
					recovered(t, func() { send.SendArray(ctx, array, panicking{end}) })
					recovered(t, func() { send.SendArray(ctx, array, map[string]any{"a": panicking{end}}) })
					recovered(t, func() { send.SendImage(ctx, panickingPicture{end}, nil) })
					if o.Pattern != PubSub && ahead == 0 && !latest { // else another goroutine calls it
						recovered(t, func() { send.SendArrayOwned(ctx, array, nil, func() { releases.Add(1); end() }) })
					}
					recovered(t, func() {
						send.SendArrayOwned(ctx, Array{DType: "nonsense"}, nil, func() { releases.Add(1); end() })
					})
				}
				want := int32(6)
				if o.Pattern == PubSub || ahead > 0 || latest {
					want = 3
				}
				if n := releases.Load(); n != want {
					t.Errorf("%d release functions were called, of %d", n, want)
				}
				if o.BidirectionalMode {
					recovered(t, func() { recv.SetReturnData(panicking{end}) })
					if err := recv.SetReturnData("fine"); err != nil {
						t.Error(err)
					}
				}
				sending, stop := context.WithCancel(ctx)
				sent := make(chan error, 1)
				go func() {
					var err error
					for err == nil {
						_, err = send.SendArray(sending, array, "after it")
						time.Sleep(time.Millisecond) // its pace
					}
					sent <- err
				}()
				recovered(t, func() {
					for f, err := range recv.Frames(ctx) {
						if err != nil {
							t.Error(err)
							return
						}
						f.Close()
						end()
					}
				})
				f, err := recv.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				stop()
				if err := <-sent; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				closesInTime(t, send)
				closesInTime(t, recv)
			})
		}
	}
}

// A callback ends the goroutine of the library's that calls it
// (runtime.Goexit). The callbacks that follow are called as if it had returned,
// and Close ends.
func TestCallbacksThatEndTheirGoroutine(t *testing.T) {
	const frames = 5
	ctx := testContext(t)
	array := testArray(0, "uint8", 16, 16, 3)
	t.Run("OnEvent", func(t *testing.T) {
		var calls atomic.Int32
		recv, send := openPair(t, Options{}, func(_, s *Options) {
			s.RequestTimeout, s.MaxRetries = 20*time.Millisecond, 2
			s.OnEvent = func(Event) { calls.Add(1); runtime.Goexit() }
		})
		awaitPeers(t, send, 1)
		await(t, "the first event", func() bool { return calls.Load() > 0 })
		before := calls.Load()
		recv.Close()
		await(t, "an event after it", func() bool { return calls.Load() > before })
		closesInTime(t, send)
	})
	for name, o := range map[string]Options{
		"release, PubSub": {Pattern: PubSub, JPEGCompression: JPEGOff}, "release, PubSub, JPEG": {Pattern: PubSub},
		"ahead, ReqRep": {Pattern: ReqRep, SendAhead: 2, JPEGCompression: JPEGOff}, "ahead, Pair": {Pattern: Pair, SendAhead: 2, JPEGCompression: JPEGOff},
		"ahead, PubSub": {Pattern: PubSub, SendAhead: 2, JPEGCompression: JPEGOff}, "latest": {Pattern: ReqRep, SendLatest: true, JPEGCompression: JPEGOff},
		"latest, JPEG": {Pattern: ReqRep, SendLatest: true},
	} {
		t.Run(name, func(t *testing.T) {
			ahead, latest := o.SendAhead, o.SendLatest
			o := o
			o.SendAhead, o.SendLatest = 0, false
			var releases, replies atomic.Int32
			recv, send := openPair(t, o, func(r, s *Options) {
				r.Latest = true
				s.SendAhead, s.SendLatest = ahead, latest
				if ahead > 0 || latest {
					s.OnReply = func(Reply, error) { replies.Add(1); runtime.Goexit() }
				}
			})
			awaitPeers(t, send, 1)
			for range frames {
				recovered(t, func() {
					send.SendArrayOwned(ctx, array, nil, func() { releases.Add(1); runtime.Goexit() })
				})
			}
			if ahead > 0 || latest {
				if err := send.Flush(ctx); err != nil {
					t.Error(err)
				}
				if n := replies.Load(); n != frames && !(latest && n > 0) {
					t.Errorf("%d of %d frames have a reply", n, frames)
				}
			}
			if s := send.Stats(); s.Queue != 0 || s.QueueBytes != 0 {
				t.Errorf("%d frames are in the queue, %d bytes", s.Queue, s.QueueBytes)
			}
			closesInTime(t, send)
			if n := releases.Load(); n != frames {
				t.Errorf("%d of %d frames are released", n, frames)
			}
			closesInTime(t, recv)
		})
	}
}

// Callbacks of one end that block do not stop another end of the process. When
// they go on, so does theirs.
func TestCallbacksThatBlock(t *testing.T) {
	ctx := testContext(t)
	open := make(chan struct{})
	armed := &atomic.Bool{}
	logger := slog.New(peertest.LogHook(func() {
		if armed.Load() {
			<-open
		}
	}))
	recv, send := openPair(t, Options{BidirectionalMode: true}, func(r, s *Options) {
		r.Logger, s.Logger = logger, logger
		r.OnEvent = func(Event) { <-open }
		s.OnEvent = func(Event) { <-open }
		r.Respond = func(context.Context, *Frame) (any, error) { <-open; return nil, errors.New("to be logged") }
	})
	armed.Store(true)
	go send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil)
	for _, secure := range []SecureMode{Grasslands, IronHouse} {
		o := Options{SecureMode: secure}
		if secure != Grasslands {
			o.CustomCertLocation = keyFolder(t)
		}
		_, other := openPair(t, o)
		for i := range 3 {
			if _, err := other.SendArray(ctx, testArray(0, "uint8", 2, 2), fmt.Sprint(i)); err != nil {
				t.Errorf("%v: %v", secure, err)
			}
		}
	}
	closed := make(chan struct{})
	go func() {
		send.Close()
		recv.Close()
		close(closed)
	}()
	close(open)
	select {
	case <-closed:
	case <-time.After(testTimeout):
		t.Fatal("Close blocks")
	}
}
