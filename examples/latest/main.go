//go:build !nogocv

// The program latest shows how old frames are when the consumer is slower than
// the camera, with a queue and without.
//
// It shows how to
//
//  1. put a number and the time of capture on each frame (Options.Stamp),
//  2. always receive the newest frame (Options.Latest),
//  3. read how many frames were dropped for that, and how long they were under
//     way (Stats).
//
// Run it in the project's folder. Both ends are in one process; the same stream
// is received twice, first with the queue and then with Latest:
//
//	go run ./examples/latest
//	go run ./examples/latest -work 300ms -fps 30 -pattern 1
//
// With -only receive it is the slow consumer, on port 5555, of -n frames
// (-queue to see it without Latest), with -only send the camera. The other end
// may be Python. A camera that stamps its frames:
//
//	import cv2, time
//	from vidgear.gears import NetGear
//	video = cv2.VideoCapture("examples/internal/sample/vtest-excerpt.avi")
//	end = NetGear(pattern=0, bidirectional_mode=True)
//	number = 0
//	while (read := video.read())[0]:
//	    number += 1
//	    end.send(read[1], message={"seq": number, "t": time.time(), "message": None})
//	    time.sleep(0.04)
//	end.close()
//
// A consumer (VidGear shows messages in bidirectional mode, so both ends have
// it here):
//
//	import time
//	from vidgear.gears import NetGear
//	end = NetGear(receive_mode=True, pattern=0, bidirectional_mode=True)
//	while (got := end.recv()) is not None:
//	    stamp, frame = got
//	    print(stamp["seq"], "is", time.time() - stamp["t"], "s old")
//	    time.sleep(0.15)
//	end.close()
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"time"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/mats"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("latest", flag.ContinueOnError)
	ends := cli.NewEnds(fs, cli.DefaultPort, 15, netgear.Pair, netgear.ReqRep, netgear.PubSub)
	work := fs.Duration("work", 150*time.Millisecond, "how `long` the consumer works on a frame")
	queue := fs.Bool("queue", false, "do without Latest; with -only receive")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if err := ends.Check(); err != nil {
		return err
	}
	switch ends.Only {
	case "send":
		return send(ctx, ends, ends.Ports()[0], ends.N)
	case "receive":
		end, err := listen(ends, !*queue)
		if err != nil {
			return err
		}
		defer end.Close()
		fmt.Println("listening on", end.Endpoints()[0])
		s, err := consume(ctx, end, ends.N, *work)
		fmt.Println(s)
		return err
	}
	var results [2]summary
	for i, latest := range []bool{false, true} {
		fmt.Printf("Latest: %v\n", latest)
		var err error
		if results[i], err = both(ctx, ends, latest, *work); err != nil {
			return err
		}
	}
	fmt.Printf("\nwith the queue: %v\nwith Latest:    %v\n", results[0], results[1])
	return nil
}

// both runs a camera and a consumer until the consumer has its frames.
func both(ctx context.Context, ends *cli.Ends, latest bool, work time.Duration) (result summary, err error) {
	end, err := listen(ends, latest)
	if err != nil {
		return result, err
	}
	defer end.Close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	err = program.Together(ctx,
		func(ctx context.Context) (err error) {
			defer stop()
			result, err = consume(ctx, end, ends.N, work)
			return err
		},
		func(context.Context) error {
			// Until it is stopped.
			err := send(running, ends, end.Port(), math.MaxInt)
			if ctx.Err() == nil {
				err = program.Stopped(running, err)
			}
			return err
		})
	return result, err
}

// options adds to o what both ends have.
func options(ends *cli.Ends, o netgear.Options) netgear.Options {
	o.Stamp = true
	o.BidirectionalMode = ends.Pattern != netgear.PubSub // for Python's sake, see above
	return o
}

func send(ctx context.Context, ends *cli.Ends, port string, n int) error {
	src, err := mats.Open(ctx, source.Settings{Name: ends.Source, Loop: true})
	if err != nil {
		return err
	}
	defer src.Close()
	o := options(ends, ends.SendOptions())
	o.Port = port
	end, err := netgear.New(o)
	if err != nil {
		return err
	}
	defer end.Close() // sends the terminate message
	return src.Play(ctx, n, ends.FPS, func(ctx context.Context, _ int, picture gocv.Mat) error {
		// The stamp has the time of this call. For an earlier capture use
		// netgear.StampedMessage.
		_, err := end.Send(ctx, picture, nil)
		return err
	})
}

func listen(ends *cli.Ends, latest bool) (*netgear.NetGear, error) {
	o := options(ends, ends.ReceiveOptions())
	o.Port = ends.ListenOn(1)[0]
	o.Latest = latest
	return netgear.New(o)
}

// summary is the consumer's result.
type summary struct {
	frames    int
	age       time.Duration // of all frames together, when they were used
	oldest    time.Duration
	dropped   uint64
	transport time.Duration // mean, from capture to arrival
}

func (s summary) String() string {
	return fmt.Sprintf("%d frames, on average %v old, at worst %v; %d dropped; %v from capture to arrival",
		s.frames, ms(s.age/time.Duration(max(1, s.frames))), ms(s.oldest), s.dropped, ms(s.transport))
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// consume processes n frames, or fewer if the sender ends earlier.
func consume(ctx context.Context, end *netgear.NetGear, n int, work time.Duration) (s summary, err error) {
	for frame, err := range end.Frames(ctx) {
		if err != nil {
			return s, err
		}
		stats := end.Stats()
		if frame.Stamp == nil {
			fmt.Println("a frame without a stamp")
		} else {
			age := time.Since(frame.Stamp.Time)
			s.age, s.oldest = s.age+age, max(s.oldest, age)
			fmt.Printf("frame %d: %v old, %d dropped so far\n", frame.Stamp.Seq, ms(age), stats.Dropped)
		}
		frame.Close()
		s.frames++
		s.dropped, s.transport = stats.Dropped, stats.Latency.Mean
		if s.frames == n {
			break
		}
		select {
		case <-time.After(work): // simulates the work
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
	return s, nil
}
