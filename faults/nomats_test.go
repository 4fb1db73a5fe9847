//go:build nogocv

// No Mats here: without gocv frames are arrays.

package faults

import (
	"context"

	"github.com/vidgear-go/netgear"
)

func sendFrame(n *netgear.NetGear, i int64, fill func(pixels []byte)) (netgear.Reply, error) {
	frame := netgear.Array{DType: "uint8", Shape: []int{frameRows, frameCols, 3}, Data: make([]byte, frameRows*frameCols*3)}
	fill(frame.Data)
	if i%2 == 0 {
		return n.SendArrayOwned(context.Background(), frame, nil, func() {})
	}
	return n.SendArray(context.Background(), frame, nil)
}

func look(f *netgear.Frame, at func(pixels []byte)) error {
	pixels, err := f.Bytes()
	if err == nil {
		at(pixels)
	}
	return err
}
