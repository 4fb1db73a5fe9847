//go:build !nogocv

package source

// #cgo pkg-config: opencv4
// #cgo CXXFLAGS: -std=c++11
// int netgear_source_log(int level);
import "C"

// quietly calls open without OpenCV's log on stderr. For a source that does not
// open, OpenCV logs how each of its back ends failed, which hides the error.
func quietly[T any](open func() (T, error)) (T, error) {
	before := C.netgear_source_log(0)
	defer C.netgear_source_log(before)
	return open()
}
