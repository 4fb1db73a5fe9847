//go:build !nogocv

// Package threads limits OpenCV's threads, and has its people detector. gocv
// 0.31 lacks that call.
package threads

// #cgo pkg-config: opencv4
// #cgo CXXFLAGS: -std=c++11
// void netgear_example_threads(int n);
// int netgear_example_people(float *out, int room);
import "C"

import "unsafe"

// Limit limits OpenCV to n threads; 1 means the caller's own.
func Limit(n int) { C.netgear_example_threads(C.int(n)) }

// People returns the weights of OpenCV's people detector, as bytes of float32.
// Those of gocv 0.31 (HOGDefaultPeopleDetector) refer to freed memory.
func People() []byte {
	b := make([]byte, 1<<16)
	n := C.netgear_example_people((*C.float)(unsafe.Pointer(&b[0])), C.int(len(b)/4))
	return b[:4*n]
}
