package main

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/source/pace"
)

// frameMessage is the message of each frame.
type frameMessage struct {
	Camera int    `json:"camera"`
	N      uint64 `json:"n"` // the number of the frame, from 1
}

// picture returns a JPEG of 320×240 with noise, of 20 KB.
var picture = sync.OnceValue(func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	img := image.NewGray(image.Rect(0, 0, 320, 240))
	for y := range 240 {
		for x := range 320 {
			img.SetGray(x, y, color.Gray{Y: uint8(x/2 + random.IntN(32))})
		}
	}
	var out bytes.Buffer
	jpeg.Encode(&out, img, &jpeg.Options{Quality: 80}) //nolint:errcheck // a Buffer takes everything
	return out.Bytes()
})

// cameraCounts is what a camera answers.
type cameraCounts struct {
	Sent     uint64 // frames that were answered; with PubSub, that libzmq has taken
	Failed   uint64 // send calls that returned an error
	Retries  uint64 // frames sent again
	Last     uint64 // the number of the last frame
	LastText string // the last error
}

// runCamera sends frames until the process is to end.
func runCamera(r *role, c *commands) error {
	end, err := netgear.New(r.Options)
	if err != nil {
		return err
	}
	var sent, failed, last atomic.Uint64
	var text atomic.Value
	text.Store("")
	var sending sync.WaitGroup
	sending.Go(func() {
		p := pace.New(r.FPS)
		for n := uint64(1); p.Wait(c.ctx) == nil; n++ {
			last.Store(n)
			_, err := end.SendJPEG(c.ctx, picture(), frameMessage{r.ID, n})
			switch {
			case err == nil:
				sent.Add(1)
			case c.ctx.Err() == nil && !errors.Is(err, context.Canceled):
				failed.Add(1)
				text.Store(err.Error())
			}
		}
	})
	err = c.answer(func() (any, error) {
		return cameraCounts{sent.Load(), failed.Load(), end.Stats().Retries, last.Load(), text.Load().(string)}, nil
	})
	sending.Wait()
	return errors.Join(err, end.Close())
}

// startCameras starts a process for each of the options. It starts no more once
// the context has ended.
func startCameras(ctx context.Context, options []netgear.Options, fps float64) ([]*child, error) {
	all := make([]*child, len(options))
	err := together(len(options), func(i int) (err error) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var counts cameraCounts
		all[i], err = role{Kind: "camera", Options: options[i], ID: i, FPS: fps}.start(&counts)
		return err
	})
	return all, err
}
