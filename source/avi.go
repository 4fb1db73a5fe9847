package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxPicture is the largest JPEG that is read, in bytes.
const maxPicture = 64 << 20

// errNoMJPEG is returned for a file that is no AVI file of MJPEG.
var errNoMJPEG = errors.New("it is no AVI file of MJPEG")

// avi reads the JPEGs of an AVI file (Microsoft's RIFF, with the further
// segments of OpenDML): the chunks of its first stream of MJPEG, in the order
// of the file. It does not use the index, so it also reads a file whose
// recording was cut off.
type avi struct {
	in     io.ReadSeekCloser
	end    int64     // the file's size
	at     int64     // where the next chunk begins
	stream int       // the number of the stream of MJPEG; -1 until it is found
	number int       // how many streams the header has so far
	period float64   // seconds for each frame
	kind   [4]byte   // of the stream whose header is read
	clock  [2]uint32 // its scale and rate
	buf    []byte
}

// chunk is the head of a RIFF chunk.
type chunk struct {
	id    string
	list  string // the type of a RIFF or LIST chunk
	begin int64  // of its content, behind the type
	end   int64  // of its content, within the file
}

// newAVI reads the header of an AVI file, and takes ownership of in on success.
// It returns errNoMJPEG for other files.
func newAVI(in io.ReadSeekCloser) (*avi, error) {
	end, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errNoMJPEG // not a regular file
	}
	a := &avi{in: in, end: end, stream: -1}
	first, err := a.chunk(0)
	if err != nil || first.id != "RIFF" || first.list != "AVI " {
		return nil, errNoMJPEG
	}
	for a.at = first.begin; ; {
		c, err := a.chunk(a.at)
		if err != nil {
			return nil, errNoMJPEG
		}
		if c.list == "movi" {
			break
		}
		if err := a.header(c); err != nil {
			return nil, err
		}
	}
	if a.stream < 0 {
		return nil, errNoMJPEG
	}
	return a, nil
}

// chunk returns the chunk at an offset, or io.EOF behind the last. Its size
// ends at the end of the file at the latest. A size of 0 of a list, which a
// recording leaves that was cut off, is all of the rest.
func (a *avi) chunk(at int64) (c chunk, err error) {
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
func (a *avi) header(c chunk) error {
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
		a.format(string(body[16:20]))
	}
	return nil
}

// format notes the stream if its compression is MJPEG.
func (a *avi) format(compression string) {
	switch compression {
	case "MJPG", "mjpg", "AVRn", "JPEG", "jpeg", "dmb1":
		a.stream = a.number - 1
		if a.clock[0] > 0 && a.clock[1] > 0 {
			a.period = float64(a.clock[0]) / float64(a.clock[1])
		}
	}
}

func (a *avi) rate() float64 {
	if a.period < 1e-4 || a.period > 3600 {
		return 0 // not plausible
	}
	return 1 / a.period
}

// next returns the next picture. What is cut off at the end of the file is
// left out.
func (a *avi) next(ctx context.Context) (Frame, error) {
	for ctx.Err() == nil {
		c, err := a.chunk(a.at)
		if err != nil {
			return Frame{}, io.EOF
		}
		if c.list == "movi" || c.list == "rec " || c.id == "RIFF" && c.list == "AVIX" {
			a.at = c.begin
			continue
		}
		a.at = c.next()
		if !a.isPicture(c.id) || c.begin == c.end {
			continue // an empty chunk repeats the picture before
		}
		size := c.end - c.begin
		if size > maxPicture {
			return Frame{}, fmt.Errorf("an AVI file has a picture of %d bytes, the limit is %d", size, maxPicture)
		}
		if int64(cap(a.buf)) < size {
			a.buf = make([]byte, size)
		}
		a.buf = a.buf[:size]
		if _, err := a.in.Seek(c.begin, io.SeekStart); err != nil {
			return Frame{}, err
		}
		if _, err := io.ReadFull(a.in, a.buf); err != nil {
			return Frame{}, err
		}
		if c.end == a.end && !endsJPEG(a.buf) {
			return Frame{}, io.EOF
		}
		return Frame{JPEG: a.buf}, nil
	}
	return Frame{}, ctx.Err()
}

// isPicture reports whether a chunk is one of the stream: "00dc" or "00db".
func (a *avi) isPicture(id string) bool {
	return (id[2:] == "dc" || id[2:] == "db") && id[:2] == fmt.Sprintf("%02d", a.stream)
}

func (a *avi) close() { a.in.Close() }
