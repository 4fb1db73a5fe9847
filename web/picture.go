package web

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// picture is a frame that viewers may see. It is counted: the creator and each
// acquire has one reference, and release drops it.
type picture struct {
	seq      uint64 // its number in the stream
	received time.Time
	captured time.Time // zero without a stamp
	dtype    string
	shape    []int

	refs   atomic.Int32
	frame  *netgear.Frame
	once   sync.Once // makes the two below
	jpeg   []byte    // nil if the frame is no picture; valid while there are references
	reason error     // why not
	text   func() string
}

// newPicture returns a picture of a frame, which remains the caller's.
func newPicture(f *netgear.Frame) (*picture, error) {
	frame := f.Retain()
	if frame == nil {
		return nil, fmt.Errorf("web: %w: the Frame is nil, closed or zero", netgear.ErrFrame)
	}
	p := &picture{frame: frame, received: f.ReceivedAt, dtype: f.DType(), shape: f.Shape()}
	if p.received.IsZero() {
		p.received = time.Now()
	}
	if f.Stamp != nil {
		p.captured = f.Stamp.Time
	}
	p.text = sync.OnceValue(func() string { return messageText(frame.Message) })
	p.refs.Store(1)
	return p, nil
}

// acquire returns p with another reference. The caller must hold one, or
// Viewer.mu while the stream has it.
func (p *picture) acquire() *picture {
	p.refs.Add(1)
	return p
}

func (p *picture) release() {
	if p.refs.Add(-1) == 0 {
		p.frame.Close()
	}
}

// bytes returns the picture's JPEG, or an error if the frame is no picture. The
// first call encodes a raw frame, and others wait for it.
func (p *picture) bytes(e *encoder) ([]byte, error) {
	p.once.Do(func() {
		if p.jpeg = p.frame.JPEG(); p.jpeg == nil {
			p.jpeg, p.reason = e.encode(p.frame, p.dtype, p.shape)
		}
	})
	return p.jpeg, p.reason
}

// maxMessage is how many bytes of a message a page displays.
const maxMessage = 16 << 10

// messageText returns a message as a page displays it: JSON, or for what has no
// JSON form Go's text; "" for none.
func messageText(m netgear.Message) string {
	if m.IsNone() {
		return ""
	}
	text := m.String()
	if len(text) > maxMessage {
		text = fmt.Sprintf("%s … (%d bytes in all)", text[:maxMessage], len(text))
	}
	return text
}

// encoder encodes raw frames. It keeps its TurboJPEG encoders for reuse.
type encoder struct {
	quality int
	cores   chan struct{} // limits how many frames are encoded at once

	mu    sync.Mutex
	spare []*turbojpeg.Encoder
}

// colorspaces are those of raw frames by the number of channels, in OpenCV's
// order.
var colorspaces = map[int]turbojpeg.Colorspace{1: turbojpeg.GRAY, 3: turbojpeg.BGR, 4: turbojpeg.BGRA}

// layout returns a raw frame's size and colorspace. ok is false if it is no
// picture of 8-bit channels.
func layout(dtype string, shape []int) (width, height int, cs turbojpeg.Colorspace, ok bool) {
	if dtype != "uint8" || len(shape) < 2 || len(shape) > 3 {
		return 0, 0, 0, false
	}
	channels := 1
	if len(shape) == 3 {
		channels = shape[2]
	}
	cs, ok = colorspaces[channels]
	width, height = shape[1], shape[0]
	ok = ok && width > 0 && height > 0 && width <= turbojpeg.MaxDimension && height <= turbojpeg.MaxDimension
	return width, height, cs, ok
}

// encode returns a raw frame as JPEG.
func (e *encoder) encode(frame *netgear.Frame, dtype string, shape []int) ([]byte, error) {
	width, height, cs, ok := layout(dtype, shape)
	if !ok {
		return nil, fmt.Errorf("web: %s of shape %v is no picture", dtype, shape)
	}
	e.cores <- struct{}{}
	defer func() { <-e.cores }()
	pixels, err := frame.Bytes()
	if err != nil {
		return nil, err
	}
	enc, err := e.take()
	if err != nil {
		return nil, err
	}
	defer e.put(enc)
	strips := turbojpeg.Strips(width, height, cap(e.cores))
	buf := make([]byte, enc.StripsBound(width, height, cs, strips))
	n, err := enc.EncodeStrips(buf, pixels, width, height, width*cs.Channels(), cs,
		turbojpeg.EncodeOptions{Quality: e.quality, FastDCT: true}, strips)
	if err != nil {
		return nil, err
	}
	return slices.Clone(buf[:n]), nil // buf is as large as the pixels
}

func (e *encoder) take() (*turbojpeg.Encoder, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.spare); n > 0 {
		enc := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return enc, nil
	}
	return turbojpeg.NewEncoder()
}

func (e *encoder) put(enc *turbojpeg.Encoder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spare = append(e.spare, enc)
}

// close frees the encoders. No frame may be encoded any more.
func (e *encoder) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, enc := range e.spare {
		enc.Close()
	}
	e.spare = nil
}
