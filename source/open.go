package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vidgear-go/netgear/internal/avi"
)

// open opens the source that the settings name.
func open(ctx context.Context, s Settings) (reader, error) {
	if s.Name == "test" {
		return newTestPicture(s.Size), nil
	}
	if write := s.Files[s.Name]; write != nil {
		path, err := write()
		if err != nil {
			return nil, err
		}
		defer os.Remove(path)
		s.Name = path
		return openFile(s)
	}
	if number, err := strconv.Atoi(s.Name); err == nil {
		return openCamera(s, "/dev/video"+s.Name, number)
	}
	if strings.HasPrefix(s.Name, "/dev/video") {
		return openCamera(s, s.Name, -1)
	}
	if strings.Contains(s.Name, "://") {
		return openURL(ctx, s)
	}
	if isSeries(s.Name) {
		return openSeries(s.Name)
	}
	return openFile(s)
}

// openCamera opens a camera that sends MJPEG by V4L2, and every other one with
// OpenCV. A number that is negative names none.
func openCamera(s Settings, device string, number int) (reader, error) {
	in, err := openV4L2(device, s)
	if err == nil {
		return in, nil
	}
	if number >= 0 && !errors.Is(err, errNoCamera) {
		in, other := openOpenCV(s, number)
		if other == nil {
			return in, nil
		}
		err = errors.Join(err, other)
	}
	return nil, fmt.Errorf("%s: no such camera, or another program uses it (source \"test\" needs none): %w", s.Name, err)
}

// openURL opens an MJPEG stream, and every other URL with OpenCV.
func openURL(ctx context.Context, s Settings) (reader, error) {
	u, err := url.Parse(s.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: it is no URL", s.shown()) // err quotes it
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		in, err := openStream(ctx, s)
		if !errors.Is(err, errNoStream) {
			return in, err
		}
		if !haveOpenCV {
			return nil, err
		}
	}
	in, err := openOpenCV(s, -1)
	if err != nil {
		return nil, fmt.Errorf("%s: there is no server, or it serves no video that can be decoded (source \"test\" needs no network): %w", s.shown(), s.unnamed(err))
	}
	return in, nil
}

// pictures are the file types of a single picture. Their samples have 8 or 16
// bits.
var pictures = []string{".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm"}

// openFile opens a picture, an MJPEG AVI file, and every other file with
// OpenCV.
func openFile(s Settings) (reader, error) {
	// Opening a FIFO waits for a writer, and no context ends that wait.
	if info, err := os.Stat(s.Name); err == nil && info.Mode().Type() == os.ModeNamedPipe {
		return nil, fmt.Errorf("%s: it is a pipe, and a source is a file, a camera or a URL", s.Name)
	}
	// OpenCV does not report why a file does not open.
	f, err := os.Open(s.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w (source \"test\" needs no file)", err)
	}
	if slices.Contains(pictures, strings.ToLower(filepath.Ext(s.Name))) {
		f.Close()
		return &series{files: []string{s.Name}}, nil
	}
	in, err := newAVI(f)
	if err == nil {
		return in, nil
	}
	f.Close()
	if !errors.Is(err, avi.ErrFormat) {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	in2, err := openOpenCV(s, -1)
	if err != nil {
		return nil, fmt.Errorf("%s: it cannot be opened; is it a video, and is the codec there? (source \"test\" needs no file): %w", s.shown(), s.unnamed(err))
	}
	return in2, nil
}

// unnamed returns err without the name, which OpenCV may have added.
func (s Settings) unnamed(err error) error {
	if err == nil || s.shown() == s.Name {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), s.Name, s.shown()))
}
