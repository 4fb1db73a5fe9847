package netgear

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"
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
// create others. Only one goroutine at a time may use it. Retain returns
// another Frame of the same memory, for another goroutine.
//
// The pixels of a frame are memory of libzmq or of this library, not of Go.
// Close of its last Frame releases it. The results of Bytes, JPEG and (without
// Options.Copy) Mat are invalid after the Close of the Frame that returned
// them. The garbage collector frees a frame that was not closed, if the
// application has no view of its memory; otherwise that memory leaks.
//
// A JPEG is decoded once, by the receive end or by the first call that needs
// its pixels (Options.Decode): Bytes, Array or Mat. Image and YCbCr decode to
// the picture that they return. Such a call returns an ErrFrame for a damaged
// JPEG. The other methods decode nothing.
type Frame struct {
	// Message is the data that the sender sent with the frame.
	Message Message
	// Port is the sender's port in multi-server mode: a text of at most 64
	// bytes. On ImageZMQWire it is the sender's name.
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

	*frameMemory      // nil in a zero Frame
	viewed       bool // the application has a view of the memory
	borrowed     bool // Respond uses it: Close has no effect
	closed       bool
	self         uintptr // the address of the original Frame; a copy has another
}

// newBlankFrame returns the first Frame of new memory. Both are one allocation.
func newBlankFrame() *Frame {
	both := &struct {
		frame  Frame
		memory frameMemory
	}{}
	both.frame.frameMemory = &both.memory
	return &both.frame
}

// track makes f an owner of its memory.
func (f *Frame) track() {
	f.frames.Add(1)
	f.self = uintptr(unsafe.Pointer(f))
	runtime.SetFinalizer(f, (*Frame).finalize)
}

// Retain returns another Frame of the same frame, without copying its memory.
// Each of them must be closed once; the memory is released with the last. The
// Frames may be used by different goroutines at once. The pixels are decoded
// once for all.
//
// Inside Options.Respond it is the way to use the frame after the call. Retain
// returns nil for a Frame that is nil, closed or zero; the methods of a nil
// Frame return an ErrFrame, or nothing.
func (f *Frame) Retain() *Frame {
	if f.usable() != nil {
		return nil
	}
	g := &Frame{frameMemory: f.frameMemory}
	f.describe(g)
	g.track()
	g.handOut()
	runtime.KeepAlive(f)
	return g
}

// describe copies what describes the frame to another Frame of it.
func (f *Frame) describe(g *Frame) {
	g.Message, g.Port, g.Peer, g.ReceivedAt = f.Message, f.Port, f.Peer, f.ReceivedAt
	if f.Stamp != nil {
		stamp := *f.Stamp
		g.Stamp = &stamp
	}
}

// DType returns numpy's name of the elements' type, without byte order:
// "uint8". Big-endian data has been swapped.
func (f *Frame) DType() string {
	if f == nil || f.frameMemory == nil {
		return ""
	}
	return f.dtype.Name
}

// Shape returns [rows, columns] or [rows, columns, channels], or any other
// shape that the sender sent. It is that of the pixels, which a Reading may
// have selected; FullShape has that of the whole picture. The caller may keep
// the slice.
func (f *Frame) Shape() []int {
	if f == nil || f.frameMemory == nil {
		return nil
	}
	return slices.Clone(f.shape)
}

// Bytes returns the pixels in C order, little-endian. It decodes them first if
// that has not been done. The slice refers to the frame's memory and is valid
// until Close.
//
// A damaged JPEG is an ErrFrame, in every call, and so is a frame that is nil,
// closed or zero. If Close ended the decoding while Options.Respond had the
// frame, the error is ErrClosed; then the next call decodes again.
func (f *Frame) Bytes() ([]byte, error) {
	b, err := f.view()
	return b, wrap("Bytes", err)
}

// Array returns the frame as an array that refers to the frame's memory. It
// decodes as Bytes does, and has the same errors. It is valid until Close.
func (f *Frame) Array() (Array, error) {
	b, err := f.view()
	if err != nil {
		return Array{}, wrap("Array", err)
	}
	return Array{DType: f.DType(), Shape: f.Shape(), Data: b}, nil
}

// view returns the pixels, and notes that the application has a view of them.
func (f *Frame) view() ([]byte, error) {
	b, err := f.load()
	if err == nil {
		f.noteView()
	}
	return b, err
}

// noteView notes that the application has a view of the pixels.
func (f *Frame) noteView() {
	f.viewed = true
	f.exposed.Store(true)
}

// load returns the pixels, decoded. It is for every call that reads them.
func (f *Frame) load() ([]byte, error) {
	defer runtime.KeepAlive(f) // keeps the memory of an unreferenced frame
	if err := f.usable(); err != nil {
		return nil, err
	}
	b, err := f.decodeOnUse(f.stop())
	return b, closedIfStopped(err)
}

// JPEG returns the frame's JPEG as received, without decoding, or nil for a raw
// frame. It refers to the frame's memory and is valid until Close.
func (f *Frame) JPEG() []byte {
	if f.usable() != nil || !f.coding.jpeg {
		return nil
	}
	f.viewed = true
	return f.raw()
}

// Colorspace returns the order of the pixels' channels, one of VidGear's twelve
// names. For a raw frame it returns "", because the wire does not contain it.
func (f *Frame) Colorspace() string {
	if f == nil || f.frameMemory == nil || !f.coding.jpeg {
		return ""
	}
	return f.space().String()
}

// Close releases the frame's memory, unless another Frame of it is open
// (Retain). A second call does nothing, nor does closing a nil or a zero Frame.
// Closing a copy of a Frame does not release the memory, which belongs to the
// original. It returns nil.
func (f *Frame) Close() error {
	switch {
	case f == nil || f.closed || f.borrowed:
	case f.self != uintptr(unsafe.Pointer(f)):
		f.closed = true
	default:
		runtime.SetFinalizer(f, nil)
		f.closed = true
		f.release()
	}
	return nil
}

// usable returns why a frame cannot be used, or nil.
func (f *Frame) usable() error {
	switch {
	case f == nil:
		return fmt.Errorf("%w: the Frame is nil", ErrFrame)
	case f.closed || f.frameMemory != nil && f.frames.Load() == 0:
		return fmt.Errorf("%w: it is closed", ErrFrame)
	case f.frameMemory == nil:
		return fmt.Errorf("%w: it is a zero Frame, not one that was received", ErrFrame)
	}
	return nil
}

// finalize is the finalizer of frames that were never closed.
func (f *Frame) finalize() { f.drop(&frameLeak, slog.Default()) }

// drop releases an unreachable Frame, unless the application has a view of the
// memory. The view may still be in use, so such memory leaks.
func (f *Frame) drop(leak *leakReport, log *slog.Logger) {
	if f.viewed {
		leak.log(log)
		return
	}
	f.closed = true
	f.release()
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
