package record

import (
	"testing"

	"github.com/vidgear-go/netgear"
)

// pixels returns a frame's decoded pixels.
func pixels(t testing.TB, f *netgear.Frame) []byte {
	t.Helper()
	return f.Bytes()
}
