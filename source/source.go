// Package source reads pictures for a NetGear send end: from cameras, MJPEG
// streams, videos, picture files and series of them. It also has a test
// picture.
//
// JPEGs of a camera, of an MJPEG stream, of an MJPEG AVI file and of picture
// files are returned as they are, so that [Frame.Send] sends them without
// decoding and encoding. Other videos require OpenCV, which a build with -tags
// nogocv leaves out.
//
// This module is for the programs of its repository. Its API may change in any
// version.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/secret"
)

// Settings select the pictures, and their size and color.
type Settings struct {
	// Name is "test", a camera's number or device, a file, a series of files
	// (frame_%03d.png), a URL, or a key of Files.
	Name string
	// Size is the size of the pictures in pixels. The zero Size leaves them as
	// they are. A camera is asked for it. What has another size is decoded and
	// resized.
	Size image.Point
	// Gray converts pictures to one channel, which decodes JPEGs.
	Gray bool
	// Loop starts a file again at its end.
	Loop bool
	// Still repeats the first picture.
	Still bool
	// Pixels decodes every JPEG into an array of blue, green and red.
	Pixels bool
	// Rate is how many frames per second a camera is asked for; 0 is the
	// camera's own choice.
	Rate float64
	// Outage is how long a URL may bring no picture before Next returns an
	// error. 0 means two minutes.
	Outage time.Duration
	// Files has names for files that are written when they are opened. Open
	// removes the file that such a function returns.
	Files map[string]func() (path string, err error)
	// Logger logs lost connections. nil is slog.Default().
	Logger *slog.Logger
}

// Frame is one picture: a JPEG, if JPEG is not nil, otherwise an array.
type Frame struct {
	// JPEG is a finished JPEG as the source has it. It may lack what
	// netgear.SendJPEG adds, such as Huffman tables.
	JPEG []byte
	// Array is a picture of 8 or 16 bits, blue first.
	Array netgear.Array
	// At is the time of capture: of the driver for a camera of V4L2, of the
	// arrival of the first byte for a stream. It is the zero Time if it is not
	// known.
	At time.Time
}

// Send sends the frame: a JPEG without decoding and encoding it. The time of
// capture is in the stamp of an end with Options.Stamp. A JPEG that is damaged,
// as a camera's may be, is a netgear.ErrFrame; the next one may be whole.
func (f Frame) Send(ctx context.Context, end *netgear.NetGear, message any) (netgear.Reply, error) {
	if _, ok := message.(netgear.StampedMessage); !ok && !f.At.IsZero() {
		message = netgear.StampedMessage{At: f.At, Message: message}
	}
	if f.JPEG != nil {
		return end.SendJPEG(ctx, f.JPEG, message)
	}
	return end.SendArray(ctx, f.Array, message)
}

// reader reads the pictures of a source that is open.
type reader interface {
	// next returns the next picture, which is valid until the next call, or
	// io.EOF after the last.
	next(ctx context.Context) (Frame, error)
	close()
}

// rated is a reader of a recording that states its frame rate.
type rated interface{ rate() float64 }

// Source is an open source of pictures. It must not be used concurrently. The
// caller must Close it.
type Source struct {
	settings Settings
	in       reader
	last     Frame
	waiting  bool           // last has not been returned by Next yet
	decoded  *netgear.Frame // holds last's pixels, if it was decoded
	scale    scaler
}

// Open opens a source and reads its first picture, so that it returns an error
// for a source that cannot be read. Errors contain the source's name without
// passwords.
func Open(ctx context.Context, s Settings) (*Source, error) {
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	in, err := open(ctx, s)
	if err != nil {
		return nil, err
	}
	src := &Source{settings: s, in: in}
	err = src.read(ctx)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: it opens, but no picture comes out of it; is it a video that can be decoded?", s.shown())
	}
	if err != nil {
		src.Close()
		return nil, err
	}
	src.waiting = true
	return src, nil
}

// Rate returns the frames per second of an MJPEG AVI file, and 0 for every
// other source.
func (s *Source) Rate() float64 {
	if r, ok := s.in.(rated); ok {
		return r.rate()
	}
	return 0
}

// Next returns the next picture, whose memory is valid until the next call. It
// returns io.EOF after the last. It does not wait for the time of a recorded
// picture; see package pace.
func (s *Source) Next(ctx context.Context) (Frame, error) {
	if s.waiting || s.settings.Still {
		s.waiting = false
		return s.last, ctx.Err()
	}
	err := s.read(ctx)
	if errors.Is(err, io.EOF) && s.settings.Loop {
		// It is opened again, not rewound: not every format can seek.
		var in reader
		if in, err = open(ctx, s.settings); err != nil {
			return Frame{}, err
		}
		s.in.close()
		s.in = in
		err = s.read(ctx)
	}
	return s.last, err
}

// read sets s.last to the next picture, as the settings require it.
func (s *Source) read(ctx context.Context) error {
	s.decoded.Close()
	s.last = Frame{}
	f, err := s.in.next(ctx)
	if err != nil {
		return err
	}
	if f.JPEG != nil && s.mustDecode(f.JPEG) {
		if s.decoded, err = netgear.NewJPEGFrame(f.JPEG, nil); err != nil {
			return fmt.Errorf("%s: %w", s.settings.shown(), err)
		}
		f.JPEG = nil
		if f.Array, err = s.decoded.Array(); err != nil {
			return fmt.Errorf("%s: %w", s.settings.shown(), err)
		}
	}
	if f.JPEG == nil {
		if f.Array, err = s.scale.apply(f.Array, s.settings.Size, s.settings.Gray); err != nil {
			return fmt.Errorf("%s: %w", s.settings.shown(), err)
		}
	}
	s.last = f
	return nil
}

// mustDecode reports whether the settings require the pixels of a JPEG.
func (s *Source) mustDecode(picture []byte) bool {
	if s.settings.Pixels || s.settings.Gray || s.settings.Size == (image.Point{}) {
		return s.settings.Pixels || s.settings.Gray
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(picture))
	return err != nil || image.Pt(config.Width, config.Height) != s.settings.Size
}

// Close releases everything.
func (s *Source) Close() {
	s.in.close()
	s.decoded.Close()
	s.scale.close()
}

// shown returns the name without the password and the query of a URL.
func (s Settings) shown() string { return secret.Hide(s.Name) }
