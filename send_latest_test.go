package netgear

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// latestPair opens two ends with a proxy between them, which holds back what is
// sent.
func latestPair(t *testing.T, o Options) (recv, send *NetGear, proxy *peertest.Proxy) {
	t.Helper()
	recv = mustNew(t, Options{ReceiveMode: true, Pattern: o.Pattern, Address: "127.0.0.1", Port: "0", JPEGCompression: o.JPEGCompression, Stamp: o.Stamp})
	proxy = newProxy(t, "127.0.0.1:0", recv)
	o.Address, o.Port, o.SendLatest = "127.0.0.1", proxy.Port, true
	send = mustNew(t, o)
	awaitPeers(t, send, 1)
	return recv, send, proxy
}

// TestSendLatest sends frames faster than the network takes them. The first and
// the last arrive, and the caller's memory is free as documented.
func TestSendLatest(t *testing.T) {
	ctx := testContext(t)
	for _, compression := range []Colorspace{JPEGOff, JPEGDefault} {
		for _, pattern := range []Pattern{Pair, ReqRep} {
			t.Run(fmt.Sprint(pattern, " jpeg=", compression == JPEGDefault), func(t *testing.T) {
				recv, send, proxy := latestPair(t, Options{Pattern: pattern, JPEGCompression: compression, Stamp: true})
				var released atomic.Int32
				calls := []func(a Array, i int) error{
					func(a Array, i int) error { _, err := send.SendArray(ctx, a, i); return err },
					func(a Array, i int) error {
						_, err := send.SendArrayOwned(ctx, Array{DType: a.DType, Shape: a.Shape, Data: bytes.Clone(a.Data)}, i, func() { released.Add(1) })
						return err
					},
				}
				for round, call := range calls {
					proxy.Hold(0)
					a := testArray(round, "uint8", 48, 64, 3)
					want := bytes.Clone(a.Data)
					for i := range 6 {
						copy(a.Data, testArray(10*round+i, "uint8", 48, 64, 3).Data)
						if i == 5 {
							copy(want, a.Data)
						}
						if err := call(a, i); err != nil {
							t.Fatal(err)
						}
						if i == 0 {
							proxy.AwaitHeld(t)
						}
						clear(a.Data)
					}
					if s := send.Stats(); s.Skipped != uint64(4*(round+1)) || s.Queue != 2 {
						t.Errorf("%d skipped, %d in the queue", s.Skipped, s.Queue)
					}
					proxy.Release()
					for _, i := range []int{0, 5} {
						f := mustRecv(t, recv, testContext(t))
						var got int
						if err := f.Message.Decode(&got); err != nil || got != i {
							t.Errorf("frame %d, want %d: %v", got, i, err)
						}
						if pixels, err := f.Bytes(); err != nil || i == 5 && compression == JPEGOff && !bytes.Equal(pixels, want) {
							t.Errorf("frame %d has other pixels: %v", i, err)
						}
						f.Close()
					}
					if err := send.Flush(ctx); err != nil {
						t.Fatal(err)
					}
				}
				if s := recv.Stats(); s.Missed != 0 {
					t.Errorf("%d frames count as missed, which were never sent", s.Missed)
				}
				if s := send.Stats(); s.Queue != 0 || s.QueueBytes != 0 {
					t.Errorf("%d frames of %d bytes in the queue", s.Queue, s.QueueBytes)
				}
				await(t, "the release of owned memory", func() bool { return released.Load() == 6 })
			})
		}
	}
}

// TestSendLatestKinds checks that every send call copies what it must, or keeps
// it.
func TestSendLatestKinds(t *testing.T) {
	ctx := testContext(t)
	recv, send, proxy := latestPair(t, Options{})
	jpeg := testJPEG(t, 64, 48)
	given, err := NewJPEGFrame(bytes.Clone(jpeg), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"SendJPEG": func() error {
			own := bytes.Clone(jpeg)
			defer clear(own)
			_, err := send.SendJPEG(ctx, own, nil)
			return err
		},
		"SendFrame": func() error {
			f := given.Retain()
			defer f.Close()
			_, err := send.SendFrame(ctx, f, nil)
			return err
		},
		"SendImage": func() error {
			img := noisePicture(64, 48)
			defer clear(img.Pix)
			_, err := send.SendImage(ctx, img, nil)
			return err
		},
	} {
		proxy.Hold(0)
		if _, err := send.SendJPEG(ctx, jpeg, "first"); err != nil {
			t.Fatal(err)
		}
		proxy.AwaitHeld(t)
		if err := call(); err != nil {
			t.Fatal(err)
		}
		proxy.Release()
		mustRecv(t, recv, testContext(t)).Close()
		f := mustRecv(t, recv, testContext(t))
		pixels, err := f.Bytes()
		if err != nil || bytes.Count(pixels, []byte{0}) > len(pixels)/2 {
			t.Errorf("%s: %v, or the pixels are those that the caller wrote afterwards", name, err)
		}
		if name != "SendImage" && !bytes.Equal(f.JPEG(), jpeg) {
			t.Errorf("%s: another JPEG arrived", name)
		}
		f.Close()
	}
	given.Close()
}

// TestSendLatestClose checks that Close sends the frame that waits, and that a
// loss is reported.
func TestSendLatestClose(t *testing.T) {
	ctx := testContext(t)
	recv, send, proxy := latestPair(t, Options{})
	proxy.Hold(0)
	for i := range 3 {
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 40, 40), i); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			proxy.AwaitHeld(t)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- send.Close() }()
	<-send.link.drainCtx.Done()
	proxy.Release()
	for _, want := range []int{0, 2} {
		f := mustRecv(t, recv, testContext(t))
		var got int
		if err := f.Message.Decode(&got); err != nil || got != want {
			t.Errorf("frame %d, want %d: %v", got, want, err)
		}
		f.Close()
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestSendLatestReportsLosses checks that a frame that no peer answers is
// reported by Flush and by the next send call.
func TestSendLatestReportsLosses(t *testing.T) {
	ctx := testContext(t)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: silent(t, Pair), SendLatest: true, RequestTimeout: 50 * time.Millisecond, MaxRetries: 1})
	for range 2 {
		if _, err := send.SendArray(ctx, testArray(1, "uint8", 40, 40), nil); err != nil {
			t.Fatal(err)
		}
		var lost *LostError
		if err := send.Flush(ctx); !errors.As(err, &lost) || lost.Frames != 1 || !errors.Is(err, ErrPeerGone) {
			t.Fatalf("%v", err)
		}
	}
}

// TestSendLatestWithoutPeer checks that a frame for which there is no peer waits
// for none: with Adapt it is left out, as without SendLatest. So Flush ends.
func TestSendLatestWithoutPeer(t *testing.T) {
	ctx := testContext(t)
	for _, o := range []Options{{Pattern: PubSub}, {Pattern: PushPull, Wire: AsyncWire}} {
		o.Address, o.Port, o.Attach = "127.0.0.1", "0", AttachBind
		o.SendLatest, o.Adapt.MaxAge = true, time.Second
		send := mustNew(t, o)
		if _, err := send.SendArray(ctx, testArray(1, "uint8", 40, 40), nil); err != nil {
			t.Fatal(err)
		}
		if err := send.Flush(ctx); err != nil {
			t.Errorf("%v: %v", o.Pattern, err)
		}
		if s := send.Stats(); s.Skipped != 1 || s.Queue != 0 || s.QueueBytes != 0 {
			t.Errorf("%v: %d skipped, %d of %d bytes in the queue", o.Pattern, s.Skipped, s.Queue, s.QueueBytes)
		}
	}
}
