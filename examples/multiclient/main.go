//go:build !nogocv

// The program multiclient distributes one video to three receive ends: one send
// end, many ports. One of the receive ends is closed on the way, and the others
// continue.
//
// It shows how to
//
//  1. send to several receive ends (MulticlientMode): over REQ/REP each frame goes
//     to one of them, in turn, over PUB/SUB (-pattern 2) to all,
//  2. read from Reply.Port which receive end answered,
//  3. answer with data about the frame (Options.Respond),
//  4. limit the delay that a closed receive end causes (RequestTimeout).
//
// Run it in the project's folder. All four ends are in one process:
//
//	go run ./examples/multiclient
//	go run ./examples/multiclient -pattern 2
//
// With -only send it sends to ports 5567 to 5569, with -only receive -port 5567
// it is one receive end. The others may be Python. A receive end:
//
//	from vidgear.gears import NetGear
//	end = NetGear(receive_mode=True, port="5567", pattern=1, multiclient_mode=True)
//	count = 0
//	while end.recv(return_data={"frames": count}) is not None:
//	    count += 1
//	end.close()
//
// A send end:
//
//	import cv2
//	from vidgear.gears import NetGear
//	video = cv2.VideoCapture("examples/internal/sample/vtest-excerpt.avi")
//	end = NetGear(port=["5567", "5568", "5569"], pattern=1, multiclient_mode=True)
//	while (read := video.read())[0]:
//	    print(end.send(read[1]))   # (port, what it returned)
//	end.close()
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/mats"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source"
)

func main() { cli.Main(run) }

const clients = 3

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("multiclient", flag.ContinueOnError)
	ends := cli.NewEnds(fs, "5567,5568,5569", 60, netgear.ReqRep, netgear.PubSub)
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if err := ends.Check(); err != nil {
		return err
	}
	switch ends.Only {
	case "send":
		return send(ctx, ends, ends.Ports())
	case "receive":
		end, err := listen(ends, ends.Ports()[0])
		if err != nil {
			return err
		}
		return receive(ctx, end, 0)
	}
	var ports []string
	var receivers []func(context.Context) error
	for i, port := range ends.ListenOn(clients) {
		end, err := listen(ends, port)
		if err != nil {
			return err
		}
		ports = append(ports, end.Port())
		limit := 0
		if i == 0 {
			limit = (ends.N + 5) / 6 // this one ends early
		}
		receivers = append(receivers, func(ctx context.Context) error { return receive(ctx, end, limit) })
	}
	return program.Together(ctx, func(ctx context.Context) error { return send(ctx, ends, ports) }, receivers...)
}

// ---- a receive end ----

func listen(ends *cli.Ends, port string) (*netgear.NetGear, error) {
	options := ends.ReceiveOptions()
	options.Port = port
	options.MulticlientMode = true
	if ends.Pattern == netgear.ReqRep { // PUB/SUB has no answers
		count := 0
		options.Respond = func(context.Context, *netgear.Frame) (any, error) {
			count++
			return map[string]any{"frames": count}, nil
		}
	}
	return netgear.New(options)
}

// receive receives frames until the terminate message, or limit of them, and
// closes the end without notice to the sender.
func receive(ctx context.Context, end *netgear.NetGear, limit int) error {
	defer end.Close()
	port, count := end.Port(), 0
	fmt.Println("client", port, "listens")
	for frame, err := range end.Frames(ctx) {
		if err != nil {
			return err
		}
		frame.Close()
		if count++; count == limit {
			fmt.Printf("client %s dies after %d frames\n", port, count)
			return nil
		}
	}
	fmt.Printf("client %s had %d frames\n", port, count)
	return nil
}

// ---- the send end ----

func send(ctx context.Context, ends *cli.Ends, ports []string) error {
	src, err := mats.Open(ctx, source.Settings{Name: ends.Source, Loop: true})
	if err != nil {
		return err
	}
	defer src.Close()
	options := ends.SendOptions()
	options.Ports = ports
	options.MulticlientMode = true
	// After this time without an answer a frame is sent to the next receive
	// end.
	options.RequestTimeout = time.Second
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	defer end.Close() // sends the terminate message
	err = src.Play(ctx, ends.N, ends.FPS, func(ctx context.Context, i int, picture gocv.Mat) error {
		reply, err := end.Send(ctx, picture, nil)
		if err == nil && reply.Port != "" {
			fmt.Printf("frame %d: client %s answers %v\n", i, reply.Port, reply.Data)
		}
		return err
	})
	if err != nil {
		return err
	}
	stats := end.Stats()
	fmt.Printf("%d frames sent, %d retries\n", stats.Frames, stats.Retries)
	for _, port := range slices.Sorted(maps.Keys(stats.Ports)) {
		fmt.Printf("client %s answered %d\n", port, stats.Ports[port].Frames)
	}
	return nil
}
