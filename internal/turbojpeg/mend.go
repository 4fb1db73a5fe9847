package turbojpeg

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"fmt"
	"unsafe"
)

// Mend returns a JPEG with the same pixels that every reader accepts. That is
// jpeg itself if libjpeg reports nothing, otherwise a copy with the same
// coefficients: with the missing end, or written as jpegtran does. If pixels
// are missing or damaged, the error is ErrCorrupt. info must be the result of
// ReadInfo for these bytes.
//
// The codes of a sequential JPEG of one scan are read without libjpeg (tidy).
// What remains doubtful, and every other JPEG, is decoded by libjpeg to an
// eighth of its size, which takes a third to a half of the time of decoding.
//
// It allocates info.Memory bytes, and for a copy the size of the coefficients,
// about two bytes for each sample. If that exceeds maxMemory, the error is
// ErrLimit.
func (e *Encoder) Mend(jpeg []byte, info Info, maxMemory int64) ([]byte, error) {
	if e.batch.c == nil {
		return nil, ErrClosed
	}
	whole, v := tidy(jpeg, &e.Stop)
	if v == sound || v == endless {
		return whole, nil
	}
	if err := checkSegments(jpeg); err != nil {
		return nil, err
	}
	warning, err := e.check(jpeg, info, maxMemory)
	if err != nil || warning == "" {
		return jpeg, err
	}
	if v == overlong {
		return whole, nil
	}
	made, err := e.rewrite(jpeg, info, maxMemory)
	if err != nil {
		return nil, fmt.Errorf("%w (to be mended for: %s)", err, warning)
	}
	if warning, err = e.check(made, info, maxMemory); err == nil && warning != "" {
		err = fmt.Errorf("%w: %s", ErrCorrupt, warning)
	}
	return made, err
}

// check reads a JPEG and returns the first of libjpeg's harmless warnings.
func (e *Encoder) check(jpeg []byte, info Info, maxMemory int64) (warning string, err error) {
	j, err := e.read(C.JOB_CHECK, jpeg, info, info.Memory, maxMemory)
	if err == nil && j.report.warnings > 0 {
		warning = reportText(&j.report)
	}
	return warning, err
}

// rewrite returns a JPEG with the same coefficients.
func (e *Encoder) rewrite(jpeg []byte, info Info, maxMemory int64) ([]byte, error) {
	j, err := e.read(C.JOB_MEND, jpeg, info, info.coefficients, maxMemory)
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(j.out))
	return bytes.Clone(unsafe.Slice((*byte)(j.out), int(j.report.size))), nil
}

// read runs a job that reads a JPEG, and returns ErrLimit if memory exceeds
// maxMemory.
func (e *Encoder) read(kind C.int, jpeg []byte, info Info, memory, maxMemory int64) (*C.bridge_job, error) {
	if memory > maxMemory {
		return nil, fmt.Errorf("%w: it takes %d bytes of memory to read, the limit is %d", ErrLimit, memory, maxMemory)
	}
	if e.Stop.now() {
		return nil, ErrStopped
	}
	j := &e.batch.c.jobs[0]
	e.batch.source(j, kind, jpeg, info)
	// libjpeg stores the markers until the end.
	j.memory += C.int64_t(memory - info.Memory + int64(len(jpeg)))
	e.batch.run(1, info.Width*info.Height, &e.Stop)
	return j, outcome(j)
}
