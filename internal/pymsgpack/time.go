package pymsgpack

import (
	"encoding/binary"
	"time"
)

// timestamp parses the data of a timestamp, msgpack's extension -1. It has
// seconds in 4 bytes, or nanoseconds in 30 bits and seconds in 34, or both in 4
// and 8 bytes.
func timestamp(b []byte) (time.Time, bool) {
	var seconds int64
	var nano uint32
	switch len(b) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(b))
	case 8:
		both := binary.BigEndian.Uint64(b)
		seconds, nano = int64(both&(1<<34-1)), uint32(both>>34)
	case 12:
		nano, seconds = binary.BigEndian.Uint32(b), int64(binary.BigEndian.Uint64(b[4:]))
	default:
		return time.Time{}, false
	}
	return time.Unix(seconds, int64(nano)), nano < 1e9
}
