package turbojpeg

import (
	"encoding/binary"
	"fmt"
)

// MaxScanPixels bounds the time that a JPEG takes to decode: its pixels times its
// scans may not be more, unless it has no more than freeScans. A progressive JPEG
// as programs make it has 6 to 12 scans. Each scan can go over the whole picture
// with some bytes, so that 2 MB could take a minute.
const MaxScanPixels = 1 << 30

const (
	freeScans = 16
	maxScans  = 500 // of any JPEG; TurboJPEG's own limit
)

// scansAllowed is how many scans a JPEG of this size may have.
func scansAllowed(width, height int) int {
	return min(maxScans, max(freeScans, MaxScanPixels/max(1, width*height)))
}

// maxHeaderBytes is more than a header needs: 255 segments of a color profile are
// half of it. It bounds the time that ReadInfo takes.
const maxHeaderBytes = 32 << 20

// rowsMemory is more than libjpeg takes for the rows that it has in hand.
func rowsMemory(width int) int64 { return 1<<20 + 256*int64(width) }

// checkScans refuses a JPEG of too many scans. rest begins with the data of the
// first scan.
func checkScans(info Info, rest []byte) error {
	limit := scansAllowed(info.Width, info.Height)
	if n := countScans(rest, limit); n > limit {
		return fmt.Errorf("%w: more than %d scans, the limit for %dx%d pixels (%d pixels in all scans together)",
			ErrLimit, limit, info.Width, info.Height, MaxScanPixels)
	}
	return nil
}

// countScans counts scans from the data of the first one on, as libjpeg goes over
// them; it does not count beyond the limit and one more.
func countScans(rest []byte, limit int) int {
	n := 1
	walk(rest, func(marker byte) bool {
		if marker == mSOS {
			n++
		}
		return marker != mEOI && n <= limit
	})
	return n
}

// maxSegments bounds the segments of a JPEG that is to be mended: libjpeg keeps
// each of them, with more memory than the few bytes that one can have.
const maxSegments = 4096

// checkSegments refuses a JPEG of too many segments.
func checkSegments(jpeg []byte) error {
	n := 0
	walk(jpeg, func(marker byte) bool {
		if hasLength(marker) {
			n++
		}
		return marker != mEOI && n <= maxSegments
	})
	if n > maxSegments {
		return fmt.Errorf("%w: more than %d marker segments", ErrLimit, maxSegments)
	}
	return nil
}

// walk visits the markers of a JPEG, passing over what is in segments, until it
// is told to end.
func walk(jpeg []byte, visit func(marker byte) bool) {
	for at := nextMarker(jpeg, 0); at >= 0; at = nextMarker(jpeg, at) {
		marker := jpeg[at+1]
		if marker == 0xFF { // a fill byte
			at++
			continue
		}
		if !visit(marker) {
			return
		}
		at += 2
		if hasLength(marker) && at+2 <= len(jpeg) {
			at += int(binary.BigEndian.Uint16(jpeg[at:]))
		}
	}
}

// hasLength reports whether a marker is followed by a length and so many bytes;
// RSTn and those that T.81 leaves open are not.
func hasLength(marker byte) bool {
	return marker >= mSOF0 && (marker < mRST0 || marker > mSOI)
}
