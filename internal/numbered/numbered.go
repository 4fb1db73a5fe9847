// Package numbered makes frames that carry numbers and a checksum, and reads them
// at the other end. So a test finds out which frames were lost, came twice, or
// were changed on the way. faults/numbered.py does the same in Python.
package numbered

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Numbers identify a frame.
type Numbers struct {
	Life     int64 // the number of the sender's process
	Index    int64 // of the frame, in that process
	Captured int64 // microseconds since 1970
}

// MinBytes is the least size of a frame.
const MinBytes = 28

// Write fills the bytes of a frame that is sent raw: the numbers, the checksum of
// everything else, and bytes that differ from frame to frame.
func Write(frame []byte, n Numbers) {
	binary.LittleEndian.PutUint64(frame, uint64(n.Life))
	binary.LittleEndian.PutUint64(frame[8:], uint64(n.Index))
	binary.LittleEndian.PutUint64(frame[16:], uint64(n.Captured))
	at := byte(31*n.Index + 17*n.Life)
	for i := range frame[MinBytes:] {
		frame[MinBytes+i] = at
		at += 7
	}
	binary.LittleEndian.PutUint32(frame[24:], sum(frame))
}

// Read returns the numbers of a frame, or an error if a byte of it has changed.
func Read(frame []byte) (Numbers, error) {
	if len(frame) < MinBytes {
		return Numbers{}, fmt.Errorf("a frame of %d bytes", len(frame))
	}
	n := Numbers{at(frame, 0), at(frame, 8), at(frame, 16)}
	if got, want := sum(frame), binary.LittleEndian.Uint32(frame[24:]); got != want {
		return n, fmt.Errorf("frame %d of life %d has the checksum %08x, and contains %08x", n.Index, n.Life, got, want)
	}
	return n, nil
}

func at(frame []byte, i int) int64 { return int64(binary.LittleEndian.Uint64(frame[i:])) }

func sum(frame []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(frame[:24]), crc32.IEEETable, frame[MinBytes:])
}

// A picture that is sent as JPEG has the numbers as black and white squares, one
// for each bit. A JPEG's errors are far smaller than the difference.
const (
	// PictureSide is the width and the height of a picture, in pixels.
	PictureSide = squares * side
	// PictureBytes is the size of its pixels, blue, green, red.
	PictureBytes = PictureSide * PictureSide * 3

	squares      = 16 // in a row, and rows of them
	side         = 8  // of a square; a JPEG's blocks have the same
	black, white = 32, 224
	tolerance    = 24
)

// WritePicture fills the pixels of a picture.
func WritePicture(pixels []byte, n Numbers) {
	var bits [squares * squares / 8]byte
	Write(bits[:], n)
	for y := range PictureSide {
		row := pixels[3*PictureSide*y:]
		for x := range PictureSide {
			level := byte(black)
			if bit(&bits, x, y) {
				level = white
			}
			row[3*x], row[3*x+1], row[3*x+2] = level, level, level
		}
	}
}

// ReadPicture returns the numbers of a picture, or an error if a pixel of it
// differs by more than a JPEG's error.
func ReadPicture(pixels []byte) (Numbers, error) {
	if len(pixels) != PictureBytes {
		return Numbers{}, fmt.Errorf("a picture of %d bytes, not %d", len(pixels), PictureBytes)
	}
	var bits [squares * squares / 8]byte
	for i := range squares * squares {
		x, y := i%squares*side, i/squares*side
		if pixels[3*(PictureSide*y+x)] > (black+white)/2 {
			bits[i/8] |= 0x80 >> (i % 8)
		}
	}
	n, err := Read(bits[:])
	if err != nil {
		return n, err
	}
	for i, got := range pixels {
		x, y, want := i/3%PictureSide, i/3/PictureSide, black
		if bit(&bits, x, y) {
			want = white
		}
		if difference := int(got) - want; difference > tolerance || difference < -tolerance {
			return n, fmt.Errorf("frame %d of life %d: the pixel in column %d of row %d is %d instead of %d", n.Index, n.Life, x, y, got, want)
		}
	}
	return n, nil
}

// bit returns the bit that a pixel shows.
func bit(bits *[squares * squares / 8]byte, x, y int) bool {
	i := y/side*squares + x/side
	return bits[i/8]&(0x80>>(i%8)) != 0
}
