//go:build !nogocv

// Package source reads pictures from OpenCV's sources: video files, pictures,
// cameras and streams. It also has a test picture.
package source

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/internal/secret"
)

// Settings select the pictures, and their size and color.
type Settings struct {
	Name  string      // "test", "sample", a camera's number, a file or a URL
	Size  image.Point // zero: unchanged
	Gray  bool        // one channel
	Loop  bool        // start a file again at its end
	Still bool        // repeat the first picture
}

// Source is an open source of pictures. The caller must Close it.
type Source struct {
	Settings
	in      reader
	raw     gocv.Mat // as read
	out     gocv.Mat // as the settings require
	waiting bool     // out holds the first picture, which Next has not returned yet
}

// reader reads the next picture. It returns false at the end.
type reader interface {
	Read(*gocv.Mat) bool
	Close() error
}

// Open opens a source and reads its first picture, so that it returns an error
// for a source that cannot be read.
func Open(s Settings) (*Source, error) {
	in, err := open(s)
	if err != nil {
		return nil, err
	}
	src := &Source{Settings: s, in: in, raw: gocv.NewMat(), out: gocv.NewMat()}
	if !src.read() {
		src.Close()
		return nil, fmt.Errorf("-source %s: it opens, but no picture comes out of it; is it a video that OpenCV can decode?", s.shown())
	}
	src.waiting = true
	return src, nil
}

func open(s Settings) (reader, error) {
	if s.Name == "test" {
		return newTestPicture(s.Size), nil
	}
	if s.Name == "sample" {
		return openSample()
	}
	if camera, err := strconv.Atoi(s.Name); err == nil {
		in, err := quietly(func() (*gocv.VideoCapture, error) { return gocv.OpenVideoCapture(camera) })
		if err != nil {
			return nil, fmt.Errorf("-source %d: no such camera, or another program uses it (\"-source test\" needs none): %w", camera, err)
		}
		return in, nil
	}
	isURL := strings.Contains(s.Name, "://")
	if !isURL {
		// OpenCV does not report why a file does not open.
		f, err := os.Open(s.Name)
		if err != nil {
			return nil, fmt.Errorf("-source: cannot read it: %w (\"-source test\" needs no file)", err)
		}
		f.Close()
		if slices.Contains(pictures, strings.ToLower(filepath.Ext(s.Name))) {
			return &picture{file: s.Name}, nil
		}
	}
	in, err := quietly(func() (*gocv.VideoCapture, error) { return gocv.OpenVideoCapture(s.Name) })
	if err != nil && isURL {
		return nil, fmt.Errorf("-source %s: nobody serves it there, or it is no video that OpenCV can decode (\"-source test\" needs no network): %w", s.shown(), s.unnamed(err))
	}
	if err != nil {
		return nil, fmt.Errorf("-source %s: OpenCV cannot open it; is it a video, and is the codec there? (\"-source test\" needs no file): %w", s.shown(), s.unnamed(err))
	}
	return in, nil
}

// shown returns the name without the password and the query of a URL.
func (s Settings) shown() string { return secret.Hide(s.Name) }

// unnamed returns err without the name, which OpenCV may have added.
func (s Settings) unnamed(err error) error {
	if err == nil || s.shown() == s.Name {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), s.Name, s.shown()))
}

// openSample opens the project's video. The file may be removed once it is
// open.
func openSample() (reader, error) {
	path, err := sample.WriteTemp()
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	in, err := gocv.OpenVideoCapture(path)
	if err != nil {
		return nil, fmt.Errorf("OpenCV cannot open the sample video; was it built with FFmpeg? (\"-source test\" needs none): %w", err)
	}
	return in, nil
}

// Next returns the next picture, which is valid until the next call. It returns
// io.EOF after the last.
func (s *Source) Next() (gocv.Mat, error) {
	if s.waiting || s.Still {
		s.waiting = false
		return s.out, nil
	}
	if s.read() {
		return s.out, nil
	}
	if !s.Loop {
		return s.out, io.EOF
	}
	// It is opened again, not rewound: not every format can seek.
	in, err := open(s.Settings)
	if err != nil {
		return s.out, err
	}
	s.in.Close()
	s.in = in
	if !s.read() {
		return s.out, io.EOF
	}
	return s.out, nil
}

// read reads the next picture and converts it to s.out.
func (s *Source) read() bool {
	if !s.in.Read(&s.raw) || s.raw.Empty() {
		return false
	}
	if s.Gray && s.raw.Channels() > 1 {
		code := gocv.ColorBGRToGray
		if s.raw.Channels() == 4 {
			code = gocv.ColorBGRAToGray
		}
		gocv.CvtColor(s.raw, &s.raw, code)
	}
	if s.Size == (image.Point{}) || s.Size == image.Pt(s.raw.Cols(), s.raw.Rows()) {
		s.raw.CopyTo(&s.out)
	} else {
		gocv.Resize(s.raw, &s.out, s.Size, 0, 0, gocv.InterpolationArea)
	}
	return true
}

// Play passes the next n pictures to send, at so many per second, or all if the
// source has fewer. When ctx ends it returns after the current picture, whose
// own context lasts a little longer.
func (s *Source) Play(ctx context.Context, n int, fps float64, send func(ctx context.Context, i int, picture gocv.Mat) error) error {
	sending, cancel := program.Grace(ctx, time.Second)
	defer cancel()
	pace := program.NewPace(fps)
	for i := range n {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		picture, err := s.Next()
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
	s.raw.Close()
	s.out.Close()
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

// pictures are the file types of a single picture. Their samples have 8 or 16
// bits.
var pictures = []string{".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm"}

// picture reads a file with one picture, unchanged: with 16 bits and alpha.
type picture struct {
	file string
	done bool
}

func (p *picture) Read(m *gocv.Mat) bool {
	if p.done {
		return false
	}
	p.done = true
	read := gocv.IMRead(p.file, gocv.IMReadUnchanged)
	defer read.Close()
	read.CopyTo(m)
	return !read.Empty()
}

func (p *picture) Close() error { return nil }
