//go:build !nogocv

// Package window shows pictures on the screen.
package window

import (
	"errors"
	"os"
	"runtime"

	"gocv.io/x/gocv"
)

// ErrEnough: the user does not want to see more.
var ErrEnough = errors.New("enough")

// Window is an open window. Window systems want it to be used from the program's
// first thread.
type Window struct{ *gocv.Window }

// Open opens a window, if there is a screen: OpenCV would end the whole program
// where there is none.
func Open(title string) (*Window, error) {
	if runtime.GOOS == "linux" && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return nil, errors.New("there is no screen here (DISPLAY is not set)")
	}
	return &Window{gocv.NewWindow(title)}, nil
}

// Show shows a picture; ErrEnough when Esc or q was pressed.
func (w *Window) Show(picture gocv.Mat) error {
	w.IMShow(picture)
	if key := w.WaitKey(1); key == 27 || key == 'q' {
		return ErrEnough
	}
	return nil
}
