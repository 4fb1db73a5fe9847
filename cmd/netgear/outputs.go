package main

import (
	"bufio"
	"fmt"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/vidgear-go/netgear"
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
		return os.WriteFile(o.name(index, "jpg"), data, 0o666) //nolint:gosec // as umask has it
	}
	img, err := frame.Image()
	if err != nil {
		// The stream continues: the frame arrived, and --json has its line.
		if !o.told {
			o.told = true
			fmt.Fprintf(os.Stderr, "frame %d: %v; such frames are not written\n", index, err)
		}
		return nil
	}
	if o.stream != nil {
		return jpeg.Encode(o.stream, img, &jpeg.Options{Quality: 90})
	}
	file, err := os.Create(o.name(index, "png"))
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	if err := png.Encode(w, img); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}

func (o *outputs) name(index int, ext string) string {
	return filepath.Join(o.folder, fmt.Sprintf("frame-%06d.%s", index, ext))
}
