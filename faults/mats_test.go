//go:build !nogocv

package faults

import (
	"context"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

// sendFrame sends one frame as a Mat of its own, like a camera's. It transfers
// the ownership of every other one, which the library then closes.
func sendFrame(n *netgear.NetGear, i int64, fill func(pixels []byte)) (netgear.Reply, error) {
	mat := gocv.Zeros(frameRows, frameCols, gocv.MatTypeCV8UC3)
	pixels, err := mat.DataPtrUint8()
	if err != nil {
		panic(err) // it is one of bytes
	}
	fill(pixels)
	if i%2 == 0 {
		return n.SendOwned(context.Background(), &mat, nil)
	}
	defer mat.Close()
	return n.Send(context.Background(), mat, nil)
}

// look returns a frame's pixels through a Mat that refers to them.
func look(f *netgear.Frame, at func(pixels []byte)) error {
	mat, err := f.Mat()
	if err != nil {
		return err
	}
	defer mat.Close()
	pixels, err := mat.DataPtrUint8()
	if err == nil {
		at(pixels)
	}
	return err
}
