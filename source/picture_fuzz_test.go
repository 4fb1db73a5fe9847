//go:build nogocv

package source

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/alloctest"
)

// partialGIF returns a GIF of 5x4 pixels whose first frame is only 2x1 of them.
func partialGIF(t testing.TB) []byte {
	t.Helper()
	frame := image.NewPaletted(image.Rect(2, 3, 4, 4), color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{4, 5, 6, 255}})
	frame.SetColorIndex(3, 3, 1)
	var file bytes.Buffer
	err := gif.EncodeAll(&file, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{ColorModel: frame.Palette, Width: 5, Height: 4}})
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// A GIF's picture has the size in the file's header, also if its first frame is a
// part of it. The rest is transparent.
func TestPartialGIF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gif")
	if err := os.WriteFile(path, partialGIF(t), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := readPicture(path)
	if err != nil || !slices.Equal(a.Shape, []int{4, 5, 4}) {
		t.Fatalf("%v, %v", a.Shape, err)
	}
	want := make([]byte, 4*5*4)
	copy(want[4*(3*5+2):], []byte{3, 2, 1, 255, 6, 5, 4, 255})
	if !bytes.Equal(a.Data, want) {
		t.Errorf("the pixels are %v", a.Data)
	}
}

// FuzzPicture reads picture files. An array is one that can be sent, and the
// memory is that of its pixels and of the file.
func FuzzPicture(f *testing.F) {
	size := image.Rect(0, 0, 5, 3)
	for _, m := range []image.Image{
		image.NewGray(size), image.NewGray16(size), image.NewRGBA(size), image.NewNRGBA64(size), image.NewPaletted(size, color.Palette{color.Black, color.Transparent}),
	} {
		var file bytes.Buffer
		if err := png.Encode(&file, m); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(file.Bytes()))
		file.Reset()
		if err := gif.Encode(&file, m, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(file.Bytes()))
	}
	f.Add(partialGIF(f))
	f.Add([]byte("GIF89a"))
	path := filepath.Join(f.TempDir(), "x")
	f.Fuzz(func(t *testing.T, file []byte) {
		config, _, err := image.DecodeConfig(bytes.NewReader(file))
		if err == nil && config.Width*config.Height > 1<<16 {
			return // only slow
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		var a netgear.Array
		alloctest.AtMost(t, "a picture", 64*config.Width*config.Height+64*len(file)+1<<18, func() { a, err = readPicture(path) })
		if err != nil {
			return
		}
		if a.Shape[0] != config.Height || a.Shape[1] != config.Width {
			t.Errorf("%v of a picture of %dx%d", a.Shape, config.Width, config.Height)
		}
		n, err := netgear.NewFrame(a, nil)
		if err != nil {
			t.Fatalf("%v: %v", a.Shape, err)
		}
		n.Close()
	})
}
