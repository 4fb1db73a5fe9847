//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

// Package people detects people in frames, for the examples.
package people

import (
	"image"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/threads"
)

// Detector detects people in pictures.
type Detector struct {
	hog   gocv.HOGDescriptor
	width int // the width to which pictures are reduced: the search at full size takes many times as long
	small gocv.Mat
}

// New returns a detector that reduces pictures to a width, in pixels. The caller
// must Close it.
func New(width int) *Detector {
	d := &Detector{hog: gocv.NewHOGDescriptor(), width: width, small: gocv.NewMat()}
	people := threads.People()
	weights, err := gocv.NewMatFromBytes(len(people)/4, 1, gocv.MatTypeCV32F, people)
	if err != nil {
		panic(err) // an error in this file
	}
	defer weights.Close()
	d.hog.SetSVMDetector(weights)
	return d
}

// Close frees the detector's memory.
func (d *Detector) Close() {
	d.hog.Close()
	d.small.Close()
}

// Find returns a box around each person in a frame: x, y, width and height, in
// pixels of the frame.
func (d *Detector) Find(frame *netgear.Frame) ([][4]int, error) {
	picture, err := frame.Mat()
	if err != nil {
		return nil, err
	}
	defer picture.Close()
	scale := min(1, float64(d.width)/float64(picture.Cols()))
	gocv.Resize(picture, &d.small, image.Point{}, scale, scale, gocv.InterpolationArea)
	boxes := [][4]int{}
	for _, r := range d.hog.DetectMultiScaleWithParams(d.small, 0, image.Pt(8, 8), image.Pt(8, 8), 1.1, 2, false) {
		box := [4]int{r.Min.X, r.Min.Y, r.Dx(), r.Dy()}
		for i := range box {
			box[i] = int(float64(box[i]) / scale)
		}
		boxes = append(boxes, box)
	}
	return boxes, nil
}
