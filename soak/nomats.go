//go:build nogocv

package main

import (
	"context"

	"github.com/vidgear-go/netgear"
)

// hasMats reports whether this build has Mats; -mats needs them.
const hasMats = false

func sendMat(context.Context, *netgear.NetGear, netgear.Array, any, bool) (netgear.Reply, error) {
	panic("no gocv")
}

func lookAtMat(*netgear.Frame, func([]byte)) error { panic("no gocv") }
