//go:build !nogocv

// The program bidirectional streams video. Each answer carries something that
// the receive end computed from that frame: its brightness, or a thumbnail if
// the sender requested one.
//
// It shows how to
//
//  1. answer a frame with data about that frame (Options.Respond), which
//     VidGear cannot,
//  2. request something in the message, and return an array, which is sent as
//     JPEG like any frame,
//  3. read the answer (Reply),
//  4. return data as VidGear does (SetReturnData, with -return): it is part of
//     the answers from then on, so it is about an earlier frame.
//
// Run it in the project's folder. Both ends are in one process:
//
//	go run ./examples/bidirectional
//	go run ./examples/bidirectional -return -pattern 1
//
// With -only send or -only receive it is one end, on port 5555. The other end
// may be Python. A receive end:
//
//	from vidgear.gears import NetGear
//	end = NetGear(receive_mode=True, pattern=0, bidirectional_mode=True)
//	data = None
//	while (got := end.recv(return_data=data)) is not None:
//	    message, frame = got
//	    data = {"frame": message["frame"], "brightness": round(float(frame.mean()), 1)}
//	end.close()
//
// A send end:
//
//	import cv2
//	from vidgear.gears import NetGear
//	video = cv2.VideoCapture("examples/internal/sample/vtest-excerpt.avi")
//	end = NetGear(pattern=0, bidirectional_mode=True)
//	number = 0
//	while (read := video.read())[0]:
//	    reply = end.send(read[1], message={"frame": number, "thumbnail": number % 10 == 9})
//	    print(number, getattr(reply, "shape", reply))
//	    number += 1
//	end.close()
package main

import (
	"context"
	"flag"
	"fmt"
	"image"
	"math"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/source"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bidirectional", flag.ContinueOnError)
	ends := cli.NewEnds(fs, cli.DefaultPort, 40, netgear.Pair, netgear.ReqRep)
	later := fs.Bool("return", false, "return data as VidGear does, on the answers to later frames")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if err := ends.Check(); err != nil {
		return err
	}
	if ends.Only == "send" {
		return send(ctx, ends, ends.Ports()[0])
	}
	end, err := listen(ends, *later)
	if err != nil {
		return err
	}
	defer end.Close()
	if ends.Only == "receive" {
		fmt.Println("listening on", end.Endpoints()[0])
		return receive(ctx, end, *later)
	}
	return cli.Together(ctx,
		func(ctx context.Context) error { return receive(ctx, end, *later) },
		func(ctx context.Context) error { return send(ctx, ends, end.Port()) })
}

// request is the message that is sent with each frame.
type request struct {
	Frame     int  `json:"frame"`
	Thumbnail bool `json:"thumbnail"`
}

// report is the answer, unless that is a thumbnail.
type report struct {
	Frame      int     `json:"frame"`
	Brightness float64 `json:"brightness"` // 0 to 255
}

// ---- the receive end ----

func listen(ends *cli.Ends, later bool) (*netgear.NetGear, error) {
	options := ends.ReceiveOptions()
	options.Port = ends.ListenOn(1)[0]
	options.BidirectionalMode = true
	if !later {
		options.Respond = respond
	}
	return netgear.New(options)
}

// respond is called for each frame before it is answered; the sender waits for
// its results, and ctx ends with Close. The frame is valid only during the call.
// After an error the answer has no data.
func respond(_ context.Context, frame *netgear.Frame) (any, error) {
	var r request
	if err := frame.Message.Decode(&r); err != nil {
		return nil, err
	}
	if r.Thumbnail {
		return thumbnail(frame)
	}
	mean, err := brightness(frame)
	return report{r.Frame, mean}, err
}

func receive(ctx context.Context, end *netgear.NetGear, later bool) error {
	count := 0
	for frame, err := range end.Frames(ctx) {
		if err != nil {
			return err
		}
		count++
		if later {
			var r request
			if err := frame.Message.Decode(&r); err != nil {
				return err
			}
			// This frame is already answered. The next answer has this data.
			mean, err := brightness(frame)
			if err != nil {
				return err
			}
			if err := end.SetReturnData(report{r.Frame, mean}); err != nil {
				return err
			}
		}
		frame.Close()
	}
	fmt.Println(count, "frames received")
	return nil
}

// brightness returns the mean of all pixels and channels.
func brightness(frame *netgear.Frame) (float64, error) {
	pixels, err := frame.Bytes()
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, b := range pixels {
		sum += int(b)
	}
	return math.Round(10*float64(sum)/float64(max(1, len(pixels)))) / 10, nil
}

// thumbnail returns the picture 64 pixels wide, in memory of its own.
func thumbnail(frame *netgear.Frame) (netgear.Array, error) {
	mat, err := frame.Mat()
	if err != nil {
		return netgear.Array{}, err
	}
	defer mat.Close()
	small := gocv.NewMat()
	defer small.Close()
	gocv.Resize(mat, &small, image.Pt(64, max(1, 64*mat.Rows()/mat.Cols())), 0, 0, gocv.InterpolationArea)
	return source.Pixels(small), nil
}

// ---- the send end ----

func send(ctx context.Context, ends *cli.Ends, port string) error {
	src, err := source.Open(source.Settings{Name: ends.Source, Loop: true})
	if err != nil {
		return err
	}
	defer src.Close()
	options := ends.SendOptions()
	options.Port = port
	options.BidirectionalMode = true
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	defer end.Close() // sends the terminate message
	return src.Play(ctx, ends.N, ends.FPS, func(ctx context.Context, i int, picture gocv.Mat) error {
		reply, err := end.Send(ctx, picture, request{Frame: i, Thumbnail: i%10 == 9})
		if err != nil {
			return err
		}
		if reply.Array != nil {
			fmt.Printf("frame %d: an array of %s, shape %v\n", i, reply.Array.DType, reply.Array.Shape)
		} else {
			fmt.Printf("frame %d: %v\n", i, reply.Data)
		}
		return nil
	})
}
