package source

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"github.com/blackjack/webcam/ioctl"
	"golang.org/x/sys/unix"
)

// errNoCamera is returned if there is no such device.
var errNoCamera = errors.New("there is no such device")

// device is what the reader of a camera needs of webcam.Webcam.
type device interface {
	WaitForFrame(seconds uint32) error
	GetFrame() (data []byte, index uint32, err error)
	ReleaseFrame(index uint32) error
	Close() error
}

// camera reads the JPEGs of a V4L2 camera.
type camera struct {
	in device
	// describe returns what the driver reports of a buffer.
	describe func(index uint32) (v4l2Buffer, error)
	held     bool // the buffer of the last picture has not been released
	index    uint32
	silence  time.Duration // how long the camera may send nothing
}

const (
	cameraBuffers = 4
	cameraSilence = 10 * time.Second
)

// openV4L2 opens a camera that sends MJPEG.
func openV4L2(path string, s Settings) (reader, error) {
	w, err := webcam.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%w: %s", errNoCamera, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := startCamera(w, s)
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func startCamera(w *webcam.Webcam, s Settings) (*camera, error) {
	format, err := jpegFormat(w.GetSupportedFormats())
	if err != nil {
		return nil, err
	}
	size := s.Size
	if size.X == 0 {
		size = largest(w.GetSupportedFrameSizes(format))
	}
	if got, _, _, err := w.SetImageFormat(format, uint32(size.X), uint32(size.Y)); err != nil { //nolint:gosec // sizes are small
		return nil, fmt.Errorf("it refuses MJPEG: %w", err)
	} else if got != format {
		return nil, errors.New("it sends no MJPEG although it offers it")
	}
	if s.Rate > 0 {
		w.SetFramerate(float32(s.Rate)) //nolint:errcheck // not every camera has a choice
	}
	if err := w.SetBufferCount(cameraBuffers); err != nil {
		return nil, err
	}
	fd, err := descriptor(w)
	if err != nil {
		return nil, err
	}
	if err := w.StartStreaming(); err != nil {
		return nil, err
	}
	return &camera{in: w, silence: cameraSilence, describe: func(index uint32) (v4l2Buffer, error) { return queryBuffer(fd, index) }}, nil
}

// jpegFormat returns a camera's format of JPEGs, or an error that lists what it
// has.
func jpegFormat(formats map[webcam.PixelFormat]string) (webcam.PixelFormat, error) {
	for _, code := range []string{"MJPG", "JPEG"} {
		f := webcam.PixelFormat(uint32(code[0]) | uint32(code[1])<<8 | uint32(code[2])<<16 | uint32(code[3])<<24)
		if _, ok := formats[f]; ok {
			return f, nil
		}
	}
	return 0, fmt.Errorf("it has no MJPEG, only: %s", strings.Join(slices.Sorted(maps.Values(formats)), ", "))
}

// descriptor returns the file descriptor of a webcam. The package does not
// export it, and only this descriptor may ask the driver for a buffer's time.
func descriptor(w *webcam.Webcam) (uintptr, error) {
	fd := reflect.ValueOf(w).Elem().FieldByName("fd")
	if !fd.IsValid() || !fd.CanUint() {
		return 0, errors.New("package webcam has changed: it has no descriptor")
	}
	return uintptr(fd.Uint()), nil
}

// v4l2Buffer is the kernel's struct v4l2_buffer.
type v4l2Buffer struct {
	index     uint32
	kind      uint32
	bytesUsed uint32
	flags     uint32
	field     uint32
	timestamp unix.Timeval
	timecode  [4]uint32
	sequence  uint32
	memory    uint32
	offset    uintptr
	length    uint32
	reserved  [2]uint32
}

// These are the kernel's numbers (videodev2.h).
const (
	v4l2Capture   = 1      // V4L2_BUF_TYPE_VIDEO_CAPTURE
	v4l2Mapped    = 1      // V4L2_MEMORY_MMAP
	v4l2Error     = 0x40   // V4L2_BUF_FLAG_ERROR: the data may be damaged
	v4l2Monotonic = 0x2000 // V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
	v4l2TimeMask  = 0xE000 // V4L2_BUF_FLAG_TIMESTAMP_MASK
)

// queryBuffer asks the driver for a buffer (VIDIOC_QUERYBUF).
func queryBuffer(fd uintptr, index uint32) (v4l2Buffer, error) {
	b := v4l2Buffer{index: index, kind: v4l2Capture, memory: v4l2Mapped}
	err := ioctl.Ioctl(fd, ioctl.IoRW('V', 9, unsafe.Sizeof(b)), uintptr(unsafe.Pointer(&b)))
	return b, err
}

// captured returns the time at which a buffer's picture was captured, by the
// computer's clock, or the zero Time if the driver reports none. mono and now
// are the same moment by the monotonic clock and by the computer's.
func (b *v4l2Buffer) captured(mono time.Duration, now time.Time) time.Time {
	at := time.Duration(b.timestamp.Nano())
	if b.flags&v4l2TimeMask != v4l2Monotonic || at <= 0 || at > mono {
		return time.Time{}
	}
	return now.Add(at - mono)
}

// monotonic returns the time of CLOCK_MONOTONIC, which drivers use.
func monotonic() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// next returns the newest picture: older ones that wait in the driver are left
// out.
func (c *camera) next(ctx context.Context) (Frame, error) {
	c.release()
	last := time.Now()
	for {
		if err := ctx.Err(); err != nil {
			return Frame{}, err
		}
		f, err := c.newest()
		if err != nil {
			return Frame{}, fmt.Errorf("the camera is lost: %w", err)
		}
		if f.JPEG != nil {
			return f, nil
		}
		if time.Since(last) >= c.silence {
			return Frame{}, fmt.Errorf("the camera has sent no picture for %v", c.silence)
		}
		var timeout *webcam.Timeout
		if err := c.in.WaitForFrame(1); err != nil && !errors.As(err, &timeout) {
			return Frame{}, fmt.Errorf("the camera is lost: %w", err)
		}
	}
}

// newest returns the last of the pictures that wait in the driver, or the zero
// Frame if there is none. It leaves out pictures that the driver reports as
// damaged.
func (c *camera) newest() (f Frame, err error) {
	for {
		data, index, err := c.in.GetFrame()
		if errors.Is(err, unix.EAGAIN) {
			return f, nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Frame{}, err
		}
		b, err := c.describe(index)
		if err != nil {
			b = v4l2Buffer{} // without its time
		}
		if len(data) == 0 || b.flags&v4l2Error != 0 {
			if err := c.in.ReleaseFrame(index); err != nil {
				return Frame{}, err
			}
			continue
		}
		c.release()
		c.held, c.index = true, index
		f = Frame{JPEG: data, At: b.captured(monotonic(), time.Now())}
	}
}

// release gives the driver the buffer of the last picture.
func (c *camera) release() {
	if c.held {
		c.held = false
		c.in.ReleaseFrame(c.index) //nolint:errcheck // GetFrame reports a lost camera
	}
}

func (c *camera) close() {
	c.release()
	c.in.Close()
}

// largest returns the largest of a camera's sizes, at most Full HD: cameras
// send larger ones at a low rate.
func largest(sizes []webcam.FrameSize) image.Point {
	best := image.Pt(640, 480) // if the camera lists none
	pixels := 0
	for _, s := range sizes {
		w, h := int(min(s.MaxWidth, 1920)), int(min(s.MaxHeight, 1080))
		if s.StepWidth == 0 && (s.MaxWidth > 1920 || s.MaxHeight > 1080) {
			continue
		}
		if w*h > pixels {
			best, pixels = image.Pt(w, h), w*h
		}
	}
	return best
}
