package turbojpeg

/*
#cgo noescape bridge_reorder
#cgo nocallback bridge_reorder
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Reorder copies pixels to another order of channels. Alpha that src does not
// have is 255, as is an unused byte. GRAY and CMYK are ErrShape, as are sizes
// that do not fit.
func Reorder(dst []byte, dstStride int, to Colorspace, src []byte, srcStride int, from Colorspace, width, height int) error {
	if width < 1 || height < 1 {
		return fmt.Errorf("%w: %dx%d pixels", ErrShape, width, height)
	}
	if from.RGBA()[0] < 0 || to.RGBA()[0] < 0 {
		return fmt.Errorf("%w: %v has no order of channels to change to %v", ErrShape, from, to)
	}
	in, ok := pixelBytes(width, height, srcStride, from)
	out, fits := pixelBytes(width, height, dstStride, to)
	if !ok || !fits || int64(len(src)) < in || int64(len(dst)) < out {
		return fmt.Errorf("%w: %d bytes of stride %d to %d of %d, for %dx%d pixels", ErrShape, len(src), srcStride, len(dst), dstStride, width, height)
	}
	C.bridge_reorder((*C.uchar)(unsafe.SliceData(dst)), C.int(dstStride), C.int(to),
		(*C.uchar)(unsafe.SliceData(src)), C.int(srcStride), C.int(from), C.int(width), C.int(height))
	return nil
}
