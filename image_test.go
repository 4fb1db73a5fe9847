package netgear

import (
	"image"
	"image/color"
	"image/draw"
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
			"paletted": paletted(), "NRGBA": nrgbaPicture(40, 33), "part of NRGBA": nrgbaPicture(60, 50).SubImage(image.Rect(7, 5, 47, 38)),
			"4:2:0": yCbCrPicture(40, 34, image.YCbCrSubsampleRatio420), "4:4:4": yCbCrPicture(41, 33, image.YCbCrSubsampleRatio444),
			"4:2:2": yCbCrPicture(39, 33, image.YCbCrSubsampleRatio422), "4:4:0": yCbCrPicture(40, 31, image.YCbCrSubsampleRatio440),
			"part of 4:2:0": yCbCrPicture(60, 50, image.YCbCrSubsampleRatio420).SubImage(image.Rect(7, 5, 47, 38)),
			"4:1:0":         yCbCrPicture(64, 40, image.YCbCrSubsampleRatio410), "at negative coordinates": negative(),
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
			if name == "NRGBA" || name == "part of NRGBA" {
				img = flat(img)
			}
			if d := difference(img, got, c == JPEGGray); d > limit {
				t.Errorf("%s/%s differs by up to %d", c, name, d)
			}
		}
	}
}

// nrgbaPicture is a picture with alpha.
func nrgbaPicture(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 4), uint8(y * 5), uint8(200 - x - y), uint8(255 - x)})
		}
	}
	return img
}

// flat is what image/draw makes of a picture with alpha.
func flat(img image.Image) image.Image {
	rgba := image.NewRGBA(img.Bounds())
	draw.Draw(rgba, rgba.Rect, img, rgba.Rect.Min, draw.Src)
	for i := 3; i < len(rgba.Pix); i += 4 {
		rgba.Pix[i] = 255
	}
	return rgba
}

func yCbCrPicture(w, h int, r image.YCbCrSubsampleRatio) *image.YCbCr {
	img := image.NewYCbCr(image.Rect(0, 0, w, h), r)
	for y := range h {
		for x := range w {
			img.Y[img.YOffset(x, y)] = uint8(40 + x + 2*y)
			img.Cb[img.COffset(x, y)], img.Cr[img.COffset(x, y)] = uint8(100+x/2), uint8(140-y/2)
		}
	}
	return img
}

// negative is a picture whose chroma samples are not regular.
func negative() image.Image {
	img := yCbCrPicture(40, 30, image.YCbCrSubsampleRatio420)
	img.Rect = image.Rect(-5, -3, 30, 25)
	return img
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
