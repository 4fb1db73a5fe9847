// Package turbojpeg encodes and decodes JPEGs exactly as VidGear does, with
// libjpeg-turbo.
//
// VidGear's NetGear compresses frames with Python's simplejpeg, a thin layer
// over the TurboJPEG library. This package encodes with the same library and
// the same flags. It decodes with libjpeg, on which that library is built, and
// the same parameters. So both encode the same bytes and decode the same
// pixels. Pixels are read and written in the caller's memory, without a copy. A
// JPEG in strips (EncodeStrips, DecodeStrips) uses several cores. It has other
// bytes and the same pixels.
//
// Besides pixels it encodes and decodes planes of luma and chroma
// (EncodePicture, DecodeYCbCr). It decodes reduced pictures, gray ones and parts
// (DecodeOptions).
//
// Decoding uses libjpeg because TurboJPEG 2 lacks what a receiver of other
// programs' JPEGs needs: single warnings, a way to stop a long decoding, and a
// memory limit.
//
// Terms: T.81 is the JPEG standard (ITU-T T.81, ISO/IEC 10918-1). 4:2:2 stores
// color at half the horizontal resolution.
//
// Known differences from simplejpeg 1.9, none of them in VidGear's JPEGs:
//   - A JPEG with a warning is decoded if its picture is complete, and
//     Decoder.Warning returns the warning. simplejpeg refuses it. Such warnings
//     are about extra bytes before a marker, a missing end of the file, an
//     unknown JFIF version and unused parameters. If pixels are missing or
//     damaged, the error is ErrCorrupt, as in simplejpeg. reader.c lists all
//     warnings.
//   - simplejpeg 1.9 is built on libjpeg-turbo 3.1. With libjpeg-turbo 2.x, a
//     lossless JPEG (T.81 process 14) is ErrCorrupt; simplejpeg decodes it.
//   - A progressive JPEG without its last scans has slightly other pixels with
//     a libjpeg-turbo before 3.0.1, which fixed the smoothing of such pictures.
//   - A JPEG of too many scans, which would take minutes to decode, is ErrLimit
//     (see MaxScanPixels).
//   - The unused byte X of a CMYK JPEG decoded to RGBX, BGRX, XBGR or XRGB is
//     255, as for every other JPEG. simplejpeg leaves the memory's earlier
//     content there.
package turbojpeg

/*
#cgo pkg-config: libturbojpeg libjpeg
#cgo noescape bridge_header
#cgo nocallback bridge_header
#include "bridge.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
)

// Errors for errors.Is. Returned errors wrap one of them and add details.
var (
	// ErrCorrupt is returned for bytes that are not a JPEG, are truncated or
	// are inconsistent. What libjpeg would only warn about and replace is an
	// error too, as in simplejpeg's strict mode.
	ErrCorrupt = errors.New("corrupt JPEG")
	// ErrLimit is returned for a JPEG that would need too much time or memory.
	ErrLimit = errors.New("JPEG beyond a limit")
	// ErrNoMemory is returned when the C allocator returns no memory. The same
	// call may succeed later.
	ErrNoMemory = errors.New("out of memory for JPEGs")
	// ErrStopped is returned when the caller's Stop has ended the call.
	ErrStopped = errors.New("the work on a JPEG was stopped")
	// ErrTooSmall is returned if the destination cannot hold the result.
	ErrTooSmall = errors.New("destination too small")
	// ErrShape is returned if width, height, stride, pixels, colorspace or
	// quality do not fit each other.
	ErrShape = errors.New("wrong shape for JPEG")
	// ErrClosed is returned by an Encoder or Decoder after Close.
	ErrClosed = errors.New("the encoder or decoder is closed")
)

// MaxDimension is the largest width and height of a JPEG in pixels: libjpeg's
// own limit, a little less than T.81's 65535.
const MaxDimension = 65500

// reportText returns the C library's message in a report: the error of a call
// that has failed, otherwise its first warning.
func reportText(report *C.bridge_report) string {
	if report.text[0] == 0 {
		return "no reason given"
	}
	return C.GoString(&report.text[0])
}

// pixelBytes returns the smallest number of bytes that hold height rows of
// stride bytes. The last row needs no padding. ok is false if the stride is
// invalid.
func pixelBytes(width, height, stride int, cs Colorspace) (n int64, ok bool) {
	row := width * cs.Channels()
	if stride < row || stride > math.MaxInt32 {
		return 0, false
	}
	return int64(height-1)*int64(stride) + int64(row), true
}

// checkSize returns ErrShape for a size that libjpeg does not support.
func checkSize(width, height int) error {
	if width < 1 || height < 1 || width > MaxDimension || height > MaxDimension {
		return fmt.Errorf("%w: %dx%d pixels, each side must be in 1..%d", ErrShape, width, height, MaxDimension)
	}
	return nil
}
