package record

import (
	"fmt"
	"strings"
	"time"

	"github.com/vidgear-go/netgear"
)

// item is one frame on its way to the disk.
type item struct {
	name string // the sender's
	peer string // its address, "" if it is not known
	form form
	meta []byte // a JSON object, nil if there is nothing to record
	// The type of an array, and whether meta has it.
	dtype     string
	shape     []int
	described bool
	data      []byte // the JPEG or the elements: the frame's memory
	// frame is the item's own Frame, after hold.
	frame *netgear.Frame
	// memory is how many bytes of memory it takes while it waits, with the message
	// of the frame. What is added to meta later does not count.
	memory int64

	received time.Time
	captured time.Time // zero if it is not known
}

// codec is how a picture is stored.
type codec uint8

const (
	codecJPEG codec = iota
	codecBGR
	codecGray
	codecArray // elements, or a JPEG, that only this package reads
)

// form is what cannot change within one track. It has no size for codecArray.
type form struct {
	codec         codec
	width, height int
}

// rawForm returns the form of an array.
func rawForm(dtype string, shape []int) form {
	if dtype != "uint8" || len(shape) < 2 || shape[0] <= 0 || shape[1] <= 0 {
		return form{codec: codecArray}
	}
	switch {
	case len(shape) == 2, len(shape) == 3 && shape[2] == 1:
		return form{codecGray, shape[1], shape[0]}
	case len(shape) == 3 && shape[2] == 3:
		return form{codecBGR, shape[1], shape[0]}
	}
	return form{codec: codecArray}
}

// maxName is the number of bytes of a track's name.
const maxName = 64

// trackName returns a name that any player shows as text.
func trackName(name, port string) string {
	if name == "" {
		name = port
	}
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	for i := range name {
		if i > maxName-4 {
			name = name[:i]
			break
		}
	}
	if name == "" {
		return "camera"
	}
	return name
}

// newItem describes a frame. Its bytes are added by hold.
func newItem(name string, f *netgear.Frame, now time.Time) (*item, error) {
	data, err := content(f)
	if err != nil {
		return nil, err
	}
	i := &item{name: trackName(name, f.Port), peer: f.Peer, data: data, received: f.ReceivedAt}
	if i.received.IsZero() {
		i.received = now
	}
	m := meta{Message: f.Message, Stamp: f.Stamp, Port: f.Port}
	if f.Stamp != nil {
		i.captured, m.Received = f.Stamp.Time, i.received
	}
	shape := f.Shape()
	if m.Colorspace = f.Colorspace(); m.Colorspace != "" && len(shape) >= 2 {
		i.form = form{codecJPEG, shape[1], shape[0]}
		if m.Colorspace == "BGR" {
			m.Colorspace = ""
		}
	} else {
		i.form, i.dtype, i.shape = rawForm(f.DType(), shape), f.DType(), shape
		if i.described = i.form.codec == codecArray || len(shape) == 3 && shape[2] == 1; i.described {
			m.DType, m.Shape = i.dtype, i.shape
		}
	}
	i.meta = m.encode()
	// The text has more memory than bytes, and the frame has its message as well.
	i.memory = int64(len(i.data) + cap(i.meta) + messageBytes(f.Message) + itemOverhead)
	return i, nil
}

// messageBytes returns how many bytes of memory a message takes. One of msgpack
// has fewer than its text, or has no text.
func messageBytes(m netgear.Message) int {
	if packed := m.Msgpack(); packed != nil {
		return len(packed)
	}
	text, _ := m.MarshalJSON() // it is the message's own memory
	return cap(text)
}

// content returns a frame's JPEG, or its elements. They are the frame's memory.
func content(f *netgear.Frame) ([]byte, error) {
	if jpeg := f.JPEG(); jpeg != nil {
		return jpeg, nil
	}
	data, err := f.Bytes()
	if err == nil && len(data) == 0 {
		err = fmt.Errorf("%w: it is empty", netgear.ErrFrame)
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return data, nil
}

// hold makes the item independent of the frame, which its caller may close. It
// copies nothing.
func (i *item) hold(f *netgear.Frame) (err error) {
	i.frame = f.Retain()
	i.data, err = content(i.frame)
	return err
}

func (i *item) release() {
	i.frame.Close()
	i.frame, i.data = nil, nil
}

// itemOverhead is the memory of an item besides its bytes, rounded up.
const itemOverhead = 512

// size returns the bytes that the item takes in a file, at most.
func (i *item) size() int64 { return int64(len(i.data) + len(i.meta) + itemOverhead) }
