package turbojpeg

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
)

// areaMean returns the mean of the pixels that a new one covers, computed in
// floating point.
func areaMean(pix []byte, stride, channels, channel, width, height, x, y, dw, dh int) float64 {
	x0, x1 := float64(x*width)/float64(dw), float64((x+1)*width)/float64(dw)
	y0, y1 := float64(y*height)/float64(dh), float64((y+1)*height)/float64(dh)
	var sum, all float64
	for v := int(y0); v < height && float64(v) < y1; v++ {
		for u := int(x0); u < width && float64(u) < x1; u++ {
			w := (min(x1, float64(u+1)) - max(x0, float64(u))) * (min(y1, float64(v+1)) - max(y0, float64(v)))
			sum += w * float64(pix[v*stride+u*channels+channel])
			all += w
		}
	}
	return sum / all
}

func TestShrinkIsTheMeanOfTheArea(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, cs := range []Colorspace{GRAY, BGR, BGRA} {
		for _, size := range [][2]int{{64, 48}, {37, 21}, {1, 9}, {9, 1}, {640, 3}} {
			for _, scale := range []float64{0.875, 0.75, 0.5, 0.375, 0.25, 0.1} {
				w, h, c := size[0], size[1], cs.Channels()
				stride := w*c + 5
				pix := make([]byte, stride*h)
				for i := range pix {
					pix[i] = byte(r.Uint32())
				}
				small, _, err := Pixels(pix, w, h, stride, cs).Shrink(scale, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i, got := range small.pix[:small.stride*small.Height] {
					x, y := i%small.stride/c, i/small.stride
					want := areaMean(pix, stride, c, i%c, w, h, x, y, small.Width, small.Height)
					if math.Abs(float64(got)-want) > 2 {
						t.Fatalf("%v %dx%d to %v: sample %d is %d, want %.1f", cs, w, h, scale, i, got, want)
					}
				}
			}
		}
	}
}

// A transparent pixel is black, whatever its color.
func TestShrinkMultipliesByAlpha(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 9, 7)).SubImage(image.Rect(1, 1, 9, 7)).(*image.NRGBA)
	for y := 1; y < 7; y++ {
		for x := 1; x < 9; x++ {
			img.SetNRGBA(x, y, []color.NRGBA{{200, 0, 0, 255}, {0, 255, 0, 0}, {0, 0, 255, 128}, {}}[x%2+2*(y%2)])
		}
	}
	small, _, err := NRGBAPixels(img).Shrink(0.5, nil)
	if err != nil || small.Width != 4 || small.Height != 3 {
		t.Fatalf("%v, %v", small, err)
	}
	again, _, err := small.Shrink(0.5, nil)
	for i, want := range []byte{50, 0, 32, 255} {
		if got, more := int(small.pix[i]), int(again.pix[i]); err != nil || max(got-int(want), int(want)-got, more-int(want), int(want)-more) > 1 {
			t.Errorf("sample %d is %d, and scaled again %d, want %d (%v)", i, got, more, want, err)
		}
	}
}

func TestShrinkPlanes(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411} {
		img := image.NewYCbCr(image.Rect(0, 0, 101, 67), ratio)
		for i := range img.Y {
			img.Y[i] = 90
		}
		for i := range img.Cb {
			img.Cb[i], img.Cr[i] = 200, 60
		}
		small, memory, err := Planes(img).Shrink(0.5, nil)
		if err != nil || small.Width != 51 || small.Height != 34 || len(memory) == 0 {
			t.Fatalf("%v: %v %v", ratio, small, err)
		}
		if err := small.check(); err != nil {
			t.Fatalf("%v: %v", ratio, err)
		}
		for i, want := range []byte{90, 200, 60} {
			for _, got := range small.planes[i].pix {
				if got != want {
					t.Fatalf("%v: plane %d has %d, want %d", ratio, i, got, want)
				}
			}
		}
	}
}

// TestShrinkLeaves checks what is not scaled.
func TestShrinkLeaves(t *testing.T) {
	img := image.NewYCbCr(image.Rect(0, 0, 64, 64), image.YCbCrSubsampleRatio420)
	odd := img.SubImage(image.Rect(1, 1, 40, 40)).(*image.YCbCr)
	if p, _, err := Planes(odd).Shrink(0.5, nil); err != nil || p.Width != 39 {
		t.Errorf("a sub-image between chroma samples: %v, %v", p, err)
	}
	if p, _, err := Planes(img).Shrink(1, nil); err != nil || p.Width != 64 {
		t.Errorf("scale 1: %v, %v", p, err)
	}
	if _, _, err := Pixels(make([]byte, 10), 64, 64, 192, BGR).Shrink(0.5, nil); err == nil {
		t.Error("too few pixels were accepted")
	}
}

func BenchmarkShrink(b *testing.B) {
	pix := make([]byte, 1920*1080*3)
	var memory []byte
	for b.Loop() {
		_, memory, _ = Pixels(pix, 1920, 1080, 1920*3, BGR).Shrink(0.5, memory)
	}
}
