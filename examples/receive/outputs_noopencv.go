//go:build nogocv

package main

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/internal/program"
)

// outputs are the outputs for frames as pictures. A build without OpenCV has
// only files.
type outputs struct {
	folder, video string
	show          bool

	meter *cli.Meter
}

// with runs work.
func (o *outputs) with(ctx context.Context, work func(context.Context) error) error {
	const missing = "that needs OpenCV, and this program was built without it (-tags nogocv)"
	if o.show {
		return errors.New("-show: " + missing)
	}
	if o.video != "" {
		return errors.New("-video: " + missing)
	}
	return work(ctx)
}

// enough reports whether the user has closed the window, of which there is none.
func (o *outputs) enough(context.Context) bool { return false }

// open returns an error for unusable outputs, before a frame is received.
func (o *outputs) open() error {
	if o.folder == "" {
		return nil
	}
	if err := os.MkdirAll(o.folder, 0o777); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	return nil
}

func (o *outputs) close() {}

// put writes a frame to a file.
func (o *outputs) put(index int, frame *netgear.Frame) error {
	if o.folder == "" {
		return nil
	}
	img, err := frame.Image()
	if err != nil {
		// The program continues: the frame arrived, and -json has printed its
		// line.
		o.meter.ClearBar()
		fmt.Fprintf(os.Stderr, "frame %d: %v; such frames are not written\n", index, err)
		return nil
	}
	name := filepath.Join(o.folder, fmt.Sprintf("frame-%06d.png", index))
	if err := program.WriteFile(name, func(w io.Writer) error { return png.Encode(w, img) }); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	return nil
}
