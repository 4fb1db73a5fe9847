package netgear_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
)

// connect opens two ends that are connected over loopback. Only these examples
// need it: in practice each end is a program of its own.
func connect(sendOptions, recvOptions netgear.Options) (send, recv *netgear.NetGear) {
	recvOptions.ReceiveMode = true
	recvOptions.Address, recvOptions.Port = "127.0.0.1", "0"
	recv, err := netgear.New(recvOptions)
	if err != nil {
		log.Fatal(err)
	}
	sendOptions.Address, sendOptions.Port = "127.0.0.1", recv.Port()
	send, err = netgear.New(sendOptions)
	if err != nil {
		log.Fatal(err)
	}
	return send, recv
}

// gray returns a picture of one channel, all of one value.
func gray(rows, columns int, value byte) netgear.Array {
	return netgear.Array{DType: "uint8", Shape: []int{rows, columns}, Data: bytes.Repeat([]byte{value}, rows*columns)}
}

// photo returns the JPEG of a picture.
func photo(width, height int) []byte {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, image.NewRGBA(image.Rect(0, 0, width, height)), nil); err != nil {
		log.Fatal(err)
	}
	return file.Bytes()
}

// A context bounds the wait for a frame. After the sender's terminate message
// Recv returns io.EOF.
func ExampleNetGear_Recv() {
	send, recv := connect(netgear.Options{}, netgear.Options{})
	defer recv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	_, err := recv.Recv(ctx) // nothing has been sent
	cancel()
	fmt.Println("no frame:", errors.Is(err, context.DeadlineExceeded))

	ctx = context.Background()
	if _, err := send.SendArray(ctx, gray(2, 3, 7), "hello"); err != nil {
		log.Fatal(err)
	}
	send.Close()

	frame, err := recv.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("frame:", frame.Shape(), frame.Message)
	frame.Close()

	_, err = recv.Recv(ctx)
	fmt.Println("end:", errors.Is(err, io.EOF))
	// Output:
	// no frame: true
	// frame: [2 3] "hello"
	// end: true
}

// A relay sends received frames on: neither decoded nor encoded, with message
// and stamp.
func ExampleNetGear_SendFrame() {
	ctx := context.Background()
	camera, in := connect(netgear.Options{Stamp: true}, netgear.Options{Stamp: true})
	defer in.Close()
	out, viewer := connect(netgear.Options{Stamp: true}, netgear.Options{Stamp: true})
	defer viewer.Close()

	file := photo(64, 48)
	if _, err := camera.SendJPEG(ctx, file, "the yard"); err != nil {
		log.Fatal(err)
	}
	camera.Close()

	for frame, err := range in.Frames(ctx) { // the relay
		if err != nil {
			log.Fatal(err)
		}
		if _, err := out.SendFrame(ctx, frame, nil); err != nil {
			log.Fatal(err)
		}
		frame.Close()
	}
	out.Close()

	frame, err := viewer.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()
	fmt.Println(frame.Message, frame.Stamp.Seq, bytes.Equal(frame.JPEG(), file))
	// Output: "the yard" 1 true
}

// Either end may wait for the other.
func ExampleNetGear_WaitConnected() {
	send, recv := connect(netgear.Options{}, netgear.Options{})
	defer recv.Close()
	defer send.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(send.WaitConnected(ctx, 1))
	fmt.Println(recv.WaitConnected(ctx, 1))
	// Output:
	// <nil>
	// <nil>
}

// Close may be called while other goroutines wait. Their calls return ErrClosed.
func ExampleNetGear_Close() {
	send, recv := connect(netgear.Options{}, netgear.Options{})
	defer send.Close()

	done := make(chan error)
	go func() {
		_, err := recv.Recv(context.Background())
		done <- err
	}()
	fmt.Println(recv.Close())
	fmt.Println(errors.Is(<-done, netgear.ErrClosed))
	// Output:
	// <nil>
	// true
}

// Frames that went through several workers are put back into the order in which
// they were captured.
func ExampleInOrder() {
	arrived := func(yield func(*netgear.Frame, error) bool) { // such as recv.Frames(ctx)
		start := time.Now()
		for _, seq := range []uint64{1, 3, 2, 4} {
			stamped := netgear.StampedMessage{Seq: seq, At: start.Add(time.Duration(seq) * time.Millisecond)}
			if !yield(netgear.NewFrame(gray(1, 1, 0), stamped)) {
				return
			}
		}
	}
	for frame, err := range netgear.InOrder(arrived, 8) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(frame.Stamp.Seq, " ")
		frame.Close()
	}
	// Output: 1 2 3 4
}

// A frame for the test of a function that takes received frames.
func ExampleNewFrame() {
	frame, err := netgear.NewFrame(gray(2, 2, 9), map[string]any{"camera": 3})
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()
	pixels, err := frame.Bytes()
	fmt.Println(frame.Shape(), pixels, frame.Message, err)
	// Output: [2 2] [9 9 9 9] {"camera": 3} <nil>
}

// A JPEG is decoded when its pixels are first needed.
func ExampleNewJPEGFrame() {
	frame, err := netgear.NewJPEGFrame(photo(64, 48), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()
	pixels, err := frame.Bytes()
	fmt.Println(frame.Shape(), frame.Colorspace(), len(pixels), err)

	_, err = netgear.NewJPEGFrame([]byte("no JPEG"), nil)
	fmt.Println(errors.Is(err, netgear.ErrFrame))
	// Output:
	// [48 64 3] BGR 9216 <nil>
	// true
}

// A detector reads a quarter of the size, then one region at full size.
func ExampleFrame_Read() {
	frame, err := netgear.NewJPEGFrame(photo(640, 480), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()

	small, err := frame.Read(netgear.Reading{Reduce: 4, Gray: true})
	if err != nil {
		log.Fatal(err)
	}
	defer small.Close()
	region, err := frame.Read(netgear.Reading{Region: image.Rect(100, 50, 200, 80)})
	if err != nil {
		log.Fatal(err)
	}
	defer region.Close()

	fmt.Println(small.Shape(), "of", small.FullShape())
	fmt.Println(region.Shape(), "of", region.FullShape())
	// Output:
	// [120 160] of [480 640 3]
	// [30 100 3] of [480 640 3]
}

// Several goroutines share a frame without a copy. Each closes its own.
func ExampleFrame_Retain() {
	frame, err := netgear.NewFrame(gray(2, 2, 9), nil)
	if err != nil {
		log.Fatal(err)
	}
	var consumers sync.WaitGroup
	sums := make([]int, 2)
	for i := range sums {
		own := frame.Retain()
		consumers.Go(func() {
			defer own.Close()
			pixels, err := own.Bytes()
			if err != nil {
				log.Fatal(err)
			}
			for _, p := range pixels {
				sums[i] += int(p)
			}
		})
	}
	frame.Close()
	consumers.Wait()
	fmt.Println(sums)
	// Output: [36 36]
}

// The planes of a JPEG cost less than its pixels: encoders and detectors take
// them as they are.
func ExampleFrame_YCbCr() {
	frame, err := netgear.NewJPEGFrame(photo(64, 48), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()
	planes, err := frame.YCbCr()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(planes.Rect, planes.SubsampleRatio, len(planes.Y), len(planes.Cb))
	// Output: (0,0)-(64,48) YCbCrSubsampleRatio420 3072 768
}

// A message is read into a type of the application, as encoding/json does.
func ExampleMessage_Decode() {
	frame, err := netgear.NewFrame(gray(1, 1, 0), map[string]any{"camera": "yard", "boxes": []any{[]int{10, 20, 30, 40}}})
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()

	var found struct {
		Camera string
		Boxes  [][4]int
	}
	fmt.Println(frame.Message.Decode(&found), found.Camera, found.Boxes)
	fmt.Println(errors.Is(frame.Message.Decode(new(int)), netgear.ErrMessage))
	// Output:
	// <nil> yard [[10 20 30 40]]
	// true
}

// The quantiles of what was measured, here of a single frame.
func ExampleLatencyStats_Quantile() {
	ctx := context.Background()
	send, recv := connect(netgear.Options{}, netgear.Options{})
	defer recv.Close()
	defer send.Close()
	if _, err := send.SendArray(ctx, gray(2, 2, 0), nil); err != nil {
		log.Fatal(err)
	}
	trip := send.Stats().RoundTrip
	fmt.Println(trip.Frames, trip.Quantile(0.99) > 0)
	// Output: 1 true
}
