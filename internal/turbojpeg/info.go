package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Info describes a JPEG, from its header.
type Info struct {
	Width, Height int    // pixels, 1..MaxDimension
	Space         string // how the JPEG stores color: "RGB", "YCbCr", "Gray", "CMYK" or "YCCK"
	Subsampling   string // "444", "422", "420", "440", "411", "441" or "Gray" (T.81)
	// Memory is how many bytes libjpeg allocates to decode the JPEG, without
	// some rows. It is the size of the coefficients for a JPEG of several
	// scans, otherwise 0.
	Memory int64

	coefficients int64      // the size of all coefficients in bytes
	sampling     [4]factors // of each component, zero for one that the JPEG lacks
}

// CMYK reports whether the JPEG holds printing colors: Space is "CMYK" or
// "YCCK". Only such a JPEG decodes to CMYK.
func (i Info) CMYK() bool { return i.Space == "CMYK" || i.Space == "YCCK" }

// ReadInfo reads a JPEG's header and counts its scans. During the call it
// allocates some kilobytes, whatever the picture's size. It is safe for
// concurrent use. Errors are ErrCorrupt, ErrNoMemory and, for too many scans,
// ErrLimit.
func ReadInfo(jpeg []byte) (Info, error) {
	if len(jpeg) == 0 {
		return Info{}, fmt.Errorf("%w: no bytes", ErrCorrupt)
	}
	var report C.bridge_report
	switch C.bridge_header((*C.uchar)(unsafe.SliceData(jpeg)), C.ulong(min(len(jpeg), maxHeaderBytes)), &report) {
	case C.BRIDGE_OK:
	case C.BRIDGE_NO_MEMORY:
		return Info{}, fmt.Errorf("%w: a JPEG's header", ErrNoMemory)
	default:
		failed := report // so that only a failed report is on Go's heap
		return Info{}, fmt.Errorf("%w: %s", ErrCorrupt, reportText(&failed))
	}
	info := Info{
		Width: int(report.width), Height: int(report.height),
		Space: spaceName(report.colorspace), coefficients: int64(report.coefficients),
	}
	if info.Space == "" {
		return Info{}, fmt.Errorf("%w: a JPEG of %d components of unknown meaning", ErrCorrupt, int(report.components))
	}
	if info.Subsampling = subsampling(&report); info.Subsampling == "" {
		return Info{}, fmt.Errorf("%w: sampling factors %dx%d, %dx%d, … are none that simplejpeg reads", ErrCorrupt,
			int(report.across[0]), int(report.down[0]), int(report.across[1]), int(report.down[1]))
	}
	for i := range min(int(report.components), len(info.sampling)) {
		info.sampling[i] = factors{int(report.across[i]), int(report.down[i])}
	}
	if report.multi_scan != 0 {
		info.Memory = info.coefficients
		return info, checkScans(info, jpeg[report.scan:])
	}
	return info, nil
}

// spaceName returns simplejpeg's name of how a JPEG stores its colors, or "".
func spaceName(space C.int) string {
	switch space {
	case C.JCS_RGB:
		return "RGB"
	case C.JCS_YCbCr:
		return "YCbCr"
	case C.JCS_GRAYSCALE:
		return "Gray"
	case C.JCS_CMYK:
		return "CMYK"
	case C.JCS_YCCK:
		return "YCCK"
	}
	return ""
}

// factors are sampling factors: the blocks of an MCU across and down.
type factors [2]int

// most returns the sampling factors of an MCU: the largest of all components. A
// JPEG of one component has MCUs of one block (T.81, A.2.2).
func (i Info) most() factors {
	if i.sampling[1] == (factors{}) {
		return factors{1, 1}
	}
	m := factors{1, 1}
	for _, f := range i.sampling {
		m = factors{max(m[0], f[0]), max(m[1], f[1])}
	}
	return m
}

// subsamplings are those that TurboJPEG has names for, by the factors of the
// first component, where the others have one block.
var subsamplings = []struct {
	name  string
	first factors
}{
	{"444", factors{1, 1}}, {"422", factors{2, 1}}, {"420", factors{2, 2}}, {"440", factors{1, 2}}, {"411", factors{4, 1}}, {"441", factors{1, 4}},
}

// subsampling returns simplejpeg's name of a JPEG's subsampling. It returns ""
// if there is none; simplejpeg refuses such a JPEG.
func subsampling(report *C.bridge_report) string {
	if report.components == 1 {
		return "Gray"
	}
	inks := report.components == 4 // the last, K, is sampled like the first
	at := func(i int) factors { return factors{int(report.across[i]), int(report.down[i])} }
	others := func(want, last factors) bool {
		return at(1) == want && at(2) == want && (!inks || at(3) == last)
	}
	first := at(0)
	for _, s := range subsamplings {
		if first == s.first && others(factors{1, 1}, first) {
			return s.name
		}
	}
	// The same subsamplings, written with larger factors than necessary.
	switch two := (factors{2, 2}); {
	case first[0]*first[1] <= 3 && others(first, first):
		return "444"
	case first == two && others(factors{1, 2}, two):
		return "422"
	case first == two && others(factors{2, 1}, two):
		return "440"
	}
	return ""
}
