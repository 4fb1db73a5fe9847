//go:build !nogocv

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestNumpyNames checks that this numpy accepts and refuses the same names of
// dtypes as the recorded one.
func TestNumpyNames(t *testing.T) {
	t.Parallel()
	recorded, err := os.ReadFile("../internal/numpy/testdata/numpy.txt")
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(peertest.Python(), "../internal/numpy/testdata/numpy.py").Output()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "numpy's names", string(said), string(recorded))
}

// itemsize is the size by dtype, for all dtypes recorded on the wire.
var itemsize = map[string]int{
	"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
	"float16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16,
}

var shapes = [][]int{{16, 24}, {16, 24, 1}, {16, 24, 3}, {16, 24, 5}, {16, 1}, {1, 1}, {100}, {4, 5, 6, 7}, {2, 1, 2, 1, 2}, {3, 3, 600}}

// synthetic returns an array of different bytes.
func synthetic(dtype string, shape []int, seed int) netgear.Array {
	n := itemsize[dtype]
	for _, d := range shape {
		n *= d
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(7*i + 3*(i>>8) + 31*seed)
		if dtype == "bool" {
			data[i] &= 1
		}
	}
	return netgear.Array{DType: dtype, Shape: shape, Data: data}
}

// TestDTypes sends every dtype in every shape, raw.
func TestDTypes(t *testing.T) {
	t.Parallel()
	t.Run("go-to-python/raw", func(t *testing.T) {
		t.Parallel()
		dtypesToPython(t, netgear.JPEGOff)
	})
	// Arrays that a JPEG cannot hold are sent raw, with JPEG on.
	t.Run("go-to-python/jpeg", func(t *testing.T) {
		t.Parallel()
		dtypesToPython(t, netgear.JPEGDefault)
	})
	t.Run("python-to-go", func(t *testing.T) {
		t.Parallel()
		dtypesToGo(t)
	})
}

func dtypesToPython(t *testing.T, jpeg netgear.Colorspace) {
	p, o := startReceiver(t, netgear.Options{Address: address(t, "tcp"), JPEGCompression: jpeg, RequestTimeout: longTimeout})
	sender := open(t, o)
	for dtype := range itemsize {
		for i, shape := range shapes {
			if jpeg != netgear.JPEGOff && dtype == "uint8" {
				continue // some of these do fit
			}
			a := synthetic(dtype, shape, i)
			send(t, sender, a, nil)
			equal(t, dtype, p.expect("frame").picture(), picture(a))
		}
	}
	sender.Close()
	p.end("terminated")
}

func dtypesToGo(t *testing.T) {
	receiver, o := openReceiver(t, netgear.Options{Address: address(t, "tcp"), JPEGCompression: netgear.JPEGOff, RequestTimeout: longTimeout})
	type spec struct {
		Shape []int  `json:"shape"`
		DType string `json:"dtype"`
	}
	var cases []spec
	for dtype := range itemsize {
		for _, shape := range shapes {
			cases = append(cases, spec{shape, dtype})
		}
	}
	// Big-endian ones arrive little-endian; the hash is of that on both ends.
	for _, dtype := range []string{">u2", ">i4", ">f4", ">f8", ">c8"} {
		cases = append(cases, spec{[]int{16, 24, 3}, dtype}, spec{[]int{7, 5}, dtype})
	}
	list, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	p := startSender(t, o, "--source", "cases", string(list))
	for _, c := range cases {
		got := receivePicture(t, receiver)
		equal(t, fmt.Sprint(c), got, p.expect("frame").picture())
	}
	receiveEnd(t, receiver)
	p.end("count")
}
