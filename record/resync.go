package record

import (
	"bytes"
	"fmt"
	"io"
)

// damage notes what could not be read.
type damage struct {
	first   error // the first error
	skipped int64 // bytes
	places  int
}

// maxPlaces is how many damaged places are skipped. A file with more is given
// up: finding the next cluster takes time.
const maxPlaces = 1000

// add notes an error, and how many bytes are skipped after it.
func (d *damage) add(err error, skipped int64) {
	if d.first == nil {
		d.first = err
	}
	d.places++
	d.skipped += skipped
}

// result returns io.EOF if everything could be read, or the damage.
func (d *damage) result() error {
	switch {
	case d.first == nil:
		return io.EOF
	case d.places == 1:
		return fmt.Errorf("%w (bytes skipped: %d)", d.first, d.skipped)
	}
	return fmt.Errorf("%w (the first of %d damaged places; bytes skipped: %d)", d.first, d.places, d.skipped)
}

// resync notes an error, and continues at the next cluster. It reports false if
// there is none.
func (d *demuxer) resync(err error) bool {
	from := d.pos
	next := d.size
	if d.damage.places < maxPlaces {
		next = d.findCluster(from)
	}
	d.damage.add(fmt.Errorf("%w, before byte %d", err, from), next-from)
	d.inCluster = false
	d.seek(next)
	return next < d.size
}

var clusterID = []byte{0x1F, 0x43, 0xB6, 0x75}

// findCluster returns the position of the first cluster from a position on, or
// the file's size. It reads the file in pieces.
func (d *demuxer) findCluster(from int64) int64 {
	const most = maxHeader + 1
	buf := make([]byte, readAhead)
	for from < d.size {
		n, err := d.r.ReadAt(buf[:min(int64(len(buf)), d.size-from)], from)
		b := buf[:n]
		for off := 0; ; {
			i := bytes.Index(b[off:], clusterID)
			if i < 0 {
				break
			}
			off += i
			if isCluster(b[off:]) {
				return from + int64(off)
			}
			if len(b)-off < most && err == nil && from+int64(n) < d.size {
				break // it may continue in the next piece
			}
			off++
		}
		if n <= most || err != nil {
			return d.size
		}
		from += int64(n - most)
	}
	return d.size
}

// isCluster reports whether bytes begin a cluster: its header, and an element
// that clusters begin with.
func isCluster(b []byte) bool {
	e, n, err := parseHeader(b)
	if err != nil || e.id != idCluster || n >= len(b) {
		return false
	}
	return b[n] == idTimestamp || b[n] == idCRC32 || b[n] == idVoid
}
