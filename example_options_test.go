package netgear_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/vidgear-go/netgear"
)

// A robot asks for a decision with each frame: Respond makes the answer from
// that very frame.
func ExampleOptions_respond() {
	send, recv := connect(
		netgear.Options{BidirectionalMode: true, JPEGCompression: netgear.JPEGOff},
		netgear.Options{BidirectionalMode: true, Respond: func(_ context.Context, frame *netgear.Frame) (any, error) {
			pixels, err := frame.Bytes()
			if err != nil {
				return nil, err
			}
			return map[string]any{"stop": pixels[0] > 100}, nil
		}},
	)
	defer recv.Close()
	defer send.Close()

	for _, brightness := range []byte{20, 200} {
		reply, err := send.SendArray(context.Background(), gray(2, 2, brightness), nil)
		fmt.Println(reply.Data, err)
	}
	// Output:
	// {"stop": false} <nil>
	// {"stop": true} <nil>
}

// With Latest a slow consumer gets the newest frame, and the sender is not held
// back.
func ExampleOptions_latest() {
	ctx := context.Background()
	send, recv := connect(netgear.Options{}, netgear.Options{Latest: true})
	defer recv.Close()
	defer send.Close()

	for i := range 5 { // nothing is received meanwhile
		if _, err := send.SendArray(ctx, gray(2, 2, 0), i); err != nil {
			log.Fatal(err)
		}
	}
	for newest := ""; newest != "4"; { // one Recv, or two while the last frame is on its way
		frame, err := recv.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		newest = frame.Message.String()
		frame.Close()
	}
	stats := recv.Stats()
	fmt.Println("delivered and dropped:", stats.Delivered+stats.Dropped)
	// Output: delivered and dropped: 5
}

// Stamps number the frames, so that the receive end counts what is missing, and
// carry the time of capture.
func ExampleOptions_stamp() {
	ctx := context.Background()
	send, recv := connect(netgear.Options{Stamp: true}, netgear.Options{Stamp: true})
	defer recv.Close()
	defer send.Close()

	captured := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, seq := range []uint64{1, 2, 5} {
		message := netgear.StampedMessage{Seq: seq, At: captured, Message: "yard"}
		if _, err := send.SendArray(ctx, gray(2, 2, 0), message); err != nil {
			log.Fatal(err)
		}
	}
	for range 3 {
		frame, err := recv.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(frame.Stamp.Seq, frame.Stamp.Time.UTC().Format(time.TimeOnly), frame.Message)
		frame.Close()
	}
	fmt.Println("missed:", recv.Stats().Missed)
	// Output:
	// 1 12:00:00 "yard"
	// 2 12:00:00 "yard"
	// 5 12:00:00 "yard"
	// missed: 2
}

// One publisher listens, and any number of viewers connect to its one port.
func ExampleOptions_manyViewers() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	send, err := netgear.New(netgear.Options{
		Pattern: netgear.PubSub, Attach: netgear.AttachBind, Address: "127.0.0.1", Port: "0",
		HighWaterMark: 100, // each viewer may be so many frames behind
	})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()

	var viewers []*netgear.NetGear
	for range 3 {
		viewer, err := netgear.New(netgear.Options{
			ReceiveMode: true, Pattern: netgear.PubSub, Attach: netgear.AttachConnect,
			Address: "127.0.0.1", Port: send.Port(),
		})
		if err != nil {
			log.Fatal(err)
		}
		defer viewer.Close()
		viewers = append(viewers, viewer)
	}
	if err := send.WaitConnected(ctx, 3); err != nil {
		log.Fatal(err)
	}
	// A publisher does not wait for subscriptions, which follow the connection.
	// Here it sends until each viewer has a frame.
	go func() {
		for ctx.Err() == nil {
			send.SendArray(ctx, gray(2, 2, 0), nil)
			time.Sleep(time.Millisecond)
		}
	}()
	for i, viewer := range viewers {
		frame, err := viewer.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("viewer", i, frame.Shape())
		frame.Close()
	}
	// Output:
	// viewer 0 [2 2]
	// viewer 1 [2 2]
	// viewer 2 [2 2]
}

// Several cameras send to one receive end, each to a port of its own.
func ExampleOptions_multiserver() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "cameras")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	options := netgear.Options{
		MultiserverMode: true, Pattern: netgear.ReqRep,
		Protocol: "ipc", Address: filepath.Join(dir, "s"), // or tcp, with numbers as ports
	}

	o := options
	o.ReceiveMode, o.Ports = true, []string{"gate", "yard"}
	recv, err := netgear.New(o)
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()

	for _, port := range []string{"gate", "yard"} { // each is a program of its own
		o := options
		o.Port = port
		camera, err := netgear.New(o)
		if err != nil {
			log.Fatal(err)
		}
		defer camera.Close()
		if _, err := camera.SendArray(ctx, gray(2, 2, 0), "from the "+port); err != nil {
			log.Fatal(err)
		}
		frame, err := recv.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(frame.Port, frame.Message)
		frame.Close()
	}
	// Output:
	// gate "from the gate"
	// yard "from the yard"
}

// On the wire of NetGear_Async work is shared out: each frame goes to one
// receive end, and nothing is answered.
func ExampleOptions_pushPull() {
	ctx := context.Background()
	wire := netgear.Options{Wire: netgear.AsyncWire, Pattern: netgear.PushPull}
	send, recv := connect(wire, wire)
	defer recv.Close()

	box := netgear.Array{DType: "int16", Shape: []int{2}, Data: []byte{3, 0, 4, 0}}
	if _, err := send.SendArray(ctx, gray(2, 2, 0), map[string]any{"box": box}); err != nil {
		log.Fatal(err)
	}
	send.Close()
	for frame, err := range recv.Frames(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		message := frame.Message.Value().(map[string]any)
		fmt.Println(frame.Shape(), message["box"])
		frame.Close()
	}
	// Output: [2 2] {int16 [2] [3 0 4 0]}
}

// Events report what happens to the connections, in order.
func ExampleOptions_onEvent() {
	ctx := context.Background()
	events := make(chan netgear.Event, 8)
	send, recv := connect(netgear.Options{}, netgear.Options{OnEvent: func(e netgear.Event) { events <- e }})
	defer recv.Close()

	if _, err := send.SendArray(ctx, gray(2, 2, 0), nil); err != nil {
		log.Fatal(err)
	}
	send.Close()
	fmt.Println((<-events).Kind)
	fmt.Println((<-events).Kind)
	// Output:
	// connected
	// terminated
}

// An encrypted stream. Both ends have copies of the same folder of keys, which
// is VidGear's.
func ExampleOptions_secureMode() {
	location, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(location)
	if _, err := netgear.CreateCertificates(location); err != nil {
		log.Fatal(err)
	}

	secure := netgear.Options{SecureMode: netgear.IronHouse, CustomCertLocation: location}
	send, recv := connect(secure, secure)
	defer recv.Close()
	defer send.Close()
	_, err = send.SendArray(context.Background(), gray(2, 2, 0), nil)
	fmt.Println(err)

	// An end without keys is refused.
	plain, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: recv.Port(), MaxRetries: 1, RequestTimeout: time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer plain.Close()
	_, err = plain.SendArray(context.Background(), gray(2, 2, 0), nil)
	fmt.Println(err != nil)
	// Output:
	// <nil>
	// true
}

// The keys are created once, on one machine, and copied to the others.
func ExampleCreateCertificates() {
	location, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(location)

	dir, err := netgear.CreateCertificates(location)
	if err != nil {
		log.Fatal(err)
	}
	expected, err := netgear.CertificateDir(location)
	fmt.Println(dir == expected, err)
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, file := range files {
		name, _ := filepath.Rel(dir, file)
		fmt.Println(filepath.ToSlash(name))
	}
	// Output:
	// true <nil>
	// private_keys/client.key_secret
	// private_keys/server.key_secret
	// public_keys/client.key
	// public_keys/server.key
}

// An error about an option has the option, its rule, and what to set instead.
func ExampleOptionError() {
	err := netgear.Options{MultiserverMode: true}.Validate()
	var wrong *netgear.OptionError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Field, wrong.Key)
		for _, fix := range wrong.Fixes {
			fmt.Println("set", fix)
		}
	}
	// Output:
	// MultiserverMode multiserver_mode
	// set Pattern: netgear.ReqRep
	// set Pattern: netgear.PubSub
}

// A secret is shown by no log and no error.
func ExampleSecret() {
	o := netgear.Options{SSHTunnelMode: "ann@host", SSHTunnelPwd: netgear.NewSecret("hunter2")}
	fmt.Println(o)
	fmt.Println(o.SSHTunnelPwd, len(o.SSHTunnelPwd.Reveal()))
	// Output:
	// {SSHTunnelMode:ann@host SSHTunnelPwd:[redacted]}
	// [redacted] 7
}
