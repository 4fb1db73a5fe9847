//go:build !nogocv

// Package mats returns the pictures of package source as OpenCV's Mats.
package mats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source"
	"github.com/vidgear-go/netgear/source/pace"
)

// Source is an open source of Mats. The caller must Close it.
type Source struct {
	in  *source.Source
	out gocv.Mat
}

// Open opens a source; see source.Open. It has the name "sample" for the
// project's video.
func Open(ctx context.Context, s source.Settings) (*Source, error) {
	s.Files, s.Pixels = sample.Files(), true
	in, err := source.Open(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("-source %w", err)
	}
	return &Source{in: in, out: gocv.NewMat()}, nil
}

// Next returns the next picture, which is valid until the next call. It returns
// io.EOF after the last.
func (s *Source) Next(ctx context.Context) (gocv.Mat, error) {
	f, err := s.in.Next(ctx)
	if err != nil {
		return s.out, err
	}
	depth, channels := gocv.MatTypeCV8U, 1
	if f.Array.DType == "uint16" {
		depth = gocv.MatTypeCV16U
	}
	if len(f.Array.Shape) > 2 {
		channels = f.Array.Shape[2]
	}
	mat, err := gocv.NewMatFromBytes(f.Array.Shape[0], f.Array.Shape[1], depth+gocv.MatType((channels-1)<<3), f.Array.Data)
	if err != nil {
		return s.out, err
	}
	defer mat.Close()
	mat.CopyTo(&s.out)
	return s.out, nil
}

// Play passes the next n pictures to send, at so many per second, or all if the
// source has fewer. When ctx ends it returns after the current picture, whose
// own context lasts a little longer.
func (s *Source) Play(ctx context.Context, n int, fps float64, send func(ctx context.Context, i int, picture gocv.Mat) error) error {
	sending, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	pace := pace.New(fps)
	for i := range n {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		picture, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := send(sending, i, picture); err != nil {
			return err
		}
	}
	return nil
}

// Close releases everything.
func (s *Source) Close() {
	s.in.Close()
	s.out.Close()
}

// WriteFile writes a picture to a file, whole or not at all: PNG or JPEG, by the
// extension of its name.
func WriteFile(name string, picture gocv.Mat) error {
	format := gocv.PNGFileExt
	switch strings.ToLower(filepath.Ext(name)) {
	case ".png":
	case ".jpg", ".jpeg":
		format = gocv.JPEGFileExt
	default: // OpenCV would end the process
		return fmt.Errorf("cannot write %s: its name must end in .png or .jpg", name)
	}
	file, err := gocv.IMEncode(format, picture)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	defer file.Close()
	err = program.WriteFile(name, func(w io.Writer) error {
		_, err := w.Write(file.GetBytes())
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return nil
}

// Pixels returns a copy of a Mat's pixels as an array.
func Pixels(m gocv.Mat) netgear.Array {
	a := netgear.Array{DType: "uint8", Shape: []int{m.Rows(), m.Cols()}, Data: m.ToBytes()}
	if m.Type()&7 == gocv.MatTypeCV16U {
		a.DType = "uint16"
	}
	if c := m.Channels(); c > 1 {
		a.Shape = append(a.Shape, c)
	}
	return a
}
