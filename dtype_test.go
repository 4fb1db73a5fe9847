package netgear

import (
	"errors"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/numpy"
)

// A dtype that numpy does not have would end VidGear's receive thread. The
// error names the probable dtype.
func TestUnknownDTypes(t *testing.T) {
	_, send := openPair(t, Options{JPEGCompression: JPEGOff})
	_, async := openPair(t, Options{Wire: AsyncWire})
	recv, _ := openPair(t, Options{BidirectionalMode: true})
	ctx := testContext(t)
	for name, says := range map[string]string{
		"UINT8": "did you mean uint8?", "unit8": "did you mean uint8?", "Float32": "did you mean float32?", "np.uint16": "did you mean uint16?",
		"CV_8UC3": "did you mean uint8? The channels belong into the shape", "CV_32F": "did you mean float32?", "MatTypeCV16SC2": "did you mean int16?",
		"cv2.CV_64F": "did you mean float64?", "uint_8": "did you mean uint8?", "rgb24": "it has uint8, float32, ", "S": `as in "S3"`,
		"[('a', '<i4')]": "does not read it back", `<U"`: "numpy does not know", "3i4": "numpy does not know",
	} {
		a := Array{DType: name, Shape: []int{1}, Data: make([]byte, 12)}
		for what, err := range map[string]error{
			"SendArray":           second(send.SendArray(ctx, a, nil)),
			"SendArrayOwned":      second(send.SendArrayOwned(ctx, a, nil, func() {})),
			"SendArray, async":    second(async.SendArray(ctx, a, nil)),
			"SetReturnData":       recv.SetReturnData(a),
			"in a message, async": second(async.SendArray(ctx, testArray(0, "uint8", 1), []Array{a})),
		} {
			if !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
}

// dtypeSize returns the bytes of an element of a dtype.
func dtypeSize(t *testing.T, name string) int {
	t.Helper()
	d, err := numpy.Parse(name)
	if err != nil || d.Size == 0 {
		t.Fatalf("%s: %+v, %v", name, d, err)
	}
	return d.Size
}

func second[T any](_ T, err error) error { return err }

// A short name whose size does not match is no better: "int" has eight bytes.
func TestShortDTypesOfOtherSize(t *testing.T) {
	_, send := openPair(t, Options{JPEGCompression: JPEGOff})
	for name, says := range map[string]string{"int": `to numpy "int" is int64`, "u4": `to numpy "u4" is uint32`, "L": "uint64", "S3": "S3", "U5": "U5", "M8[ns]": "M8[ns]"} {
		_, err := send.SendArray(testContext(t), Array{DType: name, Shape: []int{2}, Data: make([]byte, 4)}, nil)
		if !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// numpy's short names are sent as their full names and arrive so. A JPEG is
// encoded in the same cases as for the full name.
func TestShortDTypes(t *testing.T) {
	for _, wire := range []Wire{NetGearWire, AsyncWire} {
		recv, send := openPair(t, Options{Wire: wire})
		ctx := testContext(t)
		for name, want := range map[string]string{"u1": "uint8", "B": "uint8", "|u1": "uint8", "f4": "float32", "<H": "uint16", "int": "int64", "double": "float64", "half": "float16", "?": "bool", "complex": "complex128"} {
			size := dtypeSize(t, want)
			if _, err := send.SendArray(ctx, Array{DType: name, Shape: []int{8, 8}, Data: make([]byte, 64*size)}, nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f := mustRecv(t, recv, ctx)
			if f.DType() != want || len(frameBytes(f)) != 64*size || (f.JPEG() != nil) != (want == "uint8" && wire == NetGearWire) {
				t.Errorf("%s arrived as %s, %d bytes, JPEG %v", name, f.DType(), len(frameBytes(f)), f.JPEG() != nil)
			}
			f.Close()
		}
	}
}

// A peer's short names become numpy's full ones, and are checked against the
// bytes.
func TestShortDTypesReceived(t *testing.T) {
	for name, want := range map[string]string{"u1": "uint8", "B": "uint8", "f4": "float32", ">f4": "float32", "int": "int64", "b": "int8", "b1": "bool"} {
		h := header{coding: coding{dtype: name, shape: []int{3}}}
		size := dtypeSize(t, want)
		f := &frameMemory{coding: h.coding}
		if err := f.check(jsonWire{}, make([]byte, 3*size), 1<<20); err != nil || f.dtype.Name != want {
			t.Errorf("%s is %s, %v", name, f.dtype.Name, err)
		}
		if err := (&frameMemory{coding: h.coding}).check(jsonWire{}, make([]byte, 3*size+3), 1<<20); !errors.Is(err, ErrFrame) {
			t.Errorf("%s of another size: %v", name, err)
		}
	}
	// What this library does not hold passes as it did.
	for _, name := range []string{"datetime64[ns]", "<U5", "S3", "|S3", "CV_8UC3", "[('a', '<i4')]"} {
		f := &frameMemory{coding: coding{dtype: name, shape: []int{2}}}
		if err := f.check(jsonWire{}, make([]byte, 40), 1<<20); err != nil || f.dtype.Name != name {
			t.Errorf("%s is %s, %v", name, f.dtype.Name, err)
		}
	}
}
