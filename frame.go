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
	// DType is numpy's name: "uint8", "uint16", "float32", "bool", "complex64",
	// … An array that is sent may also have one of numpy's short names ("u1",
	// ">f4"). A name that numpy does not have is an ErrFrame. Received arrays
	// have full names.
	DType string
	Shape []int
	Data  []byte // the elements in C order, little-endian unless DType is such as ">u2"
}

// Frame is one frame. Recv returns received frames; NewFrame and NewJPEGFrame
// create others. Only one goroutine at a time may use it.
//
// The pixels of a frame are memory of libzmq or of this library, not of Go.
// Close releases it. The results of Bytes, JPEG and (without Options.Copy) Mat
// are invalid from then on. The garbage collector frees a frame that was not
// closed, if the application has no view of its memory; otherwise that memory
// leaks.
type Frame struct {
	// Message is the data that the sender sent with the frame.
	Message Message
	// Port is the sender's port in multi-server mode: a text of at most 64
	// bytes.
	Port string
	// Peer is the IP address and port of the peer that the frame came from,
	// such as "10.0.0.4:41022". It is empty if it is not known, as with ipc.
	// The first frames of a connection may be read before its address is known.
	// Behind an SSH tunnel it is the address of the tunnel's end. It is for
	// logs and statistics; only the secure modes restrict which peers may send.
	Peer string
	// Stamp is the frame's number and time of capture if both ends have
	// Options.Stamp; otherwise nil.
	Stamp *Stamp
	// ReceivedAt is when the frame's last byte was read from the socket. It is
	// the zero Time for a frame that was not received.
	ReceivedAt time.Time

	coding   coding         // according to the header
	info     turbojpeg.Info // the content of a JPEG's header
	dtype    numpy.DType
	shape    []int
	shapeBuf [4]int // memory for the shape, unless it is longer
	data     []byte // pixels in C order, little-endian; nil until decoded
	fault    string // libjpeg's warning, if the picture is complete nevertheless

	kept       int          // bytes that Message keeps in memory
	part       zmsg.Msg     // part 2 as received; unused in a frame of NewFrame
	jpeg       *zmsg.Buffer // the JPEG of NewJPEGFrame
	from       int          // where the array or the JPEG begins in it
	length     int          // and the length of that
	misaligned bool         // the elements are not aligned for reading
	pixels     *zmsg.Buffer // decoded or swapped pixels, if part cannot be used directly
	copies     bool         // Options.Copy
	viewed     bool         // the application has a view of the memory
	borrowed   bool         // Respond uses it: Close has no effect
	closed     bool
	self       uintptr // the address of the original Frame; a copy has another
}

// newFrame takes ownership of part, after it has checked it against the header.
// On an error the caller still owns the part.
func newFrame(w wire, h *header, part *zmsg.Msg, maxBytes int64) (*Frame, error) {
	f := &Frame{ReceivedAt: time.Now(), coding: h.coding, Port: h.from}
	if !h.message.IsNone() {
		f.Message = Message{raw: bytes.Clone(h.message.raw), packed: h.message.packed}
		f.kept = cap(f.Message.raw)
	}
	if err := f.check(w, part.Bytes(), maxBytes); err != nil {
		return nil, err
	}
	f.coding.shape = nil // it belongs to the caller
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

// maxInlineMsg is more bytes than libzmq stores inside the message itself. That
// is Go memory here, and a Mat must not refer to it.
const maxInlineMsg = 64

// raw returns the bytes of the array, or the JPEG, as received.
func (f *Frame) raw() []byte {
	if f.jpeg != nil {
		return f.jpeg.Bytes()
	}
	return f.part.Bytes()[f.from : f.from+f.length]
}

// usePart sets the part's bytes as the frame's pixels.
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

// check sets dtype and shape, and refuses what does not fit the received bytes.
// It allocates nothing whose size the peer could choose.
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

// checkJPEG does what check does, for a JPEG.
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

// ready reports whether the received bytes are usable as pixels.
func (f *Frame) ready() bool { return !f.coding.jpeg && !f.dtype.BigEndian && !f.misaligned }

// aligned reports whether elements of unit bytes are aligned in memory so that
// a program may read them. On NetGear_Async's wire they follow a map of any
// length.
func aligned(b []byte, unit int) bool {
	return len(b) == 0 || unit < 2 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(min(unit, 8)) == 0
}

// frameOverhead is the memory of a frame besides its bytes, here and in libzmq,
// rounded up.
const frameOverhead = 1 << 10

// footprint returns the memory of the frame as received. Its message counts as
// well as its pixels.
func (f *Frame) footprint() int64 {
	return int64(len(f.part.Bytes()) + f.kept + frameOverhead)
}

// size returns the size of the frame's decoded pixels in bytes.
func (f *Frame) size() int {
	n, _ := numpy.Elements(f.shape) // checked
	return n * f.dtype.Size
}

// decode decodes the pixels if the received bytes are not usable directly. It
// uses up to the given number of cores if the JPEG permits. The options of the
// receive end count as much as the header's, as in VidGear.
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

// DType returns numpy's name of the elements' type, without byte order:
// "uint8". Big-endian data has been swapped.
func (f *Frame) DType() string {
	if f == nil {
		return ""
	}
	return f.dtype.Name
}

// Shape returns [rows, columns] or [rows, columns, channels], or any other
// shape that the sender sent. The caller may keep the slice.
func (f *Frame) Shape() []int {
	if f == nil {
		return nil
	}
	return slices.Clone(f.shape)
}

// Bytes returns the pixels in C order, little-endian. The slice refers to the
// frame's memory and is valid until Close. A frame that is nil, closed or zero
// is an ErrFrame.
func (f *Frame) Bytes() ([]byte, error) {
	b, err := f.view()
	return b, wrap("Bytes", err)
}

// Array returns the frame as an array that refers to the frame's memory. It is
// valid until Close. Errors are those of Bytes.
func (f *Frame) Array() (Array, error) {
	b, err := f.view()
	if err != nil {
		return Array{}, wrap("Array", err)
	}
	return Array{DType: f.DType(), Shape: f.Shape(), Data: b}, nil
}

// view returns the pixels, and notes that the application has a view of them.
func (f *Frame) view() ([]byte, error) {
	if err := f.usable(); err != nil {
		return nil, err
	}
	f.viewed = true
	return f.data, nil
}

// JPEG returns the frame's JPEG as received, without decoding, or nil for a raw
// frame. It refers to the frame's memory and is valid until Close.
func (f *Frame) JPEG() []byte {
	if f == nil || f.closed || !f.coding.jpeg {
		return nil
	}
	f.viewed = true
	return f.raw()
}

// Colorspace returns the order of the pixels' channels, one of VidGear's twelve
// names. For a raw frame it returns "", because the wire does not contain it.
func (f *Frame) Colorspace() string {
	if f == nil || !f.coding.jpeg {
		return ""
	}
	return f.coding.colorspace.String()
}

// Close releases the frame's memory. A second call does nothing, nor does
// closing a nil or a zero Frame. Closing a copy of a Frame does not release the
// memory, which belongs to the original. It returns nil.
func (f *Frame) Close() error {
	switch {
	case f == nil || f.closed || f.borrowed:
	case f.self != uintptr(unsafe.Pointer(f)):
		f.closed, f.data = true, nil
	default:
		runtime.SetFinalizer(f, nil)
		f.free()
	}
	return nil
}

// usable returns why a frame cannot be used, or nil.
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

// free releases a frame's memory; nothing else does.
func (f *Frame) free() {
	f.closed = true
	f.data = nil
	f.pixels.Release()
	f.jpeg.Release()
	f.part.Close()
}

// finalize is the finalizer of frames that were never closed.
func (f *Frame) finalize() { f.drop(&frameLeak, slog.Default()) }

// drop frees the memory of an unreachable frame, unless the application has a
// view of the memory. The view may still be in use, so such memory leaks.
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
