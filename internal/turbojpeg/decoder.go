package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import "fmt"

// DecodeOptions trade exactness for speed. Both ends of a NetGear may ask for them, see VidGear's
// jpeg_compression_fastdct and jpeg_compression_fastupsample.
type DecodeOptions struct {
	FastDCT      bool // the fast inverse DCT
	FastUpsample bool // repeat the colour of subsampled pixels instead of interpolating it
}

// Decoder reads JPEGs. It is for one goroutine at a time. Close frees its memory.
type Decoder struct {
	// Stop ends a decoding that takes long, with ErrStopped. It may be changed
	// between two pictures.
	Stop Stop

	batch   *batch
	strips  [MaxStrips][]byte // each as a JPEG, see DecodeStrips
	warning string            // of the last picture
}

// NewDecoder makes a Decoder; the caller has to Close it.
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

// Warning returns the first of libjpeg's warnings of the picture that was decoded
// last, "" if there was none. The picture is whole in spite of it.
func (d *Decoder) Warning() string { return d.warning }

// DecodeInto reads a JPEG's header and decodes it in one piece; see DecodeStrips.
func (d *Decoder) DecodeInto(dst, jpeg []byte, stride int, cs Colorspace, opts DecodeOptions) error {
	info, err := ReadInfo(jpeg)
	if err != nil {
		return err
	}
	return d.DecodeStrips(dst, jpeg, info, stride, cs, opts, 1)
}

// DecodeStrips decodes a JPEG into dst, in the colour space asked for. info is what ReadInfo said of
// these bytes; a wrong one brings an error, and no byte outside of dst. Beside dst it takes
// info.Memory bytes and some rows, and keeps nothing of them.
//
// dst must hold the rows of Width*cs.Channels() bytes, one every stride bytes (ErrShape,
// ErrTooSmall); what lies between rows is not written. dst and jpeg may be Go memory or C memory
// seen as a slice, and neither is kept. After an error dst may hold a part of the picture.
//
// It works on up to so many cores as there may be strips, where the JPEG has restart markers that
// allow for it (see EncodeStrips); every other JPEG is read in one piece. The
// pixels are the same, and so are the error and the Warning.
//
// A CMYK or YCCK JPEG decodes to every colour space, by simplejpeg's formula. No other JPEG decodes
// to CMYK (ErrShape).
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

// checkDecode lets nothing cross to C that C would have to trust.
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

// decode has libjpeg write into dst, whose size is checked. Should the bytes say
// otherwise than info, libjpeg's header is compared with it in C.
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

// outcome is the error of a job that read a JPEG.
func outcome(j *C.bridge_job) error {
	switch j.result {
	case C.BRIDGE_OK:
		return nil
	case C.BRIDGE_STOPPED:
		return ErrStopped
	}
	return fmt.Errorf("%w: %s", ErrCorrupt, reportText(&j.report))
}

// prepare writes a job.
func (d *Decoder) prepare(i int, dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions) *C.bridge_job {
	j := &d.batch.c.jobs[i]
	d.batch.source(j, C.JOB_DECODE, jpeg, info)
	j.dst, j.pitch, j.format, j.flags = d.batch.memory(dst), C.int(stride), C.int(cs), 0
	if opts.FastDCT {
		j.flags |= C.TJFLAG_FASTDCT
	}
	if opts.FastUpsample {
		j.flags |= C.TJFLAG_FASTUPSAMPLE
	}
	return j
}

// source writes into a job what concerns the JPEG that it reads.
func (b *batch) source(j *C.bridge_job, kind C.int, jpeg []byte, info Info) {
	j.kind, j.strip = kind, 0
	j.src, j.size = b.memory(jpeg), C.ulong(len(jpeg))
	j.width, j.height = C.int(info.Width), C.int(info.Height)
	j.max_scans = C.int(scansAllowed(info.Width, info.Height))
	j.memory = C.int64_t(info.Memory + rowsMemory(info.Width))
}
