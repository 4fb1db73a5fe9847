package netgear

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// outgoing is a frame that is ready to be sent.
type outgoing struct {
	part
	coding coding
	text   Message
	number uint64 // of its stamp; 0 if it has none
	pooled bool   // it refers to no memory of the application's that the library owns
}

// footprint returns the memory of the frame while it waits, as much as it would
// take at a receive end.
func (o *outgoing) footprint() int64 {
	return int64(o.size() + len(o.text.raw) + frameOverhead)
}

// prepare encodes a frame for sending. The end of ctx, or Close, interrupts a
// long encoding.
func (s *sendEnd) prepare(ctx context.Context, p *payload, message any) (outgoing, error) {
	prepared := false
	defer func(seq uint64) {
		if !prepared { // also if a method of the application's panics
			s.seq = seq // a frame that is not sent is not missing at the receive end
		}
	}(s.seq)
	closed := s.drainCtx.Done()
	if s.opts.SendLatest {
		closed = s.ctx.Done() // the frame that waits is still sent
	}
	s.enc.Stop = turbojpeg.Stop{ctx.Done(), closed}
	if err := s.mend(p, s.enc); err != nil {
		return outgoing{}, s.stopped(ctx, err)
	}
	text, number, err := s.encodeMessage(message)
	if err != nil {
		return outgoing{}, err
	}
	if err := s.adapt.apply(p); err != nil {
		return outgoing{}, err
	}
	pooled := p.done == nil
	part, err := s.toPart(p)
	err = s.stopped(ctx, err)
	prepared = err == nil
	return outgoing{part: part, coding: p.coding, text: text, number: number, pooled: pooled}, err
}

// stopped returns the reason why encoding ended early, or err.
func (s *sendEnd) stopped(ctx context.Context, err error) error {
	if errors.Is(err, turbojpeg.ErrStopped) {
		return s.refuses(ctx)
	}
	return err
}

// encodeMessage returns the message as the wire has it. If the options request
// a stamp it has one, and number is that of the frame.
func (s *sendEnd) encodeMessage(v any) (text Message, number uint64, err error) {
	c, ok := v.(StampedMessage)
	if !s.opts.Stamp {
		if ok {
			v = c.Message
		}
		text, err = s.wire.encodeMessage(v)
		return text, 0, err
	}
	if !ok {
		c = StampedMessage{At: time.Now(), Message: v}
	}
	if err := c.checkStamp(); err != nil {
		return Message{}, 0, err
	}
	if c.Seq == 0 {
		s.seq++
		c.Seq = s.seq
	}
	if c.Sender == 0 && !c.unnamed {
		c.Sender = s.sender
	}
	text, err = s.wire.encodeMessage(stamped(c))
	return text, c.Seq, err
}

func (p *part) size() int {
	if p.buf != nil {
		return len(p.buf.Bytes())
	}
	return len(p.external)
}

// release releases owned memory that has not become part of a part.
func (p *payload) release() {
	p.pooled.Release()
	if done := p.done; done != nil {
		p.done = nil // before the call, which may panic
		done()
	}
}

// toPart returns the part of a payload. The part refers to the caller's memory
// if the pattern has answers, because an answer shows that the frame was read.
// Otherwise it does so only if the library owns the memory, until it is
// released. The caller does not wait for the answer to a frame that is sent
// ahead, so that is copied.
func (s *sendEnd) toPart(p *payload) (part, error) {
	if p.pooled != nil && s.opts.Wire != AsyncWire { // where a part begins with a map
		own := part{buf: p.pooled}
		p.pooled = nil
		return own, nil
	}
	if p.done == nil || p.encode || s.opts.Wire == AsyncWire {
		began := time.Now()
		part, err := s.makePart(p, s.enc, s.spec.answers && (s.queue == nil || s.opts.SendLatest))
		if p.encode && err == nil {
			s.counters.encode.since(began)
		}
		released := false
		defer func() {
			if !released { // the release function panics
				part.release()
			}
		}()
		p.release() // it has been encoded
		released = true
		return part, err
	}
	if s.spec.answers {
		own := part{external: p.data(), done: p.done}
		p.done = nil
		return own, nil
	}
	buf, err := s.buffers.Wrap(p.data(), p.done)
	if err == nil {
		p.done = nil
	}
	return part{buf: buf}, err
}

// payload is what a send call is given as part 2, still in the caller's memory.
type payload struct {
	array  Array
	pooled *zmsg.Buffer // has the elements of array; nil if they are the caller's
	// For what is encoded: the picture, instead of the array. The colorspace
	// into which the receiver decodes is in coding.
	encode  bool
	picture turbojpeg.Picture
	quality int    // instead of the options'; 0 for theirs
	ready   []byte // a finished JPEG
	check   bool   // check it before it is sent; see mend
	info    turbojpeg.Info
	frame   *frameMemory // of a finished JPEG that is a frame's
	coding  coding
	// done releases owned memory exactly once; nil if the caller keeps it.
	done func()
}

// data returns the bytes of a payload that is not encoded.
func (p *payload) data() []byte {
	if p.ready != nil {
		return p.ready
	}
	return p.array.Data
}

// share makes the payload an owner of the frame's memory, to which it refers.
// Pixels that the application has a view of, and may change, are copied
// instead.
func (p *payload) share(f *Frame) {
	if len(p.data()) == 0 || p.ready == nil && f.exposed.Load() {
		return
	}
	f.frames.Add(1)
	p.done = f.frameMemory.release
}

// arrayPayload selects, from the options, whether an array is sent as JPEG.
func (n *settings) arrayPayload(a Array) (payload, error) {
	if len(a.Data) == 0 {
		return payload{}, fmt.Errorf("%w: it is empty (did the capture fail?)", ErrFrame)
	}
	d, spelled, err := spell(n.wire, &a)
	if err != nil {
		return payload{}, err
	}
	p := payload{array: a, coding: coding{dtype: spelled, shape: a.Shape}}
	cs, ok := n.jpegOf(d, a.Shape)
	if ok {
		p.asJPEG(n, turbojpeg.Pixels(a.Data, a.Shape[1], a.Shape[0], a.Shape[1]*cs.Channels(), cs), cs)
	}
	return p, nil
}

// asJPEG makes a picture the payload, which the receiver decodes into a
// colorspace.
func (p *payload) asJPEG(n *settings, picture turbojpeg.Picture, decoded turbojpeg.Colorspace) {
	p.encode, p.picture = true, picture
	p.coding = n.jpegCoding(decoded)
}

func (n *settings) jpegCoding(cs turbojpeg.Colorspace) coding {
	return coding{jpeg: true, fastDCT: n.fastDCT, fastUpsample: n.opts.JPEGCompressionFastUpsample, colorspace: cs}
}

// jpegOf returns the colorspace in which an array is sent as JPEG, and whether
// it is.
func (n *settings) jpegOf(d numpy.DType, shape []int) (turbojpeg.Colorspace, bool) {
	if !n.jpeg || d.Name != "uint8" || len(shape) < 2 || len(shape) > 3 ||
		shape[0] > turbojpeg.MaxDimension || shape[1] > turbojpeg.MaxDimension {
		return 0, false
	}
	if len(shape) == 2 {
		return turbojpeg.GRAY, true
	}
	// A GRAY JPEG is decoded as [rows, columns], so for a shape with a channel
	// dimension of 1 only the option may select it.
	if shape[2] == n.colorspace.Channels() {
		return n.colorspace, true
	}
	return 0, false
}

// frameError returns an error of package numpy as an ErrFrame, and nil as nil.
func frameError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrFrame, err)
}

// spell checks an array to send, and returns the wire's spelling of its dtype.
func spell(w wire, a *Array) (d numpy.DType, spelled string, err error) {
	if d, err = numpy.ParseSendable(a.DType); err != nil {
		return d, "", frameError(err)
	}
	if len(a.Shape) > numpy.MaxDims {
		return d, "", fmt.Errorf("%w: %d dimensions, numpy has at most %d", ErrFrame, len(a.Shape), numpy.MaxDims)
	}
	if err := d.Check(a.Shape, len(a.Data)); err != nil {
		if d.Name != a.DType {
			err = fmt.Errorf("%w (to numpy %q is %s)", err, a.DType, d.Name)
		}
		return d, "", frameError(err)
	}
	spelled, err = w.dtype(d.Spelling())
	return d, spelled, err
}

// framePayload returns the payload of a frame: its JPEG as received, or its
// array. Only a wire without JPEG requires that it is decoded.
func (n *settings) framePayload(f *Frame, stop turbojpeg.Stop) (payload, error) {
	if err := f.usable(); err != nil {
		return payload{}, err
	}
	if f.coding.jpeg && n.opts.Wire.compresses() {
		m := f.original()
		if _, _, _, bad := m.outcome(); bad != nil {
			return payload{}, asFrameError(bad)
		}
		return payload{ready: m.raw(), check: n.needsCheck(m), info: m.info, frame: m, coding: m.coding}, nil
	}
	pixels, err := f.decodeOnUse(stop)
	if err != nil {
		return payload{}, err
	}
	a := Array{DType: f.DType(), Shape: f.Shape(), Data: pixels} // not Array, which hands the memory out
	_, spelled, err := spell(n.wire, &a)
	return payload{array: a, coding: coding{dtype: spelled, shape: f.shape}}, err
}

// jpegPayload returns the payload of a JPEG of the caller.
func (n *settings) jpegPayload(jpeg []byte) (payload, error) {
	if !n.opts.Wire.compresses() {
		return payload{}, fmt.Errorf("%w: %v carries no JPEG; send the decoded pixels", ErrFrame, n.opts.Wire)
	}
	jpeg = turbojpeg.Trim(jpeg)
	info, err := turbojpeg.ReadInfo(jpeg)
	if err != nil {
		return payload{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	cs := n.colorspace
	if cs == turbojpeg.CMYK && !info.CMYK() {
		cs = turbojpeg.BGR // only a CMYK JPEG can be decoded to CMYK
	}
	return payload{ready: jpeg, check: true, info: info, coding: n.jpegCoding(cs)}, nil
}

// part is part 2, ready to be sent: pooled memory to which libzmq holds a
// reference, or external memory.
type part struct {
	buf      *zmsg.Buffer
	external []byte
	done     func() // releases external memory that the library owns
}

func (p *part) release() {
	p.buf.Release()
	if done := p.done; done != nil {
		p.done = nil
		done()
	}
}

// makePart turns a payload into a part. It encodes the payload if required.
// Otherwise the part refers to the caller's memory if external is set and that
// is possible, or else to a copy.
func (n *settings) makePart(p *payload, enc *turbojpeg.Encoder, external bool) (part, error) {
	switch {
	case p.encode:
		buf, err := n.encodeJPEG(p, enc)
		return part{buf: buf}, err
	case p.ready != nil:
		return newPart(nil, p.ready, external)
	}
	return newPart(n.wire.appendArrayHead(nil, p.coding, len(p.array.Data)), p.array.Data, external)
}

// newPart returns a part of the bytes b after head, which may be empty. A part
// is one piece of memory: with a head it must be a copy.
func newPart(head, b []byte, external bool) (part, error) {
	if external && len(head) == 0 {
		return part{external: b}, nil
	}
	buf, err := zmsg.NewBuffer(len(head) + len(b))
	if err != nil {
		return part{}, err
	}
	copy(buf.Bytes()[copy(buf.Bytes(), head):], b)
	return part{buf: buf}, nil
}

func (n *settings) encodeJPEG(p *payload, enc *turbojpeg.Encoder) (*zmsg.Buffer, error) {
	strips := n.strips(p.picture.Width, p.picture.Height, cores())
	room := enc.PictureBound(p.picture, strips)
	for {
		buf, err := zmsg.NewBuffer(room)
		if err != nil {
			return nil, err
		}
		size, err := enc.EncodePicture(buf.Bytes(), p.picture,
			turbojpeg.EncodeOptions{Quality: cmp.Or(p.quality, n.opts.JPEGCompressionQuality), FastDCT: n.fastDCT}, strips)
		if err == nil {
			buf.Truncate(size)
			return buf, nil
		}
		buf.Release()
		if !errors.Is(err, turbojpeg.ErrTooSmall) || room > 1<<30 {
			return nil, fmt.Errorf("%w: %w", ErrFrame, err)
		}
		room *= 2
	}
}

// strips returns the number of strips in which a frame's JPEG is encoded, or
// may be decoded, on the given number of idle cores. It is two for each core,
// so that a core which has an easy strip takes another.
func (n *settings) strips(width, height, cores int) int {
	switch {
	case n.opts.JPEGStrips > 0:
		return n.opts.JPEGStrips
	case cores == 1:
		return 1
	}
	return turbojpeg.Strips(width, height, 2*cores)
}

// cores returns how many cores Go may use.
func cores() int { return runtime.GOMAXPROCS(0) }

// rawPort returns a port as VidGear writes it into a header: the text of the
// option.
func rawPort(port string) pyjson.Raw {
	raw, _ := pyjson.Encode(port) // texts always encode
	return raw
}
