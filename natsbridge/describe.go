package natsbridge

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear"
)

// outgoing is a frame on its way into NATS.
type outgoing struct {
	description
	camera string
	frame  *netgear.Frame // the job's own
	data   []byte         // the JPEG or the elements: the frame's memory
	tail   []byte         // the message, if it follows them

	order    uint64 // counts the camera's frames
	accepted time.Time
}

// newOutgoing describes a frame, and retains its memory. It copies nothing.
func newOutgoing(camera string, f *netgear.Frame) (*outgoing, error) {
	own := f.Retain()
	if own == nil {
		return nil, fmt.Errorf("natsbridge: %w: it is nil, closed or zero", netgear.ErrFrame)
	}
	j := &outgoing{camera: camera, frame: own}
	if err := j.describe(); err != nil {
		own.Close()
		return nil, fmt.Errorf("natsbridge: %w", err)
	}
	return j, nil
}

func (j *outgoing) describe() (err error) {
	f := j.frame
	if j.data = f.JPEG(); j.data != nil {
		j.jpeg, j.colorspace, j.dtype, j.shape = true, f.Colorspace(), "uint8", f.FullShape()
	} else {
		if j.data, err = f.Bytes(); err != nil {
			return err
		}
		j.dtype, j.shape = f.DType(), f.Shape()
	}
	if len(j.data) == 0 {
		return fmt.Errorf("%w: it is empty", netgear.ErrFrame)
	}
	if err := j.describeMessage(f.Message); err != nil {
		return err
	}
	j.size = int64(len(j.data)) + j.messageSize
	return nil
}

// describeMessage puts the message into a header, or behind the picture.
func (j *outgoing) describeMessage(m netgear.Message) error {
	if m.IsNone() {
		return nil
	}
	if j.tail = m.Msgpack(); j.tail != nil {
		j.msgpack, j.messageSize = true, int64(len(j.tail))
		return nil
	}
	text, err := m.MarshalJSON()
	if err != nil {
		return err
	}
	if fitsHeader(text) {
		j.message = string(text)
	} else {
		j.tail, j.messageSize = text, int64(len(text))
	}
	return nil
}

// fitsHeader reports whether a header can have the text as its value.
func fitsHeader(text []byte) bool {
	return len(text) <= maxHeaderMessage && text[0] > ' ' && text[len(text)-1] > ' ' &&
		!slices.ContainsFunc(text, func(c byte) bool { return c < ' ' || c > '~' })
}

// id identifies the frame to the stream, so that it is stored once. It is the
// same for every Publisher that publishes a stamped frame.
func (j *outgoing) id(subject string) string {
	id := subject + "." + j.camera + ":" + strconv.FormatUint(j.seq, 10) + ":" + strconv.FormatInt(j.time.UnixNano(), 10)
	if j.sender != 0 { // senders of one camera may have the same numbers at the same time
		id += ":" + strconv.FormatUint(j.sender, 10)
	}
	return id
}

// batchHeaders is more than the bytes of the headers that are added for a batch.
const batchHeaders = 256

// messages returns the messages of the frame, the last part on the camera's own
// subject. Their payload is the frame's memory. partBytes is the largest payload,
// and whole the largest message with its headers.
func (j *outgoing) messages(subject string, partBytes int, whole int64) ([]*nats.Msg, error) {
	head := subject + "." + j.camera
	j.parts = maxParts // as long as any number of parts
	room := whole - headerSize(j.headers()) - int64(len(j.message)+len(j.id(subject))) - batchHeaders
	if partBytes > 0 {
		room = min(room, int64(partBytes))
	}
	parts := int64(0)
	if room > 0 {
		parts = (j.size + room - 1) / room
	}
	if parts < 1 || parts > maxParts {
		return nil, fmt.Errorf("%w: %d bytes in messages of %d bytes, at most %d of them", ErrTooLarge, j.size, room, maxParts)
	}
	j.parts = int(parts)
	common := j.headers()
	all := make([]*nats.Msg, parts)
	for i := range all {
		h := common
		if parts > 1 {
			h = nats.Header{}
			maps.Copy(h, common)
			h[hdrPart] = []string{strconv.Itoa(i + 1)}
		}
		if i == len(all)-1 && j.message != "" {
			h[hdrMessage] = []string{j.message}
		}
		from := int64(i) * room
		all[i] = &nats.Msg{Subject: partSubject(head, i+1, j.parts), Header: h, Data: j.slice(from, min(from+room, j.size))}
	}
	return all, nil
}

// slice returns a section of the picture with the message behind it. It copies
// only if both are in the section.
func (j *outgoing) slice(from, to int64) []byte {
	n := int64(len(j.data))
	switch {
	case to <= n:
		return j.data[from:to]
	case from >= n:
		return j.tail[from-n : to-n]
	}
	return slices.Concat(j.data[from:], j.tail[:to-n])
}

// headerSize returns the bytes of headers in a message.
func headerSize(h nats.Header) int64 {
	n := len("NATS/1.0\r\n\r\n")
	for name, values := range h {
		n += len(name) + len(strings.Join(values, "")) + len(": \r\n")
	}
	return int64(n)
}

func (j *outgoing) close() { j.frame.Close() }
