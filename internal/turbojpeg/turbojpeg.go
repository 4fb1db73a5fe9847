// Package turbojpeg makes and reads JPEGs exactly as VidGear does, by libjpeg-turbo.
//
// VidGear's NetGear compresses frames with Python's simplejpeg, a thin layer over
// the TurboJPEG library. This package makes JPEGs by the same library with the
// same flags, and reads them by libjpeg, which is what that library is built on,
// with the same parameters. So both make the same bytes of the same pixels and
// the same pixels of the same bytes. Pixels are read and written where the
// caller keeps them; nothing is copied on the way. A JPEG in strips
// (EncodeStrips, DecodeStrips) uses several cores: other bytes, the same pixels.
//
// libjpeg itself is used for reading because TurboJPEG 2 does not give what a
// receiver of other programs' JPEGs needs: warnings one by one, an end to a reading
// that takes too long, and a limit for its memory.
//
// Terms: T.81 is the JPEG standard (ITU-T T.81, ISO/IEC 10918-1); 4:2:2 stores colour at half the
// horizontal resolution.
//
// Known differences from simplejpeg 1.9, none of them in JPEGs that VidGear makes:
//   - A JPEG that libjpeg warns of although its picture is whole is read, and
//     Decoder.Warning reports the warning; simplejpeg refuses it. These are bytes
//     too many before a marker, a missing end of the file, an unknown JFIF version
//     and unused parameters that are wrong. What lacks or garbles pixels is
//     ErrCorrupt, as in simplejpeg. The list of all warnings is in reader.c.
//   - simplejpeg 1.9 is built on libjpeg-turbo 3.1. With a libjpeg-turbo 2.x, lossless JPEG (T.81
//     process 14) is ErrCorrupt, where simplejpeg decodes it.
//   - A progressive JPEG that lacks the scans with its last details has slightly other pixels with a
//     libjpeg-turbo before 3.0.1, whose smoothing of such pictures was mended then.
//   - A JPEG of too many scans is ErrLimit (see MaxScanPixels): it takes minutes
//     to decode and serves no purpose but that.
//   - The unused byte X of a CMYK JPEG decoded to RGBX, BGRX, XBGR or XRGB is 255, as it is for
//     every other JPEG; simplejpeg leaves there what the memory held before.
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

// Errors to test for with errors.Is. What is returned wraps one of them and says more.
var (
	// ErrCorrupt: the bytes are not a JPEG, are cut short or contradict themselves.
	// What libjpeg would fill up with a warning is an error too, as in simplejpeg's
	// strict mode.
	ErrCorrupt = errors.New("turbojpeg: corrupt JPEG")
	// ErrLimit: the JPEG would take too long to decode, or too much memory.
	ErrLimit = errors.New("turbojpeg: JPEG beyond a limit")
	// ErrStopped: the caller's Stop has ended the work.
	ErrStopped = errors.New("turbojpeg: stopped")
	// ErrTooSmall: the destination cannot hold the result.
	ErrTooSmall = errors.New("turbojpeg: destination too small")
	// ErrShape: width, height, stride, pixels, colour space or quality do not fit each other.
	ErrShape = errors.New("turbojpeg: wrong shape")
	// ErrClosed: the Encoder or Decoder was used after Close.
	ErrClosed = errors.New("turbojpeg: closed")
)

// MaxDimension is the greatest width and height of a JPEG in pixels: libjpeg's own limit, a little
// less than the 65535 that T.81 has room for.
const MaxDimension = 65500

// reportText is the C library's message in a report: the error of a call that
// has failed, otherwise its first warning.
func reportText(report *C.bridge_report) string {
	if report.text[0] == 0 {
		return "no reason given"
	}
	return C.GoString(&report.text[0])
}

// pixelBytes is the least number of bytes that hold height rows of stride bytes, the last of which
// needs no padding. ok is false when the numbers make no picture.
func pixelBytes(width, height, stride int, cs Colorspace) (n int64, ok bool) {
	row := width * cs.Channels()
	if stride < row || stride > math.MaxInt32 {
		return 0, false
	}
	return int64(height-1)*int64(stride) + int64(row), true
}

// checkSize refuses what libjpeg could not hold.
func checkSize(width, height int) error {
	if width < 1 || height < 1 || width > MaxDimension || height > MaxDimension {
		return fmt.Errorf("%w: %dx%d pixels, each side must be in 1..%d", ErrShape, width, height, MaxDimension)
	}
	return nil
}
