//go:build !nogocv

package main

import (
	"fmt"
	"math"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
)

// enough is the PSNR in dB that a frame must have after JPEG, after which it
// has about 40. Even neighbors in the sample video have less than 29 to each
// other, so the check distinguishes frames.
const enough = 30

// checker compares the frames that arrive with the expected ones.
type checker struct {
	source []gocv.Mat // one loop
	total  int        // expected frames
	raw    bool

	expected int // of the next frame
	received int
	missing  int
	wrong    int
	first    string  // the problem of the first wrong frame
	stamped  int     // frames with a note; those of another program have none
	worst    float64 // the lowest PSNR
	sum      float64 // of all PSNRs
	measured int
	equal    int // identical frames, which have no PSNR
}

// frame checks one frame against its note, or against its place in the stream
// if it has none.
func (c *checker) frame(f *netgear.Frame, n note) {
	c.received++
	index := c.expected
	if n.SHA256 != "" {
		c.stamped++
		index = n.Index
	}
	switch {
	case index < c.expected:
		c.mistake("frame %d came again, or late: %d was next", index, c.expected)
	case index >= c.total:
		c.mistake("frame %d came, but %d is the last (does the sender have the same -loops?)", index, c.total-1)
	}
	c.missing += max(0, index-c.expected)
	c.expected = max(c.expected, index+1)

	pixels, err := f.Bytes()
	if err != nil {
		c.mistake("frame %d: %v", index, err)
		return
	}
	if c.raw && n.SHA256 != "" {
		if got := cli.SHA256(pixels); got != n.SHA256 {
			c.mistake("frame %d has the checksum %s, at the sender it had %s", index, got, n.SHA256)
		}
		return
	}
	// JPEG changes pixels a little, and another program may decode the video a
	// little differently, so the difference is measured.
	quality := psnr(pixels, c.source[index%len(c.source)])
	if math.IsInf(quality, 1) {
		c.equal++
		return
	}
	if c.measured++; c.measured == 1 || quality < c.worst {
		c.worst = quality
	}
	c.sum += quality
	if quality < enough {
		c.mistake("frame %d has a PSNR of only %.1f dB", index, quality)
	}
}

func (c *checker) mistake(format string, args ...any) {
	if c.wrong++; c.wrong == 1 {
		c.first = fmt.Sprintf(format, args...)
	}
}

// report prints the result. A missing or wrong frame is an error.
func (c *checker) report() error {
	missing := c.missing + max(0, c.total-c.expected)
	fmt.Printf("Frames: %d sent, %d received, %d missing, %d wrong.\n", c.total, c.received, missing, c.wrong)
	if c.equal > 0 {
		fmt.Printf("%d frames are the original pixel for pixel.\n", c.equal)
	}
	if c.measured > 0 {
		fmt.Printf("Pixels against the original: PSNR %.1f dB on average, %.1f dB at worst (at least %d is asked for).\n",
			c.sum/float64(c.measured), c.worst, enough)
	}
	if c.wrong > 0 {
		return fmt.Errorf("%d frames are wrong; the first: %s", c.wrong, c.first)
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d frames did not arrive", missing, c.total)
	}
	switch {
	case c.stamped < c.received:
		fmt.Println("Every frame arrived, in order.")
	case c.raw:
		fmt.Println("Every frame arrived, in order, with the checksum it was sent with.")
	default:
		fmt.Println("Every frame arrived, in order and intact.")
	}
	return nil
}

// psnr returns the peak signal-to-noise ratio in dB: infinite for equal
// pictures, 0 for pictures of different sizes.
func psnr(pixels []byte, want gocv.Mat) float64 {
	reference, err := want.DataPtrUint8()
	if err != nil || len(reference) != len(pixels) {
		return 0
	}
	sum := 0
	for i, p := range pixels {
		d := int(p) - int(reference[i])
		sum += d * d
	}
	if sum == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(255*255*float64(len(pixels))/float64(sum))
}
