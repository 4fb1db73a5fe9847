package source

import (
	"context"
	"fmt"
	"image"

	"github.com/vidgear-go/netgear"
)

// testPicture draws a moving picture. Frame number i depends only on i and the
// size, so two runs send the same pixels.
type testPicture struct {
	size       image.Point
	background []byte
	out        []byte
	index      int
}

const testPictureRate = 25 // frames per second of the clock on the picture

func newTestPicture(size image.Point) *testPicture {
	if size == (image.Point{}) {
		size = image.Pt(640, 480)
	}
	t := &testPicture{size: size, background: make([]byte, 0, 3*size.X*size.Y)}
	// Smooth colors compress well as JPEG, a checkerboard does not.
	for y := range size.Y {
		for x := range size.X {
			light := byte((x/16 + y/16) % 2 * 24)
			t.background = append(t.background, byte(x*200/size.X)+light, byte(y*200/size.Y)+light, byte((size.X-x)*120/size.X)+light)
		}
	}
	t.out = make([]byte, len(t.background))
	return t
}

// next draws the next frame: a disc that bounces, a bar that sweeps, the
// frame's number and its time.
func (t *testPicture) next(context.Context) (Frame, error) {
	copy(t.out, t.background)
	w, h, i := t.size.X, t.size.Y, t.index
	t.index++
	radius := max(min(w, h)/10, 1)
	t.disc(image.Pt(radius+bounce(5*i, w-2*radius), radius+bounce(3*i, h-2*radius)), radius, [3]byte{40, 80, 240})
	white, black := [3]byte{255, 255, 255}, [3]byte{}
	bar := i * 4 % w
	t.fill(image.Rect(bar, 0, bar+max(w/320, 1), h), white)
	text := fmt.Sprintf("%06d  %02d:%02d.%02d", i, i/testPictureRate/60, i/testPictureRate%60, i%testPictureRate*100/testPictureRate)
	unit := max(w/160, 1)
	at := image.Pt(w/40, h-h/30-9*unit)
	t.fill(image.Rect(at.X-unit, at.Y-unit, at.X+len(text)*6*unit, at.Y+10*unit), black)
	for n, c := range text {
		t.digit(at.Add(image.Pt(n*6*unit, 0)), c, unit, white)
	}
	return Frame{Array: netgear.Array{DType: "uint8", Shape: []int{h, w, 3}, Data: t.out}}, nil
}

func (t *testPicture) close() {}

// fill fills a rectangle, as far as it is in the picture.
func (t *testPicture) fill(r image.Rectangle, bgr [3]byte) {
	r = r.Intersect(image.Rectangle{Max: t.size})
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			copy(t.out[3*(y*t.size.X+x):], bgr[:])
		}
	}
}

func (t *testPicture) disc(center image.Point, radius int, bgr [3]byte) {
	for y := -radius; y <= radius; y++ {
		x := 0
		for x*x+y*y <= radius*radius {
			x++
		}
		t.fill(image.Rect(center.X-x+1, center.Y+y, center.X+x, center.Y+y+1), bgr)
	}
}

// segments has the bars of a seven-segment display for each digit, in the order
// of bars, as bits.
var segments = [10]byte{0x3F, 0x06, 0x5B, 0x4F, 0x66, 0x6D, 0x7D, 0x07, 0x7F, 0x6F}

// bars are the places of the segments in a digit of 4 by 9 units.
var bars = [7]image.Rectangle{
	image.Rect(0, 0, 4, 1), image.Rect(3, 0, 4, 5), image.Rect(3, 4, 4, 9), image.Rect(0, 8, 4, 9),
	image.Rect(0, 4, 1, 9), image.Rect(0, 0, 1, 5), image.Rect(0, 4, 4, 5),
}

// digit draws a digit, a colon or a point.
func (t *testPicture) digit(at image.Point, c rune, unit int, bgr [3]byte) {
	draw := func(r image.Rectangle) {
		t.fill(image.Rectangle{Min: at.Add(r.Min.Mul(unit)), Max: at.Add(r.Max.Mul(unit))}, bgr)
	}
	switch {
	case c >= '0' && c <= '9':
		for i, bar := range bars {
			if segments[c-'0']>>i&1 == 1 {
				draw(bar)
			}
		}
	case c == ':':
		draw(image.Rect(1, 2, 2, 3))
		draw(image.Rect(1, 6, 2, 7))
	case c == '.':
		draw(image.Rect(1, 8, 2, 9))
	}
}

// bounce returns a position that moves from 0 to length and back.
func bounce(position, length int) int {
	if length <= 0 {
		return 0
	}
	if position %= 2 * length; position > length {
		return 2*length - position
	}
	return position
}
