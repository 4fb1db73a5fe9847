package source

import (
	"slices"

	"github.com/vidgear-go/netgear"
)

// Pixels returns the frame as an array, and decodes a JPEG for it.
func (f Frame) Pixels() (netgear.Array, error) {
	if f.JPEG == nil {
		return f.Array, nil
	}
	decoded, err := netgear.NewJPEGFrame(f.JPEG, nil)
	if err != nil {
		return netgear.Array{}, err
	}
	defer decoded.Close()
	a, err := decoded.Array()
	a.Data = slices.Clone(a.Data)
	return a, err
}
