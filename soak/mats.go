//go:build !nogocv

package main

import (
	"context"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/matframe"
)

const hasMats = true

// sendMat sends a frame as a Mat of its own, whose ownership it may transfer.
func sendMat(ctx context.Context, gear *netgear.NetGear, frame netgear.Array, message any, owned bool) (netgear.Reply, error) {
	channels := 1
	if len(frame.Shape) == 3 {
		channels = 3
	}
	fill := func(pixels []byte) { copy(pixels, frame.Data) }
	return matframe.Send(ctx, gear, frame.Shape[0], frame.Shape[1], channels, fill, message, owned)
}

// lookAtMat calls a function with a frame's pixels, through a Mat that refers to
// them.
func lookAtMat(f *netgear.Frame, look func(pixels []byte)) error { return matframe.Look(f, look) }
