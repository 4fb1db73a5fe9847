package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import "fmt"

// DecodeOptions trade exactness for speed. They are VidGear's
// jpeg_compression_fastdct and jpeg_compression_fastupsample, which either end
// may set.
type DecodeOptions struct {
	FastDCT      bool // use the fast inverse DCT
	FastUpsample bool // repeat the color of subsampled pixels instead of interpolating it
}

// Decoder decodes JPEGs. It must not be used concurrently. Close frees its
// memory.
type Decoder struct {
	// Stop ends a long decoding with ErrStopped. It may be changed between two
	// pictures.
	Stop Stop

	batch   *batch
	strips  [MaxStrips][]byte // each as a JPEG, see DecodeStrips
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
	d.strips = [MaxStrips][]byte{}
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
// dst must hold the rows of Width*cs.Channels() bytes, one every stride bytes
// (ErrShape, ErrTooSmall). The bytes between rows are not written. dst and jpeg
// may be Go memory or C memory, and are not retained. After an error dst may
// hold a part of the picture.
//
// It uses up to strips cores if the JPEG has suitable restart markers (see
// EncodeStrips). Every other JPEG is decoded in one piece. The pixels, the
// error and the Warning do not depend on strips.
//
// A CMYK or YCCK JPEG decodes to every colorspace, with simplejpeg's formula.
// No other JPEG decodes to CMYK (ErrShape).
func (d *Decoder) DecodeStrips(dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions, strips int) error {
	if d.batch.c == nil {
		return ErrClosed
	}
	d.warning = ""
	if err := checkDecode(dst, info, stride, cs); err != nil {
		return err
	}
	if strips > 1 && d.decodeStrips(dst, jpeg, info, stride, cs, opts, strips) {
		return nil
	}
	return d.decode(dst, jpeg, info, stride, cs, opts)
}

// checkDecode returns an error for arguments that C could not handle safely.
func checkDecode(dst []byte, info Info, stride int, cs Colorspace) error {
	if err := checkSize(info.Width, info.Height); err != nil {
		return err
	}
	if !cs.valid() {
		return fmt.Errorf("%w: %v", ErrShape, cs)
	}
	if cs == CMYK && !info.CMYK() {
		return fmt.Errorf("%w: a %s JPEG does not decode to CMYK", ErrShape, info.Space)
	}
	need, ok := pixelBytes(info.Width, info.Height, stride, cs)
	if !ok {
		return fmt.Errorf("%w: stride %d for rows of %d bytes", ErrShape, stride, info.Width*cs.Channels())
	}
	if int64(len(dst)) < need {
		return fmt.Errorf("%w: %d bytes of room, %dx%d %v takes %d", ErrTooSmall, len(dst), info.Width, info.Height, cs, need)
	}
	return nil
}

// decode has libjpeg write into dst, whose size is checked. C compares the
// header with info, in case info belongs to another JPEG.
func (d *Decoder) decode(dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions) error {
	if d.Stop.now() {
		return ErrStopped
	}
	d.prepare(0, dst, jpeg, info, stride, cs, opts)
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
	}
	return fmt.Errorf("%w: %s", ErrCorrupt, reportText(&j.report))
}

// prepare sets up a job.
func (d *Decoder) prepare(i int, dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions) *C.bridge_job {
	j := &d.batch.c.jobs[i]
	d.batch.source(j, C.JOB_DECODE, jpeg, info)
	j.dst, j.pitch, j.format, j.flags = d.batch.address(dst), C.int(stride), C.int(cs), 0
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
