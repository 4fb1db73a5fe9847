package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"
)

// Info is what a JPEG's header says.
type Info struct {
	Width, Height int    // pixels, 1..MaxDimension
	Space         string // how the JPEG stores colour: "RGB", "YCbCr", "Gray", "CMYK" or "YCCK"
	Subsampling   string // "444", "422", "420", "440", "411", "441" or "Gray"; T.81 says how
}

// CMYK tells that the JPEG holds printing colours, as Space "CMYK" or "YCCK". Only such a JPEG
// decodes to CMYK.
func (i Info) CMYK() bool { return i.Space == "CMYK" || i.Space == "YCCK" }

// DecodeOptions trade exactness for speed. Both ends of a NetGear may ask for them, see VidGear's
// jpeg_compression_fastdct and jpeg_compression_fastupsample.
type DecodeOptions struct {
	FastDCT      bool // the fast inverse DCT
	FastUpsample bool // repeat the colour of subsampled pixels instead of interpolating it
}

// Decoder reads JPEGs. It is for one goroutine at a time. Close frees its memory.
type Decoder struct {
	batch   *batch
	scratch []byte            // the CMYK pixels of a picture that was asked for as something else
	strips  [MaxStrips][]byte // each as a JPEG, see DecodeStrips
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
	d.scratch, d.strips = nil, [MaxStrips][]byte{}
}

// ReadInfo reads a JPEG's header. It takes some kilobytes of memory, whatever the picture's size,
// and gives them back. It is safe for concurrent use. Errors are ErrCorrupt.
func ReadInfo(jpeg []byte) (Info, error) {
	if len(jpeg) == 0 {
		return Info{}, fmt.Errorf("%w: no bytes", ErrCorrupt)
	}
	var report C.bridge_report
	if C.bridge_header((*C.uchar)(unsafe.SliceData(jpeg)), C.ulong(len(jpeg)), &report) != C.BRIDGE_OK {
		failed := report // so that only one that has failed takes memory of Go's heap
		return Info{}, fmt.Errorf("%w: %s", ErrCorrupt, errorText(&failed))
	}
	info := Info{Width: int(report.width), Height: int(report.height)}
	info.Space = nameAt(spaces[:], int(report.colorspace))
	info.Subsampling = nameAt(subsamplings[:], int(report.subsamp))
	return info, nil
}

// Names in simplejpeg's spelling. A 2.x library has no 4:4:1; its number is 6 in 3.x.
var (
	spaces = [...]string{
		C.TJCS_RGB: "RGB", C.TJCS_YCbCr: "YCbCr", C.TJCS_GRAY: "Gray", C.TJCS_CMYK: "CMYK", C.TJCS_YCCK: "YCCK",
	}
	subsamplings = [...]string{
		C.TJSAMP_444: "444", C.TJSAMP_422: "422", C.TJSAMP_420: "420", C.TJSAMP_GRAY: "Gray",
		C.TJSAMP_440: "440", C.TJSAMP_411: "411", 6: "441",
	}
)

func nameAt(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "unknown"
	}
	return names[i]
}

// DecodeInto reads a JPEG's header and decodes it in one piece; see DecodeStrips.
func (d *Decoder) DecodeInto(dst, jpeg []byte, stride int, cs Colorspace, opts DecodeOptions) error {
	info, err := ReadInfo(jpeg)
	if err != nil {
		return err
	}
	return d.DecodeStrips(dst, jpeg, info, stride, cs, opts, 1)
}

// DecodeStrips decodes a JPEG into dst, in the colour space asked for. info is what ReadInfo said of
// these bytes; a wrong one brings an error, or a picture of another size, and no byte outside of dst.
//
// dst must hold the rows of Width*cs.Channels() bytes, one every stride bytes (ErrShape,
// ErrTooSmall); what lies between rows is not written. dst and jpeg may be Go memory or C memory
// seen as a slice, and neither is kept. After an error dst may hold a part of the picture.
//
// It works on up to so many cores as there may be strips, where the JPEG has restart markers that
// allow for it (see EncodeStrips); every other JPEG is read in one piece. The pixels are the same.
//
// A CMYK or YCCK JPEG decodes to every colour space, by simplejpeg's formula. No other JPEG decodes
// to CMYK (ErrShape).
func (d *Decoder) DecodeStrips(dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions, strips int) error {
	if d.batch.c == nil {
		return ErrClosed
	}
	if err := checkDecode(dst, info, stride, cs); err != nil {
		return err
	}
	if info.CMYK() && cs != CMYK {
		return d.decodeCMYK(dst, jpeg, info, stride, cs, opts, strips)
	}
	return d.decodeCores(dst, jpeg, info, stride, cs, opts, strips)
}

// decodeCores decodes into dst, whose size is checked, in strips if that works out.
func (d *Decoder) decodeCores(dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions, strips int) error {
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

// decode has libjpeg write into dst, whose size is checked. Should the bytes say otherwise than
// info, TurboJPEG scales the picture down to the size given or fails.
func (d *Decoder) decode(dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions) error {
	d.prepare(0, dst, jpeg, info.Width, info.Height, stride, cs, opts)
	d.batch.run(1, info.Width*info.Height)
	if d.failed(0) {
		return fmt.Errorf("%w: %s", ErrCorrupt, errorText(&d.batch.c.jobs[0].report))
	}
	return nil
}

// prepare writes a job.
func (d *Decoder) prepare(i int, dst, jpeg []byte, width, height, stride int, cs Colorspace, opts DecodeOptions) {
	j := &d.batch.c.jobs[i]
	j.src, j.size, j.dst = d.batch.memory(jpeg), C.ulong(len(jpeg)), d.batch.memory(dst)
	j.width, j.height, j.pitch, j.format = C.int(width), C.int(height), C.int(stride), C.int(cs)
	j.flags = C.TJFLAG_NOREALLOC | C.TJFLAG_LIMITSCANS
	if opts.FastDCT {
		j.flags |= C.TJFLAG_FASTDCT
	}
	if opts.FastUpsample {
		j.flags |= C.TJFLAG_FASTUPSAMPLE
	}
}

func (d *Decoder) failed(i int) bool { return d.batch.c.jobs[i].result != C.BRIDGE_OK }

// decodeCMYK goes by way of CMYK, which is all that libjpeg makes of such a JPEG.
func (d *Decoder) decodeCMYK(dst, jpeg []byte, info Info, stride int, cs Colorspace, opts DecodeOptions, strips int) error {
	row := info.Width * CMYK.Channels()
	n := int64(row) * int64(info.Height)
	if n > math.MaxInt {
		return fmt.Errorf("%w: %dx%d pixels are more than memory can hold", ErrShape, info.Width, info.Height)
	}
	if int64(cap(d.scratch)) < n {
		d.scratch = make([]byte, n)
	}
	d.scratch = d.scratch[:n]
	if err := d.decodeCores(d.scratch, jpeg, info, row, CMYK, opts, strips); err != nil {
		return err
	}
	for y := range info.Height {
		convertCMYK(dst[y*stride:], d.scratch[y*row:(y+1)*row], cs)
	}
	return nil
}

// convertCMYK turns one row of CMYK into another colour space with the formulas of simplejpeg's
// _color.c, which are for CMYK as Adobe stores it in JPEGs: inverted, 255 being no ink.
func convertCMYK(dst, cmyk []byte, cs Colorspace) {
	l := layouts[cs]
	for ; len(cmyk) >= 4; cmyk, dst = cmyk[4:], dst[l.channels:] {
		k := int(cmyk[3])
		r := k - ((255-int(cmyk[0]))*k)>>8
		g := k - ((255-int(cmyk[1]))*k)>>8
		b := k - ((255-int(cmyk[2]))*k)>>8
		if cs == GRAY {
			dst[0] = byte((r*4899 + g*9617 + b*1868 + 8192) >> 14)
			continue
		}
		dst[l.red], dst[l.green], dst[l.blue] = byte(r), byte(g), byte(b)
		if l.spare >= 0 {
			dst[l.spare] = 255
		}
	}
}
