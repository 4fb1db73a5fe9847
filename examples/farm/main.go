//go:build !nogocv && (!gocv_specific_modules || gocv_objdetect)

// The program farm distributes the frames of a camera to detectors by a NATS
// server. Each detector is a process. One of them is killed in the middle of its
// work, and no frame is lost.
//
//	camera ──NetGear──▶ bridge ──NATS──▶ FARM_FRAMES ──▶ detector 1 ──▶ FARM_RESULTS ──▶ in order
//	                                                 ├─▶ detector 2 ─▶
//	                                                 └─▶ detector N ─▶
//
// FARM_FRAMES and FARM_RESULTS are JetStream streams, which the program deletes
// and creates again for each of its parts. A detector acknowledges a frame when
// its result is stored. If it dies before that, the server gives the frame to
// another one. The program checks that there is one result for every frame, and
// prints how much faster several detectors are than one.
//
// It shows how to
//
//  1. publish the frames of a receive end (natsbridge.Publisher.Forward),
//  2. share them among processes (natsbridge.Work), and acknowledge each one,
//  3. store results once, although a frame may be processed twice (Stamp),
//  4. read them in the order of the frames (netgear.InOrder).
//
// Run it in the project's folder. It starts a server in its own process, or uses
// yours:
//
//	go run ./examples/farm
//	go run ./examples/farm -detectors 4 -n 200 -nats nats://10.0.0.2
//
// More detectors may run on other machines meanwhile:
//
//	go run ./examples/farm -only detector -nats nats://10.0.0.2
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/natsbridge"
	"github.com/vidgear-go/netgear/source"
)

const (
	frames  = "FARM_FRAMES"  // the stream of the camera's frames
	results = "FARM_RESULTS" // the stream of frames with what was found in them
	camera  = "street"
	// ackWait is how long a detector may take for a frame. Then, and when its
	// process has died, another gets the frame.
	ackWait = 5 * time.Second
	// window is how many frames may wait for one that is processed again.
	window = 1000
)

// settings are the user's flags.
type settings struct {
	detectors int
	n         int
	width     int // of the pictures in which people are looked for
	nats      string
	pictures  source.Settings
}

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	var s settings
	fs := flag.NewFlagSet("farm", flag.ContinueOnError)
	fs.IntVar(&s.detectors, "detectors", runtime.NumCPU(), "how many detector processes to start")
	fs.IntVar(&s.n, "n", 120, "how many frames")
	fs.StringVar(&s.nats, "nats", "", "the `URL` of a NATS server (default: one in this process)")
	fs.StringVar(&s.pictures.Name, "source", "sample", "`what` to send: sample, test, a video file, a camera's number or a URL; files start again at their end")
	fs.IntVar(&s.width, "width", 768, "how many pixels `wide` the pictures are in which people are looked for")
	only := fs.String("only", "", "be one `piece`: a detector for another program's frames")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	s.pictures.Files, s.pictures.Loop = sample.Files(), true
	switch {
	case s.detectors < 1 || s.detectors > 256:
		return fmt.Errorf("-detectors must be from 1 to 256")
	case s.width < 192 || s.width > 8192:
		return fmt.Errorf("-width must be from 192 to 8192")
	case s.n < 1 || s.n > 100000:
		return fmt.Errorf("-n must be from 1 to 100000")
	case *only != "" && *only != "detector":
		return fmt.Errorf("-only must be detector")
	}
	if s.nats == "" {
		if *only != "" {
			return fmt.Errorf("-only needs -nats")
		}
		stop, err := s.serve()
		if err != nil {
			return err
		}
		defer stop()
	}
	nc, err := nats.Connect(s.nats, nats.Name("farm"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("NATS at %s: %w", s.nats, err)
	}
	defer nc.Close()
	if *only != "" {
		return s.detect(ctx, nc)
	}
	return s.compare(ctx, nc)
}

// serve starts a server in this process.
func (s *settings) serve() (stop func(), err error) {
	dir, err := os.MkdirTemp("", "netgear-farm-")
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err == nil {
		srv.Start()
		if !srv.ReadyForConnections(10 * time.Second) {
			err = errors.New("the NATS server does not start")
		}
	}
	stop = func() {
		if srv != nil {
			srv.Shutdown()
			srv.WaitForShutdown()
		}
		os.RemoveAll(dir)
	}
	if err != nil {
		stop()
		return nil, err
	}
	s.nats = srv.ClientURL()
	return stop, nil
}

// compare sends the same frames to one detector, to all of them, and to all of
// which one is killed.
func (s *settings) compare(ctx context.Context, nc *nats.Conn) error {
	alone, err := s.round(ctx, nc, 1, false)
	if err != nil {
		return err
	}
	together, err := s.round(ctx, nc, s.detectors, false)
	if err != nil {
		return err
	}
	fmt.Printf("speed-up: %.2f with %d detectors (%d cores)\n", float64(alone)/float64(together), s.detectors, runtime.NumCPU())
	if s.detectors > 1 {
		_, err = s.round(ctx, nc, s.detectors, true)
	}
	return err
}

// round sends all frames through k detectors, and returns how long that took.
func (s *settings) round(ctx context.Context, nc *nats.Conn, k int, kill bool) (took time.Duration, err error) {
	for _, name := range []string{frames, results} {
		o := natsbridge.StreamOptions{Name: name, Subject: name, MaxBytes: 1 << 30, MaxAge: time.Hour, Memory: true}
		if err := renew(ctx, nc, o); err != nil {
			return 0, err
		}
	}
	found, err := natsbridge.Replay(ctx, nc, natsbridge.ReplayOptions{StreamSource: streamOf(results), Speed: math.Inf(1), Follow: true})
	if err != nil {
		return 0, err
	}
	defer found.Close()
	working, stop := context.WithCancel(ctx)
	defer stop()
	d, err := s.startDetectors(working, k)
	if err != nil {
		return 0, err
	}
	var began time.Time
	err = program.Together(ctx,
		func(ctx context.Context) error {
			if err := d.ready(ctx); err != nil {
				return err
			}
			began = time.Now()
			return s.film(ctx, nc)
		},
		func(ctx context.Context) error {
			counts, err := s.collect(ctx, found, func(done int) {
				if kill && done == s.n/3 {
					d.killOne()
				}
			})
			took = time.Since(began)
			if err == nil {
				fmt.Printf("detectors: %d%s, frames: %d, each once and in order, in %.2f s: %.1f fps; by process: %v\n",
					k, map[bool]string{true: ", one killed"}[kill], s.n, took.Seconds(), float64(s.n)/took.Seconds(), counts)
			}
			return err
		})
	stop()
	return took, errors.Join(err, d.wait())
}

func streamOf(stream string) natsbridge.StreamSource {
	return natsbridge.StreamSource{Stream: stream, Subject: stream}
}

// renew creates a stream without frames and consumers, in place of an old one.
func renew(ctx context.Context, nc *nats.Conn, o natsbridge.StreamOptions) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if err := js.DeleteStream(ctx, o.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	return natsbridge.EnsureStream(ctx, nc, o)
}

// film is the camera, and the receive end that publishes its frames.
func (s *settings) film(ctx context.Context, nc *nats.Conn) error {
	recv, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Stamp: true, Decode: netgear.DecodeOnUse})
	if err != nil {
		return err
	}
	defer recv.Close()
	pub, err := natsbridge.NewPublisher(nc, natsbridge.PublisherOptions{Subject: frames, Stream: frames})
	if err != nil {
		return err
	}
	err = program.Together(ctx,
		func(ctx context.Context) error { return s.send(ctx, recv.Port()) },
		func(ctx context.Context) error { return pub.Forward(ctx, recv, natsbridge.CameraName(camera)) })
	return errors.Join(err, pub.Close())
}

// send sends the frames, and then the terminate message.
func (s *settings) send(ctx context.Context, port string) error {
	end, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port, Stamp: true})
	if err != nil {
		return err
	}
	defer end.Close()
	src, err := source.Open(ctx, s.pictures)
	if err != nil {
		return err
	}
	defer src.Close()
	for range s.n {
		frame, err := src.Next(ctx)
		if err != nil {
			return err
		}
		if _, err := frame.Send(ctx, end, nil); err != nil {
			return err
		}
	}
	return nil
}

// collect reads n results in the order of the frames, and returns how many each
// process has made. progress is called with their number.
func (s *settings) collect(ctx context.Context, from *natsbridge.Subscriber, progress func(done int)) (map[int]int, error) {
	made := map[int]int{}
	done := 0
	for frame, err := range netgear.InOrder(from.Frames(ctx), window) {
		if err != nil {
			return nil, err
		}
		var what found
		stamp := frame.Stamp
		err = frame.Message.Decode(&what)
		frame.Close()
		switch {
		case err != nil:
			return nil, err
		case stamp == nil || stamp.Seq != uint64(done)+1:
			return nil, fmt.Errorf("result %d is of frame %+v", done+1, stamp)
		}
		made[what.Process]++
		done++
		progress(done)
		if done == s.n {
			return made, nil
		}
	}
	return nil, errors.New("the results ended")
}
