package turbojpeg

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// photo returns a picture with a camera's mix of smooth parts, edges and noise.
func photo(width, height int, cs Colorspace) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	ch := cs.Channels()
	pix := make([]byte, width*height*ch)
	for y := range height {
		for x := range width {
			for c := range ch {
				v := (x*(c+1)+y*2)/8 + rnd.IntN(12)
				if (x/64+y/48)%2 == 0 {
					v += 60
				}
				pix[(y*width+x)*ch+c] = byte(min(v, 255))
			}
		}
	}
	return pix
}

func newEncoder(tb testing.TB) *Encoder {
	tb.Helper()
	e, err := NewEncoder()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e
}

func newDecoder(tb testing.TB) *Decoder {
	tb.Helper()
	d, err := NewDecoder()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	return d
}

// encode encodes tightly packed pixels.
func encode(tb testing.TB, e *Encoder, pix []byte, width, height int, cs Colorspace, opts EncodeOptions) []byte {
	tb.Helper()
	dst := make([]byte, e.Bound(width, height, cs))
	n, err := e.EncodeInto(dst, pix, width, height, width*cs.Channels(), cs, opts)
	if err != nil {
		tb.Fatalf("encoding %dx%d %v %+v: %v", width, height, cs, opts, err)
	}
	return dst[:n]
}

const benchWidth, benchHeight = 1920, 1080

func BenchmarkEncode1080p(b *testing.B) {
	e := newEncoder(b)
	pix := photo(benchWidth, benchHeight, BGR)
	dst := make([]byte, e.Bound(benchWidth, benchHeight, BGR))
	b.SetBytes(int64(len(pix)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		var err error
		if n, err = e.EncodeInto(dst, pix, benchWidth, benchHeight, benchWidth*3, BGR, EncodeOptions{90, true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n), "jpeg-bytes")
}

func BenchmarkDecode1080p(b *testing.B) {
	pix := photo(benchWidth, benchHeight, BGR)
	jpeg := encode(b, newEncoder(b), pix, benchWidth, benchHeight, BGR, EncodeOptions{90, true})
	d := newDecoder(b)
	for _, bench := range []struct {
		name string
		opts DecodeOptions
	}{
		{"exact", DecodeOptions{}},
		{"fastdct", DecodeOptions{FastDCT: true}},
		{"fastdct+fastupsample", DecodeOptions{FastDCT: true, FastUpsample: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(pix)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.DecodeInto(pix, jpeg, benchWidth*3, BGR, bench.opts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The fixed cost of a picture: a call with hardly any pixels. The cost of
// SendJPEG's check, to compare with BenchmarkDecode1080p.
func BenchmarkCheck1080p(b *testing.B) {
	e := newEncoder(b)
	jpeg := encode(b, e, photo(1920, 1080, BGR), 1920, 1080, BGR, EncodeOptions{90, true})
	info, err := ReadInfo(jpeg)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := e.Mend(jpeg, info, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTiny(b *testing.B) {
	e, d := newEncoder(b), newDecoder(b)
	pix := []byte{1, 2, 3}
	jpeg := encode(b, e, pix, 1, 1, BGR, EncodeOptions{90, true})
	dst := make([]byte, e.Bound(1, 1, BGR))
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.EncodeInto(dst, pix, 1, 1, 3, BGR, EncodeOptions{90, true})
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.DecodeInto(dst, jpeg, 3, BGR, DecodeOptions{})
		}
	})
	b.Run("decode, header known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.DecodeStrips(dst, jpeg, Info{Width: 1, Height: 1}, 3, BGR, DecodeOptions{}, 1)
		}
	})
	b.Run("info", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ReadInfo(jpeg)
		}
	})
}

// stripBench is one size of picture, encoded and decoded in so many strips.
type stripBench struct {
	name           string
	width, height  int
	pix, dst, jpeg []byte
	e              *Encoder
	d              *Decoder
}

func (s *stripBench) encode(strips int) error {
	n, err := s.e.EncodeStrips(s.dst, s.pix, s.width, s.height, s.width*3, BGR, EncodeOptions{90, true}, strips)
	s.jpeg = s.dst[:n]
	return err
}

func (s *stripBench) decode(strips int) error {
	return s.d.DecodeStrips(s.pix, s.jpeg, Info{Width: s.width, Height: s.height}, s.width*3, BGR, DecodeOptions{FastDCT: true}, strips)
}

// eachStripBench runs a benchmark for each size, each direction, and each
// number of strips from least on.
func eachStripBench(b *testing.B, least int, run func(b *testing.B, do func(strips int) error, strips int)) {
	for _, s := range []*stripBench{
		{name: "160x120", width: 160, height: 120}, {name: "320x240", width: 320, height: 240},
		{name: "640x480", width: 640, height: 480}, {name: "1280x720", width: 1280, height: 720},
		{name: "1920x1080", width: 1920, height: 1080}, {name: "3840x2160", width: 3840, height: 2160},
	} {
		s.e, s.d = newEncoder(b), newDecoder(b)
		s.pix = photo(s.width, s.height, BGR)
		s.dst = make([]byte, s.e.StripsBound(s.width, s.height, BGR, MaxStrips))
		for strips := least; strips <= 4; strips *= 2 {
			for _, direction := range []struct {
				name string
				do   func(int) error
			}{{"encode", s.encode}, {"decode", s.decode}} {
				b.Run(fmt.Sprintf("%s/%s/strips=%d", s.name, direction.name, strips), func(b *testing.B) {
					if err := s.encode(strips); err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(len(s.pix)))
					b.ReportAllocs()
					run(b, direction.do, strips)
				})
			}
		}
	}
}

// The cost of one picture in so many strips; 1 is one piece.
func BenchmarkStrips(b *testing.B) {
	eachStripBench(b, 1, func(b *testing.B, do func(int) error, strips int) {
		for b.Loop() {
			if err := do(strips); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One piece and strips in turn. On a busy machine the fastest tenth shows best
// what two idle cores achieve (ms-whole, ms-strips, free-ratio). median-ratio
// compares neighbors in time.
func BenchmarkStripsBesideOnePiece(b *testing.B) {
	eachStripBench(b, 2, func(b *testing.B, do func(int) error, strips int) {
		var whole, cutUp, ratio []float64
		timed := func(n int) float64 {
			start := time.Now()
			if err := do(n); err != nil {
				b.Fatal(err)
			}
			return time.Since(start).Seconds() * 1e3
		}
		for b.Loop() {
			w, c := timed(1), timed(strips)
			whole, cutUp, ratio = append(whole, w), append(cutUp, c), append(ratio, c/w)
		}
		for _, values := range [][]float64{whole, cutUp, ratio} {
			slices.Sort(values)
		}
		w, c := whole[len(whole)/10], cutUp[len(cutUp)/10]
		b.ReportMetric(w, "ms-whole")
		b.ReportMetric(c, "ms-strips")
		b.ReportMetric(c/w, "free-ratio")
		b.ReportMetric(ratio[len(ratio)/2], "median-ratio")
	})
}
