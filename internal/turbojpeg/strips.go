package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"slices"
)

// A JPEG in strips can be encoded and decoded on several cores at once: restart
// markers divide its scan (T.81, B.2.1 and F.1.1.5), and no strip depends on
// another. The pixels do not either, unless a reader interpolates subsampled
// colors between rows (target.context). So they are the same, bit for bit, as
// those of the JPEG in one piece.

// MaxStrips is the largest number of strips for encoding and decoding.
const MaxStrips = 8

// stripPixels is how many pixels a strip should have at least. Measured on two
// cores, two strips of 640x480 take a bit more than half of the time of one
// piece. At 320x240 they take two thirds on idle cores, which saves 0.04 ms,
// and more than one piece on busy ones.
const stripPixels = 100_000

// Strips returns the best number of strips for a picture of this size on so
// many idle cores.
func Strips(width, height, cores int) int {
	pay := int64(width) * int64(height) / stripPixels
	return int(max(1, min(int64(cores), pay, MaxStrips)))
}

// The markers that matter here (T.81, table B.1).
const (
	mTEM   = 0x01 // in no JPEG of this kind
	mSOF0  = 0xC0 // baseline
	mSOF1  = 0xC1 // extended sequential
	mDHT   = 0xC4
	mRST0  = 0xD0 // to RST7
	mSOI   = 0xD8
	mEOI   = 0xD9
	mSOS   = 0xDA
	mDQT   = 0xDB
	mDRI   = 0xDD
	mAPP0  = 0xE0
	mAPP15 = 0xEF
	mCOM   = 0xFE
)

const maxHeader = 1 << 16 // a longer header is not worth a copy for each strip

var eoi = []byte{0xFF, mEOI}

// outline holds the offsets in a JPEG of what splitting and joining change.
type outline struct {
	width, height int
	components    int
	rowUnits      int // MCUs in a row of them
	unitRows      int // rows of pixels in an MCU
	interval      int // MCUs between restart markers; 0: there are none
	heightAt      int // offset of SOF's height
	sosAt         int // offset of the SOS segment
	scanAt        int // offset of the first byte of the scan
}

// readOutline reads the header of a sequential JPEG of one scan. ok is false
// for every other JPEG, and for unusual headers.
func readOutline(jpeg []byte) (o outline, ok bool) {
	if len(jpeg) < 2 || jpeg[0] != 0xFF || jpeg[1] != mSOI {
		return o, false
	}
	for at := 2; at+4 <= min(len(jpeg), maxHeader) && jpeg[at] == 0xFF; {
		marker, end := jpeg[at+1], at+2+int(binary.BigEndian.Uint16(jpeg[at+2:]))
		if end < at+4 || end > min(len(jpeg), maxHeader) {
			return o, false
		}
		body := jpeg[at+4 : end]
		switch {
		case marker == mSOS:
			o.sosAt, o.scanAt = at, end
			return o, o.components > 0 && len(body) > 0 && int(body[0]) == o.components
		case marker == mSOF0 || marker == mSOF1:
			o.heightAt = at + 5
			if !o.readFrame(body) {
				return o, false
			}
		case marker == mDRI && len(body) == 2:
			o.interval = int(binary.BigEndian.Uint16(body))
		case marker == mDHT || marker == mDQT || marker == mCOM || marker >= mAPP0 && marker <= mAPP15:
		default:
			return o, false
		}
		at = end
	}
	return o, false
}

// readFrame reads the body of SOF (T.81, B.2.2).
func (o *outline) readFrame(body []byte) bool {
	if o.components > 0 || len(body) < 6 || body[0] != 8 || len(body) != 6+3*int(body[5]) {
		return false
	}
	o.height, o.width, o.components = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:])), int(body[5])
	widest, highest := 1, 1
	for c := body[6:]; len(c) > 0; c = c[3:] {
		widest, highest = max(widest, int(c[1]>>4)), max(highest, int(c[1]&15))
	}
	if o.components == 1 {
		if highest > 1 {
			return false // libjpeg then reads several rows of MCUs at a time
		}
		widest = 1 // a scan of one component has MCUs of one block (T.81, A.2.2)
	}
	o.rowUnits, o.unitRows = ceilDiv(o.width, 8*widest), 8*highest
	return o.width > 0 && o.height > 0 && o.components > 0
}

// fits reports whether info is of a JPEG like this.
func (o *outline) fits(info Info) bool {
	return o.width == info.Width && o.height == info.Height && o.unitRows == 8*info.most()[1]
}

func ceilDiv(n, by int) int { return (n + by - 1) / by }

// setHeight changes the height in the header of jpeg.
func (o *outline) setHeight(jpeg []byte, height int) {
	binary.BigEndian.PutUint16(jpeg[o.heightAt:], uint16(height))
}

// cut is a picture's division into strips of equal height. The last may have
// fewer rows.
type cut struct {
	strips, rows int
	height       int
}

// begin returns the first row of strip i, which is the end of the one before.
func (c cut) begin(i int) int { return min(i*c.rows, c.height) }

// high returns the number of rows of strip i.
func (c cut) high(i int) int { return c.begin(i+1) - c.begin(i) }

// ---- encoding ----

// maxInterval is the largest number of MCUs between two restart markers: DRI
// has 16 bits for it.
const maxInterval = 1<<16 - 1

// cutFor divides a picture into about so many strips for encoding: fewer if it
// has too few rows of MCUs, more if a strip would have too many MCUs for DRI.
func cutFor(width, height int, mcu factors, strips int) cut {
	unitRows := 8 * mcu[1]
	rows := ceilDiv(height, unitRows)
	each := ceilDiv(rows, max(1, min(strips, MaxStrips)))
	if n := ceilDiv(rows, each); n > 1 {
		each = min(each, maxInterval/ceilDiv(width, 8*mcu[0]))
	}
	if ceilDiv(rows, each) > MaxStrips {
		each = rows
	}
	return cut{strips: ceilDiv(rows, each), rows: each * unitRows, height: height}
}

// driSize is how many bytes joining adds to the header: marker, length and
// interval.
const driSize = 6

// StripsBound returns the length in bytes of the dst that EncodeStrips
// requires; see Bound.
func (e *Encoder) StripsBound(width, height int, cs Colorspace, strips int) int {
	if !cs.valid() {
		return 0
	}
	return e.PictureBound(Picture{Width: width, Height: height, cs: cs, mcu: defaultMCU(cs)}, strips)
}

// PictureBound returns the length in bytes of the dst that EncodePicture
// requires; see Bound.
func (e *Encoder) PictureBound(p Picture, strips int) int {
	n := p.bound(p.Height)
	if n == 0 || strips <= 1 {
		return n
	}
	c := cutFor(p.Width, p.Height, p.mcu, strips)
	room := driSize
	for i := range c.strips {
		room += p.bound(c.high(i))
	}
	return max(n, room)
}

// EncodeStrips is EncodeInto on several cores: it encodes a JPEG of so many
// strips. The JPEG has the same pixels as in one piece and is some bytes
// longer. With one strip, or if the picture has too few rows for more, it is
// the JPEG of EncodeInto.
//
// dst must be at least StripsBound bytes long.
func (e *Encoder) EncodeStrips(dst, pix []byte, width, height, stride int, cs Colorspace, opts EncodeOptions, strips int) (int, error) {
	return e.EncodePicture(dst, Pixels(pix, width, height, stride, cs), opts, strips)
}

// EncodePicture is EncodeStrips for any picture. dst must be at least
// PictureBound bytes long.
func (e *Encoder) EncodePicture(dst []byte, p Picture, opts EncodeOptions, strips int) (int, error) {
	if e.batch.c == nil {
		return 0, ErrClosed
	}
	if err := checkEncode(dst, p, opts); err != nil {
		return 0, err
	}
	c := cutFor(p.Width, p.Height, p.mcu, strips)
	if c.strips == 1 || !e.ensureHandles(c.strips) {
		return e.encode(dst, p, opts)
	}
	room := e.PictureBound(p, strips)
	if len(dst) < room {
		return 0, fmt.Errorf("%w: %d bytes of room, %d strips of %v may take %d", ErrTooSmall, len(dst), c.strips, p, room)
	}
	// Each strip is encoded into its own part of dst, so no other memory is
	// needed.
	var parts [MaxStrips][]byte
	spare := (len(dst) - room) / c.strips
	for i, at := 0, driSize; i < c.strips; i++ {
		n := p.bound(c.high(i)) + spare
		parts[i] = dst[at : at+n]
		at += n
		e.prepare(i, parts[i], p, span{c.begin(i), c.begin(i + 1)}, opts)
	}
	e.batch.run(c.strips, p.Width*p.Height, &e.Stop)
	for i := range c.strips {
		size, err := e.result(i, p)
		if err != nil {
			return 0, err
		}
		parts[i] = parts[i][:size]
	}
	if n, ok := join(dst, parts[:c.strips], c); ok {
		return n, nil
	}
	return e.encode(dst, p, opts)
}

// join joins strips that are in dst to one JPEG at its start. The first strip
// is driSize bytes from the start. ok is false if their headers differ in more
// than the height, as they do if TJ_OPTIMIZE makes TurboJPEG compute Huffman
// tables.
func join(dst []byte, parts [][]byte, c cut) (n int, ok bool) {
	first := parts[0]
	o, ok := readOutline(first)
	if !ok || o.interval != 0 {
		return 0, false
	}
	head := first[:o.scanAt]
	o.setHeight(head, c.height)
	for _, part := range parts {
		if len(part) < len(head)+len(eoi) || !bytes.HasSuffix(part, eoi) {
			return 0, false
		}
		o.setHeight(part, c.height)
		if !bytes.Equal(part[:len(head)], head) {
			return 0, false
		}
	}
	// DRI is inserted before SOS, where libjpeg writes it. The bytes before it
	// move to the start, the others stay.
	copy(dst, first[:o.sosAt])
	dri := append(dst[:o.sosAt], 0xFF, mDRI, 0, driSize-2)
	binary.BigEndian.AppendUint16(dri, uint16(o.rowUnits*c.rows/o.unitRows))
	n = driSize + len(first) - len(eoi)
	for i, part := range parts[1:] {
		dst[n], dst[n+1] = 0xFF, byte(mRST0+i%8)
		n += 2
		n += copy(dst[n:], part[len(head):len(part)-len(eoi)])
	}
	n += copy(dst[n:], eoi)
	return n, true
}

// ---- decoding ----

// readStrips decodes a JPEG in up to so many strips, which it finds by the
// restart markers. It returns false if there are none, or if a strip brings a
// warning. Then the caller must decode the JPEG in one piece, whose result
// counts.
//
// In one piece libjpeg counts the extra bytes of an interval when it reads the
// next one. So a strip has one more row of MCUs, whose first MCU begins with a
// marker that libjpeg does not expect. There it counts these bytes, and
// close_strip in reader.c ends the reading.
func (d *Decoder) readStrips(o *outline, jpeg []byte, info Info, opts DecodeOptions, strips int, to target) bool {
	c, starts, ok := o.split(jpeg, min(strips, MaxStrips))
	if !ok {
		return false
	}
	all, columns, reduce := to.rows(info, opts), opts.columns(info), opts.reduce()
	for i := range c.strips {
		last := i == c.strips-1
		part := info
		part.Height = c.high(i)
		if !last {
			part.Height += o.unitRows
		}
		// A strip has whole rows of MCUs, so its rows can be divided.
		begin := c.begin(i) / reduce
		rows := all.and(span{begin, ceilDiv(c.begin(i+1), reduce)})
		if rows.to <= rows.from {
			return false
		}
		d.strips[i] = o.strip(d.strips[i], jpeg, starts[i], starts[i+1], part.Height, last)
		j := d.prepare(i, d.strips[i], part, opts, columns)
		to.set(d.batch, j, span{rows.from - begin, rows.to - begin}, rows.from-all.from)
		j.strip = C.STRIP_MORE
		if last {
			j.strip = C.STRIP_LAST
		}
	}
	d.batch.run(c.strips, info.Width*info.Height, &d.Stop)
	for i := range c.strips {
		if d.batch.c.jobs[i].result != C.BRIDGE_OK {
			return false
		}
	}
	return true
}

// narrow returns a JPEG of those rows of MCUs that a region needs, if they are
// between restart markers. Otherwise it returns the arguments.
func (d *Decoder) narrow(o *outline, jpeg []byte, info Info, opts DecodeOptions, to target) ([]byte, Info, DecodeOptions) {
	high := o.stepRows()
	if high == 0 {
		return jpeg, info, opts
	}
	r := opts.Region.Intersect(image.Rect(0, 0, info.Width, info.Height))
	first, end := r.Min.Y/high, ceilDiv(r.Max.Y, high)
	if to.context(info, opts) {
		first, end = max(0, first-1), min(end+1, ceilDiv(o.height, high))
	}
	if first == 0 && end == ceilDiv(o.height, high) {
		return jpeg, info, opts
	}
	starts, ok := o.find(jpeg, first, end, end-first)
	if !ok {
		return jpeg, info, opts
	}
	part := span{first * high, min(end*high, o.height)}
	d.part = o.strip(d.part, jpeg, starts[0], starts[1], part.to-part.from, true)
	o.height = part.to - part.from
	info.Height = o.height
	opts.Region = r.Sub(image.Pt(0, part.from))
	return d.part, info, opts
}

// stepRows returns the rows of pixels between the restart markers that are at
// the ends of rows of MCUs, or 0.
func (o *outline) stepRows() int {
	switch {
	case o.interval == 0:
		return 0
	case o.interval%o.rowUnits == 0:
		return o.interval / o.rowUnits * o.unitRows
	case o.rowUnits%o.interval == 0:
		return o.unitRows
	}
	return 0
}

// split divides the restart intervals of a scan among so many strips. starts
// are the offsets of their scans, followed by that of EOI. ok is false if there
// is only one strip, or if a marker is not where it should be.
func (o *outline) split(jpeg []byte, strips int) (c cut, starts [MaxStrips + 1]int, ok bool) {
	high := o.stepRows()
	if high == 0 || o.height <= high {
		return c, starts, false
	}
	steps := ceilDiv(o.height, high)
	each := ceilDiv(steps, strips)
	c = cut{strips: ceilDiv(steps, each), rows: high * each, height: o.height}
	starts, ok = o.find(jpeg, 0, steps, each)
	return c, starts, ok
}

// find returns the offsets of the scan's data at so many steps from first to
// end, see stepRows. The last is behind the data of the last step. ok is false
// if a marker is not where it should be.
func (o *outline) find(jpeg []byte, first, end, each int) (starts [MaxStrips + 1]int, ok bool) {
	perStep := max(1, o.rowUnits/o.interval)
	last := ceilDiv(o.height, o.stepRows())*perStep - 1 // the interval before EOI
	at, n := o.scanAt, 0
	for i := range end * perStep {
		if i >= first*perStep && (i-first*perStep)%(each*perStep) == 0 {
			starts[n] = at
			n++
		}
		at = nextMarker(jpeg, at)
		want := byte(mRST0 + i%8)
		if i == last {
			want = mEOI
		}
		if at < 0 || jpeg[at+1] != want {
			return starts, false
		}
		at += 2
	}
	starts[n] = at - 2
	return starts, true
}

// nextMarker returns the offset of the first marker in a scan at or after an
// offset, or -1.
func nextMarker(jpeg []byte, at int) int {
	for at < len(jpeg) {
		i := bytes.IndexByte(jpeg[at:], 0xFF)
		if i < 0 || at+i+1 == len(jpeg) {
			return -1
		}
		if at += i; jpeg[at+1] != 0 {
			return at
		}
		at += 2 // an FF of the scan's data, which 00 marks as such
	}
	return -1
}

// strip writes a JPEG of one strip into buf's memory: the header with the
// strip's height, the part of the scan with its restart markers renumbered, and
// EOI. If another strip follows, the part ends with the marker after it, which
// is replaced by one that libjpeg does not expect; see readStrips.
func (o *outline) strip(buf, jpeg []byte, from, to, height int, last bool) []byte {
	buf = slices.Grow(buf[:0], o.scanAt+to-from+len(eoi))
	buf = append(buf, jpeg[:o.scanAt]...)
	buf = append(buf, jpeg[from:to]...)
	for i, at := 0, nextMarker(buf, o.scanAt); at >= 0; i, at = i+1, nextMarker(buf, at+2) {
		buf[at+1] = byte(mRST0 + i%8)
	}
	if !last {
		buf[len(buf)-1] = mTEM
	}
	o.setHeight(buf, height)
	return append(buf, eoi...)
}
