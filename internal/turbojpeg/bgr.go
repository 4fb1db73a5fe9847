package turbojpeg

/*
#cgo noescape bridge_flatten_bgr
#cgo nocallback bridge_flatten_bgr
#cgo noescape bridge_planes_bgr
#cgo nocallback bridge_planes_bgr
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"image"
	"math"
	"runtime"
	"unsafe"
)

// ToBGR writes a picture to dst as BGR pixels without gaps between the rows.
// The pixels are those that package image/draw makes: an *image.NRGBA is
// multiplied by its alpha. It reports whether it can do that for the picture's
// type: an *image.RGBA, *image.NRGBA or *image.YCbCr. A YCbCr picture at
// negative coordinates is not among them, as its chroma is not regular. dst, or
// memory of the picture, that is too short is ErrShape.
func ToBGR(dst []byte, img image.Image) (known bool, err error) {
	b := img.Bounds()
	width, height := b.Dx(), b.Dy()
	if width < 1 || height < 1 || width > math.MaxInt32/4 || len(dst)/3/width < height {
		return true, fmt.Errorf("%w: %d bytes for %dx%d pixels", ErrShape, len(dst), width, height)
	}
	switch i := img.(type) {
	case *image.RGBA:
		return true, Reorder(dst, 3*width, BGR, i.Pix, i.Stride, RGBA, width, height)
	case *image.NRGBA:
		if need, ok := pixelBytes(width, height, i.Stride, RGBA); !ok || int64(len(i.Pix)) < need {
			return true, fmt.Errorf("%w: %d bytes of stride %d for %dx%d pixels", ErrShape, len(i.Pix), i.Stride, width, height)
		}
		C.bridge_flatten_bgr((*C.uchar)(unsafe.SliceData(dst)), C.int(3*width),
			(*C.uchar)(unsafe.SliceData(i.Pix)), C.int(i.Stride), C.int(width), C.int(height))
		return true, nil
	case *image.YCbCr:
		if b.Min.X < 0 || b.Min.Y < 0 {
			return false, nil
		}
		return true, planesToBGR(dst, i)
	}
	return false, nil
}

func planesToBGR(dst []byte, img *image.YCbCr) error {
	across, down := Ratio(img.SubsampleRatio)
	width, height := img.Rect.Dx(), img.Rect.Dy()
	dx, dy := img.Rect.Min.X%across, img.Rect.Min.Y%down
	columns, rows := (width-1+dx)/across+1, (height-1+dy)/down+1
	fits := func(pix []byte, stride, columns, rows int) bool {
		return stride >= columns && stride <= math.MaxInt32 && int64(len(pix)) >= int64(rows-1)*int64(stride)+int64(columns)
	}
	if !fits(img.Y, img.YStride, width, height) || !fits(img.Cb, img.CStride, columns, rows) || !fits(img.Cr, img.CStride, columns, rows) {
		return fmt.Errorf("%w: planes of %d, %d and %d bytes with strides %d and %d for %dx%d pixels",
			ErrShape, len(img.Y), len(img.Cb), len(img.Cr), img.YStride, img.CStride, width, height)
	}
	var pin runtime.Pinner // C gets the addresses in a struct
	defer pin.Unpin()
	address := func(pix []byte) *C.uchar {
		p := unsafe.SliceData(pix)
		pin.Pin(p)
		return (*C.uchar)(p)
	}
	C.bridge_planes_bgr((*C.uchar)(unsafe.SliceData(dst)), C.int(3*width), C.bridge_planes{
		y: address(img.Y), cb: address(img.Cb), cr: address(img.Cr),
		y_pitch: C.int(img.YStride), c_pitch: C.int(img.CStride),
		across: C.int(across), down: C.int(down), dx: C.int(dx), dy: C.int(dy),
	}, C.int(width), C.int(height))
	return nil
}
