// The program receive receives video from a NetGear send end: examples/send, or
// a Python program with VidGear.
//
// It shows how to
//
//  1. listen, and receive frames until the terminate message,
//  2. limit the wait for a frame with a context,
//  3. return data to the sender on the answers (bidirectional and multi-client
//     mode),
//  4. use a frame as an OpenCV Mat, and as plain bytes if OpenCV lacks its
//     type.
//
// Run it, in the project's folder, and then a sender on port 5555:
//
//	go run ./examples/receive -show
//	go run ./examples/receive -out frames -n 100 -timeout 10s
//	go run ./examples/receive -pattern 1 -options '{"bidirectional_mode": true}' -return '{"zoom": 2}' -json
//	go run ./examples/receive -async -pattern 3 -json
//
// The other end in Python:
//
//	import cv2
//	from vidgear.gears import NetGear
//	video = cv2.VideoCapture("examples/internal/sample/vtest-excerpt.avi")   # 0: a camera
//	end = NetGear(pattern=0)   # the pattern that receive was given
//	while True:
//	    ok, frame = video.read()
//	    if not ok:
//	        break
//	    end.send(frame)
//	end.close()
//
// With -async it listens to NetGear_Async, which sends the frames of a source
// or a generator:
//
//	import asyncio
//	from vidgear.gears.asyncio import NetGear_Async
//	video = "examples/internal/sample/vtest-excerpt.avi"   # 0: a camera
//	end = NetGear_Async(source=video, pattern=3).launch()   # the pattern that receive was given
//	asyncio.set_event_loop(end.loop)
//	end.loop.run_until_complete(end.task)
//	end.close()
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/internal/program"
)

// Window systems must be called from the program's first thread. In init the
// main goroutine is certain to be on it.
func init() { runtime.LockOSThread() }

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("receive", flag.ContinueOnError)
	conn := cli.NewConnection(fs)
	n := fs.Int("n", 0, "stop after so many frames; 0 = when the sender says goodbye")
	timeout := fs.Duration("timeout", 0, "give up when no frame comes for so `long`, such as 10s;\n0 = as long as the options say")
	data := fs.String("return", "", "return this `JSON` on the answers; needs bidirectional_mode or multiclient_mode in -options")
	latest := fs.Bool("latest", false, "always take the newest frame and drop what was missed")
	lines := fs.Bool("json", false, "print one JSON line per frame: index, shape, dtype, sha256, message, port")
	var out outputs
	fs.StringVar(&out.folder, "out", "", "write the frames to this `folder` as numbered PNG files")
	fs.StringVar(&out.video, "video", "", "write the frames to this video `file` at 25 frames per second:\n.mp4 as MPEG-4, anything else as motion JPEG (use .avi)")
	fs.BoolVar(&out.show, "show", false, "show the frames in a window; Esc or q ends")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if *n < 0 || *timeout < 0 {
		return fmt.Errorf("-n and -timeout must not be negative")
	}
	options, err := conn.ReceiveOptions()
	if err != nil {
		return err
	}
	options.Latest = *latest
	var answer netgear.Message // none
	if *data != "" {
		if answer, err = netgear.MessageFromJSON([]byte(*data)); err != nil {
			return fmt.Errorf("-return: %w", err)
		}
		if !options.BidirectionalMode && !(options.MulticlientMode && options.Pattern == netgear.ReqRep) {
			return fmt.Errorf(`-return: only answers carry data: put "bidirectional_mode": true in -options (with -pattern 0 or 1), ` +
				`or "multiclient_mode": true (with -pattern 1)`)
		}
	}
	return out.with(ctx, func(ctx context.Context) error {
		return receive(ctx, options, answer, *n, *timeout, *lines, &out)
	})
}

// receive receives n frames, or those until the terminate message.
func receive(ctx context.Context, options netgear.Options, answer netgear.Message, n int, timeout time.Duration, lines bool, out *outputs) error {
	if err := out.open(); err != nil {
		return err
	}
	defer out.close()
	end, err := netgear.New(options)
	if err != nil {
		return err
	}
	defer end.Close()
	if !answer.IsNone() {
		if err := end.SetReturnData(answer); err != nil {
			return fmt.Errorf("-return: %w", err)
		}
	}
	for _, endpoint := range end.Endpoints() {
		fmt.Fprintln(os.Stderr, "listening on", endpoint)
	}
	out.meter = cli.NewMeter("received", n)
	defer func() { out.meter.Summary(end.Stats()) }()

	for i := 0; n == 0 || i < n; i++ {
		frame, err := next(ctx, end, timeout)
		if errors.Is(err, io.EOF) || err != nil && out.enough(ctx) {
			return nil
		}
		if err != nil {
			return err
		}
		out.meter.Frame()
		if lines {
			err = program.WriteReceived(os.Stdout, i, frame)
		}
		if err == nil {
			err = out.put(i, frame)
		}
		frame.Close() // its memory is released; nothing refers to it
		if err != nil {
			return err
		}
	}
	return nil
}

// next waits for a frame: for at most timeout or, if that is 0, until the
// library returns ErrTimeout.
func next(ctx context.Context, end *netgear.NetGear, timeout time.Duration) (*netgear.Frame, error) {
	if timeout == 0 {
		return end.Recv(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		frame, err := end.Recv(bounded)
		switch {
		case err == nil || errors.Is(err, io.EOF) || ctx.Err() != nil:
			return frame, err
		case bounded.Err() != nil:
			return nil, fmt.Errorf("no frame for %v; check that the send end runs, sends to this address and port, and has the same pattern: %w", timeout, err)
		case errors.Is(err, netgear.ErrPeerGone), errors.Is(err, netgear.ErrTimeout):
			// The library's time-out is shorter than -timeout, but the end
			// still listens.
		default:
			return nil, err
		}
	}
}
