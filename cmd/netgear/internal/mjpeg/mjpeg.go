// Package mjpeg reads a stream of JPEGs that follow each other without anything
// in between, as ffmpeg writes it with -f mjpeg.
package mjpeg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxJPEG is the largest JPEG that a Reader accepts, in bytes.
const maxJPEG = 256 << 20

// The markers of a JPEG (ITU T.81, table B.1).
const (
	soi  = 0xD8
	eoi  = 0xD9
	sos  = 0xDA
	rst0 = 0xD0
	rst7 = 0xD7
	tem  = 0x01
)

// Reader reads JPEGs from a stream.
type Reader struct {
	in    *bufio.Reader
	buf   []byte
	limit int // of a JPEG, in bytes
}

// NewReader returns a Reader of a stream.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, 1<<20), limit: maxJPEG}
}

// Next returns the next JPEG, whose memory is valid until the next call. It
// returns io.EOF at the end of the stream. A stream that ends within a JPEG, or
// has other bytes than JPEGs, is an error.
func (r *Reader) Next() ([]byte, error) {
	r.buf = r.buf[:0]
	first, err := r.byte()
	if err != nil {
		return nil, err // io.EOF between two JPEGs
	}
	second, err := r.byte()
	if err != nil || first != 0xFF || second != soi {
		return nil, fmt.Errorf("the stream does not consist of JPEGs: %w", errors.Join(err, errNoJPEG))
	}
	marker, err := r.marker()
	for err == nil && marker != eoi {
		marker, err = r.skip(marker)
	}
	if err != nil {
		return nil, broken(err)
	}
	return r.buf, nil
}

// skip reads what belongs to a marker, and the next marker.
func (r *Reader) skip(marker byte) (next byte, err error) {
	if marker >= rst0 && marker <= rst7 || marker == tem || marker == soi { // without a length
		return r.marker()
	}
	if err := r.segment(); err != nil {
		return 0, err
	}
	if marker == sos {
		return r.scan()
	}
	return r.marker()
}

var (
	errNoJPEG   = errors.New("no JPEG begins here")
	errNoMarker = errors.New("there is no marker where one must be")
	errNoLength = errors.New("a segment has no length")
	errLarge    = fmt.Errorf("a JPEG is larger than %d MiB", maxJPEG>>20)
)

func broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("a JPEG cannot be read to its end: %w", err)
}

func (r *Reader) byte() (byte, error) {
	if len(r.buf) >= r.limit {
		return 0, errLarge
	}
	b, err := r.in.ReadByte()
	if err == nil {
		r.buf = append(r.buf, b)
	}
	return b, err
}

// marker reads a marker and the fill bytes before it.
func (r *Reader) marker() (byte, error) {
	b, err := r.byte()
	if err == nil && b != 0xFF {
		err = errNoMarker
	}
	for err == nil && b == 0xFF {
		b, err = r.byte()
	}
	return b, err
}

// segment reads the length and the content of a marker's segment.
func (r *Reader) segment() error {
	high, err := r.byte()
	if err != nil {
		return err
	}
	low, err := r.byte()
	if err != nil {
		return err
	}
	n := int(high)<<8 | int(low)
	switch {
	case n < 2:
		return errNoLength
	case len(r.buf)+n > r.limit:
		return errLarge
	}
	from := len(r.buf)
	r.buf = append(r.buf, make([]byte, n-2)...)
	_, err = io.ReadFull(r.in, r.buf[from:])
	return err
}

// scan reads entropy-coded data, and the marker behind it. Restart markers are
// a part of the data.
func (r *Reader) scan() (marker byte, err error) {
	for {
		part, err := r.in.ReadSlice(0xFF)
		r.buf = append(r.buf, part...)
		if len(r.buf) > r.limit {
			return 0, errLarge
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return 0, err
		}
		b, err := r.byte()
		for err == nil && b == 0xFF { // fill bytes
			b, err = r.byte()
		}
		if err != nil || b != 0 && (b < rst0 || b > rst7) {
			return b, err
		}
	}
}
