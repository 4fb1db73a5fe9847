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

// layout is a color space's name and its bytes in a pixel.
type layout struct {
	name     string
	channels int
}

var layouts = [...]layout{
	RGB: {"RGB", 3}, BGR: {"BGR", 3},
	RGBX: {"RGBX", 4}, BGRX: {"BGRX", 4}, XBGR: {"XBGR", 4}, XRGB: {"XRGB", 4},
	GRAY: {"GRAY", 1},
	RGBA: {"RGBA", 4}, BGRA: {"BGRA", 4}, ABGR: {"ABGR", 4}, ARGB: {"ARGB", 4},
	CMYK: {"CMYK", 4},
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
