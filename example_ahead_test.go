package netgear_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/vidgear-go/netgear"
)

// Sending ahead: the send calls return before the frame has been answered,
// Flush waits for all of them, and Close sends the rest.
func ExampleNetGear_Flush() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()
	answered := 0
	send, err := netgear.New(netgear.Options{
		Address: "127.0.0.1", Port: recv.Port(),
		SendAhead: 2,
		OnReply: func(_ netgear.Reply, err error) {
			if err == nil {
				answered++
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	pixels := make([]byte, 48*64*3)
	for i := range 5 {
		pixels[0] = byte(i) // it may be reused at once
		frame := netgear.Array{DType: "uint8", Shape: []int{48, 64, 3}, Data: pixels}
		if _, err := send.SendArray(ctx, frame, i); err != nil {
			log.Fatal(err)
		}
	}
	if err := send.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("answered:", answered)

	err = send.Close()
	var lost *netgear.LostError
	if errors.As(err, &lost) {
		fmt.Println("lost:", lost.Frames, "because", lost.Err)
	}
	for frame, err := range recv.Frames(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(frame.Message, " ")
		frame.Close()
	}
	// Output:
	// answered: 5
	// 0 1 2 3 4
}

// A publisher sends an array without copying it. The memory is free again when
// release is called.
func ExampleNetGear_SendArrayOwned() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	send, err := netgear.New(netgear.Options{
		Address: "127.0.0.1", Port: "0", Attach: netgear.AttachBind,
		Pattern: netgear.PubSub, JPEGCompression: netgear.JPEGOff,
	})
	if err != nil {
		log.Fatal(err)
	}
	free := make(chan []byte, 3)
	for range cap(free) {
		free <- make([]byte, 480*640)
	}
	for range 10 {
		buffer := <-free // fill it here
		frame := netgear.Array{DType: "uint8", Shape: []int{480, 640}, Data: buffer}
		if _, err := send.SendArrayOwned(ctx, frame, nil, func() { free <- buffer }); err != nil {
			log.Fatal(err)
		}
	}
	send.Close()
	fmt.Println(len(free))
	// Output: 3
}
