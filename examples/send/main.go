// The program send sends video to a NetGear receive end: examples/receive, or a
// Python program with VidGear.
//
// It shows how to
//
//  1. read VidGear's own option dictionary into netgear.Options,
//  2. send OpenCV Mats with a message, and read what the receiver returns in
//     its answers,
//  3. end with a terminate message to the receiver, on Ctrl-C too.
//
// Run it, in the project's folder, against any receiver on port 5555:
//
//	go run ./examples/send -source video.mp4
//	go run ./examples/send -source 0 -size 1280x720 -address 192.168.1.4    # a camera
//	go run ./examples/send -source test -n 100 -pattern 1 -options '{"jpeg_compression": false}' -json
//	go run ./examples/send -source sample -async -pattern 3
//
// The other end in Python:
//
//	from vidgear.gears import NetGear
//	end = NetGear(receive_mode=True, pattern=0)   # the pattern that send was given
//	while (frame := end.recv()) is not None:
//	    print(frame.shape)
//	end.close()
//
// With -async it sends to NetGear_Async, which has PUSH/PULL (-pattern 3) too:
//
//	import asyncio
//	from vidgear.gears.asyncio import NetGear_Async
//	end = NetGear_Async(receive_mode=True, pattern=3)   # the pattern that send was given
//	end.launch()
//	async def main():
//	    async for frame in end.recv_generator():
//	        print(frame.shape)
//	asyncio.set_event_loop(end.loop)
//	end.loop.run_until_complete(main())
//	end.close()
//
// PUB/SUB (-pattern 2) does not wait for receivers. Frames are lost that are
// sent before a receiver is connected, or faster than it receives. With -n or a
// short file start the receiver first, and limit the rate with -fps.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source"
	"github.com/vidgear-go/netgear/source/pace"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("send", flag.ContinueOnError)
	conn := cli.NewConnection(fs)
	var pictures source.Settings
	fs.StringVar(&pictures.Name, "source", "test", "`what` to send: a video or picture file, a series of pictures (frame_%03d.png),\na camera's number, a URL, or test, a moving picture, or sample, a short video,\nwhich need none of them. JPEGs of cameras, streams and files are sent as they are")
	fs.Func("size", "resize to `WxH`, such as 1280x720", func(s string) error { return program.ParseSize(s, &pictures.Size) })
	fs.BoolVar(&pictures.Gray, "gray", false, "send one channel")
	fs.BoolVar(&pictures.Loop, "loop", false, "start a file again at its end")
	fs.BoolVar(&pictures.Still, "still", false, "send the first frame again and again: all the time goes into sending")
	n := fs.Int("n", 0, "how many frames to send; 0 = all there are")
	fps := fs.Float64("fps", 0, "frames per second; 0 = as fast as they go")
	text := fs.String("message", "", "send this `JSON` with every frame")
	lines := fs.Bool("json", false, "print one JSON line per frame: index, shape, dtype, sha256, reply, reply_port")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if *n < 0 || *fps < 0 {
		return fmt.Errorf("-n and -fps must not be negative")
	}
	options, err := conn.SendOptions()
	if err != nil {
		return err
	}
	var message netgear.Message // none
	if *text != "" {
		if message, err = netgear.MessageFromJSON([]byte(*text)); err != nil {
			return fmt.Errorf("-message: %w", err)
		}
	}

	// JPEGs are decoded only where no JPEG may be sent.
	pictures.Pixels = options.Wire == netgear.AsyncWire || options.JPEGCompression == netgear.JPEGOff
	pictures.Files, pictures.Rate = sample.Files(), *fps
	src, err := source.Open(ctx, pictures)
	if err != nil {
		return fmt.Errorf("-source %w", err)
	}
	defer src.Close()
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	meter := cli.NewMeter("sent", *n)
	defer func() { meter.Summary(end.Stats()) }()
	defer end.Close() // sends the terminate message

	sending, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	pace := pace.New(cmp.Or(*fps, src.Rate()))
	for i := 0; *n == 0 || i < *n; {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		frame, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("-source %w", err)
		}
		reply, err := frame.Send(sending, end, message)
		if frame.JPEG != nil && errors.Is(err, netgear.ErrFrame) {
			fmt.Fprintln(os.Stderr, "left out a picture:", err)
			continue
		}
		if err != nil {
			return err
		}
		meter.Frame()
		if *lines {
			if err := printLine(i, frame, reply); err != nil {
				return err
			}
		}
		i++
	}
	return nil
}

// printLine prints the JSON line of a frame. A JPEG is decoded for it.
func printLine(i int, frame source.Frame, reply netgear.Reply) error {
	pixels, err := frame.Pixels()
	if err != nil {
		return err
	}
	return program.WriteSent(os.Stdout, i, pixels, reply)
}
