package record

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// ebml-go writes headers, but does not read here: it allocates memory for a
// size that the file claims before it has read so much, does not skip elements
// that it has no name for, and has no way to continue after damage.

// source reads a file forward, element by element, and can be moved.
type source struct {
	r    io.ReaderAt
	size int64
	buf  *bufio.Reader
	pos  int64
}

// readAhead is how many bytes are read at once.
const readAhead = 64 << 10

func newSource(r io.ReaderAt, size int64) *source {
	s := &source{r: r, size: size, buf: bufio.NewReaderSize(nil, readAhead)}
	s.seek(0)
	return s
}

// seek moves to a position.
func (s *source) seek(pos int64) {
	s.pos = pos
	s.buf.Reset(io.NewSectionReader(s.r, pos, s.size-pos))
}

// skip moves n bytes forward, which must be in the file.
func (s *source) skip(n int64) error {
	if n > readAhead {
		s.seek(s.pos + n)
		return nil
	}
	done, err := s.buf.Discard(int(n))
	s.pos += int64(done)
	return asTruncated(err)
}

// read fills b.
func (s *source) read(b []byte) error {
	n, err := io.ReadFull(s.buf, b)
	s.pos += int64(n)
	return asTruncated(err)
}

// asTruncated returns the error of a read that met the file's end.
func asTruncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return err
}

// element is an element's header.
type element struct {
	id   uint32
	pos  int64 // of the header
	body int64 // of the content
	size int64 // -1 if it is unknown
}

// end returns where the element ends. Its size must be known.
func (e element) end() int64 { return e.body + e.size }

// errNoElement reports bytes that are no element.
var errNoElement = fmt.Errorf("%w: no element", ErrCorrupt)

// next reads an element's header. At the end of the file it returns io.EOF.
func (s *source) next() (e element, err error) {
	if s.pos >= s.size {
		return e, io.EOF
	}
	b, err := s.buf.Peek(maxHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return e, err
	}
	e, n, err := parseHeader(b)
	if err != nil {
		return e, err
	}
	e.pos, e.body = s.pos, s.pos+int64(n)
	return e, s.skip(int64(n))
}

// maxHeader is the length of the longest header.
const maxHeader = 4 + 8

// parseHeader reads an element's header of n bytes. Its positions are not set.
func parseHeader(b []byte) (e element, n int, err error) {
	id, n, err := parseNumber(b, 4)
	if err != nil {
		return e, 0, err
	}
	// An ID includes the bit that ends its length.
	e.id = uint32(id) | 1<<(7*n) //nolint:gosec // of at most four bytes
	size, m, err := parseNumber(b[n:], 8)
	e.size = int64(size) //nolint:gosec // of at most 56 bits
	if size == 1<<(7*m)-1 {
		e.size = -1
	}
	return e, n + m, err
}

// parseNumber reads a number of n bytes, whose first bits contain n.
func parseNumber(b []byte, longest int) (v uint64, n int, err error) {
	if len(b) == 0 {
		return 0, 0, ErrTruncated
	}
	n = 1 + bits.LeadingZeros8(b[0])
	switch {
	case n > longest:
		return 0, 0, errNoElement
	case n > len(b):
		return 0, 0, ErrTruncated
	}
	return toUint(b[:n]) & (1<<(7*n) - 1), n, nil
}

// content reads an element of at most limit bytes.
func (s *source) content(e element, limit int64) ([]byte, error) {
	switch {
	case e.size < 0:
		return nil, errNoElement
	case e.size > s.size-e.body:
		return nil, ErrTruncated
	case e.size > limit:
		return nil, fmt.Errorf("%w: an element has %d bytes, at most %d are read", ErrTooLarge, e.size, limit)
	}
	b := make([]byte, e.size)
	return b, s.read(b)
}

// children calls fn for each element within b, until fn returns an error.
func children(b []byte, fn func(id uint32, content []byte) error) error {
	for len(b) > 0 {
		e, n, err := parseHeader(b)
		if err != nil || e.size < 0 || e.size > int64(len(b)-n) {
			return errNoElement
		}
		end := n + int(e.size)
		if err := fn(e.id, b[n:end]); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}

// toUint returns a number's value.
func toUint(b []byte) uint64 {
	var full [8]byte
	if len(b) > 8 {
		b = b[len(b)-8:]
	}
	copy(full[8-len(b):], b)
	return binary.BigEndian.Uint64(full[:])
}
