package netgear_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log"
	"time"

	"github.com/vidgear-go/netgear"
)

// Both ends in one program, over loopback. In practice each is a program of its
// own, and either may be Python's VidGear.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	// The receive end listens. Port "0" takes any free port.
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	port := recv.Port()

	// The send end connects.
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port})
	if err != nil {
		log.Fatal(err)
	}
	pixels := make([]byte, 480*640*3)
	for i := range 3 {
		frame := netgear.Array{DType: "uint8", Shape: []int{480, 640, 3}, Data: pixels}
		if _, err := send.SendArray(ctx, frame, i); err != nil {
			log.Fatal(err)
		}
	}
	send.Close() // sends the terminate message: the receive end gets io.EOF after the last frame

	for {
		frame, err := recv.Recv(ctx)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Println(frame.Message, frame.DType(), frame.Shape())
		frame.Close()
	}
	// Output:
	// 0 uint8 [480 640 3]
	// 1 uint8 [480 640 3]
	// 2 uint8 [480 640 3]
}

// Zero options are VidGear's defaults: PAIR, tcp, port 5555, JPEG. An option
// that cannot work is refused before a socket is opened.
func ExampleNew() {
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: netgear.ReqRep})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(recv.Endpoints()), "endpoint")
	fmt.Println(recv.Close())

	_, err = netgear.New(netgear.Options{JPEGCompressionQuality: 5})
	fmt.Println(err)
	// Output:
	// 1 endpoint
	// <nil>
	// netgear: invalid option: JPEGCompressionQuality = 5: must be from 10 to 100
}

// Arrays of every numpy type are sent unchanged.
func ExampleNetGear_SendArray() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port()})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()

	// A depth map of 2 by 3, 16 bits each, little-endian.
	depth := netgear.Array{DType: "uint16", Shape: []int{2, 3}, Data: []byte{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 0, 1}}
	if _, err := send.SendArray(ctx, depth, map[string]any{"camera": "left"}); err != nil {
		log.Fatal(err)
	}

	frame, err := recv.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()
	pixels, err := frame.Bytes()
	fmt.Println(frame.DType(), frame.Shape(), pixels, err)
	fmt.Println(frame.Message)
	// Output:
	// uint16 [2 3] [1 0 2 0 3 0 4 0 5 0 0 1] <nil>
	// {"camera": "left"}
}

// Pictures of package image do not require OpenCV.
func ExampleNetGear_SendImage() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{
		Address: "127.0.0.1", Port: recv.Port(),
		JPEGCompression: netgear.JPEGOff, // exact colors
	})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()

	picture := image.NewRGBA(image.Rect(0, 0, 4, 2))
	picture.Set(1, 0, color.RGBA{R: 200, G: 100, B: 50, A: 255})
	if _, err := send.SendImage(ctx, picture, nil); err != nil {
		log.Fatal(err)
	}

	frame, err := recv.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()
	img, err := frame.Image() // in memory of its own
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(img.Bounds(), img.At(1, 0))
	// Output:
	// (0,0)-(4,2) {200 100 50 255}
}

// A finished JPEG is sent unchanged, and is available as received.
func ExampleNetGear_SendJPEG() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port()})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()

	var file bytes.Buffer // for instance from a camera or a file
	if err := jpeg.Encode(&file, image.NewRGBA(image.Rect(0, 0, 64, 48)), nil); err != nil {
		log.Fatal(err)
	}
	if _, err := send.SendJPEG(ctx, file.Bytes(), nil); err != nil {
		log.Fatal(err)
	}

	frame, err := recv.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer frame.Close()
	fmt.Println("same JPEG:", bytes.Equal(frame.JPEG(), file.Bytes()))
	fmt.Println("decoded:", frame.Shape(), frame.Colorspace())
	// Output:
	// same JPEG: true
	// decoded: [48 64 3] BGR
}

// Frames returns what Recv returns, for a loop. It ends after the sender's
// terminate message.
func ExampleNetGear_Frames() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port()})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		array := netgear.Array{DType: "uint8", Shape: []int{8, 8}, Data: make([]byte, 64)}
		if _, err := send.SendArray(ctx, array, i); err != nil {
			log.Fatal(err)
		}
	}
	send.Close()

	for frame, err := range recv.Frames(ctx) {
		if err != nil {
			// netgear.ErrPeerGone and netgear.ErrTimeout: no frames arrive at
			// the moment. The loop continues unless it is left.
			log.Println(err)
			continue
		}
		fmt.Println("frame", frame.Message)
		frame.Close()
	}
	fmt.Println("end of the stream")
	// Output:
	// frame 0
	// frame 1
	// frame 2
	// end of the stream
}

// In bidirectional mode the receive end returns data with its answers. The data
// that was set is in all later answers.
func ExampleNetGear_SetReturnData() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", BidirectionalMode: true})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	send, err := netgear.New(netgear.Options{
		Address: "127.0.0.1", Port: recv.Port(),
		BidirectionalMode: true, // it must be the same at both ends
	})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()
	frame := netgear.Array{DType: "uint8", Shape: []int{8, 8}, Data: make([]byte, 64)}

	reply, err := send.SendArray(ctx, frame, nil)
	fmt.Println(reply.PythonType, reply.Data, err)

	if err := recv.SetReturnData(map[string]any{"zoom": 2, "pan": -0.5}); err != nil {
		log.Fatal(err)
	}
	reply, err = send.SendArray(ctx, frame, nil)
	fmt.Println(reply.PythonType, reply.Data, err)

	var command struct{ Zoom, Pan float64 }
	if err := reply.Data.Decode(&command); err != nil {
		log.Fatal(err)
	}
	fmt.Println(command.Zoom, command.Pan)

	// An array can be returned, too.
	recv.SetReturnData(netgear.Array{DType: "float32", Shape: []int{1}, Data: []byte{0, 0, 128, 63}})
	reply, err = send.SendArray(ctx, frame, nil)
	fmt.Println(reply.PythonType, reply.Array.DType, reply.Array.Shape, err)
	// Output:
	// NoneType null <nil>
	// dict {"pan": -0.5, "zoom": 2} <nil>
	// 2 -0.5
	// ndarray float32 [1] <nil>
}

// A settings file with VidGear's option dictionary works unchanged. An entry
// that VidGear would ignore silently is an error that names the key.
func ExampleOptions_UnmarshalJSON() {
	var o netgear.Options
	err := json.Unmarshal([]byte(`{
		"jpeg_compression": "GRAY",
		"jpeg_compression_quality": 80,
		"max_retries": 10,
		"request_timeout": 6,
		"pattern": 1
	}`), &o)
	fmt.Println(o.JPEGCompression, o.JPEGCompressionQuality, o.MaxRetries, o.RequestTimeout, o.Pattern, err)

	err = json.Unmarshal([]byte(`{"jpeg_compresion": false}`), &o)
	fmt.Println(err)
	err = json.Unmarshal([]byte(`{"request_timeout": 2}`), &o)
	fmt.Println(err)
	// Output:
	// GRAY 80 10 6s REQ/REP <nil>
	// netgear: invalid option: jpeg_compresion: VidGear has no such option; did you mean jpeg_compression?
	// netgear: invalid option: request_timeout = 2: must be a whole number from 4 to 2147483
}

// The options of VidGear issue #390 are refused, in Go and in JSON.
func ExampleOptions_Validate() {
	o := netgear.Options{Flag: 1} // VidGear's flag=1, zmq.DONTWAIT
	err := o.Validate()
	fmt.Println(errors.Is(err, netgear.ErrNonBlocking), errors.Is(err, netgear.ErrOption))
	var wrong *netgear.OptionError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Field, wrong.Value)
	}

	err = json.Unmarshal([]byte(`{"flag": 1, "copy": false, "track": false}`), &o)
	fmt.Println(errors.Is(err, netgear.ErrNonBlocking))
	// Output:
	// true true
	// Flag 1
	// true
}

// The counts of an end are readable as JSON, with durations in seconds. So an
// application needs no other library to show them: package expvar serves what is
// published at /debug/vars.
func ExampleNetGear_Stats() {
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	expvar.Publish("yard", expvar.Func(func() any { return recv.Stats() }))

	var shown netgear.Stats // as a program that reads /debug/vars
	if err := json.Unmarshal([]byte(expvar.Get("yard").String()), &shown); err != nil {
		log.Fatal(err)
	}
	fmt.Println(shown.Pattern, shown.Frames, shown.Connected, shown.Latency.Quantile(0.99))
	// Output:
	// PAIR 0 0 0s
}

// Messages are JSON as Python reads and writes it.
func ExampleMessage_Value() {
	for _, text := range []string{`null`, `7`, `2.0`, `1180591620717411303424`, `NaN`, `"hi"`, `[1, true]`} {
		m, err := netgear.MessageFromJSON([]byte(text))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s is %T\n", m, m.Value())
	}
	// Output:
	// null is <nil>
	// 7 is int64
	// 2.0 is float64
	// 1180591620717411303424 is *big.Int
	// NaN is float64
	// "hi" is string
	// [1, true] is []interface {}
}
