package turbojpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// file reads a JPEG of testdata/jpeg.
func file(tb testing.TB, name string) []byte {
	tb.Helper()
	jpeg, err := os.ReadFile(filepath.Join("testdata", "jpeg", name))
	if err != nil {
		tb.Fatal(err)
	}
	return jpeg
}

// refused are the files that are errors, with the text that the error must
// contain.
var refused = map[string]struct {
	kind error
	says string
}{
	"cut-90.jpg":              {ErrCorrupt, "Premature end of JPEG file"},
	"two-soi.jpg":             {ErrCorrupt, "SOI"},
	"scans-480-2000x2000.jpg": {ErrLimit, "more than 268 scans, the limit for 2000x2000 pixels"},
}

// TestFilesOfCameras reads what cameras and programs make, damaged JPEGs and a
// bomb, in every number of strips: simplejpeg's pixels, or an error that names
// the cause. Where strict simplejpeg refuses a whole picture, there is a
// warning.
func TestFilesOfCameras(t *testing.T) {
	files := golden(t).Files
	if len(files) < 17 {
		t.Fatalf("only %d files", len(files))
	}
	d := newDecoder(t)
	for name, spaces := range files {
		jpeg := file(t, name)
		if bad, ok := refused[name]; ok {
			for strips := range MaxStrips + 1 {
				err := decodeFile(d, jpeg, BGR, DecodeOptions{}, strips, nil)
				if !errors.Is(err, bad.kind) || !strings.Contains(err.Error(), bad.says) {
					t.Errorf("%s in %d strips: got %v, want %q", name, strips, err, bad.says)
				}
			}
			continue
		}
		for space, digests := range spaces {
			for i, want := range digests {
				sameInAllStrips(t, d, name, jpeg, parse(t, space), decodeFlags[i], want)
			}
		}
	}
}

// decodeFile decodes into *pix, if the picture is small enough.
func decodeFile(d *Decoder, jpeg []byte, cs Colorspace, opts DecodeOptions, strips int, pix *[]byte) error {
	info, err := ReadInfo(jpeg)
	if err != nil {
		return err
	}
	row := info.Width * cs.Channels()
	dst := make([]byte, row*info.Height)
	if pix != nil {
		*pix = dst
	}
	return d.DecodeStrips(dst, jpeg, info, row, cs, opts, strips)
}

// sameInAllStrips compares a file's pixels with a digest of golden.json.
func sameInAllStrips(t *testing.T, d *Decoder, name string, jpeg []byte, cs Colorspace, opts DecodeOptions, want string) {
	t.Helper()
	want, faulty := strings.CutPrefix(want, "~")
	for strips := 1; strips <= MaxStrips; strips++ {
		var pix []byte
		err := decodeFile(d, jpeg, cs, opts, strips, &pix)
		switch {
		case want == "" && errors.Is(err, ErrShape):
		case err != nil || digest(pix) != want:
			t.Errorf("%s to %v %+v in %d strips: other pixels than simplejpeg's, or %v", name, cs, opts, strips, err)
		case faulty != (d.Warning() != ""):
			t.Errorf("%s in %d strips: warning %q, simplejpeg refuses it: %v", name, strips, d.Warning(), faulty)
		}
	}
}

// fault is a JPEG that libjpeg warns about, and whether the picture is
// complete.
type fault struct {
	name  string
	jpeg  []byte
	whole bool
	says  string
}

// faults returns one JPEG for each warning that a file can cause.
func faults(tb testing.TB) []fault {
	e := newEncoder(tb)
	good := encodeStrips(tb, e, picture(40, 64, 3), 40, 64, BGR, EncodeOptions{90, true}, 4)
	o, ok := readOutline(good)
	if !ok {
		tb.Fatal("no outline")
	}
	markers := markersOf(good, o.scanAt)
	edit := func(at int, b ...byte) []byte {
		jpeg := bytes.Clone(good)
		copy(jpeg[at:], b)
		return jpeg
	}
	insert := func(at int, b ...byte) []byte { return slices.Insert(bytes.Clone(good), at, b...) }
	adobe := []byte("\xFF\xEE\x00\x0EAdobe\x00\x64\x00\x00\x00\x00\x07")
	jfif := binary.BigEndian.Uint16(good[4:])
	return []fault{
		{"bytes before RST", insert(markers[0], make([]byte, 20)...), true, "20 extraneous bytes before marker 0xd0"},
		{"bytes before EOI", insert(len(good)-2, make([]byte, 20)...), true, "extraneous bytes before marker 0xd9"},
		{"no EOI", good[:len(good)-2], true, "Premature end"},
		{"JFIF 9", edit(11, 9), true, "JFIF revision"},
		{"unused SOS parameters", edit(o.scanAt-2, 0), true, "Invalid SOS"},
		{"bytes in the header", insert(o.sosAt, 1, 2, 3), false, "3 extraneous bytes before marker 0xda"},
		{"cut", good[:len(good)-9], false, "Premature end of JPEG file"},
		{"cut, with an end", append(bytes.Clone(good[:len(good)-9]), eoi...), false, "premature end of data segment"},
		{"codes missing in an interval", slices.Delete(bytes.Clone(good), markers[1]-9, markers[1]), false, "premature end of data segment"},
		{"bad code", edit(o.scanAt+20, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0), false, "bad Huffman code"},
		{"another restart marker", edit(markers[1]+1, mRST0+5), false, "instead of RST"},
		{"unknown Adobe transform", slices.Concat(good[:2], adobe, good[4+int(jfif):]), false, "Adobe color transform"},
	}
}

// TestEveryWarning checks that a JPEG with a warning is decoded if the picture
// is complete, in the same way with every number of strips.
func TestEveryWarning(t *testing.T) {
	d := newDecoder(t)
	want := pixels(t, d, faultless(t), BGR, DecodeOptions{}, 1)
	for _, f := range faults(t) {
		for strips := 1; strips <= MaxStrips; strips++ {
			var pix []byte
			err := decodeFile(d, f.jpeg, BGR, DecodeOptions{}, strips, &pix)
			switch {
			case f.whole && (err != nil || !bytes.Equal(pix, want)):
				t.Errorf("%s in %d strips: other pixels, or %v", f.name, strips, err)
			case f.whole && !strings.Contains(d.Warning(), f.says):
				t.Errorf("%s in %d strips: warning %q, want %q", f.name, strips, d.Warning(), f.says)
			case !f.whole && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), f.says)):
				t.Errorf("%s in %d strips: got %v, want %q", f.name, strips, err, f.says)
			}
		}
	}
}

// faultless is the JPEG that faults damages.
func faultless(tb testing.TB) []byte {
	return encodeStrips(tb, newEncoder(tb), picture(40, 64, 3), 40, 64, BGR, EncodeOptions{90, true}, 4)
}

// A JPEG that may lack scans is incomplete without its end, whether it is
// progressive or has a scan for each component.
func TestProgressiveWithoutEndIsDamaged(t *testing.T) {
	jpeg := golden(t).Decode["progressive 49x35"].JPEG
	err := decodeFile(newDecoder(t), jpeg[:len(jpeg)-2], BGR, DecodeOptions{}, 1, nil)
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "Premature end") {
		t.Errorf("got %v", err)
	}
}
