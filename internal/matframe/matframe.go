//go:build !nogocv

package matframe

import (
	"context"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

// Send sends a Mat of its own with one channel of bytes, or three. fill writes its
// pixels. owned transfers the ownership of the Mat, which the library then closes.
func Send(ctx context.Context, n *netgear.NetGear, rows, columns, channels int, fill func(pixels []byte), message any, owned bool) (netgear.Reply, error) {
	kind := gocv.MatTypeCV8UC1
	if channels == 3 {
		kind = gocv.MatTypeCV8UC3
	}
	mat := gocv.Zeros(rows, columns, kind)
	pixels, err := mat.DataPtrUint8()
	if err != nil {
		panic(err) // it is one of bytes
	}
	fill(pixels)
	if owned {
		return n.SendOwned(ctx, &mat, message)
	}
	defer mat.Close()
	return n.Send(ctx, mat, message)
}

// Look calls look with a frame's pixels, through a Mat that refers to them.
func Look(f *netgear.Frame, look func(pixels []byte)) error {
	mat, err := f.Mat()
	if err != nil {
		return err
	}
	defer mat.Close()
	pixels, err := mat.DataPtrUint8()
	if err == nil {
		look(pixels)
	}
	return err
}
