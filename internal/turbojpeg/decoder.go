package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"image"
)

// DecodeOptions select what of a JPEG is decoded, and how exactly.
type DecodeOptions struct {
	// FastDCT and FastUpsample trade exactness for speed. They are VidGear's
	// jpeg_compression_fastdct and jpeg_compression_fastupsample, which either
	// end may set.
	FastDCT      bool // use the fast inverse DCT
	FastUpsample bool // repeat the color of subsampled pixels instead of interpolating it

	// Reduce divides both sides of the picture by 2, 4 or 8. 0 and 1 leave
	// them. Sides are rounded up.
	Reduce int
	// Region is the part of the picture to decode, in pixels of the JPEG. The
	// part beyond the picture is ignored. If it is empty, all of the picture
	// is decoded. With Reduce it is extended to multiples of it.
	Region image.Rectangle
}

// reduce returns Reduce, which is at least 1.
func (o DecodeOptions) reduce() int { return max(1, o.Reduce) }

// whole returns the size of a side of the reduced picture.
func (o DecodeOptions) whole(side int) int { return ceilDiv(side, o.reduce()) }

// Rect returns the part of the reduced picture that is decoded. It is empty if
// Region is outside the picture.
func (o DecodeOptions) Rect(info Info) image.Rectangle {
	if o.Region.Empty() {
		return image.Rect(0, 0, o.whole(info.Width), o.whole(info.Height))
	}
	r := o.Region.Intersect(image.Rect(0, 0, info.Width, info.Height))
	if r.Empty() {
		return image.Rectangle{}
	}
	return image.Rect(r.Min.X/o.reduce(), r.Min.Y/o.reduce(), o.whole(r.Max.X), o.whole(r.Max.Y))
}

// columns returns the columns of the reduced picture that are decoded.
func (o DecodeOptions) columns(info Info) span {
	r := o.Rect(info)
	return span{r.Min.X, r.Max.X}
}

// check returns ErrShape if nothing can be decoded with the options.
func (o DecodeOptions) check(info Info) error {
	switch {
	case o.reduce() != 1 && o.Reduce != 2 && o.Reduce != 4 && o.Reduce != 8 || o.Reduce < 0:
		return fmt.Errorf("%w: a picture cannot be reduced by %d, only by 1, 2, 4 or 8", ErrShape, o.Reduce)
	case o.Rect(info).Empty():
		return fmt.Errorf("%w: the region %v is outside of the picture of %dx%d", ErrShape, o.Region, info.Width, info.Height)
	}
	return nil
}

// Decoder decodes JPEGs. It must not be used concurrently. Close frees its
// memory.
type Decoder struct {
	// Stop ends a long decoding with ErrStopped. It may be changed between two
	// pictures.
	Stop Stop

	batch   *batch
	strips  [MaxStrips][]byte // each as a JPEG, see DecodeStrips
	part    []byte            // the JPEG of a region, see narrow
	pixels  pixelTarget       // here, so that no call allocates one
	warning string            // of the last picture
}

// NewDecoder returns a Decoder, which the caller must Close.
func NewDecoder() (*Decoder, error) {
	b, err := newBatch()
	if err != nil {
		return nil, err
	}
	return &Decoder{batch: b}, nil
}

// Close frees the decoder's memory. A second Close does nothing.
func (d *Decoder) Close() {
	d.batch.close()
	d.strips, d.part = [MaxStrips][]byte{}, nil
}

// Warning returns libjpeg's first warning about the last decoded picture, or
// "". The picture is complete in spite of it.
func (d *Decoder) Warning() string { return d.warning }

// DecodeInto reads a JPEG's header and decodes it in one piece; see
// DecodeStrips.
func (d *Decoder) DecodeInto(dst, jpeg []byte, stride int, cs Colorspace, opts DecodeOptions) error {
	info, err := ReadInfo(jpeg)
	if err != nil {
		return err
	}
	return d.DecodeStrips(dst, jpeg, info, stride, cs, opts, 1)
}

// DecodeStrips decodes a JPEG into dst, in colorspace cs. info must be the
// result of ReadInfo for these bytes. With another info it returns an error,
// and writes nothing outside dst. During the call it allocates info.Memory
// bytes and some rows.
//
// dst must hold the rows of opts.Rect(info), each of Dx*cs.Channels() bytes,
// one every stride bytes (ErrShape, ErrTooSmall). The bytes between rows are
// not written. dst and jpeg may be Go memory or C memory, and are not retained.
// After an error dst may hold a part of the picture.
//
// It uses up to strips cores if the JPEG has suitable restart markers (see
// EncodeStrips). Every other JPEG is decoded in one piece. The pixels, the
// error and the Warning do not depend on strips.
//
// The pixels of a region are those of the whole picture. What is above and
// below the region is not decoded if the JPEG has suitable restart markers. In
// any other JPEG the codes above are read, and those below are not. What is not
// read cannot cause an error or a warning.
//
// A CMYK or YCCK JPEG decodes to every colorspace, with simplejpeg's formula.
// No other JPEG decodes to CMYK (ErrShape). Of a YCbCr JPEG decoded to GRAY,
// the colors are not decoded.
func (d *Decoder) DecodeStrips(dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions, strips int) error {
	if d.batch.c == nil {
		return ErrClosed
	}
	d.warning = ""
	if err := checkDecode(dst, info, stride, cs, opts); err != nil {
		return err
	}
	d.pixels = pixelTarget{dst: dst, stride: stride, cs: cs}
	defer func() { d.pixels.dst = nil }()
	return d.read(jpeg, info, opts, strips, &d.pixels)
}

// checkDecode returns an error for arguments that C could not handle safely.
func checkDecode(dst []byte, info Info, stride int, cs Colorspace, opts DecodeOptions) error {
	if err := checkSize(info.Width, info.Height); err != nil {
		return err
	}
	if !cs.valid() {
		return fmt.Errorf("%w: %v", ErrShape, cs)
	}
	if cs == CMYK && !info.CMYK() {
		return fmt.Errorf("%w: a %s JPEG does not decode to CMYK", ErrShape, info.Space)
	}
	if err := opts.check(info); err != nil {
		return err
	}
	r := opts.Rect(info)
	need, ok := pixelBytes(r.Dx(), r.Dy(), stride, cs)
	if !ok {
		return fmt.Errorf("%w: stride %d for rows of %d bytes", ErrShape, stride, r.Dx()*cs.Channels())
	}
	if int64(len(dst)) < need {
		return fmt.Errorf("%w: %d bytes of room, %dx%d %v takes %d", ErrTooSmall, len(dst), r.Dx(), r.Dy(), cs, need)
	}
	return nil
}

// target is where a JPEG is decoded to.
type target interface {
	// set sets the fields of a job that writes the rows from and to of the
	// reduced JPEG, which begin at row at of the target.
	set(b *batch, j *C.bridge_job, rows span, at int)
	// rows returns the rows of the reduced JPEG that are decoded.
	rows(info Info, opts DecodeOptions) span
	// context reports whether a row depends on rows of the next MCUs.
	context(info Info, opts DecodeOptions) bool
}

// span are rows of a picture: from, and up to to.
type span struct{ from, to int }

// and returns the rows that are in both.
func (s span) and(o span) span { return span{max(s.from, o.from), min(s.to, o.to)} }

// pixelTarget is a target of pixels. Its size is checked.
type pixelTarget struct {
	dst    []byte
	stride int
	cs     Colorspace
}

func (p *pixelTarget) rows(info Info, opts DecodeOptions) span {
	r := opts.Rect(info)
	return span{r.Min.Y, r.Max.Y}
}

func (p *pixelTarget) set(b *batch, j *C.bridge_job, rows span, at int) {
	j.kind, j.format = C.JOB_DECODE, C.int(p.cs)
	j.dst, j.pitch = b.address(p.dst[at*p.stride:]), C.int(p.stride)
	j.top, j.rows = C.int(rows.from), C.int(rows.to-rows.from)
}

// context reports whether colors are interpolated between rows of MCUs. They
// are not where there is no vertical subsampling, where colors are not decoded,
// and where a 4:2:0 JPEG is reduced, as each pixel then has a sample.
func (p *pixelTarget) context(info Info, opts DecodeOptions) bool {
	switch {
	case info.most()[1] == 1, opts.FastUpsample, p.cs == GRAY && info.Space == "YCbCr":
		return false
	}
	return info.Subsampling != "420" || opts.reduce() == 1
}

// read decodes a JPEG to a target, in strips if that is possible.
func (d *Decoder) read(jpeg []byte, info Info, opts DecodeOptions, strips int, to target) error {
	if d.Stop.now() {
		return ErrStopped
	}
	o, ok := readOutline(jpeg)
	if ok && o.fits(info) {
		if !opts.Region.Empty() {
			jpeg, info, opts = d.narrow(&o, jpeg, info, opts, to)
		}
		if strips > 1 && !to.context(info, opts) && d.readStrips(&o, jpeg, info, opts, strips, to) {
			return nil
		}
	}
	return d.readWhole(jpeg, info, opts, to)
}

// readWhole has libjpeg decode a JPEG in one piece. C compares the header with
// info, in case info belongs to another JPEG.
func (d *Decoder) readWhole(jpeg []byte, info Info, opts DecodeOptions, to target) error {
	if d.Stop.now() {
		return ErrStopped
	}
	to.set(d.batch, d.prepare(0, jpeg, info, opts, opts.columns(info)), to.rows(info, opts), 0)
	d.batch.run(1, info.Width*info.Height, &d.Stop)
	j := &d.batch.c.jobs[0]
	if j.report.warnings > 0 {
		d.warning = reportText(&j.report)
	}
	return outcome(j)
}

// outcome returns the error of a job that read a JPEG.
func outcome(j *C.bridge_job) error {
	switch j.result {
	case C.BRIDGE_OK:
		return nil
	case C.BRIDGE_STOPPED:
		return ErrStopped
	case C.BRIDGE_NO_MEMORY:
		return fmt.Errorf("%w: %s", ErrNoMemory, reportText(&j.report))
	}
	return fmt.Errorf("%w: %s", ErrCorrupt, reportText(&j.report))
}

// prepare sets up a job, without its target.
func (d *Decoder) prepare(i int, jpeg []byte, info Info, opts DecodeOptions, columns span) *C.bridge_job {
	j := &d.batch.c.jobs[i]
	d.batch.source(j, C.JOB_DECODE, jpeg, info)
	j.reduce, j.flags = C.int(opts.reduce()), 0
	j.left, j.columns = C.int(columns.from), C.int(columns.to-columns.from)
	if opts.FastDCT {
		j.flags |= C.TJFLAG_FASTDCT
	}
	if opts.FastUpsample {
		j.flags |= C.TJFLAG_FASTUPSAMPLE
	}
	return j
}

// source sets the fields of a job that concern the JPEG that it reads.
func (b *batch) source(j *C.bridge_job, kind C.int, jpeg []byte, info Info) {
	j.kind, j.strip = kind, 0
	j.src, j.size = b.address(jpeg), C.ulong(len(jpeg))
	j.width, j.height = C.int(info.Width), C.int(info.Height)
	j.max_scans = C.int(scansAllowed(info.Width, info.Height))
	j.memory = C.int64_t(info.Memory + rowsMemory(info.Width))
}
