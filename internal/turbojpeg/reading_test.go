package turbojpeg

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/jpegtest"
)

// reduced.json holds the real simplejpeg's results; testdata/reduced.py wrote
// it.
//
//go:embed testdata/reduced.json
var reducedJSON []byte

// readable returns JPEGs of every kind, by name: simplejpeg's and OpenCV's, and
// some of this package's with and without restart markers.
func readable(tb testing.TB) map[string][]byte {
	tb.Helper()
	jpegs := map[string][]byte{}
	for name, g := range golden(tb).Decode {
		if g.Info.Height > 16 && !strings.Contains(name, " q") { // the quality changes nothing here
			jpegs[name] = g.JPEG
		}
	}
	e := newEncoder(tb)
	for _, r := range ratios {
		for _, rows := range []int{0, 1, 2} {
			if testing.Short() && rows == 2 {
				continue
			}
			p := Planes(planesPicture(image.Rect(0, 0, 83, 101), r))
			p.restartRows = rows
			jpegs[fmt.Sprint("planes ", r, " marker after ", rows)] = encodePicture(tb, e, p, 90, 1)
		}
	}
	return jpegs
}

// readPart decodes with the options. The memory held something else before, and
// that between and behind the rows must stay.
func readPart(tb testing.TB, d *Decoder, jpeg []byte, cs Colorspace, opts DecodeOptions, strips int) ([]byte, image.Rectangle) {
	tb.Helper()
	info, err := ReadInfo(jpeg)
	if err != nil {
		tb.Fatal(err)
	}
	r := opts.Rect(info)
	row, stride := r.Dx()*cs.Channels(), r.Dx()*cs.Channels()+3
	loose := bytes.Repeat([]byte{0xAA}, stride*r.Dy())
	if err := d.DecodeStrips(loose, jpeg, info, stride, cs, opts, strips); err != nil {
		tb.Fatalf("%v %+v in %d strips: %v", cs, opts, strips, err)
	}
	pix := make([]byte, 0, row*r.Dy())
	for y := range r.Dy() {
		pix = append(pix, loose[y*stride:y*stride+row]...)
		if gap := loose[y*stride+row : (y+1)*stride]; !bytes.Equal(gap, []byte{0xAA, 0xAA, 0xAA}) {
			tb.Fatalf("%v %+v in %d strips: wrote behind row %d", cs, opts, strips, y)
		}
	}
	return pix, r
}

// subPixels returns a part of pixels.
func subPixels(pix []byte, width, channels int, r image.Rectangle) []byte {
	part := make([]byte, 0, r.Dx()*r.Dy()*channels)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		part = append(part, pix[(y*width+r.Min.X)*channels:(y*width+r.Max.X)*channels]...)
	}
	return part
}

// TestReducedEqualsSimplejpeg compares reduced and gray pictures with those of
// simplejpeg's min_factor and colorspace.
func TestReducedEqualsSimplejpeg(t *testing.T) {
	var want struct{ Read map[string][]any }
	if err := json.Unmarshal(reducedJSON, &want); err != nil || len(want.Read) < 300 {
		t.Fatalf("%d results, %v", len(want.Read), err)
	}
	files, d := golden(t).Decode, newDecoder(t)
	for key, results := range want.Read {
		at := strings.LastIndex(key[:strings.LastIndex(key, " ")], " ")
		name := key[:at]
		var space string
		var by int
		if _, err := fmt.Sscan(key[at:], &space, &by); err != nil {
			t.Fatal(err)
		}
		jpeg, ok := []byte(nil), false
		if name, ok = strings.CutPrefix(name, "golden/"); ok {
			jpeg = files[name].JPEG
		} else {
			name = strings.TrimPrefix(name, "jpeg/")
			jpeg = file(t, name)
		}
		if _, ok := refused[name]; ok {
			continue
		}
		for i, opts := range decodeFlags {
			opts.Reduce = by
			for _, strips := range []int{1, 3} {
				pix, r := readPart(t, d, jpeg, parse(t, space), opts, strips)
				if float64(r.Dx()) != results[0] || float64(r.Dy()) != results[1] || digest(pix) != results[2+i] {
					t.Errorf("%s %+v in %d strips: %v, other pixels than simplejpeg's %v", key, opts, strips, r, results[:2])
				}
			}
		}
	}
}

// regionsOf returns parts of a picture: each side of it, single pixels, the
// edges of blocks, and some at random.
func regionsOf(width, height int) []image.Rectangle {
	rnd := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	regions := []image.Rectangle{
		image.Rect(0, 0, 1, 1), image.Rect(width-1, height-1, width, height), image.Rect(-5, -5, width+5, height+5),
		image.Rect(0, 8, width, 16), image.Rect(8, 0, 16, height), image.Rect(0, 16, width, height), image.Rect(0, 0, width, 17),
		image.Rect(15, 15, 18, 18), image.Rect(16, 16, 32, 32),
	}
	for range 4 {
		a, b := image.Pt(rnd.IntN(width), rnd.IntN(height)), image.Pt(1+rnd.IntN(width), 1+rnd.IntN(height))
		regions = append(regions, image.Rectangle{a, a.Add(b)})
	}
	inside := regions[:0]
	for _, r := range regions {
		if r.Overlaps(image.Rect(0, 0, width, height)) {
			inside = append(inside, r)
		}
	}
	return inside
}

// TestRegionEqualsWhole compares parts of a picture with the same parts of all
// of it, for every kind of JPEG, size and way of decoding.
func TestRegionEqualsWhole(t *testing.T) {
	d := newDecoder(t)
	for name, jpeg := range readable(t) {
		info, err := ReadInfo(jpeg)
		if err != nil {
			t.Fatal(err)
		}
		o, _ := readOutline(jpeg)
		restarts := o.interval > 0
		for _, opts := range decodeFlags {
			for _, cs := range []Colorspace{BGR, GRAY} {
				for _, by := range []int{1, 2, 4, 8} {
					opts.Reduce, opts.Region = by, image.Rectangle{}
					whole, all := readPart(t, d, jpeg, cs, opts, 1)
					for _, opts.Region = range regionsOf(info.Width, info.Height) {
						for _, strips := range []int{1, 3} {
							if strips > 1 && !restarts {
								continue
							}
							pix, r := readPart(t, d, jpeg, cs, opts, strips)
							if !bytes.Equal(pix, subPixels(whole, all.Dx(), cs.Channels(), r)) {
								t.Fatalf("%s to %v %+v in %d strips: other pixels than those of the whole picture", name, cs, opts, strips)
							}
						}
					}
				}
			}
		}
	}
}

// TestRegionReadsOnlyItsRows damages what is outside of a region: nothing of it
// is decoded if there are restart markers, and nothing below it in any case.
func TestRegionReadsOnlyItsRows(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	for _, c := range []struct {
		rows         int
		damage       func(jpeg []byte, at int) []byte
		above, below error
	}{
		{1, func(jpeg []byte, at int) []byte { return slices.Delete(jpeg, at, nextMarker(jpeg, at)) }, nil, nil},
		{0, func(jpeg []byte, at int) []byte { return slices.Insert(jpeg, at, 0xFF, mRST0+3) }, ErrCorrupt, nil},
	} {
		p := Planes(planesPicture(image.Rect(0, 0, 64, 160), image.YCbCrSubsampleRatio420))
		p.restartRows = c.rows
		good := encodePicture(t, e, p, 90, 1)
		o, _ := readOutline(good)
		region := DecodeOptions{Region: image.Rect(3, 64, 40, 80)}
		want, _ := readPart(t, d, good, BGR, region, 1)
		for at, wantErr := range map[int]error{o.scanAt + 40: c.above, len(good) - 40: c.below} {
			jpeg := c.damage(bytes.Clone(good), at)
			if err := decodeFile(d, jpeg, BGR, DecodeOptions{}, 1, nil); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("marker after %d rows, damage at %d: the whole is read: %v", c.rows, at, err)
			}
			info, err := ReadInfo(jpeg)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(want))
			err = d.DecodeStrips(got, jpeg, info, 3*37, BGR, region, 1)
			if !errors.Is(err, wantErr) || err == nil && !bytes.Equal(got, want) {
				t.Errorf("marker after %d rows, damage at %d: %v, want %v", c.rows, at, err, wantErr)
			}
		}
	}
}

// rgbOf converts planes to pixels with libjpeg's formula (jdcolor.c).
func rgbOf(img *image.YCbCr) []byte {
	clamp := func(v int) byte { return byte(max(0, min(255, v))) }
	var pix []byte
	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			l, c := int(img.Y[img.YOffset(x, y)]), img.COffset(x, y)
			cb, cr := int(img.Cb[c])-128, int(img.Cr[c])-128
			pix = append(pix, clamp(l+(91881*cr+32768)>>16), clamp(l+(-22554*cb-46802*cr+32768)>>16), clamp(l+(116130*cb+32768)>>16))
		}
	}
	return pix
}

// TestPlanesEqualPixels converts planes to pixels, which must be those that
// libjpeg makes of the same JPEG without interpolating color.
func TestPlanesEqualPixels(t *testing.T) {
	d := newDecoder(t)
	for name, jpeg := range readable(t) {
		info, err := ReadInfo(jpeg)
		if err != nil {
			t.Fatal(err)
		}
		for _, fast := range []bool{false, true} {
			for _, by := range []int{1, 2, 4, 8} {
				for _, region := range append(regionsOf(info.Width, info.Height), image.Rectangle{}) {
					opts := DecodeOptions{FastDCT: fast, FastUpsample: true, Reduce: by, Region: region}
					for _, strips := range []int{1, 3} {
						img, err := d.DecodeYCbCr(jpeg, info, opts, strips)
						if info.Space != "YCbCr" && info.Space != "Gray" || info.Subsampling == "441" {
							if !errors.Is(err, ErrShape) {
								t.Errorf("%s: %v", name, err)
							}
							continue
						}
						if err != nil {
							t.Fatalf("%s %+v in %d strips: %v", name, opts, strips, err)
						}
						want, r := readPart(t, d, jpeg, RGB, opts, 1)
						if img.Rect != r || !bytes.Equal(rgbOf(img), want) {
							t.Fatalf("%s %+v in %d strips: %v of %v, other colors than the pixels have", name, opts, strips, img.SubsampleRatio, img.Rect)
						}
					}
				}
			}
		}
	}
}

// TestReadingRefusesWhatDoesNotFit checks the options, and that the Info of
// another JPEG does no harm.
func TestReadingRefusesWhatDoesNotFit(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	jpeg := encode(t, e, picture(64, 48, 3), 64, 48, BGR, EncodeOptions{90, true})
	info, err := ReadInfo(jpeg)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 64*48*3)
	for name, opts := range map[string]DecodeOptions{
		"by 3": {Reduce: 3}, "by 16": {Reduce: 16}, "negative": {Reduce: -2}, "beside": {Region: image.Rect(64, 0, 99, 9)},
	} {
		if err := d.DecodeStrips(dst, jpeg, info, 64*3, BGR, opts, 1); !errors.Is(err, ErrShape) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.DecodeYCbCr(jpeg, info, opts, 1); !errors.Is(err, ErrShape) {
			t.Errorf("%s, planes: %v", name, err)
		}
	}
	half := DecodeOptions{Reduce: 2}
	if err := d.DecodeStrips(dst[:32*24*3-1], jpeg, info, 32*3, BGR, half, 1); !errors.Is(err, ErrTooSmall) {
		t.Errorf("a byte too few: %v", err)
	}
	for name, other := range map[string][]byte{
		"another subsampling": encodePicture(t, e, Planes(planesPicture(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio444)), 90, 1),
		"gray":                encode(t, e, picture(64, 48, 1), 64, 48, GRAY, EncodeOptions{90, true}),
		"inks":                encode(t, e, picture(64, 48, 4), 64, 48, CMYK, EncodeOptions{90, true}),
		"another size":        encode(t, e, picture(48, 64, 3), 48, 64, BGR, EncodeOptions{90, true}),
	} {
		for _, opts := range []DecodeOptions{{}, half, {Region: image.Rect(9, 9, 20, 20)}} {
			if _, err := d.DecodeYCbCr(other, info, opts, 3); err == nil {
				t.Errorf("%s %+v: no error", name, opts)
			}
		}
	}
	d.Close()
	if _, err := d.DecodeYCbCr(jpeg, info, half, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestLimitsHoldForEveryReading checks the limits on scans and memory, and
// Stop.
func TestLimitsHoldForEveryReading(t *testing.T) {
	d := newDecoder(t)
	stopped := make(chan struct{})
	close(stopped)
	bomb, slow := jpegtest.Scans(512, 512, 501), jpegtest.Scans(1024, 1024, 40)
	if _, err := ReadInfo(bomb); !errors.Is(err, ErrLimit) {
		t.Fatal(err)
	}
	info, err := ReadInfo(slow)
	if err != nil {
		t.Fatal(err)
	}
	few := info
	few.Memory = 0
	many := info
	many.Width, many.Height = 512, 512
	for name, opts := range map[string]DecodeOptions{
		"whole": {}, "half": {Reduce: 2}, "eighth": {Reduce: 8}, "region": {Region: image.Rect(100, 100, 300, 300)},
	} {
		reads := map[string]func(jpeg []byte, info Info) error{
			"gray": func(jpeg []byte, info Info) error {
				r := opts.Rect(info)
				return d.DecodeStrips(make([]byte, r.Dx()*r.Dy()), jpeg, info, r.Dx(), GRAY, opts, 2)
			},
			"planes": func(jpeg []byte, info Info) error {
				_, err := d.DecodeYCbCr(jpeg, info, opts, 2)
				return err
			},
		}
		for to, read := range reads {
			if err := read(slow, info); err != nil {
				t.Errorf("%s to %s: %v", name, to, err)
			}
			if err := read(slow, few); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "Backing store") {
				t.Errorf("%s to %s, with memory for no coefficients: %v", name, to, err)
			}
			if err := read(bomb, many); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "scans") {
				t.Errorf("%s to %s, too many scans: %v", name, to, err)
			}
			d.Stop[0] = stopped
			if err := read(slow, info); !errors.Is(err, ErrStopped) {
				t.Errorf("%s to %s, stopped: %v", name, to, err)
			}
			d.Stop[0] = nil
		}
	}
}

// TestFilesInEveryReading reads what cameras and programs make, and damaged
// JPEGs, in every way: with the error that reading the whole has, or with its
// pixels.
func TestFilesInEveryReading(t *testing.T) {
	d := newDecoder(t)
	for name := range golden(t).Files {
		jpeg := file(t, name)
		info, err := ReadInfo(jpeg)
		if err != nil {
			if _, ok := refused[name]; !ok {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		for _, opts := range []DecodeOptions{{Reduce: 2}, {Reduce: 8, FastDCT: true}, {Region: image.Rect(0, 0, info.Width, info.Height)}} {
			for _, cs := range []Colorspace{BGR, GRAY} {
				r := opts.Rect(info)
				err := d.DecodeStrips(make([]byte, r.Dx()*r.Dy()*cs.Channels()), jpeg, info, r.Dx()*cs.Channels(), cs, opts, 2)
				if bad, ok := refused[name]; ok != (err != nil) || ok && !errors.Is(err, bad.kind) {
					t.Errorf("%s to %v %+v: %v", name, cs, opts, err)
				}
			}
			_, err := d.DecodeYCbCr(jpeg, info, opts, 2)
			if _, ok := refused[name]; (ok || info.CMYK()) != (err != nil) {
				t.Errorf("%s to planes %+v: %v", name, opts, err)
			}
		}
	}
}
