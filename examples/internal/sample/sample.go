// Package sample contains a short video, so that the examples and tests need no
// other files. README.md names its origin.
package sample

import (
	_ "embed"
	"os"
)

// Frames, Width and Height describe the video, which was filmed at Rate frames
// per second.
const (
	Frames = 40
	Width  = 768
	Height = 576
	Rate   = 10
)

// Path is the path of the video, relative to the project's folder.
const Path = "examples/internal/sample/vtest-excerpt.avi"

//go:embed vtest-excerpt.avi
var video []byte

// WriteTemp writes the video to a temporary file, because OpenCV reads videos
// from files only. The caller must remove it.
func WriteTemp() (path string, err error) {
	f, err := os.CreateTemp("", "netgear-sample-*.avi")
	if err != nil {
		return "", err
	}
	_, err = f.Write(video)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// Files has the name that stands for the video, for source.Settings.
func Files() map[string]func() (path string, err error) {
	return map[string]func() (string, error){"sample": WriteTemp}
}
