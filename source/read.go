//go:build !nogocv

package source

// #include <stdlib.h>
// void *netgear_source_read(const char *file, int *rows, int *cols, int *type, void **data);
// void netgear_source_free(void *picture);
import "C"

import (
	"errors"
	"slices"
	"unsafe"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

// readPicture reads a picture file unchanged: with 16 bits and alpha. It does
// not use gocv, which ends the process at an exception of OpenCV.
func readPicture(file string) (netgear.Array, error) {
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	var rows, cols, kind C.int
	var data unsafe.Pointer
	picture := C.netgear_source_read(name, &rows, &cols, &kind, &data)
	if picture == nil {
		return netgear.Array{}, errors.New("it is no picture that OpenCV can decode")
	}
	defer C.netgear_source_free(picture)
	a := netgear.Array{DType: "uint8", Shape: []int{int(rows), int(cols)}}
	size := 1
	switch gocv.MatType(kind & 7) {
	case gocv.MatTypeCV8U:
	case gocv.MatTypeCV16U:
		a.DType, size = "uint16", 2
	default:
		return a, errors.New("its samples have neither 8 nor 16 bits")
	}
	channels := int(kind>>3) + 1
	if channels > 1 {
		a.Shape = append(a.Shape, channels)
	}
	a.Data = slices.Clone(unsafe.Slice((*byte)(data), int(rows)*int(cols)*channels*size))
	return a, nil
}
