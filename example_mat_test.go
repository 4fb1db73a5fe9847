//go:build !nogocv

package netgear_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
)

// A Mat may be reused or closed as soon as Send returns.
func ExampleNetGear_Send() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{
		Address: "127.0.0.1", Port: recv.Port(),
		JPEGCompression: netgear.JPEGOff,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()

	mat := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(1, 2, 3, 0), 48, 64, gocv.MatTypeCV8UC3)
	defer mat.Close()
	for i := range 2 {
		if _, err := send.Send(ctx, mat, i); err != nil {
			log.Fatal(err)
		}
		mat.SetUCharAt(0, 0, 99) // the second frame differs, the first is safe
	}

	for range 2 {
		frame, err := recv.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		img, err := frame.Mat() // refers to the frame's memory
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(img.Rows(), img.Cols(), img.Channels(), img.GetVecbAt(0, 0))
		img.Close()
		frame.Close() // after the Mat
	}
	// Output:
	// 48 64 3 [1 2 3]
	// 48 64 3 [99 2 3]
}

// With Options.Copy the Mat owns its pixels and stays valid after the frame's
// Close. Types that OpenCV does not have are an error; Array supports them all.
func ExampleFrame_Mat() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Copy: true})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port()})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()
	for _, dtype := range []string{"float32", "uint32"} {
		array := netgear.Array{DType: dtype, Shape: []int{2, 2}, Data: make([]byte, 16)}
		if _, err := send.SendArray(ctx, array, nil); err != nil {
			log.Fatal(err)
		}
		frame, err := recv.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		mat, err := frame.Mat()
		pixels, _ := frame.Bytes()
		fmt.Println(frame.DType(), frame.Shape(), len(pixels), err)
		frame.Close()
		if err == nil {
			fmt.Println(mat.Rows(), mat.Cols(), mat.Type() == gocv.MatTypeCV32F)
			mat.Close()
		}
	}
	// Output:
	// float32 [2 2] 16 <nil>
	// 2 2 true
	// uint32 [2 2] 16 netgear: Mat: unusable frame: OpenCV has no Mat of uint32; use Array
}

// SendOwned takes ownership of the Mat and closes it: nothing is copied, in
// every pattern.
func ExampleNetGear_SendOwned() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{
		Address: "127.0.0.1", Port: recv.Port(),
		JPEGCompression: netgear.JPEGOff, SendAhead: 2,
	})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		mat := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(float64(i), 0, 0, 0), 48, 64, gocv.MatTypeCV8UC1)
		if _, err := send.SendOwned(ctx, &mat, nil); err != nil {
			log.Fatal(err)
		}
		// mat is the zero Mat now, which need not be closed.
	}
	if err := send.Close(); err != nil {
		log.Fatal(err)
	}
	for frame, err := range recv.Frames(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		pixels, err := frame.Bytes()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(frame.Shape(), pixels[0])
		frame.Close()
	}
	// Output:
	// [48 64] 0
	// [48 64] 1
	// [48 64] 2
}
