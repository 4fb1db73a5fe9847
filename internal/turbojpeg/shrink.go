package turbojpeg

/*
#cgo noescape bridge_shrink
#cgo nocallback bridge_shrink
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// Shrink returns the picture scaled down to the share scale of its width and
// height, 0 to 1. Each sample is the mean of those that it replaces, which are
// multiplied by their alpha before. The new picture is in memory, which is
// returned for the next call, larger if need be.
//
// Planes whose chroma begins between two samples (a sub-image) are returned as
// they are, and so is a picture that stays as large.
func (p Picture) Shrink(scale float64, memory []byte) (_ Picture, _ []byte, err error) {
	width, height := shrunk(p.Width, scale), shrunk(p.Height, scale)
	if width >= p.Width && height >= p.Height || p.planes[1].across > 1 || p.planes[1].down > 1 {
		return p, memory, nil
	}
	if err := p.check(); err != nil {
		return p, memory, err
	}
	small := p
	small.Width, small.Height = width, height
	if p.planes[0].pix == nil {
		n := width * height * p.cs.Channels()
		memory = slices.Grow(memory[:0], n)[:n]
		small.pix, small.stride, small.alpha = memory, width*p.cs.Channels(), false
		alpha := C.int(C.BRIDGE_AS_IS)
		if p.alpha {
			alpha = C.BRIDGE_MULTIPLY
		}
		return small, memory, shrink(small.pix, width, height, p.pix, p.stride, p.Width, p.Height, p.cs.Channels(), alpha)
	}
	ratio := p.mcu // of pixels to chroma samples
	cw, ch := ceilDiv(width, ratio[0]), ceilDiv(height, ratio[1])
	n := width*height + 2*cw*ch
	memory = slices.Grow(memory[:0], n)[:n]
	rest := memory
	for i, s := range p.components() {
		w, h, of := width, height, [2]int{p.Width, p.Height}
		if i > 0 {
			w, h, of = cw, ch, [2]int{ceilDiv(p.Width, ratio[0]), ceilDiv(p.Height, ratio[1])}
		}
		small.planes[i].pix, small.planes[i].stride = rest[:w*h], w
		rest = rest[w*h:]
		if err := shrink(small.planes[i].pix, w, h, s.pix, s.stride, of[0], of[1], 1, C.BRIDGE_AS_IS); err != nil {
			return p, memory, err
		}
	}
	return small, memory, nil
}

// shrunk returns the scaled size, at least 1.
func shrunk(size int, scale float64) int {
	return min(max(int(math.Round(float64(size)*scale)), 1), size)
}

func shrink(dst []byte, dstWidth, dstHeight int, src []byte, stride, width, height, channels int, alpha C.int) error {
	if C.bridge_shrink((*C.uchar)(unsafe.SliceData(dst)), C.int(dstWidth), C.int(dstHeight), (*C.uchar)(unsafe.SliceData(src)),
		C.int(stride), C.int(width), C.int(height), C.int(channels), alpha) != C.BRIDGE_OK {
		return fmt.Errorf("%w: scaling %dx%d pixels", ErrNoMemory, width, height)
	}
	return nil
}

// Copy returns the picture in memory, which is returned for the next call,
// larger if need be.
func (p Picture) Copy(memory []byte) (Picture, []byte, error) {
	if err := p.check(); err != nil {
		return p, memory, err
	}
	memory = memory[:0]
	if p.planes[0].pix == nil {
		memory = append(memory, p.pix...)
		p.pix = memory
		return p, memory, nil
	}
	n := 0
	for _, s := range p.components() {
		n += len(s.pix)
	}
	memory = slices.Grow(memory, n)
	for i, s := range p.components() {
		from := len(memory)
		memory = append(memory, s.pix...)
		p.planes[i].pix = memory[from:]
	}
	return p, memory, nil
}
