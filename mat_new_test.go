//go:build !nogocv

package netgear

import "testing"

// Mat works for a frame that the application created.
func TestMatOfNewFrames(t *testing.T) {
	raw, err := NewFrame(testArray(2, "uint16", 4, 5, 3), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	jpeg, err := NewJPEGFrame(testJPEG(t, 5, 4), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer jpeg.Close()
	for _, f := range []*Frame{raw, jpeg} {
		mat, err := f.Mat()
		if err != nil {
			t.Fatal(err)
		}
		b, err := mat.DataPtrUint8()
		if err != nil || mat.Rows() != 4 || mat.Cols() != 5 || mat.Channels() != 3 || string(b) != string(frameBytes(f)) {
			t.Errorf("%s: %v rows, %v columns, %v", f.DType(), mat.Rows(), mat.Cols(), err)
		}
		mat.Close()
	}
}
