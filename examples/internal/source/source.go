//go:build !nogocv

// Package source gets pictures from wherever OpenCV can: video files, pictures,
// cameras, streams, and a test picture that needs none of them.
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
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/internal/secret"
)

// Settings say which pictures, and how they should look.
type Settings struct {
	Name  string      // "test", "sample", a camera's number, a file or a URL
	Size  image.Point // zero: as they come
	Gray  bool        // one channel
	Loop  bool        // start a file again at its end
	Still bool        // the first picture again and again
}

// Source is an open source of pictures. Close it.
type Source struct {
	Settings
	in      reader
	raw     gocv.Mat // as read
	out     gocv.Mat // as asked for
	waiting bool     // out holds the first picture, which Next has not handed out yet
}

// reader reads the next picture, false at the end.
type reader interface {
	Read(*gocv.Mat) bool
	Close() error
}

// Open opens a source and reads its first picture, so that what cannot be read
// is known at once.
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
		// OpenCV does not say why a file does not open.
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

// shown is the name without the password and the query of a URL.
func (s Settings) shown() string { return secret.Hide(s.Name) }

// unnamed is err, in which OpenCV may have put the name.
func (s Settings) unnamed(err error) error {
	if err == nil || s.shown() == s.Name {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), s.Name, s.shown()))
}

// openSample opens the video that is part of the project. The file may go once it
// is open.
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

// Next is the next picture, valid until the next call; io.EOF after the last.
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
	// Opened anew rather than rewound: not every format can seek.
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

// read makes s.out of the next picture.
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

// Play hands the next n pictures to send, at so many per second, or all there are
// if that is fewer. When ctx ends it ends after the picture that is on its way,
// whose own context lasts a little longer.
func (s *Source) Play(ctx context.Context, n int, fps float64, send func(ctx context.Context, i int, picture gocv.Mat) error) error {
	sending, cancel := cli.Grace(ctx, time.Second)
	defer cancel()
	pace := cli.NewPace(fps)
	for i := range n {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		picture, err := s.Next()
		if err == io.EOF {
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

// Close gives everything back.
func (s *Source) Close() {
	s.in.Close()
	s.raw.Close()
	s.out.Close()
}

// Pixels is a copy of a Mat's pixels as numpy would describe them.
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

// pictures are the file types that are one picture each and never a video. Their
// samples have 8 or 16 bits.
var pictures = []string{".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm"}

// picture is a file with one picture, kept as it is: 16 bits, alpha and all.
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
