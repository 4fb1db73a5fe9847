//go:build !nogocv

package netgear

import (
	"context"

	"gocv.io/x/gocv"
)

func init() {
	moreCalls = func(ctx context.Context, recv, send *NetGear) []badCall {
		var none context.Context
		mat := func() gocv.Mat { return gocv.NewMatWithSize(2, 2, gocv.MatTypeCV8U) }
		return []badCall{
			{"Send, zero Mat", ErrFrame, func() error { return second(send.Send(ctx, gocv.Mat{}, nil)) }},
			{"Send, nil context", ErrContext, func() error {
				m := mat()
				defer m.Close()
				return second(send.Send(none, m, nil))
			}},
			{"SendOwned, nil", ErrFrame, func() error { return second(send.SendOwned(ctx, nil, nil)) }},
			{"SendOwned, zero Mat", ErrFrame, func() error { return second(send.SendOwned(ctx, &gocv.Mat{}, nil)) }},
			{"SendOwned, nil context", ErrContext, func() error {
				m := mat()
				return second(send.SendOwned(none, &m, nil)) // which closes it all the same
			}},
			{"SetReturnMat, zero", ErrFrame, func() error { return recv.SetReturnMat(gocv.Mat{}) }},
			{"Mat of a nil frame", ErrFrame, func() error { return second((*Frame)(nil).Mat()) }},
			{"Mat of a zero frame", ErrFrame, func() error { return second((&Frame{}).Mat()) }},
		}
	}
}
