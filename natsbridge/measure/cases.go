//go:build unix

package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"sync"

	"github.com/vidgear-go/netgear"
)

const (
	core          = "core"
	stream        = "FRAMES"
	width, height = 1920, 1080
)

// testCase is a row of the table. The processes get it as JSON.
type testCase struct {
	Raw        bool
	MaxPayload int32 // in MiB
	Through    string
	Consumers  int
	Work       bool // the consumers share the frames; otherwise each receives all

	URL string // of the server
	Dir string // where the server stores files
}

// allCases returns the cases, or those of one way through NATS.
func allCases(only string) (all []testCase) {
	for _, through := range []string{core, "memory", "file"} {
		if only != "" && only != through {
			continue
		}
		for _, c := range []testCase{{MaxPayload: 1}, {Raw: true, MaxPayload: 1}, {Raw: true, MaxPayload: 8}} {
			c.Through = through
			for _, c.Consumers = range []int{1, 8} {
				all = append(all, c)
				if shared := c; through != core {
					shared.Work = true
					all = append(all, shared)
				}
			}
		}
	}
	return all
}

// name returns the first cells of the row.
func (c testCase) name() string {
	frame, through, consumers := "JPEG", "core NATS", fmt.Sprint(c.Consumers)
	if c.Raw {
		frame = fmt.Sprintf("raw, `max_payload` %d MB", c.MaxPayload)
	}
	if c.Through != core {
		through = "JetStream, " + c.Through
	}
	if c.Work {
		consumers += ", sharing"
	}
	return fmt.Sprintf("%.2f MB, %s | %s | %s", float64(c.size())/1e6, frame, through, consumers)
}

// size returns the bytes of a frame.
func (c testCase) size() int {
	if c.Raw {
		return width * height * 3
	}
	return len(photo())
}

func (c testCase) picture() (*netgear.Frame, error) {
	if c.Raw {
		return netgear.NewFrame(netgear.Array{Data: make([]byte, c.size()), Shape: []int{height, width, 3}, DType: "uint8"}, nil)
	}
	return netgear.NewJPEGFrame(photo(), nil)
}

// photo returns a JPEG as large as a camera's: noise, in as many rows as are
// needed for that.
var photo = sync.OnceValue(func() []byte {
	const noisy = 308
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noisy * img.YStride {
		img.Y[i] = byte(random.Uint32())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err) // an error in this file
	}
	return b.Bytes()
})
