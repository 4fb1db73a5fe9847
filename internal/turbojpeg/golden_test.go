package turbojpeg

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// golden.json holds the real simplejpeg's results; testdata/golden.py wrote it
// and explains it.
//
//go:embed testdata/golden.json
var goldenJSON []byte

type goldenFile struct {
	Captures map[string]struct {
		Colorspace string
		FastDCT    bool
		Quality    int
		JPEG       []byte
	}
	Encode map[string]string
	Decode map[string]struct {
		JPEG   []byte
		Info   Info
		Pixels map[string][]string
	}
	Bad   map[string]json.RawMessage
	Files map[string]map[string][]string // of the folder testdata/jpeg
}

func golden(tb testing.TB) (g goldenFile) {
	tb.Helper()
	if err := json.Unmarshal(goldenJSON, &g); err != nil {
		tb.Fatal(err)
	}
	return g
}

// picture returns the numbers of picture() in golden.py.
func picture(width, height, channels int) []byte {
	pix := make([]byte, 0, width*height*channels)
	for y := range height {
		for x := range width {
			for c := range channels {
				noise := int(uint32(len(pix)) * 2654435761 >> 27)
				board := (x/9 + y/7) % 2 * 70
				pix = append(pix, byte(x*(c+1)+y*2+board+noise))
			}
		}
	}
	return pix
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func parse(tb testing.TB, name string) Colorspace {
	tb.Helper()
	cs, err := ParseColorspace(name)
	if err != nil {
		tb.Fatal(err)
	}
	return cs
}

// recordedPixels is the frame of the recordings: 24x16 pixels of 3 bytes
// counting 0, 7, 14, and so on. GRAY is its first channel, and 4 channels are
// filled with it over and over.
func recordedPixels(cs Colorspace) []byte {
	const frame = 24 * 16 * 3
	pix := make([]byte, 24*16*cs.Channels())
	for i := range pix {
		at := i % frame
		if cs == GRAY {
			at = i * 3
		}
		pix[i] = byte(at * 7)
	}
	return pix
}

// The recordings are of a running VidGear.
func TestEncodeMakesTheBytesVidGearSent(t *testing.T) {
	e := newEncoder(t)
	captures := golden(t).Captures
	if len(captures) < 13 {
		t.Fatalf("only %d recordings", len(captures))
	}
	for name, c := range captures {
		cs := parse(t, c.Colorspace)
		got := encode(t, e, recordedPixels(cs), 24, 16, cs, EncodeOptions{c.Quality, c.FastDCT})
		if !bytes.Equal(got, c.JPEG) {
			t.Errorf("%s: %d bytes differ from VidGear's %d", name, len(got), len(c.JPEG))
		}
	}
}

// encodeCase reads a key of golden.json: "BGR 7 5 90".
func encodeCase(tb testing.TB, key string) (cs Colorspace, width, height, quality int) {
	tb.Helper()
	var name string
	if _, err := fmt.Sscan(key, &name, &width, &height, &quality); err != nil {
		tb.Fatal(err)
	}
	return parse(tb, name), width, height, quality
}

func TestEncodeEqualsSimplejpeg(t *testing.T) {
	e := newEncoder(t)
	for key, want := range golden(t).Encode {
		cs, width, height, quality := encodeCase(t, key)
		pix := picture(width, height, cs.Channels())
		for _, dct := range []bool{false, true} {
			got := encode(t, e, pix, width, height, cs, EncodeOptions{quality, dct})
			if digest(got) != want {
				t.Errorf("%s, fast DCT %v: %d bytes differ from simplejpeg's", key, dct, len(got))
			}
		}
	}
}

func TestEncodeSkipsWhatLiesBetweenRows(t *testing.T) {
	e := newEncoder(t)
	for key, want := range golden(t).Encode {
		cs, width, height, quality := encodeCase(t, key)
		row, stride := width*cs.Channels(), width*cs.Channels()+5
		tight := picture(width, height, cs.Channels())
		loose := bytes.Repeat([]byte{0xAA}, (height-1)*stride+row) // no padding after the last row
		for y := range height {
			copy(loose[y*stride:], tight[y*row:(y+1)*row])
		}
		dst := make([]byte, e.Bound(width, height, cs))
		n, err := e.EncodeInto(dst, loose, width, height, stride, cs, EncodeOptions{quality, true})
		if err != nil || digest(dst[:n]) != want {
			t.Errorf("%s with stride %d: %d bytes differ from simplejpeg's (%v)", key, stride, n, err)
		}
	}
}

// described returns what simplejpeg also reports about a header.
func described(info Info) Info {
	info.Memory, info.coefficients, info.sampling = 0, 0, [4]factors{}
	return info
}

var decodeFlags = []DecodeOptions{{}, {FastUpsample: true}, {FastDCT: true}, {FastDCT: true, FastUpsample: true}}

func TestDecodeEqualsSimplejpeg(t *testing.T) {
	d := newDecoder(t)
	for name, g := range golden(t).Decode {
		if info, err := ReadInfo(g.JPEG); err != nil || described(info) != g.Info {
			t.Errorf("%s: info %+v, %v; simplejpeg says %+v", name, info, err, g.Info)
			continue
		}
		for space, digests := range g.Pixels {
			cs := parse(t, space)
			row := g.Info.Width * cs.Channels()
			pix := make([]byte, g.Info.Height*row)
			for i, opts := range decodeFlags {
				err := d.DecodeInto(pix, g.JPEG, row, cs, opts)
				switch want := digests[i]; {
				case want == "" && !errors.Is(err, ErrShape):
					t.Errorf("%s to %v: got error %v, simplejpeg refuses", name, cs, err)
				case want != "" && err != nil:
					t.Errorf("%s to %v %+v: %v", name, cs, opts, err)
				case want != "" && digest(pix) != want:
					t.Errorf("%s to %v %+v: pixels differ from simplejpeg's", name, cs, opts)
				case want != "" && d.Warning() != "":
					t.Errorf("%s to %v %+v: a warning that simplejpeg has not: %s", name, cs, opts, d.Warning())
				}
			}
		}
	}
}

func TestDecodeLeavesWhatLiesBetweenRows(t *testing.T) {
	d := newDecoder(t)
	for name, g := range golden(t).Decode {
		for space, digests := range g.Pixels {
			if digests[0] == "" {
				continue
			}
			cs := parse(t, space)
			row := g.Info.Width * cs.Channels()
			stride := row + 7
			loose := bytes.Repeat([]byte{0xAA}, g.Info.Height*stride)
			if err := d.DecodeInto(loose[:len(loose)-7], g.JPEG, stride, cs, DecodeOptions{}); err != nil {
				t.Fatalf("%s to %v: %v", name, cs, err)
			}
			var tight []byte
			for y := range g.Info.Height {
				line := loose[y*stride : (y+1)*stride]
				tight = append(tight, line[:row]...)
				if !bytes.Equal(line[row:], bytes.Repeat([]byte{0xAA}, 7)) {
					t.Fatalf("%s to %v: row %d wrote beyond its end", name, cs, y)
				}
			}
			if digest(tight) != digests[0] {
				t.Errorf("%s to %v with a stride: pixels differ from simplejpeg's", name, cs)
			}
		}
	}
}

// JPEGs cut at every length and with every byte changed have the same pixels as
// in simplejpeg. If simplejpeg refuses one, there is an error, or a warning and
// the pixels of its mode that is not strict.
func TestBadInputEndsAsInSimplejpeg(t *testing.T) {
	// Damaged tables overflow the arithmetic of libjpeg-turbo's SIMD code,
	// which differs by processor and from its C code. The results are
	// simplejpeg's on amd64 with SIMD. Sound JPEGs are the same everywhere.
	samePixels := runtime.GOARCH == "amd64" && os.Getenv("JSIMD_FORCENONE") == ""

	bad := golden(t).Bad
	delivered := 0
	var jpeg []byte
	if err := json.Unmarshal(bad["jpeg"], &jpeg); err != nil {
		t.Fatal(err)
	}
	whole := answer(t, jpeg)
	for name, raw := range bad {
		if name == "jpeg" {
			continue
		}
		var answers []string
		if err := json.Unmarshal(raw, &answers); err != nil {
			t.Fatal(err)
		}
		for i, want := range answers {
			got := answer(t, changed(t, jpeg, name, i))
			if strings.HasPrefix(got, "~") {
				delivered++
			}
			switch {
			case got == want, !samePixels && got != "" && want != "":
			case strings.HasPrefix(want, "~") && got == "": // damage
			case want == "" && got == "~"+whole: // a warning about the header, which simplejpeg always refuses
			default:
				t.Errorf("%s at %d: got %q, simplejpeg says %q", name, i, got, want)
			}
		}
	}
	if delivered < 10 {
		t.Errorf("%d with a warning, fewer than before", delivered)
	}
}

// changed returns a JPEG that golden.py has cut after byte i, or in which it
// has changed that byte.
func changed(tb testing.TB, jpeg []byte, how string, i int) []byte {
	tb.Helper()
	if how == "cut" {
		return bytes.Clone(jpeg[:i+1])
	}
	var mask byte
	if _, err := fmt.Sscanf(how, "xor %d", &mask); err != nil {
		tb.Fatal(err)
	}
	jpeg = bytes.Clone(jpeg)
	jpeg[i] ^= mask
	return jpeg
}

// answer decodes to BGR with the fast DCT and returns the digest. It returns ""
// for ErrCorrupt and "large" for a header of too large a size. "~" precedes the
// digest if there was a warning.
func answer(tb testing.TB, jpeg []byte) string {
	tb.Helper()
	info, err := ReadInfo(jpeg)
	if err == nil && info.Width*info.Height > 1<<22 {
		return "large"
	}
	if err == nil {
		d := newDecoder(tb)
		pix := make([]byte, info.Width*info.Height*3)
		if err = d.DecodeInto(pix, jpeg, info.Width*3, BGR, DecodeOptions{FastDCT: true}); err == nil {
			if d.Warning() != "" {
				return "~" + digest(pix)
			}
			return digest(pix)
		}
	}
	if !errors.Is(err, ErrCorrupt) {
		tb.Errorf("got error %v, want ErrCorrupt", err)
	}
	return ""
}
