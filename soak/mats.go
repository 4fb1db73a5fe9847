//go:build !nogocv

package main

import (
	"context"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

const hasMats = true

// sendMat sends a frame as a Mat of its own, whose ownership it may transfer.
func sendMat(ctx context.Context, gear *netgear.NetGear, frame netgear.Array, message any, owned bool) (netgear.Reply, error) {
	kind := gocv.MatTypeCV8UC1
	if len(frame.Shape) == 3 {
		kind = gocv.MatTypeCV8UC3
	}
	mat := gocv.NewMatWithSize(frame.Shape[0], frame.Shape[1], kind)
	pixels, err := mat.DataPtrUint8()
	if err != nil {
		panic(err) // it is one of bytes
	}
	copy(pixels, frame.Data)
	if owned {
		return gear.SendOwned(ctx, &mat, message)
	}
	defer mat.Close()
	return gear.Send(ctx, mat, message)
}

// lookAtMat calls a function with a frame's pixels, through a Mat that refers to
// them.
func lookAtMat(f *netgear.Frame, look func(pixels []byte)) error {
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
