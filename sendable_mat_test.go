//go:build !nogocv

package netgear

import (
	"errors"
	"testing"

	"gocv.io/x/gocv"
)

func init() {
	moreArrays = func(t *testing.T, want Array) map[string]any {
		mat, err := gocv.NewMatFromBytes(want.Shape[0], want.Shape[1], gocv.MatTypeCV8UC3, want.Data)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mat.Close() })
		return map[string]any{"gocv.Mat": mat, "*gocv.Mat": &mat}
	}
}

// A Mat that is empty, closed or nil is an error wherever it is.
func TestEmptyMats(t *testing.T) {
	recv, _ := openPair(t, Options{BidirectionalMode: true})
	_, send := openPair(t, Options{Wire: AsyncWire})
	closed := gocv.NewMatWithSize(2, 2, gocv.MatTypeCV8U)
	closed.Close()
	empty := gocv.NewMat()
	defer empty.Close()
	for name, v := range map[string]any{"zero": gocv.Mat{}, "closed": closed, "empty": empty, "pointer to a zero": &gocv.Mat{}, "nil": (*gocv.Mat)(nil)} {
		if err := recv.SetReturnData(v); !errors.Is(err, ErrFrame) {
			t.Errorf("%s returned: %v", name, err)
		}
		if name == "nil" {
			continue // as in any JSON: null
		}
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), []any{v}); !errors.Is(err, ErrFrame) || !errors.Is(err, ErrMessage) {
			t.Errorf("%s in a message: %v", name, err)
		}
	}
}
