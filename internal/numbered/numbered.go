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
