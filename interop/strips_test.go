//go:build !nogocv

package interop

import (
	"fmt"
	"testing"

	"github.com/vidgear-go/netgear"
)

// TestStrips checks that simplejpeg decodes a JPEG in strips to the same pixels
// as its own, in every colorspace.
func TestStrips(t *testing.T) {
	t.Parallel()
	for _, strips := range []int{2, 7} {
		for _, c := range jpegs {
			t.Run(fmt.Sprintf("%s/%d", c.name, strips), func(t *testing.T) {
				t.Parallel()
				goToPython(t, netgear.Options{Address: address(t, "tcp"), JPEGCompression: c.jpeg, JPEGStrips: strips, RequestTimeout: longTimeout}, c)
			})
		}
	}
}
