//go:build !nogocv

package main

import (
	"fmt"
	"image"
	"image/color"
	"slices"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

const cellW, cellH = 384, 288

// montage shows the newest picture of every sender, two in a row.
type montage struct {
	mat    gocv.Mat
	ports  []string
	frames []int // shown so far, by place
}

func newMontage(ports []string) *montage {
	rows := (len(ports) + 1) / 2
	return &montage{
		mat:    gocv.NewMatWithSizeFromScalar(gocv.NewScalar(32, 32, 32, 0), rows*cellH, 2*cellW, gocv.MatTypeCV8UC3),
		ports:  ports,
		frames: make([]int, len(ports)),
	}
}

func (m *montage) close() { m.mat.Close() }

// put draws a frame at its sender's place, with the port and a count.
func (m *montage) put(port string, frame *netgear.Frame) error {
	i := slices.Index(m.ports, port)
	if i < 0 {
		return fmt.Errorf("a frame from port %q: the senders must be given the ports %v", port, m.ports)
	}
	m.frames[i]++
	picture, err := frame.Mat()
	if err != nil {
		return err
	}
	defer picture.Close()
	switch picture.Type() {
	case gocv.MatTypeCV8UC3:
	case gocv.MatTypeCV8UC1:
		gocv.CvtColor(picture, &picture, gocv.ColorGrayToBGR) // copies the frame to its own memory
	default:
		return fmt.Errorf("port %s: %s of shape %v is not a picture", port, frame.DType(), frame.Shape())
	}
	corner := image.Pt(i%2*cellW, i/2*cellH)
	place := m.mat.Region(image.Rectangle{Min: corner, Max: corner.Add(image.Pt(cellW, cellH))})
	defer place.Close()
	gocv.Resize(picture, &place, image.Pt(cellW, cellH), 0, 0, gocv.InterpolationArea)
	gocv.PutText(&m.mat, fmt.Sprintf("%s: %d", port, m.frames[i]), corner.Add(image.Pt(8, 24)),
		gocv.FontHersheySimplex, 0.7, color.RGBA{255, 255, 0, 0}, 2)
	return nil
}
