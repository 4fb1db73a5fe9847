package turbojpeg

/*
#include "bridge.h"
*/
import "C"

import (
	"fmt"
	"strings"
)

// Colorspace is the order of a pixel's bytes in memory, one of the twelve that
// VidGear names. X is an unused byte, A is alpha. A JPEG stores neither;
// decoding sets both to 255.
type Colorspace int

// The colorspaces, with TurboJPEG's numbers.
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

// layout is a colorspace's name, its bytes in a pixel, and the offsets of red,
// green, blue and alpha in the pixel. An offset is -1 for a missing channel.
type layout struct {
	name     string
	channels int
	rgba     [4]int
}

var layouts = [...]layout{
	RGB: {"RGB", 3, [4]int{0, 1, 2, -1}}, BGR: {"BGR", 3, [4]int{2, 1, 0, -1}},
	RGBX: {"RGBX", 4, [4]int{0, 1, 2, -1}}, BGRX: {"BGRX", 4, [4]int{2, 1, 0, -1}},
	XBGR: {"XBGR", 4, [4]int{3, 2, 1, -1}}, XRGB: {"XRGB", 4, [4]int{1, 2, 3, -1}},
	GRAY: {"GRAY", 1, [4]int{-1, -1, -1, -1}},
	RGBA: {"RGBA", 4, [4]int{0, 1, 2, 3}}, BGRA: {"BGRA", 4, [4]int{2, 1, 0, 3}},
	ABGR: {"ABGR", 4, [4]int{3, 2, 1, 0}}, ARGB: {"ARGB", 4, [4]int{1, 2, 3, 0}},
	CMYK: {"CMYK", 4, [4]int{-1, -1, -1, -1}},
}

// ParseColorspace parses VidGear's name of a colorspace. As in VidGear it
// ignores case and surrounding spaces. Its error is ErrShape.
func ParseColorspace(name string) (Colorspace, error) {
	want := strings.ToUpper(strings.TrimSpace(name))
	for cs, l := range layouts {
		if l.name == want {
			return Colorspace(cs), nil
		}
	}
	return 0, fmt.Errorf("%w: unknown colorspace %q", ErrShape, name)
}

func (c Colorspace) valid() bool { return c >= 0 && int(c) < len(layouts) }

// String returns VidGear's name, such as "BGR".
func (c Colorspace) String() string {
	if !c.valid() {
		return fmt.Sprintf("Colorspace(%d)", int(c))
	}
	return layouts[c].name
}

// RGBA returns the offsets of red, green, blue and alpha in a pixel, and -1 for
// a channel that c does not have. GRAY and CMYK have none of them.
func (c Colorspace) RGBA() [4]int {
	if !c.valid() {
		return [4]int{-1, -1, -1, -1}
	}
	return layouts[c].rgba
}

// Channels returns the number of bytes of a pixel: 1, 3 or 4, and 0 if c is
// invalid.
func (c Colorspace) Channels() int {
	if !c.valid() {
		return 0
	}
	return layouts[c].channels
}
