//go:build !nogocv

package netgear

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"

	"gocv.io/x/gocv"
)

// matDepths lists the dtypes that an OpenCV Mat can hold, by depth. bool is
// sent as one byte that is 0 or 1. gocv has no name for depth 7.
var matDepths = []struct {
	depth gocv.MatType
	dtype string
}{
	{gocv.MatTypeCV8U, "uint8"}, {gocv.MatTypeCV8S, "int8"}, {gocv.MatTypeCV16U, "uint16"}, {gocv.MatTypeCV16S, "int16"},
	{gocv.MatTypeCV32S, "int32"}, {gocv.MatTypeCV32F, "float32"}, {gocv.MatTypeCV64F, "float64"}, {7, "float16"},
	{gocv.MatTypeCV8U, "bool"},
}

const maxMatChannels = 512 // CV_CN_MAX

// Send sends a Mat as a frame, as SendArray does with an array. The caller may
// reuse or close the Mat as soon as Send returns. It may be a region of another
// Mat. A Mat with one channel has the shape [rows, columns].
func (n *NetGear) Send(ctx context.Context, mat gocv.Mat, message any) (Reply, error) {
	a, free, err := matArray(mat)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	defer free()
	return n.SendArray(ctx, a, message)
}

// SendOwned sends a Mat and takes ownership of it. It is Send for Mats that the
// caller does not use again. It does not copy the pixels, also with PubSub and
// with Options.SendAhead, where Send does. For retries, errors and concurrency
// see SendArrayOwned.
//
// The library closes the Mat once, also when SendOwned returns an error. *mat
// becomes the zero Mat: create a new one before using it again. It must not
// share its pixels with a Mat that is still written to, nor be one from
// Frame.Mat without Options.Copy. A Mat that is not continuous (a region) is
// copied. One that is sent as JPEG is closed before SendOwned returns.
func (n *NetGear) SendOwned(ctx context.Context, mat *gocv.Mat, message any) (Reply, error) {
	if mat == nil {
		return Reply{}, wrap("send", fmt.Errorf("%w: the Mat is nil", ErrFrame))
	}
	own := *mat
	*mat = gocv.Mat{}
	a, free, err := matArray(own)
	if err != nil {
		closeMat(own)
		return Reply{}, wrap("send", err)
	}
	return n.SendArrayOwned(ctx, a, message, func() {
		free()
		closeMat(own)
	})
}

func init() {
	matType = reflect.TypeFor[gocv.Mat]()
	matAsArray = copyMat
}

// copyMat returns a Mat, or a *Mat, as an array in memory of its own.
func copyMat(mat any) (a Array, err error) {
	own, ok := mat.(gocv.Mat)
	if p, isPointer := mat.(*gocv.Mat); isPointer {
		own, ok = *p, true
	}
	if !ok {
		return a, fmt.Errorf("%w: a %T is no Mat", ErrFrame, mat)
	}
	a, free, err := matArray(own)
	if err == nil {
		a.Data = bytes.Clone(a.Data)
		free()
	}
	return a, err
}

func closeMat(mat gocv.Mat) {
	if mat.Ptr() != nil {
		mat.Close()
	}
}

// SetReturnMat does the same as SetReturnData, for a Mat, which it copies.
func (n *NetGear) SetReturnMat(mat gocv.Mat) error {
	a, free, err := matArray(mat)
	if err != nil {
		return wrap("return data", err)
	}
	defer free()
	return n.SetReturnData(a)
}

// matArray returns the Mat as an array that refers to its memory. It is valid
// until free is called.
func matArray(mat gocv.Mat) (a Array, free func(), err error) {
	free = func() {}
	if mat.Ptr() == nil || mat.Empty() {
		return a, free, fmt.Errorf("%w: the Mat is empty (did the capture fail?)", ErrFrame)
	}
	if a.DType, err = matDType(mat.Type()); err != nil {
		return a, free, err
	}
	a.Shape = slices.Clone(mat.Size())
	if c := mat.Channels(); c > 1 {
		a.Shape = append(a.Shape, c)
	}
	if !mat.IsContinuous() {
		// For a region of another Mat, gocv would return the wrong bytes.
		whole := mat.Clone()
		free = func() { whole.Close() }
		mat = whole
	}
	a.Data, err = mat.DataPtrUint8()
	return a, free, err
}

func matDType(t gocv.MatType) (string, error) {
	for _, d := range matDepths {
		if d.depth == t&7 {
			return d.dtype, nil
		}
	}
	return "", fmt.Errorf("%w: Mat type %v has no numpy dtype", ErrFrame, t)
}

// Mat returns the frame as a Mat. The caller must close it, as every Mat of
// gocv.
//
// Without Options.Copy the Mat refers to the frame's memory and must not be
// used after the frame's Close. With Options.Copy it owns its pixels. Mat
// returns an ErrFrame for dtypes that OpenCV does not have (uint32, int64,
// complex64, …). It does so, too, for shapes other than [rows, columns] and
// [rows, columns, 1 to 512]. Array supports all of them.
func (f *Frame) Mat() (gocv.Mat, error) {
	defer runtime.KeepAlive(f) // keeps the memory of an unreferenced frame
	t, err := f.depth()
	if err != nil {
		return gocv.Mat{}, wrap("Mat", err)
	}
	pixels, err := f.load()
	if err != nil {
		return gocv.Mat{}, wrap("Mat", err)
	}
	view, err := gocv.NewMatFromBytes(f.shape[0], f.shape[1], t, pixels)
	if err != nil {
		return gocv.Mat{}, wrap("Mat", fmt.Errorf("%w: %w", ErrFrame, err))
	}
	if !f.copies {
		f.noteView()
		return view, nil
	}
	defer view.Close()
	return view.Clone(), nil
}

func (f *Frame) depth() (gocv.MatType, error) {
	if err := f.usable(); err != nil {
		return 0, err
	}
	if len(f.shape) < 2 || len(f.shape) > 3 || f.size() == 0 || f.channels() > maxMatChannels {
		return 0, fmt.Errorf("%w: OpenCV has no Mat of shape %v; use Array", ErrFrame, f.shape)
	}
	for _, d := range matDepths {
		if d.dtype == f.dtype.Name {
			return d.depth + gocv.MatType(f.channels()-1)<<3, nil
		}
	}
	return 0, fmt.Errorf("%w: OpenCV has no Mat of %s; use Array", ErrFrame, f.dtype.Name)
}
