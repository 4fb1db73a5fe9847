//go:build !nogocv

package netgear

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"slices"
	"testing"

	"gocv.io/x/gocv"
)

// testMat is a Mat of the type, filled with a test array.
func testMat(t *testing.T, i, rows, cols int, mt gocv.MatType) gocv.Mat {
	t.Helper()
	m := gocv.NewMatWithSize(rows, cols, mt)
	b := matMemory(t, m)
	copy(b, testArray(i, "uint8", len(b)).Data)
	return m
}

// matMemory is a Mat's memory.
func matMemory(t *testing.T, m gocv.Mat) []byte {
	t.Helper()
	b, err := m.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// matBytes are a Mat's pixels in C order, whatever its strides.
func matBytes(m gocv.Mat) []byte {
	whole := m.Clone()
	defer whole.Close()
	return whole.ToBytes()
}

// Every depth × 1 to 4 channels × {whole, region, transposed, one pixel} arrives
// as the same Mat, with and without Copy; and the sender's Mat may be reused.
func TestMats(t *testing.T) {
	for _, copies := range []bool{false, true} {
		recv, send := openPair(t, Options{JPEGCompression: JPEGOff, Copy: copies})
		ctx := testContext(t)
		for depth := gocv.MatType(0); depth < 8; depth++ {
			for channels := 1; channels <= 4; channels++ {
				mt := depth + gocv.MatType(channels-1)<<3
				for name, cut := range map[string]func(gocv.Mat) gocv.Mat{
					"whole":  func(m gocv.Mat) gocv.Mat { return m.Clone() },
					"region": func(m gocv.Mat) gocv.Mat { return m.Region(image.Rect(2, 1, 9, 5)) },
					"transposed": func(m gocv.Mat) gocv.Mat {
						turned := gocv.NewMat()
						gocv.Transpose(m, &turned)
						return turned
					},
					"one pixel": func(m gocv.Mat) gocv.Mat { return m.Region(image.Rect(3, 3, 4, 4)) },
				} {
					t.Run(fmt.Sprintf("copy=%v/%v/%s", copies, mt, name), func(t *testing.T) {
						if depth == 7 && name == "transposed" {
							name = "whole" // OpenCV 4.6 does not transpose float16
							return
						}
						base := testMat(t, int(mt), 6, 11, mt)
						defer base.Close()
						m := cut(base)
						defer m.Close()
						want := matBytes(m)
						if _, err := send.Send(ctx, m, nil); err != nil {
							t.Fatal(err)
						}
						if b, err := base.DataPtrUint8(); err == nil {
							clear(b)
						}
						f, err := recv.Recv(ctx)
						if err != nil {
							t.Fatal(err)
						}
						got, err := f.Mat()
						if err != nil {
							t.Fatal(err)
						}
						defer got.Close()
						if copies {
							f.Close()
						} else {
							defer f.Close()
						}
						if got.Type() != mt || got.Rows() != m.Rows() || got.Cols() != m.Cols() || !bytes.Equal(got.ToBytes(), want) {
							t.Errorf("a %v of %dx%d arrived as %v of %dx%d", mt, m.Rows(), m.Cols(), got.Type(), got.Rows(), got.Cols())
						}
					})
				}
			}
		}
	}
}

func TestMatsThatCannotBeSent(t *testing.T) {
	_, send := openPair(t, Options{})
	empty := gocv.NewMat()
	defer empty.Close()
	closed := gocv.NewMat()
	closed.Close()
	for name, m := range map[string]gocv.Mat{"empty": empty, "closed": closed, "zero": {}} {
		if _, err := send.Send(testContext(t), m, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only Mat refuses an array that OpenCV cannot hold.
func TestFramesThatAreNoMats(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	ctx := testContext(t)
	for _, a := range []Array{
		testArray(0, "uint32", 4, 4), testArray(0, "int64", 4, 4), testArray(0, "complex64", 4, 4, 3), testArray(0, "float128", 4, 4),
		testArray(0, "uint8", 16), testArray(0, "uint8", 2, 2, 2, 2), testArray(0, "uint8", 1, 1, 513), testArray(0, "uint8"),
	} {
		if _, err := send.SendArray(ctx, a, nil); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Mat(); !errors.Is(err, ErrFrame) {
			t.Errorf("%s %v: %v", a.DType, a.Shape, err)
		}
		if !bytes.Equal(frameBytes(f), a.Data) || !slices.Equal(f.Shape(), a.Shape) {
			t.Errorf("%s %v arrived changed", a.DType, a.Shape)
		}
		f.Close()
		if _, err := f.Mat(); !errors.Is(err, ErrFrame) {
			t.Errorf("Mat of a closed frame: %v", err)
		}
	}
}

func TestReturnMat(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff, BidirectionalMode: true})
	m := testMat(t, 1, 5, 7, gocv.MatTypeCV16UC3)
	defer m.Close()
	if err := recv.SetReturnMat(m); err != nil {
		t.Fatal(err)
	}
	r, err := send.Send(testContext(t), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Array == nil || r.Array.DType != "uint16" || !bytes.Equal(r.Array.Data, m.ToBytes()) {
		t.Errorf("%+v", r)
	}
}
