package turbojpeg

import (
	"encoding/binary"
	"fmt"
)

// MaxScanPixels limits the time to decode a JPEG: its pixels times its scans
// must not exceed it, unless it has at most freeScans scans. Programs write
// progressive JPEGs with 6 to 12 scans. A scan of a few bytes can cover the
// whole picture, so 2 MB could take a minute.
const MaxScanPixels = 1 << 30

const (
	freeScans = 16
	maxScans  = 500 // of any JPEG: TurboJPEG's own limit
)

// scansAllowed returns how many scans a JPEG of this size may have.
func scansAllowed(width, height int) int {
	pixels := max(1, int64(width)*int64(height)) // more than an int has on 32 bits
	return int(min(maxScans, max(freeScans, MaxScanPixels/pixels)))
}

// maxHeaderBytes is more than a header needs: 255 segments of a color profile
// are half of it. It limits the time of ReadInfo.
const maxHeaderBytes = 32 << 20

// rowsMemory returns an upper bound for libjpeg's row buffers, in bytes.
func rowsMemory(width int) int64 { return 1<<20 + 256*int64(width) }

// checkScans returns ErrLimit for a JPEG of too many scans. rest begins with
// the data of the first scan.
func checkScans(info Info, rest []byte) error {
	limit := scansAllowed(info.Width, info.Height)
	if n := countScans(rest, limit); n > limit {
		return fmt.Errorf("%w: more than %d scans, the limit for %dx%d pixels (%d pixels in all scans together)",
			ErrLimit, limit, info.Width, info.Height, MaxScanPixels)
	}
	return nil
}

// countScans returns the number of scans, starting at the data of the first
// one, as libjpeg counts them. It stops at one more than limit.
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

// maxSegments limits the segments of a JPEG for Mend. libjpeg stores each of
// them, in more memory than the few bytes that a segment can have.
const maxSegments = 4096

// checkSegments returns ErrLimit for a JPEG of too many segments.
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

// walk calls visit for each marker of a JPEG, skipping the content of segments,
// until visit returns false.
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

// hasLength reports whether a marker is followed by a length and so many bytes.
// RSTn and the markers that T.81 reserves are not.
func hasLength(marker byte) bool {
	return marker >= mSOF0 && (marker < mRST0 || marker > mSOI)
}
