//go:build !nogocv

package source

import (
	"fmt"
	"image"
	"image/color"

	"gocv.io/x/gocv"
)

// testPicture draws a moving picture. Frame number i depends only on i and the
// size, so two runs send the same pixels.
type testPicture struct {
	background gocv.Mat
	index      int
}

const testPictureRate = 25 // frames per second of the clock on the picture

func newTestPicture(size image.Point) *testPicture {
	if size == (image.Point{}) {
		size = image.Pt(640, 480)
	}
	t := &testPicture{background: gocv.NewMatWithSize(size.Y, size.X, gocv.MatTypeCV8UC3)}
	// Smooth colors compress well as JPEG, a checkerboard does not.
	for y := range size.Y {
		for x := range size.X {
			light := uint8((x/16 + y/16) % 2 * 24)
			t.background.SetUCharAt(y, 3*x, uint8(x*200/size.X)+light)
			t.background.SetUCharAt(y, 3*x+1, uint8(y*200/size.Y)+light)
			t.background.SetUCharAt(y, 3*x+2, uint8((size.X-x)*120/size.X)+light)
		}
	}
	return t
}

// Read draws the next frame: a disc that bounces, a bar that sweeps, the
// frame's number and its time.
func (t *testPicture) Read(m *gocv.Mat) bool {
	t.background.CopyTo(m)
	w, h, i := m.Cols(), m.Rows(), t.index
	t.index++

	white, black := color.RGBA{255, 255, 255, 0}, color.RGBA{0, 0, 0, 0}
	radius := max(min(w, h)/10, 1)
	disc := image.Pt(radius+bounce(5*i, w-2*radius), radius+bounce(3*i, h-2*radius))
	gocv.Circle(m, disc, radius, color.RGBA{240, 80, 40, 0}, -1)
	bar := i * 4 % w
	gocv.Line(m, image.Pt(bar, 0), image.Pt(bar, h-1), white, 2)

	text := fmt.Sprintf("%06d  %02d:%02d.%02d", i, i/testPictureRate/60, i/testPictureRate%60, i%testPictureRate*100/testPictureRate)
	scale := float64(w) / 640
	at := image.Pt(w/40, h-h/30)
	gocv.PutText(m, text, at, gocv.FontHersheyDuplex, 1.4*scale, black, max(int(6*scale), 2))
	gocv.PutText(m, text, at, gocv.FontHersheyDuplex, 1.4*scale, white, max(int(2*scale), 1))
	return true
}

func (t *testPicture) Close() error { return t.background.Close() }

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
