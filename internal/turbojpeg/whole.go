package turbojpeg

import "bytes"

var soi = []byte{0xFF, mSOI}

// Whole reports whether the markers of a JPEG are complete and in order: SOI, a
// scan, restart markers that count up, and EOI. So a truncated JPEG is not
// whole. It reads no codes, which may be damaged nevertheless, and takes about
// a hundredth of the time of decoding.
func Whole(jpeg []byte) bool {
	if !bytes.HasPrefix(jpeg, soi) {
		return false
	}
	scans, restarts, whole := 0, 0, false
	walk(jpeg[len(soi):], func(marker byte) bool {
		switch {
		case marker == mSOS:
			scans, restarts = scans+1, 0
		case marker >= mRST0 && marker < mSOI:
			if scans == 0 || marker != byte(mRST0+restarts%8) {
				return false
			}
			restarts++
		case marker == mEOI:
			whole = scans > 0
			return false
		case marker == mSOI:
			return false
		}
		return true
	})
	return whole
}
