package netgear

import (
	"image"
	"image/color"
	"testing"
)

func picture(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 5), uint8(y * 7), uint8(200 - x - y), 255})
		}
	}
	return img
}

// Pictures of package image arrive unchanged when raw, and almost unchanged as
// JPEG, for every colorspace into which the receiver decodes.
func TestImages(t *testing.T) {
	sub := picture(60, 50).SubImage(image.Rect(7, 5, 47, 38))
	gray := image.NewGray(image.Rect(0, 0, 30, 20))
	for i := range gray.Pix {
		gray.Pix[i] = uint8(i / 3)
	}
	for _, c := range []Colorspace{JPEGOff, JPEGDefault, "RGB", "BGRA", "XRGB", "ARGB", "CMYK", JPEGGray} {
		recv, send := openPair(t, Options{JPEGCompression: c})
		ctx := testContext(t)
		for name, img := range map[string]image.Image{
			"RGBA": picture(40, 33), "part": sub, "gray": gray, "part of gray": gray.SubImage(image.Rect(3, 4, 20, 15)),
			"paletted": paletted(),
		} {
			if _, err := send.SendImage(ctx, img, nil); err != nil {
				t.Fatal(err)
			}
			f, err := recv.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Image()
			f.Close()
			if err != nil {
				t.Fatal(err)
			}
			if got.Bounds().Size() != img.Bounds().Size() {
				t.Fatalf("%s/%s arrived as %v", c, name, got.Bounds())
			}
			limit := 40 // JPEG's chroma at sharp edges
			if c == JPEGOff {
				limit = 0
			}
			if d := difference(img, got, c == JPEGGray); d > limit {
				t.Errorf("%s/%s differs by up to %d", c, name, d)
			}
		}
	}
}

func paletted() image.Image {
	p := image.NewPaletted(image.Rect(0, 0, 32, 24), color.Palette{color.RGBA{10, 20, 30, 255}, color.RGBA{200, 150, 100, 255}})
	for i := range p.Pix {
		p.Pix[i] = uint8(i / 32 / 12)
	}
	return p
}

func difference(a, b image.Image, gray bool) int {
	worst := 0
	model := color.NRGBAModel
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p := a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y)
			if gray {
				p = color.GrayModel.Convert(p)
			}
			u, v := model.Convert(p).(color.NRGBA), model.Convert(b.At(x, y)).(color.NRGBA)
			for _, d := range []int{int(u.R) - int(v.R), int(u.G) - int(v.G), int(u.B) - int(v.B), int(u.A) - int(v.A)} {
				worst = max(worst, d, -d)
			}
		}
	}
	return worst
}

func TestFramesThatAreNoPictures(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	ctx := testContext(t)
	for _, a := range []Array{testArray(0, "uint16", 4, 4), testArray(0, "uint8", 4, 4, 2), testArray(0, "uint8", 16)} {
		if _, err := send.SendArray(ctx, a, nil); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if img, err := f.Image(); err == nil {
			t.Errorf("%s %v became a %T", a.DType, a.Shape, img)
		}
		f.Close()
	}
}
