//go:build !linux

package source

import "errors"

// errNoCamera is returned by openV4L2 for a device that does not exist.
var errNoCamera = errors.New("there is no such device")

func openV4L2(string, Settings) (reader, error) {
	return nil, errors.New("V4L2 is Linux's; OpenCV opens cameras by their number")
}
