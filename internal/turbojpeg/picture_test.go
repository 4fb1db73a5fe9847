package turbojpeg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// ratios are the subsamplings of JPEGs, and 4:1:0.
var ratios = []image.YCbCrSubsampleRatio{
	image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
	image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
}

// planesPicture returns planes of picture's numbers.
func planesPicture(r image.Rectangle, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	img := image.NewYCbCr(r, ratio)
	copy(img.Y, picture(img.YStride, len(img.Y)/img.YStride, 1))
	for i := range img.Cb {
		x, y := i%img.CStride, i/img.CStride
		img.Cb[i], img.Cr[i] = byte(x*5+y*3), byte(200-x*4+y*2)
	}
	return img
}

// encodePicture encodes a picture.
func encodePicture(tb testing.TB, e *Encoder, p Picture, quality, strips int) []byte {
	tb.Helper()
	dst := make([]byte, e.PictureBound(p, strips))
	n, err := e.EncodePicture(dst, p, EncodeOptions{quality, true}, strips)
	if err != nil {
		tb.Fatalf("%v in %d strips: %v", p, strips, err)
	}
	return dst[:n]
}

// TestPlanesEqualSimplejpeg compares JPEGs of planes with simplejpeg's, whose
// function takes planes of whole chroma samples only.
func TestPlanesEqualSimplejpeg(t *testing.T) {
	var want struct{ Write map[string]string }
	if err := json.Unmarshal(reducedJSON, &want); err != nil || len(want.Write) < 48 {
		t.Fatalf("%d results, %v", len(want.Write), err)
	}
	e := newEncoder(t)
	for key, sum := range want.Write {
		var width, height, across, down, quality int
		if _, err := fmt.Sscan(key, &width, &height, &across, &down, &quality); err != nil {
			t.Fatal(err)
		}
		img := &image.YCbCr{Rect: image.Rect(0, 0, width, height), YStride: width, CStride: ceilDiv(width, across), Y: picture(width, height, 1)}
		chroma := picture(img.CStride, ceilDiv(height, down), 2)
		for i := 0; i < len(chroma); i += 2 {
			img.Cb, img.Cr = append(img.Cb, chroma[i]), append(img.Cr, chroma[i+1])
		}
		for _, img.SubsampleRatio = range ratios {
			if a, d := Ratio(img.SubsampleRatio); a == across && d == down {
				break
			}
		}
		if got := digest(encodePicture(t, e, Planes(img), quality, 1)); got != sum {
			t.Errorf("%s: other bytes than simplejpeg's", key)
		}
	}
}

// TestPlanesInStrips checks that the bytes are those of one piece with the same
// restart interval, for every subsampling and size.
func TestPlanesInStrips(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	for _, r := range ratios {
		for _, size := range append(stripSizes, [2]int{1, 100}, [2]int{100, 1}) {
			p := Planes(planesPicture(image.Rect(0, 0, size[0], size[1]), r))
			for _, p := range []Picture{p, p.Gray()} {
				whole := encodePicture(t, e, p, 90, 1)
				for strips := 2; strips <= MaxStrips; strips++ {
					got := encodePicture(t, e, p, 90, strips)
					c := cutFor(p.Width, p.Height, p.mcu, strips)
					if p.restartRows = c.rows / 8 / p.mcu[1]; c.strips == 1 {
						p.restartRows = 0
					}
					if !bytes.Equal(got, encodePicture(t, e, p, 90, 1)) {
						t.Errorf("%v %v in %d strips: other bytes than with a restart interval", r, size, strips)
					}
					p.restartRows = 0
					if !bytes.Equal(pixels(t, d, got, RGB, DecodeOptions{}, strips), pixels(t, d, whole, RGB, DecodeOptions{}, 1)) {
						t.Errorf("%v %v in %d strips: other pixels", r, size, strips)
					}
				}
			}
		}
	}
}

// TestPlanesKeepTheirSubsampling checks what the JPEG of each sub-image has,
// and that its colors are those of package image.
func TestPlanesKeepTheirSubsampling(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	want := map[image.YCbCrSubsampleRatio][4]string{ // by the parity of Min.X, and of Min.Y twice
		image.YCbCrSubsampleRatio444: {"444", "444", "444", "444"}, image.YCbCrSubsampleRatio422: {"422", "444", "422", "444"},
		image.YCbCrSubsampleRatio420: {"420", "440", "422", "444"}, image.YCbCrSubsampleRatio440: {"440", "440", "444", "444"},
		image.YCbCrSubsampleRatio411: {"411", "444", "411", "444"}, image.YCbCrSubsampleRatio410: {"411", "444", "411", "444"},
	}
	for _, r := range ratios {
		all := planesPicture(image.Rect(0, 0, 75, 66), r)
		for i := range 4 {
			for _, size := range []image.Point{{40, 32}, {33, 29}, {1, 1}, {35, 34}} {
				sub := all.SubImage(image.Rectangle{Max: size}.Add(image.Pt(20+i%2, 16+i/2))).(*image.YCbCr)
				jpeg := encodePicture(t, e, Planes(sub), 100, 1)
				info, err := ReadInfo(jpeg)
				if err != nil || info.Subsampling != want[r][i] || info.Width != size.X || info.Height != size.Y {
					t.Errorf("%v %v: %+v, %v", r, sub.Rect, info, err)
				}
				got, colors := pixels(t, d, jpeg, RGB, DecodeOptions{FastUpsample: true}, 1), rgbOf(sub)
				for j := range got {
					if diff := int(got[j]) - int(colors[j]); diff < -12 || diff > 12 {
						t.Fatalf("%v %v: byte %d is %d, want %d", r, sub.Rect, j, got[j], colors[j])
					}
				}
			}
		}
	}
}

// TestPlanesAreReadWithinTheirRows checks that the JPEG depends only on the
// picture, not on what is beside it in memory.
func TestPlanesAreReadWithinTheirRows(t *testing.T) {
	e := newEncoder(t)
	for _, r := range ratios {
		for x := range 4 {
			for y := range 2 {
				rect := image.Rect(20+x, 16+y, 20+x+37, 16+y+21)
				var jpegs [2][]byte
				for i, beside := range []byte{0, 255} {
					all := planesPicture(image.Rect(0, 0, 90, 80), r)
					sub := all.SubImage(rect).(*image.YCbCr)
					inside := map[*byte]bool{}
					for py := rect.Min.Y; py < rect.Max.Y; py++ {
						for px := rect.Min.X; px < rect.Max.X; px++ {
							yo, co := sub.YOffset(px, py), sub.COffset(px, py)
							inside[&sub.Y[yo]], inside[&sub.Cb[co]], inside[&sub.Cr[co]] = true, true, true
						}
					}
					for _, plane := range [][]byte{all.Y, all.Cb, all.Cr} {
						for j := range plane {
							if !inside[&plane[j]] {
								plane[j] = beside
							}
						}
					}
					jpegs[i] = encodePicture(t, e, Planes(sub), 90, 2)
				}
				if !bytes.Equal(jpegs[0], jpegs[1]) {
					t.Errorf("%v %v: the JPEG depends on what is beside the picture", r, rect)
				}
			}
		}
	}
}

// TestPlanesThatEndExactly has the last row end with the plane's memory: a byte
// less is an error, so no byte more is needed.
func TestPlanesThatEndExactly(t *testing.T) {
	e := newEncoder(t)
	for _, r := range ratios {
		img := planesPicture(image.Rect(0, 0, 37, 21), r)
		encodePicture(t, e, Planes(img), 90, 1)
		dst := make([]byte, e.PictureBound(Planes(img), 1))
		for i, plane := range []*[]byte{&img.Y, &img.Cb, &img.Cr} {
			all := *plane
			*plane = all[:len(all)-1]
			if _, err := e.EncodePicture(dst, Planes(img), EncodeOptions{90, true}, 1); !errors.Is(err, ErrShape) {
				t.Errorf("%v, plane %d a byte short: %v", r, i, err)
			}
			*plane = all
		}
	}
}

// TestAlphaIsFlattened compares the JPEG of an NRGBA picture with that of what
// package image/draw makes of it.
func TestAlphaIsFlattened(t *testing.T) {
	e := newEncoder(t)
	opaque := image.NewNRGBA(image.Rect(0, 0, 61, 45))
	mixed := image.NewNRGBA(opaque.Rect)
	for i, v := range picture(61, 45, 4) {
		opaque.Pix[i], mixed.Pix[i] = v, v
		if i%4 == 3 {
			opaque.Pix[i] = 255
		}
	}
	for name, img := range map[string]*image.NRGBA{
		"opaque": opaque, "mixed": mixed, "sub-image": mixed.SubImage(image.Rect(5, 7, 50, 40)).(*image.NRGBA),
	} {
		flat := image.NewRGBA(img.Rect)
		draw.Draw(flat, flat.Rect, img, img.Rect.Min, draw.Src)
		for _, quality := range []int{20, 90, 100} {
			for _, strips := range []int{1, 3} {
				if !bytes.Equal(encodePicture(t, e, NRGBAPixels(img), quality, strips), encodePicture(t, e, RGBAPixels(flat), quality, strips)) {
					t.Errorf("%s at %d in %d strips: other bytes than image/draw's picture", name, quality, strips)
				}
				if !bytes.Equal(encodePicture(t, e, NRGBAPixels(img).Gray(), quality, strips), encodePicture(t, e, RGBAPixels(flat).Gray(), quality, strips)) {
					t.Errorf("%s at %d in %d strips, gray: other bytes", name, quality, strips)
				}
			}
		}
	}
}

// TestGrayOfAPicture checks that the luma of pixels and planes is that of the
// picture in color.
func TestGrayOfAPicture(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	rgba := image.NewRGBA(image.Rect(0, 0, 61, 45))
	copy(rgba.Pix, picture(61, 45, 4))
	for name, p := range map[string]Picture{"pixels": RGBAPixels(rgba), "planes": Planes(planesPicture(rgba.Rect, image.YCbCrSubsampleRatio420))} {
		colored, gray := encodePicture(t, e, p, 90, 2), encodePicture(t, e, p.Gray(), 90, 2)
		if info, err := ReadInfo(gray); err != nil || info.Space != "Gray" {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if !bytes.Equal(pixels(t, d, colored, GRAY, DecodeOptions{}, 1), pixels(t, d, gray, GRAY, DecodeOptions{}, 1)) {
			t.Errorf("%s: other luma than in color", name)
		}
	}
}

// TestPlanesThatOutgrowTheirRoom checks that the error has the size that is
// needed. Bound is enough for any picture that is not made to exceed it.
func TestPlanesThatOutgrowTheirRoom(t *testing.T) {
	e := newEncoder(t)
	img := &image.YCbCr{Rect: image.Rect(0, 0, 640, 480), YStride: 640, CStride: 640, Y: worstPicture(640, 480)}
	img.Cb, img.Cr = img.Y, img.Y
	p := Planes(img)
	dst := make([]byte, e.PictureBound(p, 1))
	_, err := e.EncodePicture(dst, p, EncodeOptions{100, true}, 1)
	var need, room int
	if !errors.Is(err, ErrTooSmall) {
		t.Fatalf("got %v", err)
	}
	if _, scan := fmt.Sscanf(err.Error(), ErrTooSmall.Error()+": the JPEG takes %d bytes, there is room for %d", &need, &room); scan != nil || room != len(dst) {
		t.Fatalf("%v (%v)", err, scan)
	}
	dst = make([]byte, need)
	if n, err := e.EncodePicture(dst, p, EncodeOptions{100, true}, 1); err != nil || n != need {
		t.Errorf("with the room of the error: %d of %d, %v", n, need, err)
	}
}

// TestToBGR compares with package image/draw, for every type, subsampling and
// place of a sub-image.
func TestToBGR(t *testing.T) {
	whole := image.Rect(0, 0, 41, 27)
	rgba, nrgba := image.NewRGBA(whole), image.NewNRGBA(whole)
	copy(rgba.Pix, picture(41, 27, 4))
	copy(nrgba.Pix, picture(41, 27, 4))
	for i := 3; i < len(rgba.Pix); i += 4 {
		rgba.Pix[i] = 255
	}
	clearRow := nrgba.Pix[10*nrgba.Stride : 11*nrgba.Stride] // and one that is opaque
	for i := 3; i < len(clearRow); i += 4 {
		clearRow[i], nrgba.Pix[i] = 0, 255
	}
	pictures := []draw.Image{rgba, nrgba}
	var all []image.Image
	for _, img := range pictures {
		all = append(all, img)
	}
	for _, r := range ratios {
		all = append(all, planesPicture(whole, r))
	}
	for _, img := range all {
		for _, r := range []image.Rectangle{whole, image.Rect(1, 1, 40, 26), image.Rect(2, 3, 3, 4), image.Rect(5, 2, 41, 27), image.Rect(3, 0, 22, 1)} {
			part := img.(interface {
				SubImage(image.Rectangle) image.Image
			}).SubImage(r)
			want := image.NewRGBA(r)
			draw.Draw(want, r, part, r.Min, draw.Src)
			got := bytes.Repeat([]byte{0xAA}, 3*r.Dx()*r.Dy()+1)
			if known, err := ToBGR(got, part); !known || err != nil {
				t.Fatalf("%T %v: %v, %v", img, r, known, err)
			}
			for i := range r.Dx() * r.Dy() {
				if p := want.Pix[4*i:]; got[3*i] != p[2] || got[3*i+1] != p[1] || got[3*i+2] != p[0] {
					t.Fatalf("%T %v, pixel %d: % x, not % x", img, r, i, got[3*i:3*i+3], p[:3])
				}
			}
			if got[len(got)-1] != 0xAA {
				t.Errorf("%T %v: wrote beyond the pixels", img, r)
			}
			if _, err := ToBGR(got[:len(got)-2], part); !errors.Is(err, ErrShape) {
				t.Errorf("%T %v: no room, and %v", img, r, err)
			}
		}
	}
}

// TestToBGRChecks passes what C must not read.
func TestToBGRChecks(t *testing.T) {
	dst := make([]byte, 3*4*4)
	planes := planesPicture(image.Rect(0, 0, 4, 4), image.YCbCrSubsampleRatio420)
	for name, change := range map[string]func(*image.YCbCr){
		"short luma":             func(i *image.YCbCr) { i.Y = i.Y[:15] },
		"short chroma":           func(i *image.YCbCr) { i.Cr = i.Cr[:3] },
		"an odd beginning":       func(i *image.YCbCr) { i.Rect = image.Rect(1, 1, 5, 5) },
		"chroma of short rows":   func(i *image.YCbCr) { i.CStride = 1 },
		"a stride that is below": func(i *image.YCbCr) { i.YStride = -4 },
	} {
		img := *planes
		change(&img)
		if known, err := ToBGR(dst, &img); !known || !errors.Is(err, ErrShape) {
			t.Errorf("%s: %v, %v", name, known, err)
		}
	}
	if _, err := ToBGR(dst, &image.NRGBA{Pix: dst, Stride: 16, Rect: image.Rect(0, 0, 4, 4)}); !errors.Is(err, ErrShape) {
		t.Errorf("short pixels: %v", err)
	}
	planes.Rect = planes.Rect.Sub(image.Pt(1, 1))
	if known, err := ToBGR(dst, planes); known || err != nil {
		t.Errorf("negative coordinates: %v, %v", known, err)
	}
	if known, err := ToBGR(dst, image.NewPaletted(image.Rect(0, 0, 4, 4), nil)); known || err != nil {
		t.Errorf("another type: %v, %v", known, err)
	}
}

// BenchmarkToBGR converts a picture of 1080p of each type, and the planes with
// package image/draw as well.
func BenchmarkToBGR(b *testing.B) {
	r := image.Rect(0, 0, 1920, 1080)
	dst := make([]byte, 3*r.Dx()*r.Dy())
	nrgba := image.NewNRGBA(r)
	copy(nrgba.Pix, picture(r.Dx(), r.Dy(), 4))
	for name, img := range map[string]image.Image{"YCbCr": planesPicture(r, image.YCbCrSubsampleRatio420), "NRGBA": nrgba, "RGBA": image.NewRGBA(r)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := ToBGR(dst, img); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"-draw", func(b *testing.B) {
			rgba := image.NewRGBA(r)
			for b.Loop() {
				draw.Draw(rgba, r, img, r.Min, draw.Src)
				if err := Reorder(dst, 3*r.Dx(), BGR, rgba.Pix, rgba.Stride, RGBA, r.Dx(), r.Dy()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestReorder compares with a conversion by the offsets of the channels.
func TestReorder(t *testing.T) {
	const width, height = 13, 5
	for from := range layouts {
		for to := range layouts {
			from, to := Colorspace(from), Colorspace(to)
			src := picture(width, height, from.Channels())
			stride := width*to.Channels() + 2
			dst := bytes.Repeat([]byte{0xAA}, stride*height)
			err := Reorder(dst, stride, to, src, width*from.Channels(), from, width, height)
			if from == GRAY || from == CMYK || to == GRAY || to == CMYK {
				if !errors.Is(err, ErrShape) {
					t.Errorf("%v to %v: %v", from, to, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range width * height {
				in, out := src[i*from.Channels():], dst[i/width*stride+i%width*to.Channels():]
				a := from.RGBA()
				c := color.NRGBA{in[a[0]], in[a[1]], in[a[2]], 255}
				if a[3] >= 0 {
					c.A = in[a[3]]
				}
				b := to.RGBA()
				if out[b[0]] != c.R || out[b[1]] != c.G || out[b[2]] != c.B || b[3] >= 0 && out[b[3]] != c.A {
					t.Fatalf("%v to %v, pixel %d: % x of % x", from, to, i, out[:to.Channels()], in[:from.Channels()])
				}
				if i%width == width-1 && (out[to.Channels()] != 0xAA || out[to.Channels()+1] != 0xAA) {
					t.Fatalf("%v to %v: wrote between the rows", from, to)
				}
			}
		}
	}
	for name, err := range map[string]error{
		"a byte of pixels missing": Reorder(make([]byte, 12), 4, RGBA, make([]byte, 8), 3, BGR, 1, 3),
		"a byte of room missing":   Reorder(make([]byte, 11), 4, RGBA, make([]byte, 9), 3, BGR, 1, 3),
		"a short row":              Reorder(make([]byte, 99), 3, RGBA, make([]byte, 9), 3, BGR, 1, 3),
		"no row":                   Reorder(nil, 4, RGBA, nil, 3, BGR, 1, 0),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
