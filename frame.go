package netgear

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// Array is an n-dimensional array as numpy describes it. A picture has the
// shape [rows, columns] or [rows, columns, channels].
type Array struct {
	// DType is numpy's name: "uint8", "uint16", "float32", "bool", "complex64", …
	// numpy's short names ("u1", ">f4") are taken as well where an array is sent. A
	// name that numpy does not know is an ErrFrame. Received arrays have full names.
	DType string
	Shape []int
	Data  []byte // the elements in C order, little-endian unless DType is such as ">u2"
}

// Frame is one frame: Recv returns those that were received, and NewFrame and
// NewJPEGFrame return others. It is used by one goroutine at a time.
//
// A frame's pixels are memory of libzmq or of this library, not of Go. Close
// gives it back; what Bytes, JPEG and (without Options.Copy) Mat returned is
// invalid from then on. A frame that is dropped without Close is freed by the
// garbage collector if nothing that looks into it was handed out; otherwise
// its memory stays taken.
type Frame struct {
	// Message is the data that the sender sent with the frame.
	Message Message
	// Port is the sender's port, in multi-server mode: a text of at most 64 bytes.
	Port string
	// Peer is the IP address and port of the peer that the frame came from, such as
	// "10.0.0.4:41022". It is empty where it is not known: with ipc, behind an SSH
	// tunnel only the tunnel's end is known, and a connection's first frames may be
	// read before it is. It is for logs and statistics; who may send is for the
	// secure modes.
	Peer string
	// Stamp is the frame's number and time of capture, where both ends have
	// Options.Stamp; otherwise nil.
	Stamp *Stamp
	// ReceivedAt is when the frame's last byte was read from the socket; the zero
	// Time for a frame that was not received.
	ReceivedAt time.Time

	coding   coding         // as the wire said
	info     turbojpeg.Info // what a JPEG's header says
	dtype    numpy.DType
	shape    []int
	shapeBuf [4]int // for the shape, unless it is longer
	data     []byte // pixels in C order, little-endian; nil until decoded
	fault    string // what libjpeg warned of, though the picture is whole

	kept       int          // what Message keeps in memory
	part       zmsg.Msg     // part 2 as it came; unused in a frame of NewFrame
	jpeg       *zmsg.Buffer // the JPEG of NewJPEGFrame
	from       int          // where in it the array or the JPEG begins
	length     int          // and how long that is
	misaligned bool         // it does not lie where its elements could be read
	pixels     *zmsg.Buffer // decoded or swapped pixels, where part does not serve
	copies     bool         // Options.Copy
	viewed     bool         // something that looks into the memory was handed out
	closed     bool
	self       uintptr // where the Frame was made, which a copy of it is not
}

// newFrame takes over part and checks it against what the header said. On an
// error the part is still the caller's.
func newFrame(w wire, h *header, part *zmsg.Msg, maxBytes int64) (*Frame, error) {
	f := &Frame{ReceivedAt: time.Now(), coding: h.coding, Port: h.from}
	if !h.message.IsNone() {
		f.Message = Message{raw: bytes.Clone(h.message.raw), packed: h.message.packed}
		f.kept = cap(f.Message.raw)
	}
	if err := f.check(w, part.Bytes(), maxBytes); err != nil {
		return nil, err
	}
	f.coding.shape = nil // which belongs to whoever read the header
	part.MoveTo(&f.part)
	if f.ready() {
		if err := f.usePart(); err != nil {
			f.part.MoveTo(part)
			return nil, err
		}
	}
	f.track()
	return f, nil
}

// track makes f the owner of its memory.
func (f *Frame) track() {
	f.self = uintptr(unsafe.Pointer(f))
	runtime.SetFinalizer(f, (*Frame).finalize)
}

// insideMessage is more than libzmq keeps inside the message itself, which is Go
// memory here; a Mat must not look into that.
const maxInlineMsg = 64

// raw are the array's bytes, or the JPEG, as they came.
func (f *Frame) raw() []byte {
	if f.jpeg != nil {
		return f.jpeg.Bytes()
	}
	return f.part.Bytes()[f.from : f.from+f.length]
}

// settle makes the part's bytes the frame's pixels.
func (f *Frame) usePart() error {
	b := f.raw()
	if len(f.part.Bytes()) > maxInlineMsg || len(b) == 0 {
		f.data = b
		return nil
	}
	buf, err := zmsg.NewBuffer(len(b))
	if err != nil {
		return err
	}
	copy(buf.Bytes(), b)
	f.pixels, f.data = buf, buf.Bytes()
	return nil
}

// check fills in dtype and shape, and refuses what does not fit the bytes that
// came. Nothing is allocated here that the bytes could make large.
func (f *Frame) check(w wire, part []byte, maxBytes int64) (err error) {
	if f.from, f.length, err = w.findArray(part, &f.coding); err != nil {
		return err
	}
	b := part[f.from : f.from+f.length]
	if !f.coding.jpeg {
		if f.dtype, err = numpy.Parse(f.coding.dtype); err != nil {
			return frameError(err)
		}
		f.shape = append(f.shapeBuf[:0], f.coding.shape...)
		f.misaligned = !aligned(b, f.dtype.Unit)
		return frameError(f.dtype.Check(f.shape, len(b)))
	}
	return f.checkJPEG(b, maxBytes)
}

// checkJPEG is check for a JPEG.
func (f *Frame) checkJPEG(b []byte, maxBytes int64) (err error) {
	if f.info, err = turbojpeg.ReadInfo(b); err != nil {
		return err
	}
	width, height, cs := f.info.Width, f.info.Height, f.coding.colorspace
	if size := int64(width)*int64(height)*int64(cs.Channels()) + f.info.Memory; size > maxBytes {
		return fmt.Errorf("%w: to decode a JPEG of %dx%d takes %d bytes%s, the limit is %d (Options.MaxFrameBytes)",
			ErrFrame, width, height, size, coefficientsText(f.info), maxBytes)
	}
	if cs == turbojpeg.CMYK && !f.info.CMYK() {
		return fmt.Errorf("%w: a %s JPEG does not decode to CMYK", ErrFrame, f.info.Space)
	}
	f.dtype, f.shape = numpy.Uint8, append(f.shapeBuf[:0], height, width)
	// As VidGear: GRAY has no channel dimension.
	if cs.Channels() > 1 {
		f.shape = append(f.shape, cs.Channels())
	}
	return nil
}

// ready tells whether the pixels are there as they came.
func (f *Frame) ready() bool { return !f.coding.jpeg && !f.dtype.BigEndian && !f.misaligned }

// aligned: elements of several bytes must lie where a program may read them as
// such. On NetGear_Async's wire they follow a map of any length.
func aligned(b []byte, unit int) bool {
	return len(b) == 0 || unit < 2 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(min(unit, 8)) == 0
}

// frameOverhead is what a frame takes besides its bytes, here and in libzmq,
// rounded up.
const frameOverhead = 1 << 10

// footprint is what the frame takes in memory as it came. Its message counts as
// much as its pixels.
func (f *Frame) footprint() int64 {
	return int64(len(f.part.Bytes()) + f.kept + frameOverhead)
}

// size is what the frame's pixels take, decoded.
func (f *Frame) size() int {
	n, _ := numpy.Elements(f.shape) // checked
	return n * f.dtype.Size
}

// decode makes the pixels where the part does not serve as it is, on so many
// cores if the JPEG allows. The options of the receive end count as much as the
// header's, as in VidGear.
func (f *Frame) decode(d *turbojpeg.Decoder, n *settings, cores int) error {
	if f.data != nil || f.ready() {
		return nil
	}
	buf, err := zmsg.NewBuffer(f.size())
	if err != nil {
		return err
	}
	switch {
	case f.coding.jpeg:
		own, strips := n.decodeOptions(), 1
		if cores > 1 {
			strips = n.strips(f.info.Width, f.info.Height, cores)
		}
		err = d.DecodeStrips(buf.Bytes(), f.raw(), f.info, f.info.Width*f.channels(), f.coding.colorspace, turbojpeg.DecodeOptions{
			FastDCT:      own.FastDCT || f.coding.fastDCT,
			FastUpsample: own.FastUpsample || f.coding.fastUpsample,
		}, strips)
		f.fault = d.Warning()
	case f.dtype.BigEndian:
		numpy.SwapBytes(buf.Bytes(), f.raw(), f.dtype.Unit)
	default:
		copy(buf.Bytes(), f.raw())
	}
	if err != nil {
		buf.Release()
		return err
	}
	f.pixels, f.data = buf, buf.Bytes()
	return nil
}

func (f *Frame) channels() int {
	if len(f.shape) < 3 {
		return 1
	}
	return f.shape[2]
}

// DType is numpy's name of the elements' type, without byte order: "uint8".
// Big-endian data has been swapped.
func (f *Frame) DType() string {
	if f == nil {
		return ""
	}
	return f.dtype.Name
}

// Shape is [rows, columns] or [rows, columns, channels], or whatever else the
// sender sent. The caller may keep it.
func (f *Frame) Shape() []int {
	if f == nil {
		return nil
	}
	return slices.Clone(f.shape)
}

// Bytes are the pixels in C order, little-endian. They look into the frame's
// memory and are valid until Close; nil after it.
func (f *Frame) Bytes() []byte {
	if f == nil || f.closed {
		return nil
	}
	f.viewed = true
	return f.data
}

// Array is the frame as an array, looking into the frame's memory until Close.
func (f *Frame) Array() Array {
	return Array{DType: f.DType(), Shape: f.Shape(), Data: f.Bytes()}
}

// JPEG is the frame's JPEG as the sender made it, without decoding; nil for a
// raw frame. It looks into the frame's memory and is valid until Close.
func (f *Frame) JPEG() []byte {
	if f == nil || f.closed || !f.coding.jpeg {
		return nil
	}
	f.viewed = true
	return f.raw()
}

// Colorspace is the order of the pixels' channels, one of VidGear's twelve
// names. For a raw frame, where the wire does not say, it is "".
func (f *Frame) Colorspace() string {
	if f == nil || !f.coding.jpeg {
		return ""
	}
	return f.coding.colorspace.String()
}

// Close gives the frame's memory back. Calling it again does nothing, nor does
// closing a nil or a zero Frame, or a copy of a Frame: the memory is the
// original's.
func (f *Frame) Close() error {
	switch {
	case f == nil || f.closed:
	case f.self != uintptr(unsafe.Pointer(f)):
		f.closed, f.data = true, nil
	default:
		runtime.SetFinalizer(f, nil)
		f.free()
	}
	return nil
}

// usable says why nothing can be had of a frame.
func (f *Frame) usable() error {
	switch {
	case f == nil:
		return fmt.Errorf("%w: the Frame is nil", ErrFrame)
	case f.closed:
		return fmt.Errorf("%w: it is closed", ErrFrame)
	case f.dtype.Name == "":
		return fmt.Errorf("%w: it is a zero Frame, not one that was received", ErrFrame)
	}
	return nil
}

// free is the one place where a frame's memory goes back.
func (f *Frame) free() {
	f.closed = true
	f.data = nil
	f.pixels.Release()
	f.jpeg.Release()
	f.part.Close()
}

// finalize is the finalizer of frames that were never closed.
func (f *Frame) finalize() { f.drop(&frameLeak, slog.Default()) }

// drop frees the memory of an unreachable frame. If the application has a view
// of the memory, it must not: the view may still be in use. Such memory leaks.
func (f *Frame) drop(leak *leakReport, log *slog.Logger) {
	if f.viewed {
		leak.log(log)
		return
	}
	f.free()
}

// frameLeak reports the first leak of the process.
var frameLeak leakReport

// leakReport logs a leak once.
type leakReport struct{ once sync.Once }

func (r *leakReport) log(log *slog.Logger) {
	r.once.Do(func() {
		log.Warn("netgear: a Frame was dropped without Close, and its memory leaks; this is logged once")
	})
}
