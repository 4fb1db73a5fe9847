package netgeartest_test

import (
	"context"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/netgeartest"
)

// brightness is the program's function that is tested: it returns the mean of the
// next frame's elements.
func brightness(ctx context.Context, end *netgear.NetGear) (float64, error) {
	frame, err := end.Recv(ctx)
	if err != nil {
		return 0, err
	}
	defer frame.Close()
	pixels, err := frame.Bytes()
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, b := range pixels {
		sum += int(b)
	}
	return float64(sum) / float64(len(pixels)), nil
}

func TestBrightness(t *testing.T) {
	// The send end's options, and the receive end's.
	send, recv := netgeartest.Pipe(t, netgear.Options{JPEGCompression: netgear.JPEGOff}, netgear.Options{})
	array := netgear.Array{DType: "uint8", Shape: []int{1, 4}, Data: []byte{10, 20, 30, 40}}
	if _, err := send.SendArray(t.Context(), array, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := brightness(t.Context(), recv); got != 25 || err != nil {
		t.Errorf("brightness %v, %v", got, err)
	}
}

// A test opens a connected pair, gives one end to the code under test, and plays
// the other.
func ExamplePipe() {
	_ = func(t *testing.T) { // func TestBrightness(t *testing.T)
		send, recv := netgeartest.Pipe(t, netgear.Options{JPEGCompression: netgear.JPEGOff}, netgear.Options{})
		array := netgear.Array{DType: "uint8", Shape: []int{1, 4}, Data: []byte{10, 20, 30, 40}}
		if _, err := send.SendArray(t.Context(), array, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := brightness(t.Context(), recv); got != 25 || err != nil {
			t.Errorf("brightness %v, %v", got, err)
		}
	}
}
