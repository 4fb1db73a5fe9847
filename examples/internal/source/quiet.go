//go:build !nogocv

package source

// #cgo pkg-config: opencv4
// #cgo CXXFLAGS: -std=c++11
// int netgear_example_log(int level);
import "C"

// quietly calls open without OpenCV's log on stderr. Of a source that does not
// open, OpenCV reports how each of its back ends failed, which buries the error.
func quietly[T any](open func() (T, error)) (T, error) {
	before := C.netgear_example_log(0)
	defer C.netgear_example_log(before)
	return open()
}
