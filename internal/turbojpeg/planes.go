package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"image"
	"slices"
)

// plane is one plane of a decoded picture: rows of blocks.
type plane struct {
	pix    []byte
	stride int
	unit   int // rows in an MCU
	// Columns and rows of the picture that share a sample.
	across, down int
}

// planeTarget is a target of planes. Rows are always decoded in whole, and
// whole rows of MCUs.
type planeTarget struct {
	comps []plane
	unit  int // rows of the reduced picture in an MCU
}

// DecodeYCbCr decodes a JPEG to planes, in Go memory, without converting them
// to pixels. The picture's Rect is opts.Rect(info). Its chroma has the JPEG's
// subsampling. Where a 4:2:0 JPEG is reduced, each pixel has a chroma sample
// (4:4:4), as libjpeg reduces luma alone. A gray JPEG has chroma of 128.
//
// ErrShape is returned for a JPEG that is not YCbCr or gray, and for a
// subsampling that image.YCbCr does not have (4:4:1). FastUpsample has no
// effect. In all else it is DecodeStrips.
func (d *Decoder) DecodeYCbCr(jpeg []byte, info Info, opts DecodeOptions, strips int) (*image.YCbCr, error) {
	if d.batch.c == nil {
		return nil, ErrClosed
	}
	d.warning = ""
	if err := checkSize(info.Width, info.Height); err != nil {
		return nil, err
	}
	if err := opts.check(info); err != nil {
		return nil, err
	}
	img, to, err := newPlanes(info, opts)
	if err != nil {
		return nil, err
	}
	return img, d.read(jpeg, info, opts, strips, to)
}

// layoutPlanes returns the planes of a JPEG, without memory, and the ratio of
// luma to chroma samples. They are those of libjpeg: its blocks have
// 8/opts.Reduce samples a side, and twice as many as long as that makes
// upsampling unnecessary (jpeg_core_output_dimensions in its jdmaster.c).
func layoutPlanes(info Info, opts DecodeOptions) (*planeTarget, image.YCbCrSubsampleRatio, error) {
	if info.Space != "YCbCr" && info.Space != "Gray" {
		return nil, 0, fmt.Errorf("%w: a %s JPEG has no planes of luma and chroma", ErrShape, info.Space)
	}
	most, side := info.most(), 8/opts.reduce()
	if info.Space == "Gray" {
		most = info.sampling[0] // libjpeg reads so many rows of blocks at a time
	}
	to := &planeTarget{unit: most[1] * side}
	for _, f := range info.sampling {
		if f == (factors{}) {
			break
		}
		block := side
		for block < 8 && most[0]*side%(f[0]*block*2) == 0 && most[1]*side%(f[1]*block*2) == 0 {
			block *= 2
		}
		to.comps = append(to.comps, plane{
			stride: ceilDiv(info.Width*f[0], most[0]*8) * block,
			unit:   f[1] * block,
			across: most[0] * side / (f[0] * block), down: most[1] * side / (f[1] * block),
		})
	}
	if want := map[string]int{"YCbCr": 3, "Gray": 1}[info.Space]; len(to.comps) != want {
		return nil, 0, fmt.Errorf("%w: the Info has %d components of a %s JPEG", ErrShape, len(to.comps), info.Space)
	}
	if info.Space == "Gray" {
		return to, image.YCbCrSubsampleRatio420, nil
	}
	luma, chroma := to.comps[0], to.comps[1]
	if luma.across == 1 && luma.down == 1 {
		for r := image.YCbCrSubsampleRatio444; r <= image.YCbCrSubsampleRatio410; r++ {
			if across, down := Ratio(r); across == chroma.across && down == chroma.down {
				return to, r, nil
			}
		}
	}
	return nil, 0, fmt.Errorf("%w: image.YCbCr has no subsampling of %s", ErrShape, info.Subsampling)
}

// newPlanes allocates a picture and its planes.
func newPlanes(info Info, opts DecodeOptions) (*image.YCbCr, *planeTarget, error) {
	to, r, err := layoutPlanes(info, opts)
	if err != nil {
		return nil, nil, err
	}
	img := &image.YCbCr{SubsampleRatio: r, Rect: opts.Rect(info)}
	total := int64(0)
	for i := range to.comps {
		total += to.comps[i].bytes(to, info, opts)
	}
	rest := Unzeroed(int(total))
	above := to.rows(info, opts).from
	take := func(p *plane) []byte {
		n := p.bytes(to, info, opts)
		p.pix, rest = rest[:n:n], rest[n:]
		// libjpeg writes the rows of whole blocks that have a visible one.
		first, end := img.Rect.Min.Y/p.down-above/p.down, ceilDiv(img.Rect.Max.Y, p.down)-above/p.down
		return p.pix[first*p.stride+img.Rect.Min.X/p.across : end*p.stride : end*p.stride]
	}
	img.Y, img.YStride = take(&to.comps[0]), to.comps[0].stride
	if info.Space == "Gray" {
		img.CStride = ceilDiv(img.Rect.Max.X, 2) - img.Rect.Min.X/2
		img.Cb = make([]byte, img.CStride*(ceilDiv(img.Rect.Max.Y, 2)-img.Rect.Min.Y/2))
		for i := range img.Cb {
			img.Cb[i] = 128
		}
		img.Cr = slices.Clone(img.Cb)
		return img, to, nil
	}
	img.Cb, img.Cr, img.CStride = take(&to.comps[1]), take(&to.comps[2]), to.comps[1].stride
	return img, to, nil
}

// bytes returns the size of a plane, which has whole blocks.
func (p *plane) bytes(to *planeTarget, info Info, opts DecodeOptions) int64 {
	rows := to.rows(info, opts)
	return int64(p.stride) * int64(ceilDiv(rows.to-rows.from, to.unit)) * int64(p.unit)
}

func (t *planeTarget) rows(info Info, opts DecodeOptions) span {
	r := opts.Rect(info)
	return span{r.Min.Y / t.unit * t.unit, ceilDiv(r.Max.Y, t.unit) * t.unit}
}

func (t *planeTarget) set(b *batch, j *C.bridge_job, rows span, at int) {
	j.kind = C.JOB_PLANES
	j.top, j.rows = C.int(rows.from/t.unit), C.int(ceilDiv(rows.to-rows.from, t.unit))
	for i := range C.BRIDGE_PLANES {
		j.planes[i] = C.bridge_plane{}
	}
	for i := range t.comps {
		p := &t.comps[i]
		j.planes[i] = C.bridge_plane{
			at: b.address(p.pix[at/t.unit*p.unit*p.stride:]), pitch: C.int(p.stride), unit: C.int(p.unit),
		}
	}
}

// context returns false: planes are not interpolated.
func (t *planeTarget) context(Info, DecodeOptions) bool { return false }
