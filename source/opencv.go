//go:build !nogocv

package source

import (
	"context"
	"errors"
	"image"
	"io"
	"runtime"
	"unsafe"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

const haveOpenCV = true

// capture reads a source with OpenCV.
type capture struct {
	in  *gocv.VideoCapture
	mat gocv.Mat
}

// openOpenCV opens the camera of a number that is not negative, otherwise the
// file or URL that the settings name.
func openOpenCV(s Settings, camera int) (reader, error) {
	var what any = s.Name
	if camera >= 0 {
		what = camera
	}
	in, err := quietly(func() (*gocv.VideoCapture, error) { return gocv.OpenVideoCapture(what) })
	if err != nil {
		return nil, err
	}
	if camera >= 0 && s.Size != (image.Point{}) {
		in.Set(gocv.VideoCaptureFrameWidth, float64(s.Size.X))
		in.Set(gocv.VideoCaptureFrameHeight, float64(s.Size.Y))
	}
	if camera >= 0 && s.Rate > 0 {
		in.Set(gocv.VideoCaptureFPS, s.Rate)
	}
	return &capture{in: in, mat: gocv.NewMat()}, nil
}

func (c *capture) next(context.Context) (Frame, error) {
	if !c.in.Read(&c.mat) || c.mat.Empty() {
		return Frame{}, io.EOF
	}
	a, err := array(c.mat)
	return Frame{Array: a}, err
}

func (c *capture) close() {
	c.in.Close()
	c.mat.Close()
}

// array returns the pixels of a Mat as an array that refers to its memory.
func array(m gocv.Mat) (netgear.Array, error) {
	if !m.IsContinuous() {
		return netgear.Array{}, errors.New("OpenCV returned a picture with gaps between its rows")
	}
	a := netgear.Array{DType: "uint8", Shape: []int{m.Rows(), m.Cols()}}
	var err error
	if m.Type()&7 == gocv.MatTypeCV16U {
		a.DType = "uint16"
		var b []uint16
		if b, err = m.DataPtrUint16(); err == nil {
			a.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), 2*len(b))
		}
	} else {
		a.Data, err = m.DataPtrUint8()
	}
	if c := m.Channels(); c > 1 {
		a.Shape = append(a.Shape, c)
	}
	return a, err
}

// scaler converts arrays to another size and to gray.
type scaler struct{ out *gocv.Mat }

// apply returns an array that is valid until the next call, or a itself.
func (s *scaler) apply(a netgear.Array, size image.Point, gray bool) (netgear.Array, error) {
	channels := 1
	if len(a.Shape) == 3 {
		channels = a.Shape[2]
	}
	gray = gray && channels > 1
	resize := size != (image.Point{}) && size != image.Pt(a.Shape[1], a.Shape[0])
	if !gray && !resize {
		return a, nil
	}
	depth := gocv.MatTypeCV8U
	if a.DType == "uint16" {
		depth = gocv.MatTypeCV16U
	}
	mat, err := gocv.NewMatFromBytes(a.Shape[0], a.Shape[1], depth+gocv.MatType((channels-1)<<3), a.Data)
	if err != nil {
		return a, err
	}
	defer runtime.KeepAlive(a.Data)
	defer mat.Close()
	if gray {
		code := gocv.ColorBGRToGray
		if channels == 4 {
			code = gocv.ColorBGRAToGray
		}
		gocv.CvtColor(mat, &mat, code)
	}
	s.close()
	out := gocv.NewMat()
	s.out = &out
	if resize {
		gocv.Resize(mat, s.out, size, 0, 0, gocv.InterpolationArea)
	} else {
		mat.CopyTo(s.out)
	}
	return array(*s.out)
}

func (s *scaler) close() {
	if s.out != nil {
		s.out.Close()
		s.out = nil
	}
}
