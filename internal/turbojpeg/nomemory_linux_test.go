package turbojpeg

import (
	"bytes"
	"errors"
	"image"
	"maps"
	"slices"
	"testing"

	"github.com/vidgear-go/netgear/internal/preload"
)

// Every allocation of TurboJPEG's, libjpeg's and this package's C code fails
// once, alone and with all that follow. The call returns the picture or an
// error, which must not blame the JPEG, and the next call works.
func TestNoMemory(t *testing.T) {
	if !preload.Inside(t) {
		return
	}
	memory := preload.Open(t)
	calls := callsThatAllocate(t)
	var all int
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		call := calls[name]
		n := memory.FailEach(t, preload.CThreads(t), call, func(n, failed int, err error) {
			switch {
			case failed == 0 && err != nil:
				t.Errorf("%s: with memory: %v", name, err)
			case errors.Is(err, ErrCorrupt), errors.Is(err, ErrShape), errors.Is(err, ErrLimit):
				t.Errorf("%s: allocation %d failed: %v", name, n, err)
			}
			if err := call(); err != nil {
				t.Errorf("%s: after allocation %d had failed (%v): %v", name, n, err, err)
			}
		})
		t.Logf("%-30s %4d allocations", name, n)
		if n == 0 {
			t.Errorf("%s allocates nothing, so nothing was tested", name)
		}
		all += n
	}
	t.Logf("%d allocations", all)
}

// callsThatAllocate returns one call for each job of the C code. Each compares
// its result with the first one's.
func callsThatAllocate(t *testing.T) map[string]func() error {
	e, d := newEncoder(t), newDecoder(t)
	calls := map[string]func() error{}
	add := func(name string, do func() ([]byte, error)) {
		want, err := do()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want = bytes.Clone(want)
		calls[name] = func() error {
			got, err := do()
			if err == nil && !bytes.Equal(got, want) {
				return errors.New("other bytes than before")
			}
			return err
		}
	}
	const width, height = 160, 128
	pix := photo(width, height, BGR)
	rgba := &image.RGBA{Pix: photo(width, height, RGBA), Stride: 4 * width, Rect: image.Rect(0, 0, width, height)}
	planes := planesPicture(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	out := make([]byte, 9<<20)
	encoded := func(p Picture, strips int) func() ([]byte, error) {
		return func() ([]byte, error) {
			n, err := e.EncodePicture(out, p, EncodeOptions{Quality: 90}, strips)
			return out[:n], err
		}
	}
	add("NewEncoder", func() ([]byte, error) {
		e, err := NewEncoder()
		if err == nil {
			e.Close()
		}
		return nil, err
	})
	add("NewDecoder", func() ([]byte, error) {
		d, err := NewDecoder()
		if err == nil {
			d.Close()
		}
		return nil, err
	})
	add("encode pixels", encoded(Pixels(pix, width, height, 3*width, BGR), 1))
	add("encode pixels in strips", encoded(Pixels(pix, width, height, 3*width, BGR), 4))
	add("encode planes", encoded(Planes(planes), 1))
	add("encode alpha", encoded(RGBAPixels(rgba), 1))
	add("first strips", func() ([]byte, error) { // with handles for them
		e, err := NewEncoder()
		if err != nil {
			return nil, err
		}
		defer e.Close()
		n, err := e.EncodePicture(out, Pixels(pix, width, height, 3*width, BGR), EncodeOptions{Quality: 90}, 4)
		return out[:n], err
	})
	var memory []byte
	for name, p := range map[string]Picture{"pixels": Pixels(pix, width, height, 3*width, BGR), "planes": Planes(planes), "alpha": RGBAPixels(rgba)} {
		add("shrink "+name, func() (_ []byte, err error) {
			_, memory, err = p.Shrink(0.4, memory)
			return memory, err
		})
	}
	decoded := make([]byte, 8<<20)
	decode := func(name string, jpeg []byte, cs Colorspace, opts DecodeOptions, strips int) {
		jpeg = bytes.Clone(jpeg)
		add(name, func() ([]byte, error) {
			info, err := ReadInfo(jpeg)
			if err != nil {
				return nil, err
			}
			r := opts.Rect(info)
			row := r.Dx() * cs.Channels()
			return decoded[:row*r.Dy()], d.DecodeStrips(decoded, jpeg, info, row, cs, opts, strips)
		})
	}
	strips := encodeStrips(t, e, pix, width, height, BGR, EncodeOptions{Quality: 90}, 4)
	progressive := golden(t).Decode["progressive 49x35"].JPEG
	decode("decode", strips, BGR, DecodeOptions{}, 1)
	decode("decode strips", strips, BGR, DecodeOptions{}, 4)
	decode("decode a region", strips, BGR, DecodeOptions{Region: image.Rect(9, 33, 90, 99)}, 1)
	decode("decode reduced", strips, GRAY, DecodeOptions{Reduce: 4}, 1)
	decode("decode progressive", progressive, RGB, DecodeOptions{}, 1)
	add("decode planes", func() ([]byte, error) {
		info, err := ReadInfo(strips)
		if err != nil {
			return nil, err
		}
		img, err := d.DecodeYCbCr(strips, info, DecodeOptions{}, 1)
		if err != nil {
			return nil, err
		}
		return slices.Concat(img.Y, img.Cb, img.Cr), nil
	})
	mended := map[string][]byte{"mend progressive": progressive, "mend nothing": strips}
	for _, f := range faults(t) {
		if f.whole {
			mended["mend "+f.name] = f.jpeg
		}
	}
	for name, jpeg := range mended {
		add(name, func() ([]byte, error) { return mend(t, e, jpeg) })
	}
	// A large picture is the worker pool's, whose threads run by now.
	big, wide, tall := large(t)
	add("encode in the pool", encoded(Pixels(big, wide, tall, 3*wide, BGR), 4))
	decode("decode in the pool", encodeStrips(t, e, big, wide, tall, BGR, EncodeOptions{Quality: 90}, 4), BGR, DecodeOptions{}, 4)
	return calls
}
