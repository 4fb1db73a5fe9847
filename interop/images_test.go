//go:build !nogocv

package interop

import (
	"context"
	"image"
	"testing"

	"github.com/vidgear-go/netgear"
)

// images returns pictures of every type that the encoder takes as it is, by
// name.
func images() map[string]image.Image {
	pixels := image.NewRGBA(image.Rect(0, 0, 90, 70))
	mixed := image.NewNRGBA(pixels.Rect)
	gray := image.NewGray(pixels.Rect)
	for i := range pixels.Pix {
		x, y, c := i%pixels.Stride/4, i/pixels.Stride, i%4
		pixels.Pix[i] = byte(max(x*(c+1)+y*2, 255*(c/3)))
		mixed.Pix[i] = byte(x*(c+1) + y*2)
		gray.Pix[i/4] = byte(x + y)
	}
	part := image.Rect(7, 5, 84, 68)
	all := map[string]image.Image{
		"RGBA": pixels, "NRGBA": mixed, "Gray": gray, "a part of RGBA": pixels.SubImage(part),
		"a part of NRGBA": mixed.SubImage(part), "a part of Gray": gray.SubImage(part),
	}
	for r := image.YCbCrSubsampleRatio444; r <= image.YCbCrSubsampleRatio410; r++ {
		planes := image.NewYCbCr(image.Rect(0, 0, 91, 71), r)
		for i := range planes.Y {
			planes.Y[i] = byte(i%91 + i/91*2)
		}
		for i := range planes.Cb {
			planes.Cb[i], planes.Cr[i] = byte(100+i%planes.CStride), byte(160-i/planes.CStride)
		}
		all["planes of "+r.String()], all["a part of planes of "+r.String()] = planes, planes.SubImage(part)
	}
	return all
}

// TestImages sends pictures of package image to VidGear and to a Go end: both
// must have the same pixels, with each of the colorspaces.
func TestImages(t *testing.T) {
	t.Parallel()
	for _, c := range []netgear.Colorspace{netgear.JPEGDefault, "RGB", "BGRA", netgear.JPEGGray} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			python, o := startReceiver(t, netgear.Options{Address: address(t, "tcp"), JPEGCompression: c, JPEGStrips: 3, RequestTimeout: longTimeout})
			toPython := open(t, o)
			recv, o := openReceiver(t, netgear.Options{Address: address(t, "tcp"), JPEGCompression: c, JPEGStrips: 3, RequestTimeout: longTimeout})
			toGo := open(t, o)
			ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
			defer cancel()
			for name, img := range images() {
				for _, send := range []*netgear.NetGear{toPython, toGo} {
					if _, err := send.SendImage(ctx, img, nil); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
				}
				f := receive(t, recv)
				if got, want := python.expect("frame").picture(), framePicture(t, f); got != want {
					t.Errorf("%s: VidGear has %s, Go %s", name, got, want)
				}
				f.Close()
			}
			toPython.Close()
			python.end("terminated")
		})
	}
}
