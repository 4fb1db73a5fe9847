//go:build !nogocv

// Package sheet creates a contact sheet: one picture of many small ones.
package sheet

import (
	"fmt"
	"image"
	"image/color"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear/examples/internal/mats"
)

// A contact sheet is side × side small pictures, each with its number.
const (
	side   = 4
	thumbW = 256
	thumbH = 192
	labelH = 24
	cells  = side * side
)

// Sheet shows some frames of a stream, evenly spread over it. The caller must
// Close it.
type Sheet struct {
	mat   gocv.Mat
	total int
	cell  int // the next free one
}

// New returns an empty sheet for a stream of so many frames.
func New(total int) *Sheet {
	return &Sheet{total: total, mat: gocv.NewMatWithSizeFromScalar(gocv.NewScalar(32, 32, 32, 0),
		side*(thumbH+labelH), side*thumbW, gocv.MatTypeCV8UC3)}
}

// Close releases its memory.
func (s *Sheet) Close() { s.mat.Close() }

// Shows reports whether the sheet shows this frame.
func (s *Sheet) Shows(index int) bool { return s.cell < cells && index >= s.cell*s.total/cells }

// Add adds a color picture to the sheet.
func (s *Sheet) Add(index int, picture gocv.Mat, label string) error {
	if picture.Type() != gocv.MatTypeCV8UC3 {
		return fmt.Errorf("frame %d is not a color picture of 8 bits", index)
	}
	corner := image.Pt(s.cell%side*thumbW, s.cell/side*(thumbH+labelH))
	s.cell++
	place := s.mat.Region(image.Rectangle{Min: corner, Max: corner.Add(image.Pt(thumbW, thumbH))})
	defer place.Close()
	gocv.Resize(picture, &place, image.Pt(thumbW, thumbH), 0, 0, gocv.InterpolationArea)
	gocv.PutText(&s.mat, fmt.Sprintf("frame %d%s", index, label), corner.Add(image.Pt(6, thumbH+labelH-7)),
		gocv.FontHersheySimplex, 0.5, color.RGBA{255, 255, 255, 0}, 1)
	return nil
}

// Write writes the sheet to a file. Errors name the flag.
func (s *Sheet) Write(flag, file string) error {
	if err := mats.WriteFile(file, s.mat); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}
