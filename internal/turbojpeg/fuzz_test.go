package turbojpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// addSmall adds JPEGs of every kind that are short enough to be changed often.
func addSmall(f *testing.F, add func(jpeg []byte)) {
	for _, g := range golden(f).Decode {
		if len(g.JPEG) < 2000 {
			add(g.JPEG)
		}
	}
	e := newEncoder(f)
	for _, r := range ratios {
		p := Planes(planesPicture(image.Rect(0, 0, 37, 43), r))
		add(encodePicture(f, e, p, 60, 1))
		add(encodePicture(f, e, p, 60, 3))
	}
	for _, jpeg := range cameraJPEGs(f) {
		if len(jpeg) < 4000 {
			add(jpeg)
		}
	}
}

// TestWriteSeeds writes seeds for the targets of testdata/libfuzzer, which need
// no Go, into the folder that NETGEAR_SEEDS names.
func TestWriteSeeds(t *testing.T) {
	root := os.Getenv("NETGEAR_SEEDS")
	if root == "" {
		t.Skip("NETGEAR_SEEDS is not set")
	}
	for target, all := range map[string][][]byte{"read": readSeeds(t), "scan": scanSeeds(t), "pixels": argumentSeeds(4), "write": argumentSeeds(3)} {
		folder := filepath.Join(root, target)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for i, seed := range all {
			if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(i)), seed, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: %d seeds", target, len(all))
	}
}

// readSeeds are JPEGs behind 32 bytes that choose what is done with them.
func readSeeds(t *testing.T) (all [][]byte) {
	e := newEncoder(t)
	jpegs := slices.Collect(maps.Values(cameraJPEGs(t)))
	for _, r := range ratios {
		jpegs = append(jpegs, encodePicture(t, e, Planes(planesPicture(image.Rect(0, 0, 37, 43), r)), 60, 3))
	}
	for _, g := range golden(t).Decode {
		jpegs = append(jpegs, g.JPEG)
	}
	for i, jpeg := range slices.DeleteFunc(jpegs, func(j []byte) bool { return len(j) > 4000 }) {
		for kind := range 4 {
			how := make([]byte, 32)
			for j := range how {
				how[j] = byte((i + kind) * j % 7)
			}
			how[0] = byte(kind)
			all = append(all, append(how, jpeg...))
		}
	}
	return all
}

// scanSeeds are scans, behind their geometry and tables as fuzz_scan reads them.
func scanSeeds(t *testing.T) (all [][]byte) {
	e := newEncoder(t)
	for _, r := range ratios {
		jpeg := encodePicture(t, e, Planes(planesPicture(image.Rect(0, 0, 37, 43), r)), 60, 3)
		var s scanner
		if !s.open(jpeg) {
			t.Fatalf("%v: not read", r)
		}
		two := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
		seed := slices.Concat(two(9), two(int(s.c.blocks)-1))
		for _, pair := range s.c.pair[:s.c.blocks] {
			seed = append(seed, two(int(pair))...)
		}
		seed = slices.Concat(seed, two(int(s.c.units)-1), two(int(s.c.interval)))
		for _, pair := range s.built {
			for _, table := range pair {
				seed = append(seed, table...)
			}
		}
		all = append(all, append(seed, jpeg[s.c.at:]...))
	}
	return all
}

// argumentSeeds are arguments for each of so many ways.
func argumentSeeds(ways int) (all [][]byte) {
	for way := range ways {
		for step := range 6 {
			seed := []byte{0, byte(way)}
			for i := range 200 {
				seed = append(seed, byte(i%2)*byte(i*(step+3)))
			}
			all = append(all, seed)
		}
	}
	return all
}

// FuzzInfo reads headers. An Info describes a picture that can exist, and the
// memory of reading does not depend on the size that a header names.
func FuzzInfo(f *testing.F) {
	addSmall(f, func(jpeg []byte) { f.Add(jpeg) })
	f.Add([]byte{0xFF, mSOI})
	f.Fuzz(func(t *testing.T, jpeg []byte) {
		var info Info
		var err error
		alloctest.AtMost(t, "a header", 4096, func() { info, err = ReadInfo(jpeg) })
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) || info.Width*info.Height < 0 {
				t.Errorf("%+v, %v", info, err)
			}
			return
		}
		if checkSize(info.Width, info.Height) != nil || info.Space == "" || info.Subsampling == "" || info.Memory < 0 || info.coefficients < 0 {
			t.Errorf("%+v", info)
		}
		for i, s := range info.sampling {
			if (s[0] < 1 || s[1] < 1) && i < map[string]int{"Gray": 1, "RGB": 3, "YCbCr": 3, "CMYK": 4, "YCCK": 4}[info.Space] || s[0] > 4 || s[1] > 4 {
				t.Errorf("component %d: %+v", i, info)
			}
		}
		// Mending and trimming return a JPEG of the same size, or an error.
		if made, err := newEncoder(t).Mend(jpeg, info, 1<<22); err == nil && made != nil && info.Width*info.Height < 1<<18 {
			if again, err := ReadInfo(made); err != nil || again.Width != info.Width || again.Height != info.Height {
				t.Errorf("%+v is mended to %+v, %v", info, again, err)
			}
		}
	})
}

// FuzzRegion reads parts of JPEGs, reduced or not, to pixels and to planes. They
// are those of the whole picture, and nothing is written beside them.
func FuzzRegion(f *testing.F) {
	addSmall(f, func(jpeg []byte) {
		f.Add(jpeg, 3, 5, 20, 17, uint8(len(jpeg)))
		f.Add(jpeg, -9, 8, 1<<30, 1<<30, uint8(len(jpeg)/3))
	})
	f.Fuzz(func(t *testing.T, jpeg []byte, x0, y0, x1, y1 int, how uint8) {
		info, err := ReadInfo(jpeg)
		if err != nil || info.Width*info.Height > 1<<16 {
			return
		}
		cs := Colorspace(int(how) % len(layouts))
		whole := DecodeOptions{FastDCT: how&8 != 0, FastUpsample: how&16 != 0, Reduce: 1 << (how >> 6)}
		part := whole
		part.Region = image.Rectangle{image.Pt(x0, y0), image.Pt(x1, y1)}
		d := newDecoder(t)
		r := part.Rect(info)
		if all := whole.Rect(info); !r.In(all) || all.Dx() > info.Width || all.Dy() > info.Height {
			t.Fatalf("%+v of %+v is %v", part, info, r)
		}
		row := r.Dx() * cs.Channels()
		const guard = 64
		dst := bytes.Repeat([]byte{0xAA}, r.Dy()*row+guard)
		err = d.DecodeStrips(dst[:r.Dy()*row], jpeg, info, row, cs, part, 1+int(how)%3)
		if err != nil && !named(err) {
			t.Fatalf("%+v: %v", part, err)
		}
		if !bytes.Equal(dst[r.Dy()*row:], bytes.Repeat([]byte{0xAA}, guard)) {
			t.Fatal("wrote behind the region")
		}
		if img, planesErr := d.DecodeYCbCr(jpeg, info, part, 2); planesErr == nil && img.Rect != r || planesErr != nil && !named(planesErr) {
			t.Fatalf("%+v to planes: %v", part, planesErr)
		}
		if err != nil || r.Empty() {
			return
		}
		all := whole.Rect(info)
		pix := make([]byte, all.Dx()*all.Dy()*cs.Channels())
		if err := d.DecodeStrips(pix, jpeg, info, all.Dx()*cs.Channels(), cs, whole, 1); err != nil {
			return // what is outside of the region is damaged
		}
		if !bytes.Equal(dst[:r.Dy()*row], subPixels(pix, all.Dx(), cs.Channels(), r)) {
			t.Errorf("%v %+v: other pixels than in the whole", cs, part)
		}
	})
}

// planesOf returns planes of any geometry, valid or not, whose samples are of
// the input.
func planesOf(x, y, width, height int16, ratio uint8, yStride, cStride int16, samples []byte) *image.YCbCr {
	cut := func(from int) []byte { return samples[min(from, len(samples)):] }
	return &image.YCbCr{
		Y: samples, Cb: cut(3), Cr: cut(5), YStride: int(yStride), CStride: int(cStride), SubsampleRatio: image.YCbCrSubsampleRatio(ratio % 8),
		Rect: image.Rectangle{image.Pt(int(x), int(y)), image.Pt(int(x)+int(width), int(y)+int(height))},
	}
}

func addPlanes(f *testing.F, add func(x, y, width, height int16, ratio uint8, yStride, cStride int16, samples []byte)) {
	samples := picture(64, 64, 1)
	for i := range ratios {
		add(0, 0, 37, 21, uint8(i), 40, 40, samples)
		add(3, 1, 16, 9, uint8(i), 19, 19, samples)
	}
	add(-1, -1, 4, 4, 2, 8, 8, samples)
	add(0, 0, 1, 1, 7, 1, 1, samples[:6])
	add(0, 0, 9, 9, 2, 3, -5, samples[:80])
	add(0, 0, -3, 0, 0, 0, 0, nil)
}

// FuzzPlanes encodes planes of any geometry and converts them to BGR. They are
// refused, or result in a JPEG of their size and in the pixels of image/draw.
func FuzzPlanes(f *testing.F) {
	addPlanes(f, func(x, y, width, height int16, ratio uint8, yStride, cStride int16, samples []byte) {
		f.Add(x, y, width, height, ratio, yStride, cStride, samples)
	})
	f.Fuzz(func(t *testing.T, x, y, width, height int16, ratio uint8, yStride, cStride int16, samples []byte) {
		img := planesOf(x, y, width, height, ratio, yStride, cStride, samples)
		if int(width)*int(height) > 1<<16 {
			return
		}
		p, e := Planes(img), newEncoder(t)
		dst := make([]byte, max(e.PictureBound(p, 2), 64))
		n, err := e.EncodePicture(dst, p, EncodeOptions{80, true}, 2)
		if err == nil {
			if info, err := ReadInfo(dst[:n]); err != nil || info.Width != int(width) || info.Height != int(height) {
				t.Errorf("%v %v: %+v, %v", img.Rect, img.SubsampleRatio, info, err)
			}
		} else if !errors.Is(err, ErrShape) {
			t.Errorf("%v %v: %v", img.Rect, img.SubsampleRatio, err)
		}
		const guard = 16
		bgr := bytes.Repeat([]byte{0xAA}, 3*max(int(width)*int(height), 0)+guard)
		known, convertErr := ToBGR(bgr[:len(bgr)-guard], img)
		if convertErr != nil && !errors.Is(convertErr, ErrShape) || !bytes.Equal(bgr[len(bgr)-guard:], bytes.Repeat([]byte{0xAA}, guard)) {
			t.Fatalf("%v %v to BGR: %v, or written behind it", img.Rect, img.SubsampleRatio, convertErr)
		}
		if !known || convertErr != nil || err != nil {
			return
		}
		rgba := image.NewRGBA(img.Rect)
		draw.Draw(rgba, rgba.Rect, img, img.Rect.Min, draw.Src)
		for i := range int(width) * int(height) {
			if got, want := bgr[3*i:3*i+3], rgba.Pix[4*i:4*i+3]; got[0] != want[2] || got[1] != want[1] || got[2] != want[0] {
				t.Fatalf("%v %v: pixel %d is %v, to image/draw %v", img.Rect, img.SubsampleRatio, i, got, want)
			}
		}
	})
}

// FuzzShrink scales pixels and planes of any geometry. They are refused, or the
// result fits into its memory and has no sample beyond the range of the source.
func FuzzShrink(f *testing.F) {
	scale := 0.1
	addPlanes(f, func(x, y, width, height int16, ratio uint8, yStride, cStride int16, samples []byte) {
		f.Add(x, y, width, height, ratio, yStride, cStride, samples, scale)
		scale += 0.13
	})
	f.Add(int16(0), int16(0), int16(7), int16(5), uint8(0), int16(21), int16(0), picture(7, 5, 3), -1.0)
	f.Fuzz(func(t *testing.T, x, y, width, height int16, ratio uint8, yStride, cStride int16, samples []byte, scale float64) {
		cs := Colorspace(int(ratio) % len(layouts))
		for _, p := range []Picture{
			Planes(planesOf(x, y, width, height, ratio, yStride, cStride, samples)), Pixels(samples, int(width), int(height), int(yStride), cs),
		} {
			small, memory, err := p.Shrink(scale, make([]byte, 7))
			if err != nil {
				if !errors.Is(err, ErrShape) {
					t.Errorf("%v to %v: %v", p, scale, err)
				}
				continue
			}
			if p.check() != nil {
				continue // it stays as it is, and is refused when it is encoded
			}
			if err := small.check(); err != nil || small.Width > p.Width || small.Height > p.Height || small.Width < 1 || small.Height < 1 {
				t.Fatalf("%v to %v: %v, %v", p, scale, small, err)
			}
			if len(memory) > 4*len(samples)+64 {
				t.Errorf("%v to %v: %d bytes of memory", p, scale, len(memory))
			}
			copied, _, err := small.Copy(nil)
			if err != nil || copied.check() != nil {
				t.Errorf("%v: copied: %v, %v", small, err, copied.check())
			}
		}
	})
}
