package main

import (
	"fmt"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/internal/program"
)

// outputs writes frames to files or to stdout.
type outputs struct {
	folder string
	stream io.Writer // nil: none
	told   bool      // about a frame that is no picture
}

// open prepares the folder out, or stdout for "-".
func (o *outputs) open(out string) error {
	switch out {
	case "":
		return nil
	case "-":
		o.stream = os.Stdout
		return nil
	}
	o.folder = out
	if err := os.MkdirAll(out, 0o777); err != nil { //nolint:gosec // as umask has it
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// put writes a frame: a JPEG as it arrived, any other frame encoded.
func (o *outputs) put(index int, frame *netgear.Frame) error {
	if o.folder == "" && o.stream == nil {
		return nil
	}
	err := o.write(index, frame)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

func (o *outputs) write(index int, frame *netgear.Frame) error {
	if data := frame.JPEG(); data != nil {
		if o.stream != nil {
			_, err := o.stream.Write(data)
			return err
		}
		return program.WriteFile(o.name(index, "jpg"), func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	}
	img, err := frame.Image()
	if err != nil {
		// The stream continues: the frame arrived, and --json has its line.
		if !o.told {
			o.told = true
			fmt.Fprintf(live.Stderr, "frame %d: %v; such frames are not written\n", index, err)
		}
		return nil
	}
	if o.stream != nil {
		return jpeg.Encode(o.stream, img, &jpeg.Options{Quality: 90})
	}
	return program.WriteFile(o.name(index, "png"), func(w io.Writer) error { return png.Encode(w, img) })
}

func (o *outputs) name(index int, ext string) string {
	return filepath.Join(o.folder, fmt.Sprintf("frame-%06d.%s", index, ext))
}
