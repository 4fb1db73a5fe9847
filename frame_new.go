package netgear

import (
	"errors"
	"fmt"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// NewFrame returns a frame with an array and a message (nil for none). It is
// for SendFrame, InOrder, and other functions that take received frames. It
// copies the array, which the caller may reuse at once. The caller must Close
// the frame.
//
// A picture has the shape [rows, columns] or [rows, columns, channels], with
// the channels in OpenCV's order, blue first. Array, Bytes, Shape and DType
// return the same as for a received frame: elements in C order, little-endian,
// and numpy's full name of the dtype. Port, Peer, Stamp and ReceivedAt are
// zero, and may be set.
//
// The message may be any value that a send call takes. It is stored as JSON, or
// as msgpack if it has no JSON form. A [StampedMessage] also sets Stamp, which
// InOrder requires. SendFrame sends the array raw.
//
// Errors wrap ErrFrame or ErrMessage.
func NewFrame(a Array, message any) (*Frame, error) {
	return newOwnFrame(message, func(f *Frame) error { return f.setArray(a) })
}

// NewJPEGFrame returns a frame with a copy of a finished JPEG, as NewFrame does
// with an array. The pixels are decoded when they are first needed, on all
// cores: into blue, green, red, with the shape [rows, columns, 3]. Decoding may
// take no more memory than the default of Options.MaxFrameBytes. SendFrame sends
// the JPEG as SendJPEG does, checked and without encoding it again. Bytes before
// the JPEG are left out. One without Huffman tables is decoded with the standard
// ones.
//
// A JPEG with a bad header, or without its end, is an ErrFrame at once. Other
// damage is one when the pixels are needed, or the frame is sent.
func NewJPEGFrame(jpeg []byte, message any) (*Frame, error) {
	return newOwnFrame(message, func(f *Frame) error { return f.setJPEG(jpeg) })
}

// newOwnFrame returns a frame with a message, whose pixels are set by fill.
func newOwnFrame(message any, fill func(*Frame) error) (*Frame, error) {
	f := newBlankFrame()
	f.source = &created
	f.track()
	var err error
	if s, ok := message.(StampedMessage); ok {
		err = s.checkStamp()
		f.Stamp = &Stamp{Seq: s.Seq, Time: s.At, Sender: s.Sender}
		message = s.Message
	}
	if err == nil {
		f.Message, err = anyMessage(message)
	}
	if err == nil {
		err = fill(f)
	}
	if err != nil {
		f.Close()
		return nil, wrap("new frame", err)
	}
	return f, nil
}

// anyMessage returns a message in the form of the first wire that can encode
// it.
func anyMessage(v any) (Message, error) {
	if m, ok := v.(Message); ok {
		return m, nil
	}
	m, err := jsonWire{}.encodeMessage(v)
	if err != nil {
		if packed, packErr := (asyncWire{}).encodeMessage(v); packErr == nil {
			return packed, nil
		}
	}
	return m, err
}

// setArray copies an array into the frame.
func (f *Frame) setArray(a Array) (err error) {
	if len(a.Data) == 0 {
		return fmt.Errorf("%w: it is empty (did the capture fail?)", ErrFrame)
	}
	if f.dtype, _, err = spell(jsonWire{}, &a); err != nil {
		return err
	}
	f.shape = append(f.shapeBuf[:0], a.Shape...)
	if f.pixels, err = zmsg.NewBuffer(len(a.Data)); err != nil {
		return err
	}
	f.data, f.settled = f.pixels.Bytes(), true
	if f.dtype.BigEndian {
		numpy.SwapBytes(f.data, a.Data, f.dtype.Unit)
	} else {
		copy(f.data, a.Data)
	}
	return nil
}

// setJPEG copies a JPEG into the frame. It decodes one that seems to be
// incomplete, for the error.
func (f *Frame) setJPEG(jpeg []byte) (err error) {
	f.coding = coding{jpeg: true, fastDCT: true, colorspace: turbojpeg.BGR}
	jpeg = turbojpeg.Trim(jpeg)
	if err := f.checkJPEG(jpeg, defaultMaxFrameBytes); err != nil {
		return asFrameError(err)
	}
	if f.jpeg, err = zmsg.NewBuffer(len(jpeg)); err != nil {
		return err
	}
	copy(f.jpeg.Bytes(), jpeg)
	if !turbojpeg.Whole(jpeg) {
		_, err = f.decodeOnUse(turbojpeg.Stop{})
	}
	return err
}

// asFrameError returns an error as an ErrFrame, and nil as nil.
func asFrameError(err error) error {
	if errors.Is(err, ErrFrame) {
		return err
	}
	return frameError(err)
}
