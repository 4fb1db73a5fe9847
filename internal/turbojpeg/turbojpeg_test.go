package turbojpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestColorspaceNames(t *testing.T) {
	names := map[string]int{
		"RGB": 3, "BGR": 3, "RGBX": 4, "BGRX": 4, "XBGR": 4, "XRGB": 4,
		"GRAY": 1, "RGBA": 4, "BGRA": 4, "ABGR": 4, "ARGB": 4, "CMYK": 4,
	}
	if len(layouts) != len(names) {
		t.Errorf("%d color spaces, want %d", len(layouts), len(names))
	}
	for name, channels := range names {
		for _, spelled := range []string{name, " " + name + "\n", string(bytes.ToLower([]byte(name)))} {
			cs, err := ParseColorspace(spelled)
			if err != nil || cs.String() != name || cs.Channels() != channels {
				t.Errorf("%q: got %v with %d channels, %v", spelled, cs, cs.Channels(), err)
			}
		}
	}
	for name := range names {
		cs, _ := ParseColorspace(name)
		want := [4]int{-1, -1, -1, -1} // GRAY and CMYK
		if name != "GRAY" && name != "CMYK" {
			for i, letter := range "RGBA" {
				want[i] = strings.IndexRune(name, letter)
			}
		}
		if got := cs.RGBA(); got != want {
			t.Errorf("%s has red, green, blue and alpha at %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"", "YUV", "BGR8", "B G R"} {
		if _, err := ParseColorspace(name); !errors.Is(err, ErrShape) {
			t.Errorf("%q: got %v, want ErrShape", name, err)
		}
	}
	if c := Colorspace(99); c.Channels() != 0 || c.String() != "Colorspace(99)" {
		t.Errorf("unknown colorspace: %v, %d channels", c, c.Channels())
	}
}

func TestEncodeRefusesWhatDoesNotFit(t *testing.T) {
	e := newEncoder(t)
	const width, height, row = 4, 3, 12
	ok := EncodeOptions{Quality: 90}
	pix := make([]byte, row*height)
	dst := make([]byte, e.Bound(width, height, BGR))
	for _, c := range []struct {
		name                  string
		dst, pix              []byte
		width, height, stride int
		cs                    Colorspace
		opts                  EncodeOptions
		want                  error
	}{
		{"as it should be", dst, pix, width, height, row, BGR, ok, nil},
		{"no pixels", dst, nil, width, height, row, BGR, ok, ErrShape},
		{"one pixel byte missing", dst, pix[1:], width, height, row, BGR, ok, ErrShape},
		{"no width", dst, pix, 0, height, row, BGR, ok, ErrShape},
		{"negative width", dst, pix, -1, height, row, BGR, ok, ErrShape},
		{"no height", dst, pix, width, 0, row, BGR, ok, ErrShape},
		{"too wide", dst, pix, MaxDimension + 1, height, row, BGR, ok, ErrShape},
		{"too high", dst, pix, width, MaxDimension + 1, row, BGR, ok, ErrShape},
		{"more pixels than an int32 counts", dst, pix, MaxDimension, MaxDimension, MaxDimension * 3, BGR, ok, ErrShape},
		{"stride below a row", dst, pix, width, height, row - 1, BGR, ok, ErrShape},
		{"negative stride", dst, pix, width, height, -row, BGR, ok, ErrShape},
		{"huge stride", dst, pix, width, height, math.MaxInt, BGR, ok, ErrShape},
		{"huge stride, one row", dst, pix, width, 1, math.MaxInt, BGR, ok, on64(ErrShape, nil)}, // C has room for 32 bits
		{"unknown colorspace", dst, pix, width, height, row, Colorspace(12), ok, ErrShape},
		{"negative color space", dst, pix, width, height, row, Colorspace(-1), ok, ErrShape},
		{"quality 0", dst, pix, width, height, row, BGR, EncodeOptions{}, ErrShape},
		{"quality 101", dst, pix, width, height, row, BGR, EncodeOptions{Quality: 101}, ErrShape},
		{"no room", nil, pix, width, height, row, BGR, ok, ErrTooSmall},
		{"one byte of room missing", dst[1:], pix, width, height, row, BGR, ok, ErrTooSmall},
	} {
		n, err := e.EncodeInto(c.dst, c.pix, c.width, c.height, c.stride, c.cs, c.opts)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %d, %v, want %v", c.name, n, err, c.want)
		}
	}
}

// on64 returns an error where int has 64 bits, and the other one where it has 32.
func on64(err, other error) error {
	if strconv.IntSize == 64 {
		return err
	}
	return other
}

func TestDecodeRefusesWhatDoesNotFit(t *testing.T) {
	const width, height, row = 4, 3, 12
	jpeg := encode(t, newEncoder(t), make([]byte, row*height), width, height, BGR, EncodeOptions{Quality: 90})
	dst := make([]byte, row*height)
	d := newDecoder(t)
	for _, c := range []struct {
		name      string
		dst, jpeg []byte
		stride    int
		cs        Colorspace
		want      error
	}{
		{"as it should be", dst, jpeg, row, BGR, nil},
		{"no bytes", dst, nil, row, BGR, ErrCorrupt},
		{"no JPEG", dst, []byte("GIF89a, it says"), row, BGR, ErrCorrupt},
		{"start and end, nothing between", dst, []byte{0xFF, 0xD8, 0xFF, 0xD9}, row, BGR, ErrCorrupt},
		{"no room", nil, jpeg, row, BGR, ErrTooSmall},
		{"one byte of room missing", dst[1:], jpeg, row, BGR, ErrTooSmall},
		{"stride below a row", dst, jpeg, row - 1, BGR, ErrShape},
		{"no stride", dst, jpeg, 0, BGR, ErrShape},
		{"negative stride", dst, jpeg, -row, BGR, ErrShape},
		{"huge stride", dst, jpeg, math.MaxInt, BGR, on64(ErrShape, ErrTooSmall)},
		{"unknown colorspace", dst, jpeg, row, Colorspace(12), ErrShape},
		{"CMYK of a YCbCr JPEG", make([]byte, 99), jpeg, 16, CMYK, ErrShape},
	} {
		if err := d.DecodeInto(c.dst, c.jpeg, c.stride, c.cs, DecodeOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// claim writes another size into a JPEG's header.
func claim(jpeg []byte, width, height int) []byte {
	jpeg = bytes.Clone(jpeg)
	at := bytes.Index(jpeg, []byte{0xFF, 0xC0}) + 5 // marker, length, precision
	binary.BigEndian.PutUint16(jpeg[at:], uint16(height))
	binary.BigEndian.PutUint16(jpeg[at+2:], uint16(width))
	return jpeg
}

func TestLyingHeader(t *testing.T) {
	jpeg := encode(t, newEncoder(t), make([]byte, 48), 4, 4, BGR, EncodeOptions{Quality: 90})
	d := newDecoder(t)
	pix := make([]byte, 4096)

	huge := claim(jpeg, MaxDimension, MaxDimension)
	if info, err := ReadInfo(huge); err != nil || info.Width != MaxDimension || info.Height != MaxDimension {
		t.Errorf("the greatest size: %+v, %v", info, err)
	}
	if err := d.DecodeInto(pix, huge, MaxDimension*3, BGR, DecodeOptions{}); !errors.Is(err, ErrTooSmall) {
		t.Errorf("the greatest size: got %v, want ErrTooSmall", err)
	}
	for _, size := range [][2]int{{MaxDimension + 1, 4}, {4, MaxDimension + 1}, {65535, 65535}, {0, 4}, {4, 0}} {
		if info, err := ReadInfo(claim(jpeg, size[0], size[1])); !errors.Is(err, ErrCorrupt) {
			t.Errorf("size %v: got %+v, %v, want ErrCorrupt", size, info, err)
		}
	}
	// More pixels than the bytes hold, for which libjpeg would write gray and
	// warn.
	if err := d.DecodeInto(pix, claim(jpeg, 4, 64), 12, BGR, DecodeOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a picture cut short: got %v, want ErrCorrupt", err)
	}
}

// segments splits a JPEG's headers, up to its first scan, into marker segments.
func segments(tb testing.TB, jpeg []byte) (head [][]byte, scan []byte) {
	tb.Helper()
	for at := 2; at+4 < len(jpeg); {
		if jpeg[at+1] == 0xDA {
			return head, jpeg[at:]
		}
		end := at + 2 + int(binary.BigEndian.Uint16(jpeg[at+2:]))
		head = append(head, jpeg[at:end])
		at = end
	}
	tb.Fatal("no scan")
	return nil, nil
}

// A JPEG without quantization tables must not decode with those of the JPEG
// before it.
func TestNothingOfOnePictureReachesTheNext(t *testing.T) {
	pix := picture(16, 8, 3)
	jpeg := encode(t, newEncoder(t), pix, 16, 8, BGR, EncodeOptions{Quality: 90})
	head, scan := segments(t, jpeg)
	bare := []byte{0xFF, 0xD8}
	tables := []byte{0xFF, 0xD8}
	for _, segment := range head {
		if segment[1] == 0xDB {
			tables = append(tables, segment...)
		} else {
			bare = append(bare, segment...)
		}
	}
	bare = append(bare, scan...)
	tables = append(tables, 0xFF, 0xD9)

	d := newDecoder(t)
	if err := d.DecodeInto(pix, jpeg, 48, BGR, DecodeOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := d.DecodeInto(pix, bare, 48, BGR, DecodeOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("without tables: got %v, want ErrCorrupt", err)
	}
	if err := d.DecodeInto(pix, tables, 48, BGR, DecodeOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("tables alone: got %v, want ErrCorrupt", err)
	}
	if err := d.DecodeInto(pix, jpeg, 48, BGR, DecodeOptions{}); err != nil {
		t.Errorf("a good picture after bad ones: %v", err)
	}
}

// Noise needs more memory than TurboJPEG's own bound, and must still be
// encoded.
func TestNoiseAtFullQuality(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	e, d := newEncoder(t), newDecoder(t)
	const width, height = 320, 240
	for cs := range layouts {
		cs := Colorspace(cs)
		pix := make([]byte, width*height*cs.Channels())
		for _, levels := range []int{2, 256} {
			for i := range pix {
				pix[i] = byte(rnd.IntN(levels) * 255 / (levels - 1))
			}
			jpeg := encode(t, e, pix, width, height, cs, EncodeOptions{Quality: 100})
			t.Logf("%v, %d levels: %d of %d bytes", cs, levels, len(jpeg), e.Bound(width, height, cs))
			if err := d.DecodeInto(pix, jpeg, width*cs.Channels(), cs, DecodeOptions{}); err != nil {
				t.Errorf("%v: %v", cs, err)
			}
		}
	}
}

// worstPicture is the worst picture that a search found: tiled over a gray
// picture the pattern needs 135 bytes for 64 pixels, more than Bound.
func worstPicture(width, height int) []byte {
	const worst = 0x2a53805d8742e9ee
	pix := make([]byte, width*height)
	for i := range pix {
		x, y := i%width, i/width
		pattern := uint64(worst)
		if x/8%2 == 1 {
			pattern = ^pattern
		}
		pix[i] = byte(pattern>>(y%8*8+x%8)&1) * 255
	}
	return pix
}

// A picture that exceeds Bound is an error that a longer dst resolves.
func TestPictureThatOutgrowsBound(t *testing.T) {
	const width, height = 640, 480
	pix := worstPicture(width, height)
	e := newEncoder(t)
	opts := EncodeOptions{Quality: 100}
	dst := make([]byte, e.Bound(width, height, GRAY))
	if n, err := e.EncodeInto(dst, pix, width, height, width, GRAY, opts); !errors.Is(err, ErrTooSmall) {
		t.Errorf("with room for Bound: got %d bytes, %v, want ErrTooSmall", n, err)
	}
	dst = make([]byte, len(dst)*3/2)
	n, err := e.EncodeInto(dst, pix, width, height, width, GRAY, opts)
	if err != nil {
		t.Fatalf("with half as much again: %v", err)
	}
	if err := newDecoder(t).DecodeInto(pix, dst[:n], width, GRAY, DecodeOptions{}); err != nil {
		t.Errorf("decoding it: %v", err)
	}
}

func TestBound(t *testing.T) {
	e := newEncoder(t)
	for _, c := range []struct {
		width, height int
		cs            Colorspace
		want          int
	}{
		{1, 1, GRAY, 8*8*2 + 2048},
		{1, 1, BGR, 16*8*4 + 2048},
		{17, 9, BGRA, 32*16*4 + 2048},
		{16, 8, CMYK, 16*8*6 + 2048},
		{0, 1, BGR, 0},
		{1, MaxDimension + 1, BGR, 0},
		{math.MaxInt, math.MaxInt, BGR, 0},
		{1, 1, Colorspace(-1), 0},
	} {
		if got := e.Bound(c.width, c.height, c.cs); got != c.want {
			t.Errorf("%dx%d %v: got %d, want %d", c.width, c.height, c.cs, got, c.want)
		}
	}
}

func TestClose(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	jpeg := encode(t, e, make([]byte, 3), 1, 1, BGR, EncodeOptions{Quality: 90})
	for range 2 {
		e.Close()
		d.Close()
	}
	if _, err := e.EncodeInto(make([]byte, 4096), make([]byte, 3), 1, 1, 3, BGR, EncodeOptions{Quality: 90}); !errors.Is(err, ErrClosed) {
		t.Errorf("encoding after Close: got %v", err)
	}
	if err := d.DecodeInto(make([]byte, 3), jpeg, 3, BGR, DecodeOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("decoding after Close: got %v", err)
	}
	if n := e.Bound(1, 1, BGR); n == 0 {
		t.Error("Bound needs no open encoder")
	}
}

func TestNoAllocationsPerPicture(t *testing.T) {
	const width, height = 64, 48
	e, d := newEncoder(t), newDecoder(t)
	for cs := range layouts {
		cs := Colorspace(cs)
		row := width * cs.Channels()
		pix := picture(width, height, cs.Channels())
		dst := make([]byte, e.Bound(width, height, cs))
		var n int
		var err error
		if allocs := testing.AllocsPerRun(50, func() {
			n, err = e.EncodeInto(dst, pix, width, height, row, cs, EncodeOptions{90, true})
		}); allocs != 0 || err != nil {
			t.Errorf("encoding %v: %v allocations, %v", cs, allocs, err)
		}
		if allocs := testing.AllocsPerRun(50, func() {
			err = d.DecodeInto(pix, dst[:n], row, cs, DecodeOptions{})
		}); allocs != 0 || err != nil {
			t.Errorf("decoding %v: %v allocations, %v", cs, allocs, err)
		}
	}
}

// Encoders and decoders used concurrently return the same as a single one.
func TestManyAtOnce(t *testing.T) {
	pix := picture(131, 97, 3)
	want := digest(encode(t, newEncoder(t), pix, 131, 97, BGR, EncodeOptions{90, true}))
	var all sync.WaitGroup
	for range 4 {
		e, d := newEncoder(t), newDecoder(t)
		all.Go(func() {
			jpeg, back := make([]byte, e.Bound(131, 97, BGR)), make([]byte, len(pix))
			for range 50 {
				n, err := e.EncodeInto(jpeg, pix, 131, 97, 131*3, BGR, EncodeOptions{90, true})
				if err != nil || digest(jpeg[:n]) != want {
					t.Errorf("encoding: %v, or other bytes", err)
				}
				if err := d.DecodeInto(back, jpeg[:n], 131*3, BGR, DecodeOptions{}); err != nil {
					t.Errorf("decoding: %v", err)
				}
			}
		})
	}
	all.Wait()
}

// FuzzDecode checks that all bytes result in an error or in a picture of the
// header's size.
func FuzzDecode(f *testing.F) {
	for _, g := range golden(f).Decode {
		if len(g.JPEG) < 3000 {
			f.Add(g.JPEG, byte(len(g.JPEG)))
		}
	}
	f.Add([]byte{}, byte(0))
	f.Add([]byte{0xFF, 0xD8, 0xFF, 0xD9}, byte(1))
	f.Fuzz(func(t *testing.T, jpeg []byte, how byte) {
		info, err := ReadInfo(jpeg)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
				t.Fatal(err)
			}
			return
		}
		if info.Width*info.Height > 1<<18 {
			return // only slow
		}
		cs := Colorspace(int(how) % len(layouts))
		opts := DecodeOptions{FastDCT: how&64 != 0, FastUpsample: how&128 != 0}
		row := info.Width * cs.Channels()
		const guard = 64
		dst := bytes.Repeat([]byte{0xAA}, info.Height*row+guard)
		err = newDecoder(t).DecodeInto(dst[:info.Height*row], jpeg, row, cs, opts)
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrShape) {
			t.Fatal(err)
		}
		if !bytes.Equal(dst[info.Height*row:], bytes.Repeat([]byte{0xAA}, guard)) {
			t.Fatal("wrote beyond the picture")
		}
	})
}
