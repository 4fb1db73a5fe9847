package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
)

// EncodeOptions are the parameters of a JPEG. The subsampling is the Picture's.
type EncodeOptions struct {
	Quality int // 1 (smallest) to 100 (best); VidGear's default is 90
	// FastDCT requests the fast, less exact DCT. TurboJPEG uses the fast one
	// below quality 96 and the exact one from there on, so today this changes
	// no byte. simplejpeg passes it on too.
	FastDCT bool
}

// Encoder encodes JPEGs. It must not be used concurrently. Close frees its C
// memory.
type Encoder struct {
	// Stop ends with ErrStopped what may take long: Mend, and the wait for a
	// thread while all are busy. It may be changed between two pictures.
	Stop Stop

	batch   *batch
	handles []C.tjhandle // one for each strip, see EncodeStrips
}

// NewEncoder returns an Encoder, which the caller must Close.
func NewEncoder() (*Encoder, error) {
	b, err := newBatch()
	if err != nil {
		return nil, err
	}
	e := &Encoder{batch: b}
	if !e.ensureHandles(1) {
		e.Close()
		return nil, ErrNoMemory
	}
	return e, nil
}

// ensureHandles creates the missing handles, one for each strip. It returns
// false if there is no memory.
func (e *Encoder) ensureHandles(strips int) bool {
	for len(e.handles) < strips {
		handle := C.tjInitCompress()
		if handle == nil {
			return false
		}
		e.handles = append(e.handles, handle)
	}
	return true
}

// Close frees the encoder's memory. A second Close does nothing.
func (e *Encoder) Close() {
	for _, handle := range e.handles {
		C.tjDestroy(handle)
	}
	e.handles = nil
	e.batch.close()
}

// Bound returns the length in bytes of the dst that EncodeInto requires. It is
// enough for any picture, even noise at quality 100, unless its pixels were
// computed to exceed this bound. It returns 0 for an impossible size (see
// MaxDimension). It is safe for concurrent use.
func (e *Encoder) Bound(width, height int, cs Colorspace) int {
	return e.StripsBound(width, height, cs, 1)
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// EncodeInto encodes the pixels in pix as a JPEG and returns its length in
// bytes.
//
// Rows of width*cs.Channels() bytes start every stride bytes. The bytes between
// them are not read. dst must be at least Bound bytes long. Both may be Go
// memory or C memory, and are not retained. If the JPEG is longer than dst all
// the same (see Bound), the error is ErrTooSmall, and a longer dst helps.
func (e *Encoder) EncodeInto(dst, pix []byte, width, height, stride int, cs Colorspace, opts EncodeOptions) (int, error) {
	return e.EncodeStrips(dst, pix, width, height, stride, cs, opts, 1)
}

// encode encodes a picture in one piece. Its sizes are checked.
func (e *Encoder) encode(dst []byte, p Picture, opts EncodeOptions) (int, error) {
	e.prepare(0, dst, p, span{0, p.Height}, opts)
	e.batch.run(1, p.Width*p.Height, &e.Stop)
	return e.result(0, p)
}

// prepare sets up a job for some rows of a picture.
func (e *Encoder) prepare(i int, dst []byte, p Picture, rows span, opts EncodeOptions) {
	j := &e.batch.c.jobs[i]
	j.encoder = e.handles[i]
	j.dst, j.capacity = e.batch.address(dst), C.ulong(len(dst))
	j.width, j.height = C.int(p.Width), C.int(rows.to-rows.from)
	j.quality, j.flags, j.restart_rows = C.int(opts.Quality), 0, C.int(p.restartRows)
	if opts.FastDCT {
		j.flags = C.TJFLAG_FASTDCT
	}
	p.set(e.batch, j, rows)
}

// result returns the length of the JPEG that a job has written, or the job's
// error.
func (e *Encoder) result(i int, p Picture) (int, error) {
	j := &e.batch.c.jobs[i]
	switch j.result {
	case C.BRIDGE_OK:
		return int(j.report.size), nil
	case C.BRIDGE_STOPPED:
		return 0, ErrStopped
	case C.BRIDGE_TOO_SMALL:
		return 0, fmt.Errorf("%w: the JPEG takes %d bytes, there is room for %d", ErrTooSmall, uint64(j.report.size), uint64(j.capacity))
	}
	return 0, fmt.Errorf("encoding %v as JPEG: %s", p, reportText(&j.report))
}

// checkEncode returns an error for arguments that C could not handle safely.
func checkEncode(dst []byte, p Picture, opts EncodeOptions) error {
	if err := p.check(); err != nil {
		return err
	}
	if opts.Quality < 1 || opts.Quality > 100 {
		return fmt.Errorf("%w: quality %d is not in 1..100", ErrShape, opts.Quality)
	}
	if room := p.bound(p.Height); room == 0 || len(dst) < room {
		return fmt.Errorf("%w: %d bytes of room, %v may take %d", ErrTooSmall, len(dst), p, room)
	}
	return nil
}
