//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

package main

import (
	"context"
	"io"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/mats"
)

// sender is the send end, to which the workers connect.
func (s *settings) sender(endpoint string) (*netgear.NetGear, error) {
	o, err := options(false, endpoint)
	if err != nil {
		return nil, err
	}
	o.Attach = netgear.AttachBind
	return netgear.New(o)
}

// send sends n frames, each to the next worker whose queue is not full, and a
// terminate message to every worker.
func (s *settings) send(ctx context.Context, end *netgear.NetGear) error {
	defer end.Close()
	src, err := mats.Open(ctx, s.pictures)
	if err != nil {
		return err
	}
	defer src.Close()
	sent := 0
	err = src.Play(ctx, s.n, 0, func(ctx context.Context, i int, picture gocv.Mat) error {
		_, err := end.Send(ctx, picture, nil)
		sent++
		return err
	})
	if err == nil && sent < s.n {
		return io.ErrUnexpectedEOF // a camera that ended
	}
	return err
}
