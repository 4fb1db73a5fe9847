//go:build !nogocv

package faults

import (
	"context"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/matframe"
)

// sendFrame sends one frame as a Mat of its own, like a camera's. It transfers
// the ownership of every other one, which the library then closes.
func sendFrame(n *netgear.NetGear, i int64, fill func(pixels []byte)) (netgear.Reply, error) {
	return matframe.Send(context.Background(), n, frameRows, frameCols, 3, fill, nil, i%2 == 0)
}

// look calls a function with a frame's pixels, through a Mat that refers to them.
func look(f *netgear.Frame, at func(pixels []byte)) error { return matframe.Look(f, at) }
