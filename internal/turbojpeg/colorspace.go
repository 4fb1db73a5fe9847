package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"strings"
)

// Colorspace is the order of a pixel's bytes in memory, one of the twelve that VidGear names. X is
// a byte without meaning, A is alpha; a JPEG keeps neither. Decoding sets both to 255.
type Colorspace int

// The twelve, with TurboJPEG's numbers.
const (
	RGB  Colorspace = C.TJPF_RGB
	BGR  Colorspace = C.TJPF_BGR
	RGBX Colorspace = C.TJPF_RGBX
	BGRX Colorspace = C.TJPF_BGRX
	XBGR Colorspace = C.TJPF_XBGR
	XRGB Colorspace = C.TJPF_XRGB
	GRAY Colorspace = C.TJPF_GRAY
	RGBA Colorspace = C.TJPF_RGBA
	BGRA Colorspace = C.TJPF_BGRA
	ABGR Colorspace = C.TJPF_ABGR
	ARGB Colorspace = C.TJPF_ARGB
	CMYK Colorspace = C.TJPF_CMYK
)

// layout says where a pixel's colours are, counted in bytes; spare is the X or A byte, -1 if none.
type layout struct {
	name                    string
	channels                int
	red, green, blue, spare int
}

var layouts = [...]layout{
	RGB:  {"RGB", 3, 0, 1, 2, -1},
	BGR:  {"BGR", 3, 2, 1, 0, -1},
	RGBX: {"RGBX", 4, 0, 1, 2, 3},
	BGRX: {"BGRX", 4, 2, 1, 0, 3},
	XBGR: {"XBGR", 4, 3, 2, 1, 0},
	XRGB: {"XRGB", 4, 1, 2, 3, 0},
	GRAY: {"GRAY", 1, 0, 0, 0, -1},
	RGBA: {"RGBA", 4, 0, 1, 2, 3},
	BGRA: {"BGRA", 4, 2, 1, 0, 3},
	ABGR: {"ABGR", 4, 3, 2, 1, 0},
	ARGB: {"ARGB", 4, 1, 2, 3, 0},
	CMYK: {"CMYK", 4, 0, 1, 2, -1},
}

// ParseColorspace reads VidGear's name of a colour space. Case and surrounding spaces do not
// matter, as in VidGear.
func ParseColorspace(name string) (Colorspace, error) {
	want := strings.ToUpper(strings.TrimSpace(name))
	for cs, l := range layouts {
		if l.name == want {
			return Colorspace(cs), nil
		}
	}
	return 0, fmt.Errorf("%w: unknown colour space %q", ErrShape, name)
}

func (c Colorspace) valid() bool { return c >= 0 && int(c) < len(layouts) }

// String is VidGear's name: "BGR".
func (c Colorspace) String() string {
	if !c.valid() {
		return fmt.Sprintf("Colorspace(%d)", int(c))
	}
	return layouts[c].name
}

// Channels is the number of bytes of a pixel: 1, 3 or 4 (0 if c is none of the twelve).
func (c Colorspace) Channels() int {
	if !c.valid() {
		return 0
	}
	return layouts[c].channels
}
