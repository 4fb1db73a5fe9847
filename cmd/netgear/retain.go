package main

import "github.com/vidgear-go/netgear"

// retain is temporary.
func retain(f *netgear.Frame) *netgear.Frame {
	var g *netgear.Frame
	if j := f.JPEG(); j != nil {
		g, _ = netgear.NewJPEGFrame(j, f.Message)
	} else if a, err := f.Array(); err == nil {
		g, _ = netgear.NewFrame(a, f.Message)
	}
	return g
}
