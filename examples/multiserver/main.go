//go:build !nogocv

// The program multiserver shows four senders in one window, or writes them into
// one picture: many send ends, each with its own port, and one receive end.
//
// It shows how to
//
//  1. listen on several ports at once (MultiserverMode),
//  2. read from frame.Port which sender a frame is from,
//  3. continue when one sender ends (OnEvent reports it), and end with the last
//     one,
//  4. read the counts per port (Stats).
//
// Run it in the project's folder. All five ends are in one process, and one of
// the senders stops half way:
//
//	go run ./examples/multiserver
//	go run ./examples/multiserver -pattern 2 -show
//
// With -only receive it waits for senders on ports 5566 to 5569, with
// -only send -port 5566 it is one of them. The others may be Python. A sender:
//
//	import cv2
//	from vidgear.gears import NetGear
//	video = cv2.VideoCapture("examples/internal/sample/vtest-excerpt.avi")
//	end = NetGear(port="5566", pattern=1, multiserver_mode=True)
//	while (read := video.read())[0]:
//	    end.send(read[1])
//	end.close()
//
// A receive end:
//
//	from vidgear.gears import NetGear
//	end = NetGear(receive_mode=True, port=["5566", "5567", "5568", "5569"], pattern=1, multiserver_mode=True)
//	while (got := end.recv()) is not None:
//	    print("port", got[0], "frame", got[-1].shape)
//	end.close()
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/mats"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/internal/window"
	"github.com/vidgear-go/netgear/source"
)

// Window systems must be called from the program's first thread. In init the
// main goroutine is certain to be on it.
func init() { runtime.LockOSThread() }

func main() { cli.Main(run) }

const cameras = 4 // senders, where all are in this process

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("multiserver", flag.ContinueOnError)
	ends := cli.NewEnds(fs, "5566,5567,5568,5569", 50, netgear.ReqRep, netgear.PubSub)
	out := fs.String("out", "multiserver.png", "write the last picture to this `file`")
	show := fs.Bool("show", false, "show the pictures in a window; Esc or q ends")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if err := ends.Check(); err != nil {
		return err
	}
	if ends.Only == "send" {
		c, err := openCamera(ctx, ends, ends.Ports()[0], source.Settings{Name: ends.Source, Loop: true})
		if err != nil {
			return err
		}
		defer c.close()
		return c.stream(ctx, ends.N, ends.FPS)
	}
	end, err := listen(ends)
	if err != nil {
		return err
	}
	defer end.Close()
	for _, endpoint := range end.Endpoints() {
		fmt.Println("listening on", endpoint)
	}
	receive := func(ctx context.Context) error {
		if *show {
			return window.With(ctx, "NetGear", func(ctx context.Context, w *window.Window) error { return receive(ctx, end, w, *out) })
		}
		return receive(ctx, end, nil, *out)
	}
	if ends.Only == "receive" {
		return enough(receive(ctx))
	}
	var senders []func(context.Context) error
	for i, port := range end.Ports() {
		c, err := openCamera(ctx, ends, port, different(ends, i))
		if err != nil {
			return err
		}
		defer c.close()
		n := ends.N
		if i == 1 {
			n = (n + 1) / 2
		}
		senders = append(senders, func(ctx context.Context) error { return c.stream(ctx, n, ends.FPS) })
	}
	// When the user closes the window, the senders end too.
	return enough(program.Together(ctx, receive, senders...))
}

// enough returns err, or nil if it only means that the user closed the window.
func enough(err error) error {
	if err == window.ErrEnough {
		return nil
	}
	return err
}

// different returns sender i's picture: the four senders' pictures differ.
func different(ends *cli.Ends, i int) source.Settings {
	s := source.Settings{Name: ends.Source, Loop: true, Gray: i >= 2}
	if i%2 == 1 {
		s.Name = "test"
	}
	return s
}

// camera is a send end and its source.
type camera struct {
	src *mats.Source
	end *netgear.NetGear
}

func openCamera(ctx context.Context, ends *cli.Ends, port string, what source.Settings) (c camera, err error) {
	if c.src, err = mats.Open(ctx, what); err != nil {
		return c, err
	}
	options := ends.SendOptions()
	options.Port = port
	options.MultiserverMode = true
	if c.end, err = netgear.New(options); err != nil {
		c.src.Close()
	}
	return c, err
}

func (c *camera) stream(ctx context.Context, n int, fps float64) error {
	defer c.end.Close() // sends the terminate message
	return c.src.Play(ctx, n, fps, func(ctx context.Context, _ int, picture gocv.Mat) error {
		_, err := c.end.Send(ctx, picture, nil)
		return err
	})
}

func (c *camera) close() {
	c.end.Close()
	c.src.Close()
}

func listen(ends *cli.Ends) (*netgear.NetGear, error) {
	options := ends.ReceiveOptions()
	options.Ports = ends.ListenOn(cameras)
	options.MultiserverMode = true
	options.OnEvent = func(s netgear.Event) {
		if s.Kind == netgear.EventTerminated {
			fmt.Println("goodbye from port", s.Port)
		}
	}
	return netgear.New(options)
}

// receive draws all frames into one picture and writes its last state. It can
// show it in a window.
func receive(ctx context.Context, end *netgear.NetGear, screen *window.Window, out string) error {
	all := newMontage(end.Ports())
	defer all.close()
	seen := map[string]bool{}
	for frame, err := range end.Frames(ctx) {
		if err != nil && context.Cause(ctx) == window.ErrEnough {
			break
		}
		if err != nil {
			return err
		}
		if !seen[frame.Port] {
			seen[frame.Port] = true
			fmt.Println("first frame from port", frame.Port)
		}
		err = all.put(frame.Port, frame)
		frame.Close()
		if err != nil {
			return err
		}
		if screen != nil {
			screen.Show(all.mat)
		}
	}
	stats := end.Stats()
	for _, port := range slices.Sorted(maps.Keys(stats.Ports)) {
		fmt.Printf("port %s: %d frames received\n", port, stats.Ports[port].Frames)
	}
	if err := mats.WriteFile(out, all.mat); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	fmt.Println("the last picture:", out)
	return nil
}
