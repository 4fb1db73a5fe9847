package netgear

import (
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// checkImage refuses a picture whose pixels are incomplete. Go code can
// assemble the types of package image by hand, and reading beyond their slices
// panics. Other types are read pixel by pixel, into memory of at most maxBytes.
func checkImage(img image.Image, maxBytes int64) error {
	if img == nil || isNilPointer(img) {
		return fmt.Errorf("%w: the picture is nil", ErrFrame)
	}
	var b image.Rectangle
	if err := guarded(img, func() { b = img.Bounds() }); err != nil {
		return err
	}
	w, h := b.Dx(), b.Dy()
	switch {
	case b.Empty():
		return fmt.Errorf("%w: it is empty", ErrFrame)
	case w <= 0 || h <= 0 || w > math.MaxInt32 || h > math.MaxInt32: // Dx and Dy may overflow
		return fmt.Errorf("%w: a picture with the bounds %v", ErrFrame, b)
	}
	planes, known := planesOf(img, b)
	if !known {
		if int64(w) > maxBytes/4/int64(h) {
			return fmt.Errorf("%w: a %T of %dx%d has no pixels of its own, and as many take more than the limit of %d bytes (Options.MaxFrameBytes); "+
				"draw the part that is meant into an image.RGBA", ErrFrame, img, w, h, maxBytes)
		}
		return nil
	}
	for _, p := range planes {
		if !p.holds() {
			return fmt.Errorf("%w: a %T of %dx%d whose %s has %d bytes with a stride of %d", ErrFrame, img, w, h, p.name, len(p.pix), p.stride)
		}
	}
	return checkPalette(img)
}

// plane is one slice of pixels: rows of equal length, a stride apart.
type plane struct {
	name   string
	pix    []byte
	stride int
	row    int
	rows   int
}

func (p *plane) holds() bool {
	if p.row > len(p.pix) || p.rows > 1 && p.stride < p.row {
		return false
	}
	return p.rows == 1 || p.rows-1 <= (len(p.pix)-p.row)/p.stride
}

// planesOf returns the planes of a picture of package image.
func planesOf(img image.Image, b image.Rectangle) (planes []plane, known bool) {
	pixels := func(pix []byte, stride, bytes int) ([]plane, bool) {
		return []plane{{"Pix", pix, stride, b.Dx() * bytes, b.Dy()}}, true
	}
	switch i := img.(type) {
	case *image.Alpha:
		return pixels(i.Pix, i.Stride, 1)
	case *image.Gray:
		return pixels(i.Pix, i.Stride, 1)
	case *image.Paletted:
		return pixels(i.Pix, i.Stride, 1)
	case *image.Alpha16:
		return pixels(i.Pix, i.Stride, 2)
	case *image.Gray16:
		return pixels(i.Pix, i.Stride, 2)
	case *image.RGBA:
		return pixels(i.Pix, i.Stride, 4)
	case *image.NRGBA:
		return pixels(i.Pix, i.Stride, 4)
	case *image.CMYK:
		return pixels(i.Pix, i.Stride, 4)
	case *image.RGBA64:
		return pixels(i.Pix, i.Stride, 8)
	case *image.NRGBA64:
		return pixels(i.Pix, i.Stride, 8)
	case *image.YCbCr:
		return planesOfYCbCr(i), true
	case *image.NYCbCrA:
		return append(planesOfYCbCr(&i.YCbCr), plane{"A", i.A, i.AStride, b.Dx(), b.Dy()}), true
	}
	return nil, false
}

// planesOfYCbCr returns the planes of a YCbCr picture. The chroma planes have a
// column for one, two or four columns of the picture. They begin at even
// positions for any bounds.
func planesOfYCbCr(i *image.YCbCr) []plane {
	b := i.Rect
	across, down := turbojpeg.Ratio(i.SubsampleRatio)
	columns := (b.Max.X-1)/across - b.Min.X/across + 1
	rows := (b.Max.Y-1)/down - b.Min.Y/down + 1
	return []plane{
		{"Y", i.Y, i.YStride, b.Dx(), b.Dy()},
		{"Cb", i.Cb, i.CStride, columns, rows},
		{"Cr", i.Cr, i.CStride, columns, rows},
	}
}

// checkPalette refuses pixels without a color in the palette.
func checkPalette(img image.Image) error {
	p, ok := img.(*image.Paletted)
	if !ok {
		return nil
	}
	top := byte(0)
	for y := range p.Rect.Dy() {
		top = max(top, slices.Max(p.Pix[y*p.Stride:y*p.Stride+p.Rect.Dx()]))
	}
	if int(top) >= len(p.Palette) || slices.Contains(p.Palette, nil) {
		return fmt.Errorf("%w: a pixel is of color %d, and the palette has %d", ErrFrame, top, len(p.Palette))
	}
	return nil
}

// guarded calls the methods of another package's picture, and returns a panic
// as an error.
func guarded(img image.Image, call func()) (err error) {
	if _, known := planesOf(img, image.Rectangle{}); !known {
		defer func() {
			if why := recover(); why != nil {
				err = fmt.Errorf("%w: the picture's own methods panic (%T): %v", ErrFrame, img, why)
			}
		}()
	}
	call()
	return nil
}
