//go:build !nogocv

package netgear

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"testing"

	"gocv.io/x/gocv"
)

// An owned Mat arrives unchanged, whole or a region, and the caller's becomes
// the zero Mat. The builds with matprofile check that each was closed; closing
// it twice is a crash.
func TestSendOwned(t *testing.T) {
	for _, pattern := range allPatterns {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			for _, ahead := range []int{0, 2} {
				t.Run(fmt.Sprintf("%v/jpeg=%s/ahead=%d", pattern, c, ahead), func(t *testing.T) {
					recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: c, HighWaterMark: 100}, func(r, s *Options) { s.SendAhead = ahead })
					if pattern == PubSub {
						awaitSubscription(t, recv, send)
					}
					ctx := testContext(t)
					for i := range 10 {
						base := testMat(t, i, 120, 160, gocv.MatTypeCV8UC3)
						mat := base.Clone()
						if i%2 == 1 {
							mat.Close()
							mat = base.Region(image.Rect(11, 7, 101, 77))
						}
						want := testArray(0, "uint8", mat.Rows(), mat.Cols(), 3)
						want.Data = matBytes(mat)
						if c != JPEGOff {
							want.Data = throughCodec(t, &send.link.settings, want)
						}
						if _, err := send.SendOwned(ctx, &mat, i); err != nil {
							t.Fatal(err)
						}
						base.Close()
						if mat.Ptr() != nil {
							t.Error("the caller still has the Mat")
						}
						f := mustRecv(t, recv, ctx)
						if !bytes.Equal(frameBytes(f), want.Data) {
							t.Errorf("Mat %d arrived changed", i)
						}
						f.Close()
					}
				})
			}
		}
	}
}

// Mats that cannot be sent are closed nevertheless.
func TestSendOwnedThatFails(t *testing.T) {
	_, send := openPair(t, Options{})
	ctx := testContext(t)
	empty, none := gocv.NewMat(), gocv.Mat{}
	for _, m := range []*gocv.Mat{&empty, &none} {
		if _, err := send.SendOwned(ctx, m, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("no pixels: %v", err)
		}
	}
	mat := testMat(t, 0, 9, 9, gocv.MatTypeCV8UC3)
	if _, err := send.SendOwned(ctx, &mat, make(chan int)); !errors.Is(err, ErrMessage) {
		t.Errorf("a channel as message: %v", err)
	}
	send.Close()
	mat = testMat(t, 0, 9, 9, gocv.MatTypeCV8UC3)
	if _, err := send.SendOwned(ctx, &mat, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Close of a publisher closes the Mats that it still owns, read by a subscriber
// or not.
func TestCloseClosesOwnedMats(t *testing.T) {
	for _, linger := range []bool{true, false} {
		recv, send := openPair(t, Options{Pattern: PubSub, JPEGCompression: JPEGOff, HighWaterMark: 100})
		awaitSubscription(t, recv, send)
		if !linger {
			recv.Close()
		}
		for i := range 20 {
			mat := testMat(t, i, 500, 500, gocv.MatTypeCV8UC3)
			if _, err := send.SendOwned(testContext(t), &mat, nil); err != nil {
				t.Fatal(err)
			}
		}
		send.Close()
		if n := send.send.buffers.InUse(); n != 0 {
			t.Errorf("%d Mats are out after Close", n)
		}
	}
}
