package turbojpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// encodeStrips encodes tightly packed pixels in strips.
func encodeStrips(tb testing.TB, e *Encoder, pix []byte, width, height int, cs Colorspace, opts EncodeOptions, strips int) []byte {
	tb.Helper()
	dst := make([]byte, e.StripsBound(width, height, cs, strips))
	n, err := e.EncodeStrips(dst, pix, width, height, width*cs.Channels(), cs, opts, strips)
	if err != nil {
		tb.Fatalf("encoding %dx%d %v %+v in %d strips: %v", width, height, cs, opts, strips, err)
	}
	return dst[:n]
}

// pixels decodes with so many strips, into memory that held something else
// before.
func pixels(tb testing.TB, d *Decoder, jpeg []byte, cs Colorspace, opts DecodeOptions, strips int) []byte {
	tb.Helper()
	info, err := ReadInfo(jpeg)
	if err != nil {
		tb.Fatal(err)
	}
	row := info.Width * cs.Channels()
	pix := bytes.Repeat([]byte{0xAA}, info.Height*row)
	if err := d.DecodeStrips(pix, jpeg, info, row, cs, opts, strips); err != nil {
		tb.Fatalf("decoding %+v to %v %+v in %d strips: %v", info, cs, opts, strips, err)
	}
	return pix
}

// inStrips reports whether a JPEG can be decoded in strips.
func inStrips(tb testing.TB, d *Decoder, jpeg []byte, strips int) bool {
	tb.Helper()
	info, err := ReadInfo(jpeg)
	if err != nil {
		tb.Fatal(err)
	}
	cs := RGB
	if info.CMYK() {
		cs = CMYK
	}
	row := info.Width * cs.Channels()
	return readStrips(d, jpeg, info, DecodeOptions{}, strips, &pixelTarget{make([]byte, row*info.Height), row, cs})
}

// readStrips decodes a JPEG in strips only.
func readStrips(d *Decoder, jpeg []byte, info Info, opts DecodeOptions, strips int, to target) bool {
	o, ok := readOutline(jpeg)
	return ok && o.fits(info) && !to.context(info, opts) && d.readStrips(&o, jpeg, info, opts, strips, to)
}

var stripSizes = [][2]int{{1, 9}, {7, 16}, {17, 33}, {131, 97}, {64, 64}, {50, 203}}

// The pixels are those of the JPEG in one piece, read in one piece or in
// strips.
func TestStripsHaveTheSamePixels(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	for cs := range layouts {
		cs := Colorspace(cs)
		for _, size := range stripSizes {
			width, height := size[0], size[1]
			pix := picture(width, height, cs.Channels())
			for _, quality := range []int{10, 90, 100} {
				opts := EncodeOptions{quality, true}
				whole := encode(t, e, pix, width, height, cs, opts)
				for strips := 2; strips <= MaxStrips; strips++ {
					jpeg := encodeStrips(t, e, pix, width, height, cs, opts, strips)
					if !inStrips(t, d, jpeg, strips) {
						t.Errorf("%v %v quality %d: %d strips are not read as strips", cs, size, quality, strips)
					}
					for _, how := range decodeFlags {
						want := pixels(t, d, whole, cs, how, 1)
						if got := pixels(t, d, jpeg, cs, how, 1); !bytes.Equal(got, want) {
							t.Errorf("%v %v quality %d %+v: other pixels in %d strips", cs, size, quality, how, strips)
						}
						if got := pixels(t, d, jpeg, cs, how, strips); !bytes.Equal(got, want) {
							t.Errorf("%v %v quality %d %+v: other pixels, read in %d strips", cs, size, quality, how, strips)
						}
					}
				}
			}
		}
	}
}

// Rows may be apart, in the source and the destination, and the bytes between
// them are not changed.
func TestStripsWithStride(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	const width, height, row, stride = 37, 61, 37 * 3, 37*3 + 5
	tight := picture(width, height, 3)
	loose := bytes.Repeat([]byte{0xAA}, (height-1)*stride+row) // no padding after the last row
	for y := range height {
		copy(loose[y*stride:], tight[y*row:(y+1)*row])
	}
	want := encodeStrips(t, e, tight, width, height, BGR, EncodeOptions{90, true}, 3)
	dst := make([]byte, e.StripsBound(width, height, BGR, 3))
	n, err := e.EncodeStrips(dst, loose, width, height, stride, BGR, EncodeOptions{90, true}, 3)
	if err != nil || !bytes.Equal(dst[:n], want) {
		t.Errorf("with a stride: other bytes, %v", err)
	}
	back := bytes.Repeat([]byte{0xAA}, len(loose))
	if err := d.DecodeStrips(back, want, Info{Width: width, Height: height}, stride, BGR, DecodeOptions{}, 3); err != nil {
		t.Fatal(err)
	}
	tight = pixels(t, d, want, BGR, DecodeOptions{}, 1)
	for y := range height {
		copy(loose[y*stride:], tight[y*row:(y+1)*row])
	}
	if !bytes.Equal(back, loose) {
		t.Error("with a stride: other pixels, or something between the rows")
	}
}

// libjpeg itself writes the same bytes if it is set to put restart markers at
// the same places, for which TurboJPEG has an environment variable.
func TestStripsAreWhatLibjpegMakes(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	for cs := range layouts {
		cs := Colorspace(cs)
		for _, size := range stripSizes {
			width, height := size[0], size[1]
			pix := picture(width, height, cs.Channels())
			opts := EncodeOptions{90, true}
			for strips := 2; strips <= MaxStrips; strips++ {
				jpeg := encodeStrips(t, e, pix, width, height, cs, opts, strips)
				t.Setenv("TJ_RESTART", fmt.Sprint(cutFor(width, height, defaultMCU(cs), strips).rows/8))
				want := encode(t, e, pix, width, height, cs, opts)
				t.Setenv("TJ_RESTART", "")
				if !bytes.Equal(jpeg, want) {
					t.Errorf("%v %v in %d strips: %d bytes differ from libjpeg's %d", cs, size, strips, len(jpeg), len(want))
				}
			}
			// Another program's JPEG, with a marker after each row of MCUs.
			t.Setenv("TJ_RESTART", "1")
			jpeg := encode(t, e, pix, width, height, cs, opts)
			if again := encodeStrips(t, e, pix, width, height, cs, opts, 2); !bytes.Equal(jpeg, again) {
				t.Errorf("%v %v: strips with markers of their own were joined", cs, size)
			}
			t.Setenv("TJ_RESTART", "")
			for strips := 2; strips <= MaxStrips; strips++ {
				if !inStrips(t, d, jpeg, strips) || !bytes.Equal(pixels(t, d, jpeg, cs, DecodeOptions{}, strips), pixels(t, d, jpeg, cs, DecodeOptions{}, 1)) {
					t.Errorf("%v %v with markers in each row: not read in %d strips, or other pixels", cs, size, strips)
				}
			}
		}
	}
	// Strips with different Huffman tables cannot be joined to one JPEG.
	t.Setenv("TJ_OPTIMIZE", "1")
	pix := picture(64, 64, 3)
	if want := encode(t, e, pix, 64, 64, BGR, EncodeOptions{90, true}); !bytes.Equal(want, encodeStrips(t, e, pix, 64, 64, BGR, EncodeOptions{90, true}, 2)) {
		t.Error("strips with other tables were joined")
	}
}

// One strip, or a picture with one row of MCUs, is simplejpeg's JPEG.
func TestOneStripIsOnePiece(t *testing.T) {
	e := newEncoder(t)
	for _, c := range []struct{ height, strips int }{{200, 1}, {200, 0}, {200, -3}, {8, 8}, {1, 2}} {
		pix := picture(40, c.height, 3)
		want := encode(t, e, pix, 40, c.height, BGR, EncodeOptions{90, true})
		if got := encodeStrips(t, e, pix, 40, c.height, BGR, EncodeOptions{90, true}, c.strips); !bytes.Equal(got, want) {
			t.Errorf("%+v: not the JPEG in one piece", c)
		}
	}
	if len(e.handles) > 1 {
		t.Errorf("%d handles for one strip", len(e.handles))
	}
}

func TestStripsCostNoBytes(t *testing.T) {
	e := newEncoder(t)
	for _, cs := range []Colorspace{BGR, GRAY, CMYK} {
		pix := photo(benchWidth, benchHeight, cs)
		whole := len(encode(t, e, pix, benchWidth, benchHeight, cs, EncodeOptions{90, true}))
		for _, strips := range []int{2, MaxStrips} {
			more := len(encodeStrips(t, e, pix, benchWidth, benchHeight, cs, EncodeOptions{90, true}, strips)) - whole
			t.Logf("%v in %d strips: %d bytes more than %d", cs, strips, more, whole)
			if more*1000 >= whole {
				t.Errorf("%v in %d strips: %d bytes more than %d", cs, strips, more, whole)
			}
		}
	}
}

func TestCutFor(t *testing.T) {
	for _, c := range []struct {
		width, height int
		cs            Colorspace
		strips        int
		want          cut
	}{
		{1920, 1080, BGR, 2, cut{2, 544, 1080}},
		{1920, 1080, BGR, 4, cut{4, 272, 1080}},
		{1920, 1080, BGR, 100, cut{8, 136, 1080}},
		{16, 24, BGR, 8, cut{3, 8, 24}},
		{16, 80, BGR, 8, cut{5, 16, 80}}, // strips of 2 rows of MCUs: too few rows for 8 of them
		{16, 8, BGR, 2, cut{1, 8, 8}},
		{3840, 2160, GRAY, 2, cut{2, 1080, 2160}},
		{7680, 4320, BGR, 2, cut{4, 1088, 4320}}, // 480 MCUs in a row, 16 bits for those of a strip
		{7680, 4320, GRAY, 2, cut{8, 544, 4320}},
		{MaxDimension, 8192, BGR, 2, cut{1, 8192, 8192}}, // would be more than 8
		{MaxDimension, 16, BGR, 2, cut{2, 8, 16}},
	} {
		if got := cutFor(c.width, c.height, defaultMCU(c.cs), c.strips); got != c.want {
			t.Errorf("%dx%d %v in %d: got %+v, want %+v", c.width, c.height, c.cs, c.strips, got, c.want)
		}
	}
}

func TestStrips(t *testing.T) {
	for _, c := range []struct{ width, height, cores, want int }{
		{1920, 1080, 1, 1}, {1920, 1080, 2, 2}, {1920, 1080, 64, MaxStrips}, {1920, 1080, 0, 1},
		{24, 16, 64, 1}, {320, 240, 64, 1}, {MaxDimension, MaxDimension, 4, 4},
	} {
		if got := Strips(c.width, c.height, c.cores); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func TestEncodeStripsRefusesWhatDoesNotFit(t *testing.T) {
	e := newEncoder(t)
	const width, height, row = 16, 32, 48
	pix := make([]byte, row*height)
	dst := make([]byte, e.StripsBound(width, height, BGR, 2))
	ok := EncodeOptions{Quality: 90}
	for _, c := range []struct {
		name          string
		dst, pix      []byte
		width, height int
		opts          EncodeOptions
		want          error
	}{
		{"as it should be", dst, pix, width, height, ok, nil},
		{"one pixel byte missing", dst, pix[1:], width, height, ok, ErrShape},
		{"one byte of room missing", dst[1:], pix, width, height, ok, ErrTooSmall},
		{"no height", dst, pix, width, 0, ok, ErrShape},
		{"too high", dst, pix, width, MaxDimension + 1, ok, ErrShape},
		{"quality 0", dst, pix, width, height, EncodeOptions{}, ErrShape},
	} {
		if n, err := e.EncodeStrips(c.dst, c.pix, c.width, c.height, row, BGR, c.opts, 2); !errors.Is(err, c.want) {
			t.Errorf("%s: got %d, %v, want %v", c.name, n, err, c.want)
		}
	}
	e.Close()
	if _, err := e.EncodeStrips(dst, pix, width, height, row, BGR, ok, 2); !errors.Is(err, ErrClosed) || e.handles != nil {
		t.Errorf("after Close: %v, handles %v", err, e.handles)
	}
}

// A picture computed to exceed Bound is an error that a longer dst resolves, in
// strips too.
func TestStripsThatOutgrowBound(t *testing.T) {
	const width, height, strips = 640, 480, 3
	pix := worstPicture(width, height)
	e := newEncoder(t)
	opts := EncodeOptions{Quality: 100}
	dst := make([]byte, e.StripsBound(width, height, GRAY, strips))
	if n, err := e.EncodeStrips(dst, pix, width, height, width, GRAY, opts, strips); !errors.Is(err, ErrTooSmall) {
		t.Errorf("with room for StripsBound: got %d bytes, %v, want ErrTooSmall", n, err)
	}
	dst = make([]byte, len(dst)*3/2)
	n, err := e.EncodeStrips(dst, pix, width, height, width, GRAY, opts, strips)
	if err != nil {
		t.Fatalf("with half as much again: %v", err)
	}
	if got := pixels(t, newDecoder(t), dst[:n], GRAY, DecodeOptions{}, strips); len(got) != len(pix) {
		t.Errorf("decoding it: %d pixels", len(got))
	}
}

// sameVerdict decodes a JPEG in one piece and in strips. Strips may fail, or
// have the same pixels as one piece. If one piece has an error or a warning,
// strips must fail. It returns whether strips were decoded, and the result of
// one piece.
func sameVerdict(tb testing.TB, jpeg []byte, cs Colorspace, opts DecodeOptions, strips int) (read bool, err error) {
	tb.Helper()
	info, err := ReadInfo(jpeg)
	if err != nil {
		return false, err
	}
	d, row := newDecoder(tb), info.Width*cs.Channels()
	const guard = 64
	whole := bytes.Repeat([]byte{0xAA}, info.Height*row+guard)
	cutUp := bytes.Clone(whole)
	n := info.Height * row
	if err := checkDecode(whole, info, row, cs, opts); err != nil {
		return false, err
	}
	if info.CMYK() != (cs == CMYK) {
		return false, nil // decoded through CMYK, which is tested separately
	}
	err = d.readWhole(jpeg, info, opts, &pixelTarget{whole[:n], row, cs})
	read = readStrips(d, jpeg, info, opts, strips, &pixelTarget{cutUp[:n], row, cs})
	if !bytes.Equal(cutUp[n:], whole[n:]) {
		tb.Fatal("wrote beyond the picture")
	}
	if read && !bytes.Equal(cutUp, whole) {
		tb.Fatalf("%+v, %v %+v: other pixels in %d strips (in one piece: %v)", info, cs, opts, strips, err)
	}
	if read && (err != nil || d.Warning() != "") {
		tb.Fatalf("%+v, %v %+v: %d strips are read, one piece is not: %v %s", info, cs, opts, strips, err, d.Warning())
	}
	return read, err
}

// damaged are JPEGs with wrong restart markers; none is decoded in strips.
func damaged(tb testing.TB) map[string][]byte {
	e := newEncoder(tb)
	pix := picture(40, 64, 3)
	good := encodeStrips(tb, e, pix, 40, 64, BGR, EncodeOptions{90, true}, 4)
	o, ok := readOutline(good)
	if !ok {
		tb.Fatal("no outline")
	}
	dri := o.sosAt - driSize
	rst := nextMarker(good, o.scanAt)
	edit := func(at int, b ...byte) []byte {
		jpeg := bytes.Clone(good)
		copy(jpeg[at:], b)
		return jpeg
	}
	insert := func(at int, b ...byte) []byte {
		return append(append(bytes.Clone(good[:at]), b...), good[at:]...)
	}
	remove := func(at, n int) []byte {
		return append(bytes.Clone(good[:at]), good[at+n:]...)
	}
	interval := func(n uint16) []byte { return edit(dri+4, byte(n>>8), byte(n)) }
	zeros := make([]byte, 100)
	return map[string][]byte{
		"interval 0":                     interval(0),
		"interval too short":             interval(3),
		"interval of half the rows":      interval(uint16(o.interval / 2)),
		"interval too long":              interval(uint16(o.interval * 2)),
		"interval no whole row":          interval(uint16(o.interval + 1)),
		"interval of all":                interval(0xFFFF),
		"no DRI":                         remove(dri, driSize),
		"a DRI of another length":        edit(dri+3, 3),
		"a marker missing":               remove(rst, 2),
		"a marker too many":              insert(rst, 0xFF, mRST0),
		"markers in another order":       edit(rst+1, mRST0+1),
		"a foreign marker":               edit(rst+1, mCOM),
		"fill bytes before a marker":     insert(rst, 0xFF),
		"many bytes too many":            insert(rst, zeros...),
		"an end too early":               edit(rst+1, mEOI),
		"a scan cut short":               remove(rst-20, 20),
		"the file cut short":             good[:len(good)-40],
		"the end missing":                good[:len(good)-2],
		"the end's first byte alone":     good[:len(good)-1],
		"taller than its scan":           claim(good, 40, 80),
		"lower than its scan":            claim(good, 40, 40),
		"wider than its scan":            claim(good, 80, 64),
		"a second scan":                  append(append(bytes.Clone(good[:len(good)-2]), good[o.sosAt:]...), eoi...),
		"a long header":                  append(append(bytes.Clone(good[:2]), 0xFF, mAPP15, 0xFF, 0xFF), append(make([]byte, 0xFFFD), good[2:]...)...),
		"subsampled from row to row":     edit(o.heightAt+7, 0x12),
		"two rows of blocks in the gray": edit(o.heightAt+10, 0x22),
	}
}

func TestDamagedStripsAreReadInOnePiece(t *testing.T) {
	for name, jpeg := range damaged(t) {
		for _, strips := range []int{2, 3, MaxStrips} {
			read, err := sameVerdict(t, jpeg, BGR, DecodeOptions{}, strips)
			if read {
				t.Errorf("%s: read in %d strips (in one piece: %v)", name, strips, err)
			}
			if info, bad := ReadInfo(jpeg); bad == nil {
				pix := make([]byte, info.Width*info.Height*3)
				if got := newDecoder(t).DecodeStrips(pix, jpeg, info, info.Width*3, BGR, DecodeOptions{}, strips); fmt.Sprint(got) != fmt.Sprint(err) {
					t.Errorf("%s in %d strips: %v, in one piece: %v", name, strips, got, err)
				}
			}
		}
	}
}

// Of simplejpeg's and OpenCV's JPEGs, those with markers at the ends of rows of
// MCUs are decoded in strips, with simplejpeg's pixels. With vertical
// subsampling they are if color is not interpolated.
func TestOtherJPEGsAsStrips(t *testing.T) {
	strips := map[string]bool{"rows 444 49x35": true, "rows 422 49x35": true, "rows 411 49x35": true, "rows gray 49x35": true}
	tall := map[string]bool{"rows 420 49x35": true, "rows 440 49x35": true, "restarts 49x35": true}
	found := 0
	for name, g := range golden(t).Decode {
		cs := RGB
		if g.Info.CMYK() {
			cs = CMYK
		}
		for i, opts := range decodeFlags {
			for _, n := range []int{2, 3, 4, MaxStrips} {
				read, err := sameVerdict(t, g.JPEG, cs, opts, n)
				if read != (strips[name] || tall[name] && opts.FastUpsample) || err != nil {
					t.Errorf("%s: read in %d strips: %v, %v", name, n, read, err)
				}
			}
			if digest(pixels(t, newDecoder(t), g.JPEG, cs, opts, 3)) != g.Pixels[cs.String()][i] {
				t.Errorf("%s %+v: in strips pixels differ from simplejpeg's", name, opts)
			}
		}
		if strips[name] {
			found++
		}
	}
	if found != len(strips) {
		t.Errorf("%d of %d found", found, len(strips))
	}
}

// Every byte of a small JPEG changed in turn, at random.
func TestChangedBytesInStrips(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	jpeg := encodeStrips(t, newEncoder(t), picture(24, 32, 3), 24, 32, BGR, EncodeOptions{50, true}, 4)
	read := 0
	for i := range jpeg {
		for range 4 {
			bad := bytes.Clone(jpeg)
			bad[i] ^= byte(1 + rnd.IntN(255))
			if info, err := ReadInfo(bad); err != nil || info.Width*info.Height > 1<<18 {
				continue
			}
			if ok, _ := sameVerdict(t, bad, BGR, DecodeOptions{}, 2+rnd.IntN(3)); ok {
				read++
			}
		}
	}
	t.Logf("%d of %d were read in strips", read, 4*len(jpeg))
}

// With extra bytes before any marker of a scan, the pixels and the warning are
// the same for every number of strips.
func TestBytesTooManyAreTheSameInStrips(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	e, d := newEncoder(t), newDecoder(t)
	warned := 0
	for range 100 {
		width, height := 16+rnd.IntN(100), 32+rnd.IntN(100)
		jpeg := encodeStrips(t, e, picture(width, height, 3), width, height, BGR, EncodeOptions{50 + rnd.IntN(50), true}, 2+rnd.IntN(7))
		want := pixels(t, d, jpeg, BGR, DecodeOptions{}, 1)
		o, ok := readOutline(jpeg)
		if !ok {
			t.Fatal("no outline")
		}
		markers := markersOf(jpeg, o.scanAt)
		for n := 1; n <= 9; n++ {
			at := markers[rnd.IntN(len(markers))]
			bad := slices.Insert(bytes.Clone(jpeg), at, make([]byte, n)...)
			whole := pixels(t, d, bad, BGR, DecodeOptions{}, 1)
			warning := d.Warning()
			if warning != "" {
				warned++
			}
			for strips := 2; strips <= MaxStrips; strips++ {
				got := pixels(t, d, bad, BGR, DecodeOptions{}, strips)
				if !bytes.Equal(got, whole) || !bytes.Equal(got, want) || d.Warning() != warning {
					t.Fatalf("%d bytes too many in %d strips: other pixels, or %q instead of %q", n, strips, d.Warning(), warning)
				}
			}
			if at != markers[len(markers)-1] && inStrips(t, d, bad, len(markers)) {
				t.Errorf("%d bytes too many between strips are not noticed", n)
			}
		}
	}
	if warned < 100 {
		t.Errorf("only %d warnings", warned)
	}
}

// markersOf returns the offsets of the markers in a scan.
func markersOf(jpeg []byte, scan int) (at []int) {
	for m := nextMarker(jpeg, scan); m >= 0; m = nextMarker(jpeg, m+2) {
		at = append(at, m)
	}
	return at
}

// The Info may be another JPEG's: the decoder writes nothing outside dst.
func TestInfoOfAnotherJPEG(t *testing.T) {
	const side, guard = 64, 4096
	e, d := newEncoder(t), newDecoder(t)
	jpeg := encodeStrips(t, e, picture(side, side, 3), side, side, BGR, EncodeOptions{90, true}, 4)
	for _, size := range [][2]int{{0, 0}, {-1, 5}, {1, 1}, {8, 8}, {side / 2, side / 2}, {side - 1, side}, {side, side - 1}, {side, side}, {side, side + 1}, {side + 1, side}, {2 * side, 2 * side}, {1, 4 * side}, {MaxDimension + 1, 1}} {
		for _, space := range []string{"YCbCr", "CMYK"} {
			for _, cs := range []Colorspace{BGR, GRAY, CMYK} {
				for _, strips := range []int{1, 4} {
					info := Info{Width: size[0], Height: size[1], Space: space}
					row := max(0, info.Width) * cs.Channels()
					room := row * max(0, info.Height)
					dst := bytes.Repeat([]byte{0xAA}, room+guard)
					err := d.DecodeStrips(dst[:room], jpeg, info, row, cs, DecodeOptions{}, strips)
					if right := size == [2]int{side, side} && space == "YCbCr" && cs != CMYK; right && err != nil {
						t.Errorf("%+v to %v: %v", info, cs, err)
					}
					if !bytes.Equal(dst[room:], bytes.Repeat([]byte{0xAA}, guard)) {
						t.Errorf("%+v to %v in %d strips: wrote beyond the picture (%v)", info, cs, strips, err)
					}
				}
			}
		}
	}
}

func TestStripsAllocateNothingThatGrows(t *testing.T) {
	e, d := newEncoder(t), newDecoder(t)
	var encodes, decodes []float64
	for _, side := range []int{64, 1024} {
		pix := picture(side, side, 3)
		dst := make([]byte, e.StripsBound(side, side, BGR, 2))
		n := len(encodeStrips(t, e, pix, side, side, BGR, EncodeOptions{90, true}, 2))
		encodes = append(encodes, testing.AllocsPerRun(20, func() {
			e.EncodeStrips(dst, pix, side, side, side*3, BGR, EncodeOptions{90, true}, 2)
		}))
		decodes = append(decodes, testing.AllocsPerRun(20, func() {
			if d.DecodeStrips(pix, dst[:n], Info{Width: side, Height: side}, side*3, BGR, DecodeOptions{}, 2) != nil {
				t.Error("not decoded")
			}
		}))
	}
	t.Logf("allocations at 64x64 and 1024x1024: encoding %v, decoding %v", encodes, decodes)
	if encodes[1] > 10 || decodes[1] > 10 {
		t.Errorf("encoding %v, decoding %v allocations", encodes, decodes)
	}
}

// FuzzStrips checks that decoding in strips never panics, never has other
// pixels than in one piece, and never succeeds where that fails (but see
// sameVerdict).
func FuzzStrips(f *testing.F) {
	e := newEncoder(f)
	for i, cs := range []Colorspace{BGR, GRAY, CMYK} {
		for strips := 2; strips <= 4; strips++ {
			f.Add(encodeStrips(f, e, picture(24, 40, cs.Channels()), 24, 40, cs, EncodeOptions{50, true}, strips), byte(strips<<4|i))
		}
	}
	for _, jpeg := range damaged(f) {
		if len(jpeg) < 5000 {
			f.Add(jpeg, byte(0x20))
		}
	}
	for name, g := range golden(f).Decode {
		if strings.HasPrefix(name, "restarts") || strings.HasPrefix(name, "rows") {
			f.Add(g.JPEG, byte(0x20))
		}
	}
	f.Fuzz(func(t *testing.T, jpeg []byte, how byte) {
		if info, err := ReadInfo(jpeg); err != nil || info.Width*info.Height > 1<<18 {
			return
		}
		cs := []Colorspace{BGR, GRAY, CMYK, RGBA}[how&3]
		sameVerdict(t, jpeg, cs, DecodeOptions{FastDCT: how&4 != 0, FastUpsample: how&8 != 0}, 2+int(how>>4)%(MaxStrips-1))
	})
}

// How much longer a JPEG in strips is than one in one piece.
func TestStripsOnTheWire(t *testing.T) {
	jpeg := encodeStrips(t, newEncoder(t), picture(40, 64, 3), 40, 64, BGR, EncodeOptions{90, true}, 3)
	head, _ := segments(t, jpeg)
	last := head[len(head)-1]
	if last[1] != mDRI || binary.BigEndian.Uint16(last[4:]) != 3*3 {
		t.Errorf("before the scan: % x, want an interval of 3 rows of 3 MCUs", last)
	}
	if n := bytes.Count(jpeg, []byte{0xFF, mRST0}) + bytes.Count(jpeg, []byte{0xFF, mRST0 + 1}); n != 2 {
		t.Errorf("%d restart markers, want 2", n)
	}
}
