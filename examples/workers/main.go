//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

// The program workers distributes the work on a video to several processes, and
// restores the order of the frames. It uses the PUSH/PULL pattern of VidGear's
// NetGear_Async.
//
//	sender ──PUSH──▶ worker 1 ──PUSH──▶ collector
//	         ├─────▶ worker 2 ───────▶
//	         └─────▶ worker K ───────▶
//
// Each worker detects people in its frames (OpenCV's HOG detector), which takes
// far longer than sending them. The collector checks that every frame arrives
// once and in order, draws a box around each person, and writes a contact
// sheet.
//
// It shows how to
//
//  1. send each frame to one of several receivers (PushPull with AttachBind at
//     the send end, AttachConnect at the receive ends),
//  2. forward a received frame, with the results in the message and with its
//     own number (SendFrame, StampedMessage, Options.Stamp),
//  3. receive from several senders, and restore the order (InOrder, KeepWaiting).
//
// Run it in the project's folder. It starts the workers itself, first one, then
// one for each core, and prints how much faster these are:
//
//	go run ./examples/workers
//	go run ./examples/workers -workers 4 -n 200 -source video.mp4 -o found.png
//
// On several machines start the programs yourself, in any order, with any
// number of workers. Here the sender and the collector are on the machine
// 192.168.1.4. A worker ends when the sender has sent everything:
//
//	go run ./examples/workers -only collect -n 200
//	go run ./examples/workers -only worker -frames 192.168.1.4:5555 -results 192.168.1.4:5556
//	go run ./examples/workers -only send -n 200 -source video.mp4
//
// A worker can be a Python program. VidGear's own receive end can only listen,
// and a worker connects, so this one implements the wire itself. It needs a cv2
// with HOGDescriptor, which OpenCV 5 lacks:
//
//	import cv2, msgpack, msgpack_numpy, zmq
//	frames, results = (zmq.Context.instance().socket(kind) for kind in (zmq.PULL, zmq.PUSH))
//	frames.rcvhwm = results.sndhwm = 1
//	frames.connect("tcp://192.168.1.4:5555")
//	results.connect("tcp://192.168.1.4:5556")
//	hog = cv2.HOGDescriptor()
//	hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
//	cv2.setNumThreads(1)
//	while len(parts := frames.recv_multipart()) == 2:   # the goodbye has one part
//	    header = msgpack.unpackb(parts[0])
//	    picture = msgpack.unpackb(parts[1], object_hook=msgpack_numpy.decode)
//	    boxes, _ = hog.detectMultiScale(picture, winStride=(8, 8), scale=1.1)
//	    header["data"]["message"] = {"worker": "Python", "boxes": [[int(x) for x in box] for box in boxes]}
//	    results.send_multipart([msgpack.packb(header), parts[1]])
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"runtime"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source"
)

// settings are the user's flags.
type settings struct {
	workers         int
	n               int
	width           int // of the pictures in which people are looked for
	out             string
	frames, results string // HOST:PORT where the sender and the collector listen
	pictures        source.Settings
}

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	var s settings
	fs := flag.NewFlagSet("workers", flag.ContinueOnError)
	fs.IntVar(&s.workers, "workers", runtime.NumCPU(), "how many worker processes to start")
	fs.IntVar(&s.n, "n", 120, "how many frames")
	fs.StringVar(&s.pictures.Name, "source", "sample", "`what` to send: sample, test, a video file, a camera's number or a URL; files start again at their end")
	fs.StringVar(&s.out, "o", "workers.png", "the contact sheet's `file`")
	fs.IntVar(&s.width, "width", 768, "how many pixels `wide` the pictures are in which people are looked for;\nmore finds smaller people, and takes longer")
	only := fs.String("only", "", "be one `piece`, send, worker or collect, and leave the others to other programs")
	fs.StringVar(&s.frames, "frames", ":5555", "`HOST:PORT` where the sender listens, with -only send and -only worker")
	fs.StringVar(&s.results, "results", ":5556", "`HOST:PORT` where the collector listens, with -only collect and -only worker")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	s.pictures.Loop = true
	switch {
	case s.workers < 1 || s.workers > 256:
		return fmt.Errorf("-workers must be from 1 to 256")
	case s.width < 192 || s.width > 8192:
		return fmt.Errorf("-width must be from 192 to 8192")
	case s.n < 1:
		return fmt.Errorf("-n must be at least 1")
	}
	switch *only {
	case "send":
		end, err := s.sender(s.frames)
		if err != nil {
			return err
		}
		return s.send(ctx, end)
	case "worker":
		return s.work(ctx)
	case "collect":
		end, err := s.collector(s.results)
		if err != nil {
			return err
		}
		defer end.Close()
		fmt.Println("listening on", end.Endpoints()[0])
		_, err = s.collect(ctx, end)
		return err
	case "":
		return s.compare(ctx)
	}
	return fmt.Errorf("-only must be send, worker or collect")
}

// compare sends the same frames to one worker and to all of them.
func (s *settings) compare(ctx context.Context) error {
	var times []time.Duration
	for _, k := range []int{1, s.workers} {
		took, err := s.stream(ctx, k)
		if err != nil {
			return err
		}
		fmt.Printf("workers: %d, frames: %d, each once and in order, in %.2f s: %.1f fps\n", k, s.n, took.Seconds(), float64(s.n)/took.Seconds())
		times = append(times, took)
		if s.workers == 1 {
			break
		}
	}
	if len(times) == 2 {
		fmt.Printf("speed-up: %.2f with %d workers (%d cores)\n", float64(times[0])/float64(times[1]), s.workers, runtime.NumCPU())
	}
	fmt.Println("contact sheet:", s.out)
	return nil
}

// stream starts k workers and sends all frames through them.
func (s *settings) stream(ctx context.Context, k int) (time.Duration, error) {
	sender, err := s.sender("127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer sender.Close()
	collector, err := s.collector("127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer collector.Close()

	workersCtx, stop := context.WithCancel(ctx)
	defer stop()
	var workers []func(context.Context) error
	for range k {
		workers = append(workers, func(running context.Context) error {
			return s.startWorker(workersCtx, running, "127.0.0.1:"+sender.Port(), "127.0.0.1:"+collector.Ports()[0])
		})
	}
	var took time.Duration
	err = program.Together(ctx, func(ctx context.Context) error {
		defer stop() // those that missed the terminate message
		if err := assemble(ctx, k, sender, collector); err != nil {
			return err
		}
		begin := time.Now()
		err := program.Together(ctx,
			func(ctx context.Context) (err error) {
				var last time.Time
				last, err = s.collect(ctx, collector)
				took = last.Sub(begin)
				return err
			},
			func(ctx context.Context) error { return s.send(ctx, sender) })
		return err
	}, workers...)
	return took, err
}

// assemble waits until every worker is connected to both ends, so that starting
// them is not counted.
func assemble(ctx context.Context, k int, ends ...*netgear.NetGear) error {
	for _, end := range ends {
		for end.Stats().Connected < k {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

// options returns the options of every end.
func options(receive bool, endpoint string) (netgear.Options, error) {
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return netgear.Options{}, fmt.Errorf("%s must be HOST:PORT: %w", endpoint, err)
	}
	return netgear.Options{
		ReceiveMode: receive, Address: host, Port: port,
		Wire: netgear.AsyncWire, Pattern: netgear.PushPull,
		Stamp:      true,                      // numbers the frames, to restore the order
		MaxRetries: -1, SubscriberTimeout: -1, // without limit
	}, nil
}
