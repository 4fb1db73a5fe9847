// Package avi reads the JPEGs of AVI files, without decoding them.
package avi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Errors to test for.
var (
	// ErrFormat is returned for a file that is no AVI file of MJPEG.
	ErrFormat = errors.New("it is no AVI file of MJPEG")
	// ErrTruncated is returned for a picture of which the file has only a part,
	// because its recording was cut off.
	ErrTruncated = errors.New("the AVI file is truncated")
	// ErrTooLarge is returned for a picture that is larger than the limit.
	ErrTooLarge = errors.New("a picture of the AVI file is too large")
)

// Reader reads the JPEGs of an AVI file (Microsoft's RIFF, with the further
// segments of OpenDML): the chunks of its first stream of MJPEG, in the order
// of the file. It does not use the index, so it also reads a file whose
// recording was cut off.
type Reader struct {
	in     io.ReadSeeker
	limit  int64     // of a picture, in bytes
	end    int64     // the file's size
	first  int64     // where the pictures begin
	at     int64     // where the next chunk begins
	stream int       // the number of the stream of MJPEG; -1 until it is found
	number int       // how many streams the header has so far
	count  int       // the pictures before at
	period float64   // seconds for each frame
	kind   [4]byte   // of the stream whose header is read
	clock  [2]uint32 // its scale and rate
	width  int
	height int
}

// New reads the header of an AVI file. It returns ErrFormat for other files. A
// picture may have as many bytes as the limit.
func New(in io.ReadSeeker, limit int64) (*Reader, error) {
	end, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, ErrFormat // not a regular file
	}
	a := &Reader{in: in, limit: limit, end: end, stream: -1}
	first, err := a.chunk(0)
	if err != nil || first.id != "RIFF" || first.list != "AVI " {
		return nil, ErrFormat
	}
	a.at = first.begin
	for n := 0; ; n++ {
		c, err := a.chunk(a.at)
		if err != nil || n > maxChunks {
			return nil, ErrFormat
		}
		if c.list == "movi" {
			break
		}
		if err := a.header(c); err != nil {
			return nil, err
		}
	}
	if a.stream < 0 {
		return nil, ErrFormat
	}
	a.first = a.at
	return a, nil
}

// Size returns the size of the pictures according to the header.
func (a *Reader) Size() (width, height int) { return a.width, a.height }

// chunk is the head of a RIFF chunk.
type chunk struct {
	id    string
	list  string // the type of a RIFF or LIST chunk
	begin int64  // of its content, behind the type
	end   int64  // of its content, within the file
}

// chunk returns the chunk at an offset, or io.EOF behind the last. Its size
// ends at the end of the file at the latest. A size of 0 of a list, which a
// recording leaves that was cut off, is all of the rest.
func (a *Reader) chunk(at int64) (c chunk, err error) {
	var head [12]byte
	if at < 0 || at+8 > a.end {
		return c, io.EOF
	}
	if _, err := a.in.Seek(at, io.SeekStart); err != nil {
		return c, err
	}
	n, err := io.ReadFull(a.in, head[:min(12, a.end-at)])
	if err != nil {
		return c, err
	}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	c = chunk{id: string(head[:4]), begin: at + 8}
	list := c.id == "RIFF" || c.id == "LIST"
	if list && n == 12 {
		c.list = string(head[8:12])
		c.begin += 4
	}
	c.end = min(at+8+size, a.end)
	if list && (size == 0 || size == math.MaxUint32) {
		c.end = a.end
	}
	if c.end < c.begin && list {
		return c, fmt.Errorf("%w: a list of %d bytes", io.ErrUnexpectedEOF, size)
	}
	return c, nil
}

// next returns the offset behind a chunk: chunks are aligned to two bytes.
func (c chunk) next() int64 { return c.end + c.end&1 }

// header reads a chunk before the pictures, and sets a.at to what follows: the
// content of a list, or the next chunk.
func (a *Reader) header(c chunk) error {
	a.at = c.next()
	if c.list == "hdrl" || c.list == "strl" {
		a.at = c.begin
		return nil
	}
	var body [40]byte
	n := min(c.end-c.begin, int64(len(body)))
	if c.id != "avih" && c.id != "strh" && c.id != "strf" {
		return nil
	}
	if _, err := a.in.Seek(c.begin, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.ReadFull(a.in, body[:n]); err != nil {
		return err
	}
	switch {
	case c.id == "avih" && n >= 4:
		a.period = float64(binary.LittleEndian.Uint32(body[:])) / 1e6
	case c.id == "strh" && n >= 28:
		copy(a.kind[:], body[:4])
		a.clock = [2]uint32{binary.LittleEndian.Uint32(body[20:]), binary.LittleEndian.Uint32(body[24:])}
		a.number++
	case c.id == "strf" && n >= 20 && string(a.kind[:]) == "vids" && a.stream < 0:
		a.format(body[:n])
	}
	return nil
}

// format notes the stream if its compression is MJPEG. It is given a
// BITMAPINFOHEADER.
func (a *Reader) format(info []byte) {
	switch string(info[16:20]) {
	case "MJPG", "mjpg", "AVRn", "JPEG", "jpeg", "dmb1":
		a.stream = a.number - 1
		a.width = int(binary.LittleEndian.Uint32(info[4:]))
		a.height = int(binary.LittleEndian.Uint32(info[8:]))
		if a.clock[0] > 0 && a.clock[1] > 0 {
			a.period = float64(a.clock[0]) / float64(a.clock[1])
		}
	}
}

// Period returns the time between two pictures, or 0 if the file has no
// plausible one.
func (a *Reader) Period() time.Duration {
	if a.period < 1e-4 || a.period > 3600 {
		return 0
	}
	return time.Duration(a.period * float64(time.Second))
}

// maxChunks is how many chunks may follow each other without a picture. A file
// that was never filled has billions of empty ones.
const maxChunks = 1 << 18

// Rewind continues with the first picture.
func (a *Reader) Rewind() { a.at, a.count = a.first, 0 }

// Next returns the next picture from number from on, in buf if it has room. It
// returns the picture's number too, from 0; a repetition of the picture before
// counts, but is not returned. At the end it returns io.EOF, or ErrTruncated
// for a picture that is not complete.
func (a *Reader) Next(buf []byte, from int) (jpeg []byte, number int, err error) {
	for n := 0; ; n++ {
		c, err := a.chunk(a.at)
		if err != nil || n > maxChunks {
			return nil, 0, io.EOF
		}
		if c.list == "movi" || c.list == "rec " || c.id == "RIFF" && c.list == "AVIX" {
			a.at = c.begin
			continue
		}
		a.at = c.next()
		if !a.isPicture(c.id) {
			continue
		}
		number = a.count
		a.count++
		n = 0
		if c.begin < c.end && number >= from {
			jpeg, err = a.read(c, buf)
			return jpeg, number, err
		}
	}
}

// Count returns the number of pictures from the next one on, repetitions too,
// and moves to the end. It reads no picture.
func (a *Reader) Count() int {
	before := a.count
	_, _, _ = a.Next(nil, math.MaxInt) // io.EOF: no picture has such a number
	return a.count - before
}

// read reads a picture.
func (a *Reader) read(c chunk, buf []byte) ([]byte, error) {
	size := c.end - c.begin
	switch {
	case size > a.limit:
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, a.limit)
	case int64(cap(buf)) < size:
		buf = make([]byte, size)
	}
	if _, err := a.in.Seek(c.begin, io.SeekStart); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(a.in, buf[:size]); err != nil {
		return nil, err
	}
	if c.end == a.end && !EndsJPEG(buf[:size]) {
		return nil, ErrTruncated
	}
	return buf[:size], nil
}

// EndsJPEG reports whether bytes end as a JPEG does: with EOI and at most some
// padding.
func EndsJPEG(b []byte) bool {
	const padding = 4096
	return bytes.Contains(b[max(0, len(b)-padding):], []byte{0xFF, 0xD9})
}

// isPicture reports whether a chunk is one of the stream: "00dc" or "00db".
func (a *Reader) isPicture(id string) bool {
	return (id[2:] == "dc" || id[2:] == "db") && id[:2] == fmt.Sprintf("%02d", a.stream)
}
