package turbojpeg

import (
	"fmt"
	"image"
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

// BenchmarkReadings1080p compares the ways of reading a JPEG, in one piece, so
// that the time is CPU time. Divide by the first.
func BenchmarkReadings1080p(b *testing.B) {
	pix := photo(benchWidth, benchHeight, BGR)
	e, d := newEncoder(b), newDecoder(b)
	dst := make([]byte, 4*benchWidth*benchHeight)
	for kind, jpeg := range map[string][]byte{
		"422": encodeStrips(b, e, pix, benchWidth, benchHeight, BGR, EncodeOptions{90, true}, 4),
		"420": encodePicture(b, e, Planes(photoPlanes(b)), 90, 4),
	} {
		info, err := ReadInfo(jpeg)
		if err != nil {
			b.Fatal(err)
		}
		read := func(cs Colorspace, opts DecodeOptions) func() error {
			opts.FastDCT = true
			return func() error {
				return d.DecodeStrips(dst, jpeg, info, opts.Rect(info).Dx()*cs.Channels(), cs, opts, 1)
			}
		}
		for _, c := range []struct {
			name string
			read func() error
		}{
			{"BGR", read(BGR, DecodeOptions{})},
			{"RGBA", read(RGBA, DecodeOptions{})},
			{"YCbCr", func() error { _, err := d.DecodeYCbCr(jpeg, info, DecodeOptions{FastDCT: true}, 1); return err }},
			{"half", read(BGR, DecodeOptions{Reduce: 2})},
			{"quarter", read(BGR, DecodeOptions{Reduce: 4})},
			{"eighth", read(BGR, DecodeOptions{Reduce: 8})},
			{"gray", read(GRAY, DecodeOptions{})},
			{"gray-half", read(GRAY, DecodeOptions{Reduce: 2})},
			{"region-640x360", read(BGR, DecodeOptions{Region: image.Rect(640, 360, 1280, 720)})},
		} {
			b.Run(kind+"/"+c.name, func(b *testing.B) {
				for b.Loop() {
					if err := c.read(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// photoPlanes returns the picture of photo as 4:2:0 planes.
func photoPlanes(tb testing.TB) *image.YCbCr {
	e, d := newEncoder(tb), newDecoder(tb)
	jpeg := encode(tb, e, photo(benchWidth, benchHeight, BGR), benchWidth, benchHeight, BGR, EncodeOptions{98, true})
	info, err := ReadInfo(jpeg)
	if err != nil {
		tb.Fatal(err)
	}
	from, err := d.DecodeYCbCr(jpeg, info, DecodeOptions{}, 1)
	if err != nil {
		tb.Fatal(err)
	}
	to := image.NewYCbCr(from.Rect, image.YCbCrSubsampleRatio420)
	copy(to.Y, from.Y)
	for y := range benchHeight / 2 {
		copy(to.Cb[y*to.CStride:(y+1)*to.CStride], from.Cb[2*y*from.CStride:])
		copy(to.Cr[y*to.CStride:(y+1)*to.CStride], from.Cr[2*y*from.CStride:])
	}
	return to
}

// BenchmarkEncodePictures1080p compares the pictures that are encoded, in one
// piece. Divide by the first.
func BenchmarkEncodePictures1080p(b *testing.B) {
	e := newEncoder(b)
	rgba := &image.RGBA{Pix: photo(benchWidth, benchHeight, RGBA), Stride: 4 * benchWidth, Rect: image.Rect(0, 0, benchWidth, benchHeight)}
	nrgba := image.NRGBA(*rgba)
	opaque := image.NewNRGBA(rgba.Rect)
	copy(opaque.Pix, rgba.Pix)
	for i := 3; i < len(opaque.Pix); i += 4 {
		opaque.Pix[i] = 255
	}
	planes := photoPlanes(b)
	for _, c := range []struct {
		name string
		p    Picture
	}{
		{"RGBA", RGBAPixels(rgba)}, {"NRGBA-opaque", NRGBAPixels(opaque)}, {"NRGBA", NRGBAPixels(&nrgba)},
		{"YCbCr-420", Planes(planes)}, {"YCbCr-420-gray", Planes(planes).Gray()},
	} {
		dst := make([]byte, e.PictureBound(c.p, 1))
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := e.EncodePicture(dst, c.p, EncodeOptions{90, true}, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
