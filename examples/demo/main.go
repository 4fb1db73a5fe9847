//go:build !nogocv

// The program demo streams the project's sample video from one process to
// another over NetGear, and checks that every frame arrived in order and
// intact.
//
// It shows how to
//
//  1. listen on a free port and pass its number to the sender,
//  2. stream a video in every pattern, as JPEG and as raw pixels,
//  3. send data along with each frame, here its number and its checksum,
//  4. distinguish a damaged frame from one that JPEG changed.
//
// Run it in the project's folder:
//
//	go run ./examples/demo
//	go run ./examples/demo -pattern 1 -raw -loops 10
//
// It starts itself a second time: this process receives, the second one sends.
// With -only send or -only receive it is one process. The other one may be
// Python's VidGear; the program prints its code at the end (see python.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/examples/internal/sample"
)

// settings are the user's flags, the same in both processes.
type settings struct {
	pattern int
	raw     bool
	loops   int
	out     string
	only    string
	port    string
}

func main() { cli.Main(run) }

func run(ctx context.Context, args []string) error {
	var s settings
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.IntVar(&s.pattern, "pattern", 0, "0 PAIR, 1 REQ/REP, 2 PUB/SUB")
	fs.BoolVar(&s.raw, "raw", false, "send raw pixels instead of JPEG")
	fs.IntVar(&s.loops, "loops", 3, "how often to play the sample video")
	fs.StringVar(&s.out, "out", "demo-contact-sheet.png", "the contact sheet's `file`")
	fs.StringVar(&s.only, "only", "", "be one end, send or receive, and leave the other to another program")
	fs.StringVar(&s.port, "port", "", "the `port` to use with -only (default 5555)")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	switch {
	case s.loops < 1 || s.loops > 10000:
		return fmt.Errorf("-loops must be from 1 to 10000")
	case s.pattern < 0 || s.pattern > 2:
		return fmt.Errorf("-pattern must be 0 (PAIR), 1 (REQ/REP) or 2 (PUB/SUB)")
	case s.only == "" && s.port != "":
		return fmt.Errorf("-port goes with -only; without it the demo takes a free port")
	case s.only != "" && s.port == "":
		s.port = cli.DefaultPort
	}
	options := s.options()
	options.ReceiveMode = s.only == "receive"
	if err := options.Validate(); err != nil {
		return cli.InFlags(err)
	}
	switch s.only {
	case "send":
		return send(ctx, &s)
	case "receive", "":
		return receive(ctx, &s)
	}
	return fmt.Errorf("-only must be send or receive")
}

// options returns the options of either end. python.go has the matching ones
// for VidGear.
func (s *settings) options() netgear.Options {
	o := netgear.Options{
		Address: "127.0.0.1",
		Port:    s.port,
		Pattern: netgear.Pattern(s.pattern),
		// PUB/SUB drops frames beyond this number. The demo expects every
		// frame, so the queue holds all of them. The other patterns do not
		// drop.
		HighWaterMark: s.frames() + 100,
	}
	if s.raw {
		o.JPEGCompression = netgear.JPEGOff
	}
	return o
}

func (s *settings) frames() int { return s.loops * sample.Frames }

// note is the message of every frame.
type note struct {
	Index  int    `json:"index"`  // counts over all loops; negative before the stream
	SHA256 string `json:"sha256"` // of the pixels before compression
}

// loadSample decodes the sample video. The caller closes the Mats.
func loadSample() ([]gocv.Mat, error) {
	path, err := sample.WriteTemp()
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	video, err := gocv.OpenVideoCapture(path)
	if err != nil {
		return nil, fmt.Errorf("OpenCV cannot open the sample video; was it built with FFmpeg? %w", err)
	}
	defer video.Close()
	var frames []gocv.Mat
	for {
		frame := gocv.NewMat()
		if !video.Read(&frame) {
			frame.Close()
			break
		}
		frames = append(frames, frame)
	}
	if len(frames) != sample.Frames {
		closeAll(frames)
		return nil, fmt.Errorf("OpenCV read %d frames of the sample video instead of %d; was it built with FFmpeg?", len(frames), sample.Frames)
	}
	return frames, nil
}

func closeAll(mats []gocv.Mat) {
	for i := range mats {
		mats[i].Close()
	}
}

// interrupted reports whether err only means that the context ended.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled))
}
