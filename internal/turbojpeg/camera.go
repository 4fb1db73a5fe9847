package turbojpeg

/*
#cgo CFLAGS: -O2
#cgo noescape scan_run
#cgo nocallback scan_run
#cgo noescape scan_build
#cgo nocallback scan_build
#include "scan.h"
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"unsafe"
)

// This file has what the JPEGs of cameras need: bytes before the picture are
// left out, an end is added, and all is checked at less cost than by libjpeg.

// Trim returns a JPEG without the bytes before it, which some cameras send.
// libjpeg reads only from SOI on. It copies nothing, and returns what has no
// SOI as it is.
func Trim(jpeg []byte) []byte {
	soi := []byte{0xFF, mSOI}
	if bytes.HasPrefix(jpeg, soi) {
		return jpeg
	}
	if at := bytes.Index(jpeg, append(soi, 0xFF)); at > 0 {
		return jpeg[at:]
	}
	return jpeg
}

// scanner reads the Huffman codes of JPEGs. A camera's JPEGs have the same
// tables, so it keeps what it computed from them.
type scanner struct {
	c     C.scan_state
	built [2][2]tables // what c's pairs were computed from
}

// tables is the content of one Huffman table: 16 counts, and the values.
type tables []byte

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// scanUnits is how many MCUs are read before Stop is looked at.
const scanUnits = 1 << 16

// verdict is what tidy found out about a JPEG.
type verdict int

const (
	unknown  verdict = iota // nothing
	sound                   // libjpeg reads it without a warning
	endless                 // only EOI is missing
	overlong                // bytes before EOI are too many; libjpeg warns if they are more than some
)

// tidy reads the codes of a JPEG without libjpeg. It returns the JPEG that
// libjpeg reads without a warning: jpeg itself, or one with the same codes and
// nothing but EOI behind them. It reads only sequential JPEGs of one scan whose
// codes, restart markers and segments are all as T.81 defines them. Every other
// one is unknown.
func tidy(jpeg []byte, stop *Stop) ([]byte, verdict) {
	s := scanners.Get().(*scanner)
	defer scanners.Put(s)
	if !s.open(jpeg) {
		return nil, unknown
	}
	result := C.int(C.SCAN_MORE)
	for result == C.SCAN_MORE && !stop.now() {
		result = C.scan_run(&s.c, (*C.uchar)(unsafe.SliceData(jpeg)), C.ulong(len(jpeg)), scanUnits)
	}
	if result != C.SCAN_DONE {
		return nil, unknown
	}
	end := int(s.c.at)
	if bytes.HasPrefix(jpeg[end:], eoi) {
		return jpeg, sound
	}
	switch at := nextMarker(jpeg, end); {
	case at < 0:
		return slices.Concat(jpeg[:end], eoi), endless
	case jpeg[at+1] == mEOI:
		return slices.Concat(jpeg[:end], eoi), overlong
	}
	return nil, unknown
}

// open reads a JPEG's header. It returns false for every JPEG that is unusual.
// ReadInfo must have accepted the JPEG.
func (s *scanner) open(jpeg []byte) bool {
	h, ok := readHeader(jpeg)
	if !ok || !s.setBlocks(h) {
		return false
	}
	for i, pair := range h.tables {
		for j := range pair {
			if pair[j] == nil {
				pair[j] = standardTables[i][j]
			}
		}
		if !s.build(i, pair) {
			return false
		}
	}
	s.c.units, s.c.interval, s.c.until = C.int64_t(h.units()), C.int(h.interval), C.int(h.interval)
	s.c.at = C.ulong(h.scanAt)
	s.c.buf, s.c.left, s.c.restarts = 0, 0, 0
	return true
}

// setBlocks lists the blocks of an MCU.
func (s *scanner) setBlocks(h scanHeader) bool {
	n := 0
	for _, c := range h.components {
		for range c.across * c.down {
			if n == C.SCAN_BLOCKS {
				return false
			}
			s.c.pair[n] = C.uint8_t(c.tables)
			n++
		}
	}
	s.c.blocks = C.int(n)
	return n > 0
}

// build computes pair i, unless it already is what the tables bring.
func (s *scanner) build(i int, pair [2]tables) bool {
	if bytes.Equal(pair[0], s.built[i][0]) && bytes.Equal(pair[1], s.built[i][1]) {
		return true
	}
	s.built[i] = [2]tables{}
	setCodes(&s.c.pairs[i].dc, pair[0])
	setCodes(&s.c.pairs[i].ac, pair[1])
	if C.scan_build(&s.c.pairs[i]) == 0 {
		return false
	}
	s.built[i] = [2]tables{bytes.Clone(pair[0]), bytes.Clone(pair[1])}
	return true
}

func setCodes(c *C.scan_codes, t tables) {
	for i, n := range t[:16] {
		c.counts[i+1] = C.uint8_t(n)
	}
	clear(c.values[:])
	for i, v := range t[16:] {
		c.values[i] = C.uint8_t(v)
	}
}

// scanHeader is the header of a sequential JPEG of one scan.
type scanHeader struct {
	width, height int
	components    []scanComponent
	interval      int
	tables        [2][2]tables // pairs of DC and AC; nil: not in the header
	quantizers    byte         // a bit for each quantization table
	scanAt        int          // offset of the scan's data
}

type scanComponent struct {
	id           byte
	across, down int
	quantizer    byte
	tables       byte // the number of both its tables
}

// units returns how many MCUs the scan has.
func (h *scanHeader) units() int {
	across, down := 1, 1
	for _, c := range h.components {
		across, down = max(across, c.across), max(down, c.down)
	}
	return ceilDiv(h.width, 8*across) * ceilDiv(h.height, 8*down)
}

// maxTidySegments is more segments than a camera writes.
const maxTidySegments = 64

// readHeader reads a header strictly: every segment follows the last, and none
// can bring a warning. ok is false for every other header, and for other kinds
// of JPEGs.
func readHeader(jpeg []byte) (h scanHeader, ok bool) {
	if !bytes.HasPrefix(jpeg, []byte{0xFF, mSOI}) {
		return h, false
	}
	at := 2
	for range maxTidySegments {
		if at+4 > len(jpeg) || jpeg[at] != 0xFF {
			return h, false
		}
		end := at + 2 + int(binary.BigEndian.Uint16(jpeg[at+2:]))
		if end < at+4 || end > len(jpeg) {
			return h, false
		}
		marker, body := jpeg[at+1], jpeg[at+4:end]
		if marker == mSOS {
			h.scanAt = end
			return h, h.readScan(body)
		}
		if !h.readSegment(marker, body) {
			return h, false
		}
		at = end
	}
	return h, false
}

// readSegment reads a segment before the scan.
func (h *scanHeader) readSegment(marker byte, body []byte) bool {
	switch marker {
	case mSOF0, mSOF1:
		return h.readFrame(body)
	case mDHT:
		return h.readTables(body)
	case mDQT:
		return h.readQuantizers(body)
	case mDRI:
		if len(body) != 2 {
			return false
		}
		h.interval = int(binary.BigEndian.Uint16(body))
		return true
	case mAPP0: // libjpeg warns of unknown versions
		return !bytes.HasPrefix(body, []byte("JFIF\x00")) || len(body) >= 14 && body[5] == 1
	case mAPP0 + 2: // and of color profiles that are incomplete
		return !bytes.HasPrefix(body, []byte("ICC_PROFILE"))
	case mAPP0 + 14: // and of unknown color transforms
		return !bytes.HasPrefix(body, []byte("Adobe"))
	}
	return marker == mCOM || marker > mAPP0 && marker <= mAPP15
}

// readFrame reads SOF (T.81, B.2.2).
func (h *scanHeader) readFrame(body []byte) bool {
	if h.components != nil || len(body) < 6 || body[0] != 8 || len(body) != 6+3*int(body[5]) || body[5] == 0 || body[5] > 4 {
		return false
	}
	h.height, h.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	for c := body[6:]; len(c) > 0; c = c[3:] {
		n := scanComponent{id: c[0], across: int(c[1] >> 4), down: int(c[1] & 15), quantizer: c[2]}
		if n.across < 1 || n.across > 4 || n.down < 1 || n.down > 4 || n.quantizer > 3 {
			return false
		}
		if slices.ContainsFunc(h.components, func(o scanComponent) bool { return o.id == n.id }) {
			return false
		}
		h.components = append(h.components, n)
	}
	if len(h.components) == 1 {
		h.components[0].across, h.components[0].down = 1, 1 // T.81, A.2.2
	}
	return h.width > 0 && h.height > 0
}

// readTables reads DHT (T.81, B.2.4.2).
func (h *scanHeader) readTables(body []byte) bool {
	for len(body) > 0 {
		class, id := body[0]>>4, body[0]&15
		if class > 1 || id > 1 || len(body) < 17 {
			return false
		}
		n := 17
		for _, count := range body[1:17] {
			n += int(count)
		}
		if n > len(body) || n > 17+256 {
			return false
		}
		h.tables[id][class], body = tables(body[1:n]), body[n:]
	}
	return true
}

// readQuantizers reads DQT (T.81, B.2.4.1).
func (h *scanHeader) readQuantizers(body []byte) bool {
	for len(body) > 0 {
		n := 65
		if body[0]>>4 == 1 {
			n = 129
		}
		if body[0]>>4 > 1 || body[0]&15 > 3 || len(body) < n {
			return false
		}
		h.quantizers |= 1 << (body[0] & 15)
		body = body[n:]
	}
	return true
}

// readScan reads SOS (T.81, B.2.3): all components, in the frame's order.
func (h *scanHeader) readScan(body []byte) bool {
	n := len(h.components)
	if n == 0 || len(body) != 4+2*n || int(body[0]) != n || !bytes.Equal(body[1+2*n:], []byte{0, 63, 0}) {
		return false
	}
	for i := range h.components {
		c, spec := &h.components[i], body[1+2*i:]
		c.tables = spec[1] & 15
		if spec[0] != c.id || spec[1]>>4 != c.tables || c.tables > 1 || h.quantizers>>c.quantizer&1 == 0 {
			return false
		}
	}
	return true
}
