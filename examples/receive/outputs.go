//go:build !nogocv

package main

import (
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/mats"
	"github.com/vidgear-go/netgear/internal/window"
)

// outputs are the outputs for frames as pictures: files, a video, a window.
type outputs struct {
	folder, video string
	show          bool
	window        *window.Window // nil: none

	meter  *cli.Meter
	writer *gocv.VideoWriter // open from the first frame on, which determines the size
	size   image.Point
	told   map[string]bool // what tell has printed
}

const videoRate = 25

// with runs work, with a window if one is to be shown. The caller must be on
// the program's first thread.
func (o *outputs) with(ctx context.Context, work func(context.Context) error) error {
	if !o.show {
		runtime.UnlockOSThread() // without a window any thread can run it, which is faster
		return work(ctx)
	}
	err := window.With(ctx, "NetGear", func(ctx context.Context, w *window.Window) error {
		o.window = w
		return work(ctx)
	})
	if err == window.ErrEnough {
		return nil
	}
	return err
}

// enough reports whether the user has closed the window.
func (o *outputs) enough(ctx context.Context) bool { return context.Cause(ctx) == window.ErrEnough }

// open returns an error for unusable outputs, before a frame is received.
func (o *outputs) open() error {
	if o.folder != "" {
		if err := os.MkdirAll(o.folder, 0o777); err != nil {
			return fmt.Errorf("-out: %w", err)
		}
	}
	if o.video != "" {
		// An existing video is overwritten when the first frame arrives.
		f, err := os.OpenFile(o.video, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return fmt.Errorf("-video: %w", err)
		}
		f.Close()
	}
	return nil
}

func (o *outputs) close() {
	if o.writer != nil {
		o.writer.Close()
	}
	if info, err := os.Stat(o.video); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		os.Remove(o.video) // no frame arrived
	}
}

// put writes a frame to every output.
func (o *outputs) put(index int, frame *netgear.Frame) error {
	if o.folder == "" && o.video == "" && o.window == nil {
		return nil
	}
	mat, err := picture(frame)
	if err != nil {
		// The program continues: the frame arrived, and -json has printed its
		// line.
		o.tell("frame %d: %v; such frames are neither written nor shown", index, err)
		return nil
	}
	defer mat.Close()
	if o.folder != "" {
		name := filepath.Join(o.folder, fmt.Sprintf("frame-%06d.png", index))
		if err := mats.WriteFile(name, mat); err != nil {
			return fmt.Errorf("-out: %w", err)
		}
	}
	if o.video != "" {
		if err := o.record(index, mat); err != nil {
			return err
		}
	}
	if o.window != nil {
		o.window.Show(mat)
	}
	return nil
}

// tell prints a note about a frame, and prints each note only once.
func (o *outputs) tell(format string, args ...any) {
	if o.told[format] {
		return
	}
	if o.told == nil {
		o.told = map[string]bool{}
	}
	o.told[format] = true
	o.meter.ClearBar()
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// picture returns a frame as OpenCV's picture functions require it: 8 or 16
// bits; gray, BGR or BGRA. It may refer to the frame's memory.
func picture(frame *netgear.Frame) (gocv.Mat, error) {
	switch frame.Colorspace() {
	case "", "BGR", "BGRA", "BGRX", "GRAY":
	default:
		// A JPEG whose header requests another order of channels.
		img, err := frame.Image()
		if err != nil {
			return gocv.Mat{}, err
		}
		return gocv.ImageToMatRGB(img) // named after its input; its output is BGR
	}
	mat, err := frame.Mat()
	if err != nil {
		return mat, err
	}
	depth, channels := mat.Type()&7, mat.Channels()
	if depth != gocv.MatTypeCV8U && depth != gocv.MatTypeCV16U || channels != 1 && channels != 3 && channels != 4 {
		mat.Close()
		return gocv.Mat{}, fmt.Errorf("%s of shape %v is not a picture", frame.DType(), frame.Shape())
	}
	return mat, nil
}

// record appends a picture to the video, which has the size of the first one.
func (o *outputs) record(index int, mat gocv.Mat) error {
	if mat.Type()&7 != gocv.MatTypeCV8U {
		o.tell("frame %d has 16 bits: such frames are not in the video", index)
		return nil
	}
	if o.writer == nil {
		o.size = image.Pt(mat.Cols(), mat.Rows())
		codec := "MJPG"
		if strings.EqualFold(filepath.Ext(o.video), ".mp4") {
			codec = "mp4v"
		}
		var err error
		o.writer, err = gocv.VideoWriterFile(o.video, codec, videoRate, o.size.X, o.size.Y, true)
		if err != nil || !o.writer.IsOpened() {
			return fmt.Errorf("-video: OpenCV cannot write %s; try a name that ends in .avi", o.video)
		}
	}
	bgr := gocv.NewMat()
	defer bgr.Close()
	switch mat.Channels() {
	case 1:
		gocv.CvtColor(mat, &bgr, gocv.ColorGrayToBGR)
	case 4:
		gocv.CvtColor(mat, &bgr, gocv.ColorBGRAToBGR)
	default:
		mat.CopyTo(&bgr)
	}
	if o.size != image.Pt(mat.Cols(), mat.Rows()) {
		gocv.Resize(bgr, &bgr, o.size, 0, 0, gocv.InterpolationArea)
	}
	return o.writer.Write(bgr)
}
