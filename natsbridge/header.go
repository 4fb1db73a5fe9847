package natsbridge

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/numpy"
)

// The names of the headers. Each message of a frame has all of them, except
// hdrMessage and those that do not apply.
const (
	hdrVersion     = "Netgear"
	hdrEncoding    = "Netgear-Encoding"
	hdrDType       = "Netgear-DType"
	hdrShape       = "Netgear-Shape"
	hdrColorspace  = "Netgear-Colorspace"
	hdrSeq         = "Netgear-Seq"
	hdrEpoch       = "Netgear-Epoch"
	hdrTime        = "Netgear-Time"
	hdrSender      = "Netgear-Sender"
	hdrSize        = "Netgear-Size"
	hdrParts       = "Netgear-Parts"
	hdrPart        = "Netgear-Part"
	hdrMessage     = "Netgear-Message"
	hdrMessageSize = "Netgear-Message-Size"
	hdrMessageType = "Netgear-Message-Type"
)

const (
	version      = "1"
	encodingJPEG = "jpeg"
	encodingRaw  = "raw"
	typeMsgpack  = "msgpack"
)

const (
	// maxParts is the size of an atomic batch that nats-server accepts.
	maxParts = 1000
	// maxHeaderMessage is the longest message that goes into a header. A longer
	// one follows the picture. JetStream stores at most 64 KB of headers.
	maxHeaderMessage = 4 << 10
)

// Why a message is dropped. SubscriberDrops has a count for each.
var (
	errForeign = errors.New("the message is not a frame of version " + version)
	errHeader  = errors.New("unusable header")
	errSize    = errors.New("the sizes contradict each other")
)

// description is what the headers contain of a frame.
type description struct {
	jpeg       bool
	dtype      string
	shape      []int
	colorspace string
	seq, epoch uint64
	time       time.Time
	sender     uint64 // 0: the stamp names none
	size       int64  // of the picture and the message behind it, in bytes
	part       int    // 1 to parts
	parts      int

	message     string // JSON in a header
	messageSize int64  // bytes of the message that follows the picture
	msgpack     bool   // that message is msgpack
}

// headers returns the headers that all messages of the frame have.
func (d *description) headers() nats.Header {
	h := nats.Header{
		hdrVersion: {version},
		hdrDType:   {d.dtype},
		hdrShape:   {formatShape(d.shape)},
		hdrSeq:     {strconv.FormatUint(d.seq, 10)},
		hdrEpoch:   {strconv.FormatUint(d.epoch, 10)},
		hdrTime:    {strconv.FormatInt(d.time.UnixNano(), 10)},
		hdrSize:    {strconv.FormatInt(d.size, 10)},
		hdrParts:   {strconv.Itoa(d.parts)},
	}
	if d.sender != 0 {
		h[hdrSender] = []string{strconv.FormatUint(d.sender, 10)}
	}
	h[hdrEncoding] = []string{encodingRaw}
	if d.jpeg {
		h[hdrEncoding], h[hdrColorspace] = []string{encodingJPEG}, []string{d.colorspace}
	}
	if d.messageSize > 0 {
		h[hdrMessageSize] = []string{strconv.FormatInt(d.messageSize, 10)}
	}
	if d.msgpack {
		h[hdrMessageType] = []string{typeMsgpack}
	}
	return h
}

// parse reads and checks the headers of a message. It allocates nothing whose
// size the publisher could choose, and refuses frames larger than the limit.
func parse(h nats.Header, length int, limit int64) (description, error) {
	if h.Get(hdrVersion) != version {
		return description{}, errForeign
	}
	p := fields{h: h}
	d := description{
		dtype: h.Get(hdrDType), colorspace: h.Get(hdrColorspace),
		seq: p.number(hdrSeq, math.MaxUint64), epoch: p.number(hdrEpoch, math.MaxUint64),
		size:  int64(p.number(hdrSize, math.MaxInt64)),
		parts: int(p.optional(hdrParts, 1, maxParts)),
		time:  time.Unix(0, int64(p.number(hdrTime, math.MaxInt64))),
	}
	d.sender = p.optional(hdrSender, 0, math.MaxUint64)
	d.part = int(p.optional(hdrPart, uint64(max(d.parts, 1)), maxParts))
	d.messageSize = int64(p.optional(hdrMessageSize, 0, math.MaxInt64))
	d.message, d.msgpack = h.Get(hdrMessage), h.Get(hdrMessageType) == typeMsgpack
	d.shape = p.shape()
	switch e := h.Get(hdrEncoding); e {
	case encodingJPEG:
		d.jpeg = true
	case encodingRaw:
	default:
		p.fail(hdrEncoding, e)
	}
	if p.err != nil {
		return d, p.err
	}
	return d, d.check(length, limit)
}

// check compares the sizes with each other and with the message's length.
func (d *description) check(length int, limit int64) error {
	switch {
	case len(d.dtype) > maxName || len(d.colorspace) > maxName || len(d.message) > maxHeaderMessage:
		return fmt.Errorf("%w: a text of more bytes than the format permits", errHeader)
	case d.size > limit:
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, d.size, limit)
	case d.parts < 1 || d.part < 1 || d.part > d.parts:
		return fmt.Errorf("%w: part %d of %d", errHeader, d.part, d.parts)
	case d.messageSize >= d.size || d.message != "" && d.messageSize > 0:
		return fmt.Errorf("%w: a message of %d bytes in %d", errSize, d.messageSize, d.size)
	case length == 0 || int64(length) > d.size || d.parts == 1 && int64(length) != d.size || d.parts > 1 && int64(length) == d.size:
		return fmt.Errorf("%w: part %d of %d has %d of %d bytes", errSize, d.part, d.parts, length, d.size)
	}
	if d.jpeg {
		return nil
	}
	t, err := numpy.Parse(d.dtype)
	if err != nil {
		return fmt.Errorf("%w: %w", errHeader, err)
	}
	if err := t.Check(d.shape, int(d.size-d.messageSize)); err != nil {
		return fmt.Errorf("%w: %w", errSize, err)
	}
	return nil
}

// same reports whether two parts describe the same frame.
func (d *description) same(o *description) bool {
	return d.jpeg == o.jpeg && d.dtype == o.dtype && d.colorspace == o.colorspace && d.seq == o.seq && d.epoch == o.epoch && d.sender == o.sender &&
		d.time.Equal(o.time) && d.size == o.size && d.parts == o.parts && d.messageSize == o.messageSize && d.msgpack == o.msgpack &&
		formatShape(d.shape) == formatShape(o.shape)
}

// frame returns the frame of a whole payload. It copies the payload. limit is
// that of a decoded JPEG.
func (d *description) frame(payload []byte, limit int64) (*netgear.Frame, error) {
	data, tail := payload[:d.size-d.messageSize], payload[d.size-d.messageSize:]
	m, err := d.decodeMessage(tail)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHeader, err)
	}
	var f *netgear.Frame
	if d.jpeg {
		f, err = netgear.NewJPEGFrame(data, m)
	} else {
		f, err = netgear.NewFrame(netgear.Array{DType: d.dtype, Shape: d.shape, Data: data}, m)
	}
	if err != nil {
		return nil, err
	}
	full := f.FullShape()
	if d.jpeg && int64(full[0])*int64(full[1])*3 > limit {
		f.Close()
		return nil, fmt.Errorf("%w: the JPEG has the shape %v, the limit is %d bytes", ErrTooLarge, full, limit)
	}
	if d.jpeg && len(d.shape) >= 2 && (full[0] != d.shape[0] || full[1] != d.shape[1]) {
		f.Close()
		return nil, fmt.Errorf("%w: the JPEG has the shape %v, the header %v", errSize, full, d.shape)
	}
	f.Stamp = &netgear.Stamp{Seq: d.seq, Time: d.time, Sender: d.sender}
	return f, nil
}

func (d *description) decodeMessage(tail []byte) (netgear.Message, error) {
	switch {
	case d.msgpack && len(tail) > 0:
		return netgear.MessageFromMsgpack(tail)
	case len(tail) > 0:
		return netgear.MessageFromJSON(tail)
	case d.message != "":
		return netgear.MessageFromJSON([]byte(d.message))
	}
	return netgear.Message{}, nil
}

// fields reads headers, and keeps the first error.
type fields struct {
	h   nats.Header
	err error
}

func (p *fields) fail(name, value string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s is %.40q", errHeader, name, value)
	}
}

// number returns a number that must be present.
func (p *fields) number(name string, largest uint64) uint64 {
	n, err := strconv.ParseUint(p.h.Get(name), 10, 64)
	if err != nil || n > largest {
		p.fail(name, p.h.Get(name))
		return 0
	}
	return n
}

// optional returns a number, or its default if the header is missing.
func (p *fields) optional(name string, missing, largest uint64) uint64 {
	if p.h.Get(name) == "" {
		return missing
	}
	return p.number(name, largest)
}

// shape returns the shape. A JPEG may lack one.
func (p *fields) shape() []int {
	text := p.h.Get(hdrShape)
	if text == "" {
		return nil
	}
	if strings.Count(text, ",") >= numpy.MaxDims {
		p.fail(hdrShape, text)
		return nil
	}
	var shape []int
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 0 {
			p.fail(hdrShape, text)
			return nil
		}
		shape = append(shape, n)
	}
	return shape
}

func formatShape(shape []int) string {
	b := make([]byte, 0, 16)
	for i, n := range shape {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}
