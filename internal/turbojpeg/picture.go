package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"image"
	"math"
)

// Picture is a picture that an Encoder encodes. It refers to the caller's
// memory.
type Picture struct {
	Width, Height int // pixels

	cs     Colorspace // the order of pix
	pix    []byte     // nil if the picture has planes
	stride int
	alpha  bool // pix is RGBA, to be multiplied by its alpha

	planes [3]samples
	mcu    factors // luma's sampling factors in the JPEG
	gray   bool    // the JPEG has no chroma

	restartRows int // rows of MCUs between restart markers; of planes only
}

// samples is one plane of a picture. The sample of column x and row y of the
// JPEG's component is at column (x+dx)/across and row (y+dy)/down.
type samples struct {
	pix          []byte
	stride       int
	across, down int
	dx, dy       int
}

// Pixels returns a picture of pixels. Rows of width*cs.Channels() bytes start
// every stride bytes. The JPEG's chroma is 4:2:2, as in VidGear; GRAY has none.
func Pixels(pix []byte, width, height, stride int, cs Colorspace) Picture {
	return Picture{Width: width, Height: height, cs: cs, pix: pix, stride: stride, mcu: defaultMCU(cs), gray: cs == GRAY}
}

// RGBAPixels returns a picture of an image.RGBA, which has been multiplied by
// its alpha. The alpha itself is not encoded.
func RGBAPixels(img *image.RGBA) Picture {
	return Pixels(img.Pix, img.Rect.Dx(), img.Rect.Dy(), img.Stride, RGBX)
}

// NRGBAPixels returns a picture of an image.NRGBA. Its pixels are multiplied by
// their alpha, as image/draw does, when they are encoded. So they become the
// picture on a black background.
func NRGBAPixels(img *image.NRGBA) Picture {
	p := Pixels(img.Pix, img.Rect.Dx(), img.Rect.Dy(), img.Stride, RGBX)
	p.alpha = true
	return p
}

// GrayPixels returns a picture of an image.Gray.
func GrayPixels(img *image.Gray) Picture {
	return Pixels(img.Pix, img.Rect.Dx(), img.Rect.Dy(), img.Stride, GRAY)
}

// Planes returns a picture of an image.YCbCr. The JPEG gets its subsampling:
// 4:4:4, 4:2:2, 4:2:0, 4:4:0 or 4:1:1. Of 4:1:0, which JPEGs have no name for,
// each row of chroma is used twice.
//
// A sub-image may begin in the middle of a chroma sample. A JPEG cannot, so it
// then has more chroma samples in that direction, which are copies. Rect.Min
// must not be negative: the samples of such pictures are not regular
// (ErrShape).
func Planes(img *image.YCbCr) Picture {
	b := img.Rect
	across, down := Ratio(img.SubsampleRatio)
	p := Picture{Width: b.Dx(), Height: b.Dy(), mcu: factors{across, down}}
	chroma := samples{stride: img.CStride, across: 1, down: 1}
	if dx := b.Min.X % across; dx != 0 {
		p.mcu[0], chroma.across, chroma.dx = 1, across, dx
	}
	if dy := b.Min.Y % down; dy != 0 || across == 4 && down == 2 {
		p.mcu[1], chroma.down, chroma.dy = 1, down, dy
	}
	p.planes = [3]samples{{pix: img.Y, stride: img.YStride, across: 1, down: 1}, chroma, chroma}
	p.planes[1].pix, p.planes[2].pix = img.Cb, img.Cr
	return p
}

// Ratio returns how many columns and rows of pixels share a chroma sample.
func Ratio(r image.YCbCrSubsampleRatio) (across, down int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// Gray returns the picture without its colors. The JPEG has luma alone.
func (p Picture) Gray() Picture {
	p.gray, p.mcu = true, factors{1, 1}
	return p
}

// String describes the picture for errors.
func (p Picture) String() string {
	if p.pix == nil && p.planes[0].pix != nil {
		return fmt.Sprintf("%dx%d planes", p.Width, p.Height)
	}
	return fmt.Sprintf("%dx%d %v", p.Width, p.Height, p.cs)
}

// defaultMCU returns the sampling factors of luma in a JPEG of pixels: 4:2:2,
// and none in gray.
func defaultMCU(cs Colorspace) factors {
	if cs == GRAY {
		return factors{1, 1}
	}
	return factors{2, 1}
}

// bound returns TurboJPEG's tjBufSize() for so many rows of the picture: two
// bytes per stored sample and 2048 for the headers. It adds the samples of
// CMYK's K, which tjBufSize() leaves out. It returns 0 for an impossible size.
func (p Picture) bound(height int) int {
	if checkSize(p.Width, height) != nil || !p.cs.valid() {
		return 0
	}
	blocks := roundUp(int64(p.Width), int64(8*p.mcu[0])) * roundUp(int64(height), int64(8*p.mcu[1]))
	n := 2*blocks + 2048
	if !p.gray && p.cs != GRAY {
		n += 4 * blocks / int64(p.mcu[0]*p.mcu[1])
	}
	if p.cs == CMYK {
		n += 2 * blocks
	}
	if n > math.MaxInt {
		return 0
	}
	return int(n)
}

// check returns ErrShape for a picture that C could not read safely.
func (p Picture) check() error {
	if err := checkSize(p.Width, p.Height); err != nil {
		return err
	}
	if !p.cs.valid() {
		return fmt.Errorf("%w: %v", ErrShape, p.cs)
	}
	if p.planes[0].pix != nil {
		return p.checkPlanes()
	}
	need, ok := pixelBytes(p.Width, p.Height, p.stride, p.cs)
	if !ok {
		return fmt.Errorf("%w: stride %d for rows of %d bytes", ErrShape, p.stride, p.Width*p.cs.Channels())
	}
	if int64(len(p.pix)) < need {
		return fmt.Errorf("%w: %d bytes of pixels, %v takes %d", ErrShape, len(p.pix), p, need)
	}
	return nil
}

func (p Picture) checkPlanes() error {
	if p.planes[1].dx < 0 || p.planes[1].dy < 0 {
		return fmt.Errorf("%w: the planes begin at negative coordinates", ErrShape)
	}
	for i, s := range p.components() {
		width, height := p.Width, p.Height
		if i > 0 {
			width, height = ceilDiv(width, p.mcu[0]), ceilDiv(height, p.mcu[1])
		}
		width, height = (width-1+s.dx)/s.across+1, (height-1+s.dy)/s.down+1
		if s.stride < width || s.stride > math.MaxInt32 || int64(len(s.pix)) < int64(height-1)*int64(s.stride)+int64(width) {
			return fmt.Errorf("%w: plane %d has %d bytes with stride %d, %dx%d samples are needed", ErrShape, i, len(s.pix), s.stride, width, height)
		}
	}
	return nil
}

// components returns the planes that are encoded.
func (p *Picture) components() []samples {
	if p.gray {
		return p.planes[:1]
	}
	return p.planes[:]
}

// set sets the fields of a job that encodes some rows of the picture. All rows
// but the last ones are whole rows of MCUs.
func (p *Picture) set(b *batch, j *C.bridge_job, rows span) {
	j.across, j.down = C.int(p.mcu[0]), C.int(p.mcu[1])
	j.subsamp = C.TJSAMP_422
	if p.gray {
		j.across, j.down, j.subsamp = 0, 0, C.TJSAMP_GRAY
	}
	if p.planes[0].pix != nil {
		p.setPlanes(b, j, rows)
		return
	}
	j.kind = C.JOB_ENCODE
	if p.alpha {
		j.kind = C.JOB_WRITE
	}
	j.src, j.pitch, j.format = b.address(p.pix[rows.from*p.stride:]), C.int(p.stride), C.int(p.cs)
}

func (p *Picture) setPlanes(b *batch, j *C.bridge_job, rows span) {
	j.kind, j.src = C.JOB_WRITE, 0
	for i, s := range p.components() {
		first := rows.from
		if i > 0 {
			first /= p.mcu[1]
		}
		j.planes[i] = C.bridge_plane{
			at: b.address(s.pix), pitch: C.int(s.stride),
			x_step: C.int(s.across), dx: C.int(s.dx), y_step: C.int(s.down), dy: C.int(first + s.dy),
		}
	}
}
