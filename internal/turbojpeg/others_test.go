package turbojpeg

import (
	"bytes"
	"errors"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestJPEGsOfOthers reads the JPEGs of Go's package image, and of the folders
// in NETGEAR_JPEGS, in every way.
func TestJPEGsOfOthers(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	folders := append(filepath.SplitList(os.Getenv("NETGEAR_JPEGS")), filepath.Join(strings.TrimSpace(string(root)), "src", "image", "testdata"))
	d, read := newDecoder(t), 0
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			name := filepath.Join(folder, entry.Name())
			jpeg, err := os.ReadFile(name)
			if err != nil || !bytes.HasPrefix(jpeg, []byte{0xFF, mSOI}) {
				continue
			}
			if inEveryWay(t, d, name, jpeg) {
				read++
			}
		}
	}
	if t.Logf("%d read", read); read < 20 {
		t.Errorf("only %d are read", read)
	}
}

// TestExtremeSizes reads and writes pictures of one pixel, one row and one
// column, and of the largest width and height.
func TestExtremeSizes(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	for _, size := range []image.Point{{1, 1}, {1, 2}, {3, 1}, {1, MaxDimension}, {MaxDimension, 1}, {MaxDimension, 3}, {3, MaxDimension}} {
		img := planesPicture(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
		if !inEveryWay(t, d, size.String(), encodePicture(t, e, Planes(img), 90, 3)) {
			t.Errorf("%v: not read", size)
		}
	}
	for _, size := range []image.Point{{MaxDimension + 1, 1}, {1, MaxDimension + 1}} {
		p := Planes(planesPicture(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420))
		if _, err := e.EncodePicture(make([]byte, 1<<20), p, EncodeOptions{90, true}, 1); e.PictureBound(p, 1) != 0 || !errors.Is(err, ErrShape) {
			t.Errorf("%v: %v", size, err)
		}
	}
}

// FuzzReadings reads changed JPEGs in every way: an error, or the same pixels.
func FuzzReadings(f *testing.F) {
	e := newEncoder(f)
	for _, r := range ratios {
		p := Planes(planesPicture(image.Rect(0, 0, 37, 43), r))
		f.Add(encodePicture(f, e, p, 60, 1))
		f.Add(encodePicture(f, e, p, 60, 3))
	}
	for name, g := range golden(f).Decode {
		if g.Info.Width == 49 || name == "trailing bytes" {
			f.Add(g.JPEG)
		}
	}
	f.Fuzz(func(t *testing.T, jpeg []byte) {
		if info, err := ReadInfo(jpeg); err == nil && info.Width*info.Height <= 1<<16 {
			inEveryWay(t, newDecoder(t), "the input", jpeg)
		}
	})
}

// named reports whether an error is one of this package's.
func named(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrLimit) || errors.Is(err, ErrShape)
}

// inEveryWay compares each way of reading with the others. It returns false for
// a JPEG that is not read.
func inEveryWay(t *testing.T, d *Decoder, name string, jpeg []byte) bool {
	t.Helper()
	info, err := ReadInfo(jpeg)
	if err != nil || info.Width*info.Height > 1<<24 {
		if err != nil && !named(err) {
			t.Errorf("%s: %v", name, err)
		}
		return false
	}
	if err := decodeFile(d, jpeg, BGR, DecodeOptions{FastDCT: true}, 1, nil); err != nil {
		for _, opts := range []DecodeOptions{{}, {Reduce: 2}, {Reduce: 8}} {
			r := opts.Rect(info)
			if err := d.DecodeStrips(make([]byte, r.Dx()*r.Dy()), jpeg, info, r.Dx(), GRAY, opts, 3); !named(err) {
				t.Errorf("%s to GRAY %+v: %v", name, opts, err)
			}
			if _, err := d.DecodeYCbCr(jpeg, info, opts, 3); !named(err) {
				t.Errorf("%s to planes %+v: %v", name, opts, err)
			}
		}
		return false
	}
	part := image.Rect(info.Width/3, info.Height/3, info.Width*2/3+1, info.Height*2/3+1)
	for _, reduce := range []int{1, 2, 4, 8} {
		opts := DecodeOptions{FastDCT: true, Reduce: reduce}
		for _, cs := range []Colorspace{BGR, GRAY} {
			whole, all := readPart(t, d, jpeg, cs, opts, 1)
			inStrips, _ := readPart(t, d, jpeg, cs, opts, 3)
			if !bytes.Equal(inStrips, whole) {
				t.Errorf("%s to %v %+v: other pixels in strips", name, cs, opts)
			}
			opts.Region = part
			pix, r := readPart(t, d, jpeg, cs, opts, 3)
			if !bytes.Equal(pix, subPixels(whole, all.Dx(), cs.Channels(), r)) {
				t.Errorf("%s to %v %+v: other pixels than in the whole", name, cs, opts)
			}
			opts.Region = image.Rectangle{}
		}
		opts.FastUpsample = true
		want, _ := readPart(t, d, jpeg, RGB, opts, 1)
		img, err := d.DecodeYCbCr(jpeg, info, opts, 3)
		if err != nil && !errors.Is(err, ErrShape) || err == nil && !bytes.Equal(rgbOf(img), want) {
			t.Errorf("%s to planes %+v: %v, or other colors", name, opts, err)
		}
	}
	return true
}
