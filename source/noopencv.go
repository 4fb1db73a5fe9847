//go:build nogocv

package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif" // image.Decode reads these
	_ "image/png"
	"io"
	"os"

	"github.com/vidgear-go/netgear"
)

const haveOpenCV = false

// errNoOpenCV is returned for what only OpenCV can do.
var errNoOpenCV = errors.New("that requires OpenCV, and this program was built without it (-tags nogocv)")

func openOpenCV(Settings, int) (reader, error) { return nil, errNoOpenCV }

// scaler converts nothing: only OpenCV can.
type scaler struct{}

func (*scaler) close() {}

func (*scaler) apply(a netgear.Array, size image.Point, gray bool) (netgear.Array, error) {
	if gray && len(a.Shape) == 3 || size != (image.Point{}) && size != image.Pt(a.Shape[1], a.Shape[0]) {
		return a, errNoOpenCV
	}
	return a, nil
}

// maxPixels is the largest picture that is decoded: a file of some bytes may
// claim any size.
const maxPixels = 1 << 27

// readPicture reads a picture file unchanged: with 16 bits and alpha.
func readPicture(file string) (netgear.Array, error) {
	f, err := os.Open(file)
	if err != nil {
		return netgear.Array{}, err
	}
	defer f.Close()
	config, _, err := image.DecodeConfig(f)
	if err != nil {
		return netgear.Array{}, errors.Join(err, errNoOpenCV)
	}
	if int64(config.Width)*int64(config.Height) > maxPixels {
		return netgear.Array{}, fmt.Errorf("it has more than %d pixels", maxPixels)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return netgear.Array{}, err
	}
	m, _, err := image.Decode(f)
	if err != nil {
		return netgear.Array{}, errors.Join(err, errNoOpenCV)
	}
	if whole := image.Rect(0, 0, config.Width, config.Height); m.Bounds() != whole {
		// The first frame of a GIF may be a part of its picture.
		part := m
		canvas := image.NewNRGBA(whole)
		draw.Draw(canvas, part.Bounds(), part, part.Bounds().Min, draw.Src)
		m = canvas
	}
	return pixels(m), nil
}

// pixels returns a picture's pixels as OpenCV's are: gray, or blue, green, red,
// and alpha if the picture is not opaque.
func pixels(m image.Image) netgear.Array {
	a := netgear.Array{DType: "uint8", Shape: []int{m.Bounds().Dy(), m.Bounds().Dx()}}
	channels, size := 3, 1
	switch m.(type) {
	case *image.Gray:
		channels = 1
	case *image.Gray16:
		channels, size = 1, 2
	case *image.RGBA64, *image.NRGBA64:
		size = 2
	}
	if o, ok := m.(interface{ Opaque() bool }); channels == 3 && ok && !o.Opaque() {
		channels = 4
	}
	if size == 2 {
		a.DType = "uint16"
	}
	if channels > 1 {
		a.Shape = append(a.Shape, channels)
	}
	a.Data = make([]byte, 0, a.Shape[0]*a.Shape[1]*channels*size)
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			c := color.NRGBA64Model.Convert(m.At(x, y)).(color.NRGBA64)
			samples := [4]uint16{c.B, c.G, c.R, c.A}
			for _, v := range samples[:channels] {
				if size == 2 {
					a.Data = binary.LittleEndian.AppendUint16(a.Data, v)
				} else {
					a.Data = append(a.Data, byte(v>>8))
				}
			}
		}
	}
	return a
}
