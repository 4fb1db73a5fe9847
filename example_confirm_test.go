package netgear_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/vidgear-go/netgear"
)

// No frame may be lost, whichever program ends or is killed. An answer alone
// means that the receive end has the frame in memory. Here Respond stores each
// frame, and its answer confirms that by the frame's number. The sender sends a
// frame again until then, so the receiver leaves out one that it has already.
func Example_confirm() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	stored, full := 0, true // what a database or a disk would have
	store := func(number int, pixels []byte) error {
		if number == 2 && full {
			full = false
			return errors.New("the disk is full")
		}
		stored = number
		fmt.Println("stored", number, pixels)
		return nil
	}
	recv, err := netgear.New(netgear.Options{
		ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: netgear.ReqRep,
		MaxRetries: -1, TerminatePolicy: netgear.KeepWaiting,
		BidirectionalMode: true, JPEGCompression: netgear.JPEGOff,
		Latest: true, // Respond takes the frames; no Recv does
		Respond: func(ctx context.Context, frame *netgear.Frame) (any, error) {
			var number int
			if err := frame.Message.Decode(&number); err != nil {
				return nil, err
			}
			pixels, err := frame.Bytes()
			if err == nil && number > stored {
				err = store(number, pixels)
			}
			return number, err // an error: the answer has no number
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer recv.Close()

	send, err := netgear.New(netgear.Options{
		Address: "127.0.0.1", Port: recv.Port(), Pattern: netgear.ReqRep, MaxRetries: -1,
		BidirectionalMode: true, JPEGCompression: netgear.JPEGOff,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer send.Close()
	for number := 1; number <= 3; {
		frame := netgear.Array{DType: "uint8", Shape: []int{1, 2}, Data: []byte{byte(number), 0}}
		reply, err := send.SendArray(ctx, frame, number)
		var confirmed int
		if err == nil && !reply.Data.IsNone() {
			err = reply.Data.Decode(&confirmed)
		}
		if confirmed == number {
			number++
			continue
		}
		if ctx.Err() != nil {
			log.Fatal(ctx.Err())
		}
		fmt.Println("not confirmed:", number, err)
		time.Sleep(10 * time.Millisecond) // a second, in practice
	}
	// Output:
	// stored 1 [1 0]
	// not confirmed: 2 <nil>
	// stored 2 [2 0]
	// stored 3 [3 0]
}
