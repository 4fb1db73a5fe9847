package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// picture returns a JPEG whose entropy-coded data has every byte value.
func picture(t *testing.T, seed int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 120, 90))
	for i := range 120 * 90 {
		v := uint32(i*i*(seed+7) + seed)
		img.SetRGBA(i%120, i/120, color.RGBA{byte(v >> 3), byte(v >> 5), byte(v >> 7), 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReader(t *testing.T) {
	a, b := picture(t, 1), picture(t, 2)
	// Restart markers, fill bytes and a thumbnail within a segment.
	odd := []byte("\xFF\xD8\xFF\xE1\x00\x06\xFF\xD9\xFF\xD8\xFF\xFF\xDA\x00\x02ab\xFF\x00c\xFF\xD3d\xFF\xFF\xD9")
	for name, wrap := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(wrap(bytes.NewReader(bytes.Join([][]byte{a, odd, b}, nil))))
			for i, want := range [][]byte{a, odd, b} {
				if got, err := r.Next(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("picture %d: %d bytes, want %d: %v", i, len(got), len(want), err)
				}
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("after the last: %v", err)
			}
		})
	}
}

func TestBadStreams(t *testing.T) {
	whole := picture(t, 3)
	for name, c := range map[string]struct {
		stream string
		want   error
	}{
		"text":            {"GIF89a, not a JPEG", errNoJPEG},
		"one byte":        {"\xFF", errNoJPEG},
		"cut off":         {string(whole[:len(whole)-1]), io.ErrUnexpectedEOF},
		"cut in segment":  {string(whole[:30]), io.ErrUnexpectedEOF},
		"no length":       {"\xFF\xD8\xFF\xE0\x00\x01", errNoLength},
		"no marker":       {"\xFF\xD8ab", errNoMarker},
		"fill for ever":   {"\xFF\xD8" + strings.Repeat("\xFF", 1000), io.ErrUnexpectedEOF},
		"nothing but SOI": {"\xFF\xD8", io.ErrUnexpectedEOF},
	} {
		if _, err := NewReader(strings.NewReader(c.stream)).Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// endless is a stream of fill bytes without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 0xFF
	}
	return len(b), nil
}

// A JPEG without an end is refused before it takes all memory.
func TestFillBytesWithoutEnd(t *testing.T) {
	for name, head := range map[string]string{"before a segment": "\xFF\xD8", "in a scan": "\xFF\xD8\xFF\xDA\x00\x02"} {
		r := NewReader(io.MultiReader(strings.NewReader(head), endless{}))
		r.limit = 1 << 20
		if _, err := r.Next(); !errors.Is(err, errLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
