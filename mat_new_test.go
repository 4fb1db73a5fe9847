//go:build !nogocv

package netgear

import (
	"bytes"
	"errors"
	"testing"
)

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

// Mat decodes on use, and a damaged JPEG is an error. With Options.Copy it keeps
// no view of the frame.
func TestMatDecodesOnUse(t *testing.T) {
	for _, copies := range []bool{false, true} {
		recv, send := openPair(t, Options{Decode: DecodeOnUse, Copy: copies, JPEGCheck: ToggleOff})
		for name, want := range map[string]error{"ok-small.jpg": nil, "cut-90.jpg": ErrFrame} {
			if _, err := send.SendJPEG(testContext(t), jpegFile(t, name), nil); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, testContext(t))
			mat, err := f.Mat()
			if !errors.Is(err, want) || f.viewed != (want == nil && !copies) {
				t.Errorf("%s: %v, and the frame has a view: %v", name, err, f.viewed)
			}
			if err == nil {
				if b, err := mat.DataPtrUint8(); err != nil || !bytes.Equal(b, frameBytes(f)) {
					t.Errorf("other pixels, %v", err)
				}
				mat.Close()
			}
			f.Close()
		}
	}
}
