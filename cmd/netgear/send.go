package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/mjpeg"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/source"
	"github.com/vidgear-go/netgear/source/pace"
)

// sendCommand holds the settings of the command send.
type sendCommand struct {
	pictures source.Settings
	size     string
	frames   int
	fps      float64
	message  string
	lines    bool
	ahead    int
	metrics  metricsFlags

	options netgear.Options
	value   netgear.Message // of message
}

func (a *app) send() *cobra.Command {
	var s sendCommand
	cmd := &cobra.Command{
		Use: "send", Short: "Send a camera, a file, a URL, pictures from stdin or a test picture", Args: noArguments,
		Long: `Send pictures to a receive end, until they end or --frames are sent. The
receive end then gets the terminate message, also after SIGINT, SIGTERM and
SIGHUP. JPEGs are sent as they are, without decoding and encoding, except with
--max-age, which encodes them as the network allows it.`,
		Example: `  netgear send --source test --fps 25
  netgear send --source 0 --size 1280x720 --address 192.168.1.4    # a camera
  netgear send --source http://camera/stream.mjpg --stamp on
  ffmpeg -i video.mp4 -f mjpeg - | netgear send --source - --fps 25`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if s.ahead < 0 || s.ahead > 1024 {
				return settings.Wrong("--send-ahead must be from 0 to 1024")
			}
			if s.options, err = a.options(cmd, netgear.Options{SendAhead: s.ahead}); err != nil {
				return err
			}
			s.pictures.Logger = a.logger
			return s.run(cmd.Context())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&s.pictures.Name, "source", "test", "what to send: `PICTURES` are a video or picture file, a series (f_%03d.png), a\ncamera's number or device, a URL, -: JPEGs from stdin, or test: a moving picture")
	fs.StringVar(&s.size, "size", "", "resize to `WxH`, such as 1280x720 (needs OpenCV)")
	fs.BoolVar(&s.pictures.Gray, "gray", false, "send one channel (needs OpenCV)")
	fs.BoolVar(&s.pictures.Loop, "loop", false, "start a file again at its end")
	fs.BoolVar(&s.pictures.Still, "still", false, "send the first frame again and again")
	fs.IntVarP(&s.frames, "frames", "n", 0, "send `N` frames; 0: all there are")
	fs.Float64Var(&s.fps, "fps", 0, "send `N` frames per second; 0: as the file, or as fast as they go")
	fs.StringVar(&s.message, "message", "", "send this `JSON` with every frame (with --wire imagezmq default the host's name)")
	fs.BoolVar(&s.lines, "json", false, "print one JSON line per frame: index, shape, dtype, sha256, reply, reply_port")
	fs.IntVar(&s.ahead, "send-ahead", 0, "let `N` frames wait while an answer is awaited")
	s.metrics.add(fs)
	addConnection(cmd)
	return cmd
}

func (s *sendCommand) run(ctx context.Context) error {
	if s.frames < 0 || !(s.fps >= 0 && s.fps <= math.MaxInt32) {
		return settings.Wrong("--frames and --fps must not be negative, and --fps a number")
	}
	err := s.nameSender()
	if err != nil {
		return err
	}
	if s.size != "" {
		if err := program.ParseSize(s.size, &s.pictures.Size); err != nil {
			return settings.Wrong("--size: %w", err)
		}
	}
	if s.message != "" {
		if s.value, err = netgear.MessageFromJSON([]byte(s.message)); err != nil {
			return settings.Wrong("--message: %w", err)
		}
	}
	s.pictures.Pixels = decodes(&s.options)
	s.pictures.Rate = s.fps
	in, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	end, meter, err := s.metrics.openEnd(s.options)
	if err != nil {
		return err
	}
	defer meter.close()
	progress := newProgress("sent", s.frames)
	defer func() {
		sent := end.Stats()
		progress.summary(sent, unseen(&s.options, &sent))
	}()
	err = s.sendAll(ctx, in, end, progress)
	if err == nil && (s.ahead > 0 || s.options.SendLatest) {
		err = end.Flush(ctx)
	}
	return errors.Join(err, end.Close()) // sends the terminate message
}

// unseen returns a note if frames have gone nowhere without an error, because a
// publisher has had no subscriber.
func unseen(o *netgear.Options, sent *netgear.Stats) string {
	if o.Pattern != netgear.PubSub || sent.Connections > 0 {
		return ""
	}
	return "; no subscriber was connected"
}

// decodes reports whether JPEGs are decoded: where no JPEG may be sent, and
// where they are encoded as the network allows it.
func decodes(o *netgear.Options) bool {
	c := o.JPEGCompression
	return o.Wire == netgear.AsyncWire || c == netgear.JPEGOff || o.Adapt.MaxAge != 0 && (c == netgear.JPEGDefault || c == netgear.JPEGBGR)
}

// pictures is what the command sends.
type pictures interface {
	Next(ctx context.Context) (source.Frame, error)
	Rate() float64
	Close()
}

func (s *sendCommand) open(ctx context.Context) (pictures, error) {
	if s.pictures.Name == "-" {
		return &stdin{frames: mjpeg.NewReader(os.Stdin), pixels: s.pictures.Pixels}, nil
	}
	in, err := source.Open(ctx, s.pictures)
	if err != nil {
		return nil, fmt.Errorf("--source: %w", err)
	}
	return in, nil
}

// maxRefused is how many damaged pictures may follow each other. With --loop a
// file of nothing else would have no end.
const maxRefused = 1000

func (s *sendCommand) sendAll(ctx context.Context, in pictures, end *netgear.NetGear, progress *progress) error {
	sending, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	clock := pace.New(cmp.Or(s.fps, in.Rate()))
	refused := 0
	for i := 0; s.frames == 0 || i < s.frames; {
		if err := clock.Wait(ctx); err != nil {
			return err
		}
		frame, err := in.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("--source: %w", err)
		}
		reply, err := frame.Send(sending, end, s.value)
		if frame.JPEG != nil && errors.Is(err, netgear.ErrFrame) {
			if refused++; refused == maxRefused || s.pictures.Still {
				return fmt.Errorf("--source: no picture can be sent: %w", err)
			}
			fmt.Fprintln(live.Stderr, "left out a picture:", err)
			continue
		}
		if err != nil {
			return err
		}
		refused = 0
		progress.frame()
		if s.lines {
			pixels, err := frame.Pixels()
			if err != nil {
				return err
			}
			if err := program.WriteSent(live.Stdout, i, pixels, reply); err != nil {
				return err
			}
		}
		i++
	}
	return nil
}

// stdin is a stream of JPEGs on stdin.
type stdin struct {
	frames *mjpeg.Reader
	pixels bool // decode each JPEG
}

func (s *stdin) Rate() float64 { return 0 }
func (s *stdin) Close()        {}

// Next reads the next JPEG. It returns early when ctx ends, although the read
// continues.
func (s *stdin) Next(ctx context.Context) (source.Frame, error) {
	type result struct {
		jpeg []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		jpeg, err := s.frames.Next()
		done <- result{jpeg, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		return source.Frame{}, ctx.Err()
	}
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return source.Frame{}, fmt.Errorf("-: %w", r.err)
	}
	frame := source.Frame{JPEG: r.jpeg}
	if r.err != nil || !s.pixels {
		return frame, r.err
	}
	var err error
	frame.Array, err = frame.Pixels()
	frame.JPEG = nil
	return frame, err
}

// nameSender makes this machine's name the message where that is the custom:
// imagezmq's hubs distinguish senders by it.
func (s *sendCommand) nameSender() error {
	if s.message != "" || s.options.Wire != netgear.ImageZMQWire {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	text, err := json.Marshal(name)
	s.message = string(text)
	return err
}
