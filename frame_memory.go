package netgear

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// frameMemory is the memory of one frame: what was received or created, and the
// pixels that are decoded from it. All Frames of the frame share it (Retain),
// and the last one that is closed frees it.
type frameMemory struct {
	coding     coding         // according to the header
	info       turbojpeg.Info // the content of a JPEG's header
	reading    Reading        // which pixels of the JPEG
	of         *frameMemory   // has the JPEG, if this is a Reading of it (Read)
	dtype      numpy.DType
	shape      []int
	shapeBuf   [4]int       // memory for the shape, unless it is longer
	kept       int          // bytes that Message keeps in memory
	part       zmsg.Msg     // part 2 as received; unused in a frame of NewFrame; closed when an array was copied
	received   int          // its bytes
	jpeg       *zmsg.Buffer // the JPEG of NewJPEGFrame
	from       int          // where the array or the JPEG begins in the part
	length     int          // and the length of that
	misaligned bool         // the elements are not aligned for reading
	copies     bool         // Options.Copy
	peer, port string       // the sender's, for Stats and the log

	source *frameSource // what the frame came from
	frames atomic.Int32 // Frames that are not closed
	out    atomic.Bool  // the application has had one of them: Stats.Open
	recvd  bool         // Recv has returned it, so its use counts
	read   atomic.Bool  // the application has read the pixels
	sound  atomic.Bool  // the JPEG was checked since it was received

	exposed atomic.Bool // the application has a view of the pixels

	responding atomic.Bool // Respond has the frame
	faulty     atomic.Bool // it counts in Stats.Damaged
	broken     atomic.Bool // it counts in Stats.Malformed

	mu           sync.Mutex
	decoding     bool          // a goroutine decodes
	decodingEnds chan struct{} // closed then; nil unless another one waits
	settled      bool          // data or bad is set
	data         []byte        // pixels in C order, little-endian
	pixels       *zmsg.Buffer  // decoded or swapped pixels, if part cannot be used directly
	fault        string        // libjpeg's warning, if the picture is complete nevertheless
	bad          error         // why the JPEG cannot be decoded
}

// newFrame takes ownership of part, after it has checked it against the header.
// On an error the caller still owns the part.
func newFrame(w wire, h *header, part *zmsg.Msg, maxBytes int64) (*Frame, error) {
	f := newBlankFrame()
	f.ReceivedAt, f.Port = time.Now(), h.from
	f.coding, f.port, f.source = h.coding, h.from, &created
	if !h.message.IsNone() {
		f.Message = Message{raw: bytes.Clone(h.message.raw), packed: h.message.packed}
		f.kept = cap(f.Message.raw)
	}
	if err := f.check(w, part.Bytes(), maxBytes); err != nil {
		return nil, err
	}
	f.coding.shape = nil // it belongs to the caller
	f.received = len(part.Bytes())
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

// maxInlineMsg is more bytes than libzmq stores inside the message itself. That
// is Go memory here, and a Mat must not refer to it.
const maxInlineMsg = 64

// raw returns the bytes of the array, or the JPEG, as received.
func (m *frameMemory) raw() []byte {
	if m.of != nil {
		return m.of.raw()
	}
	if m.jpeg != nil {
		return m.jpeg.Bytes()
	}
	return m.part.Bytes()[m.from : m.from+m.length]
}

// usePart sets the part's bytes as the frame's pixels.
func (m *frameMemory) usePart() error {
	b := m.raw()
	if len(m.part.Bytes()) > maxInlineMsg || len(b) == 0 {
		m.data, m.settled = b, true
		return nil
	}
	buf, err := zmsg.NewBuffer(len(b))
	if err != nil {
		return err
	}
	copy(buf.Bytes(), b)
	m.pixels, m.data, m.settled = buf, buf.Bytes(), true
	return nil
}

// check sets dtype and shape, and refuses what does not fit the received bytes.
// It allocates nothing whose size the peer could choose.
func (m *frameMemory) check(w wire, part []byte, maxBytes int64) (err error) {
	if m.from, m.length, err = w.findArray(part, &m.coding); err != nil {
		return err
	}
	b := part[m.from : m.from+m.length]
	if !m.coding.jpeg {
		if m.dtype, err = numpy.Parse(m.coding.dtype); err != nil {
			return frameError(err)
		}
		m.shape = append(m.shapeBuf[:0], m.coding.shape...)
		m.misaligned = !aligned(b, m.dtype.Unit)
		return frameError(m.dtype.Check(m.shape, len(b)))
	}
	return because(malformedJPEG, m.checkJPEG(b, maxBytes))
}

// checkJPEG does what check does, for a JPEG.
func (m *frameMemory) checkJPEG(b []byte, maxBytes int64) (err error) {
	if m.info, err = turbojpeg.ReadInfo(b); err != nil {
		return err
	}
	if m.coding.colorspace == ownColorspace {
		if m.coding.colorspace = turbojpeg.BGR; m.info.Space == "Gray" {
			m.coding.colorspace = turbojpeg.GRAY
		}
	}
	width, height, cs := m.info.Width, m.info.Height, m.coding.colorspace
	if size := int64(width)*int64(height)*int64(cs.Channels()) + m.info.Memory; size > maxBytes {
		return because(malformedLimit, fmt.Errorf("%w: to decode a JPEG of %dx%d takes %d bytes%s, the limit is %d (Options.MaxFrameBytes)",
			ErrFrame, width, height, size, coefficientsText(m.info), maxBytes))
	}
	if cs == turbojpeg.CMYK && !m.info.CMYK() {
		return fmt.Errorf("%w: a %s JPEG does not decode to CMYK", ErrFrame, m.info.Space)
	}
	m.dtype = numpy.Uint8
	return m.setReading(Reading{})
}

// ready reports whether the received bytes are usable as pixels.
func (m *frameMemory) ready() bool { return !m.coding.jpeg && !m.dtype.BigEndian && !m.misaligned }

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
func (m *frameMemory) footprint() int64 {
	return int64(m.received + m.kept + frameOverhead)
}

// size returns the size of the frame's decoded pixels in bytes.
func (m *frameMemory) size() int {
	n, _ := numpy.Elements(m.shape) // checked
	return n * m.dtype.Size
}

// freedBytes returns how much of the memory that decoding the frame takes, and of
// its footprint, is free afterwards.
func (m *frameMemory) freedBytes() int64 {
	switch {
	case m.coding.jpeg:
		return m.info.Memory
	case m.ready():
		return 0
	}
	return int64(m.received) // the array as it came
}

// decodingBytes returns the memory that decoding the frame takes, pixels
// included.
func (m *frameMemory) decodingBytes() int64 { return int64(m.size()) + m.info.Memory }

func (m *frameMemory) channels() int {
	if len(m.shape) < 3 {
		return 1
	}
	return m.shape[2]
}

// handOut notes that the application has a Frame of the memory.
func (m *frameMemory) handOut() {
	if !m.out.Swap(true) {
		m.source.open.Add(1)
	}
}

// release gives up one Frame of the memory, and frees it with the last.
func (m *frameMemory) release() {
	if m.frames.Add(-1) > 0 {
		return
	}
	m.free()
	if m.out.Load() {
		m.source.open.Add(-1)
	}
	if m.recvd && m.decodes() {
		m.source.noteUse(m.read.Load())
	}
}

// free releases the memory. Only an array that was copied is released earlier,
// as it came: by decode.
func (m *frameMemory) free() {
	m.data = nil
	m.pixels.Release()
	m.jpeg.Release()
	m.part.Close()
	if m.of != nil {
		m.of.release()
	}
}
