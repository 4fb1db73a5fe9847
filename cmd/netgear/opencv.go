//go:build !nogocv

package main

import (
	"context"
	"errors"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/window"
)

// haveOpenCV reports whether this build has OpenCV.
const haveOpenCV = true

var errNoOpenCV = error(nil)

// show runs work with a window that displays frames.
func show(ctx context.Context, work func(ctx context.Context, display func(*netgear.Frame)) error) error {
	err := window.With(ctx, "netgear", func(inner context.Context, w *window.Window) error {
		err := work(inner, func(f *netgear.Frame) { display(w, f) })
		if context.Cause(inner) == window.ErrEnough {
			return nil
		}
		return err
	})
	if errors.Is(err, window.ErrEnough) {
		return nil
	}
	return err
}

// display shows a frame if it is a picture.
func display(w *window.Window, f *netgear.Frame) {
	img, err := f.Image()
	if err != nil {
		return
	}
	mat, err := gocv.ImageToMatRGB(img) // named after its input; its output is BGR
	if err != nil {
		return
	}
	defer mat.Close()
	w.Show(mat)
}

func openCVVersions() (opencv, binding string) { return gocv.OpenCVVersion(), gocv.Version() }
