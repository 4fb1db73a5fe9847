//go:build !nogocv

package netgear

import (
	"fmt"
	"image"
	"testing"

	"gocv.io/x/gocv"
)

// The Mat of a raw frame refers to the memory of the Mat that was sent, if that
// was not copied. The Mat of a copied frame, and of a JPEG, refers to the
// frame's buffer. A JPEG is encoded from the Mat's memory directly.
func TestMatsAreNotCopied(t *testing.T) {
	for _, pattern := range allPatterns {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			for _, owned := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/jpeg=%s/owned=%v", pattern, c, owned), func(t *testing.T) {
					recv, send := openInside(t, Options{Pattern: pattern, JPEGCompression: c, JPEGStrips: 1})
					ctx := testContext(t)
					mat := testMat(t, 1, 200, 300, gocv.MatTypeCV8UC3)
					mine := matMemory(t, mat)
					// A reference to it, so that its memory is not reused for
					// the frame's buffer.
					hold := mat.Region(image.Rect(0, 0, mat.Cols(), mat.Rows()))
					defer hold.Close()
					sent := make(chan error, 1)
					go func() {
						var err error
						if owned {
							_, err = send.SendOwned(ctx, &mat, nil)
						} else {
							_, err = send.Send(ctx, mat, nil)
							mat.Close()
						}
						sent <- err
					}()
					f := mustRecv(t, recv, ctx)
					got, err := f.Mat()
					if err != nil {
						t.Fatal(err)
					}
					if uncopied := c == JPEGOff && (send.link.spec.answers || owned); sameMemory(matMemory(t, got), mine) != uncopied {
						t.Errorf("the Mat looks into the memory of the one that was sent: %v", !uncopied)
					}
					if !sameMemory(matMemory(t, got), frameBytes(f)) {
						t.Error("the Mat does not look into the frame")
					}
					got.Close()
					f.Close()
					if err := <-sent; err != nil {
						t.Error(err)
					}
					if c == JPEGDefault {
						if from, _ := spans(send.send.enc); !within(from, mine, 1) {
							t.Error("the JPEG was made of other memory than the Mat's")
						}
					}
				})
			}
		}
	}
}
