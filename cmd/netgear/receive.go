package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
)

// receiver holds the settings of the command receive.
type receiver struct {
	frames  int
	timeout time.Duration
	latest  bool
	answer  string
	lines   bool
	out     string
	show    bool
	metrics metricsFlags

	options netgear.Options
	data    netgear.Message // of answer
	outputs outputs
}

func (a *app) receive() *cobra.Command {
	var r receiver
	cmd := &cobra.Command{
		Use: "receive", Short: "Receive frames: as files, as JSON lines, on stdout, in a window", Args: noArguments,
		Long: `Receive frames of one stream, until its sender ends it or --frames have arrived.
JPEGs are written as they arrive, without decoding.`,
		Example: `  netgear receive --json
  netgear receive --out frames --frames 100 --timeout 10s
  netgear receive --out - | ffplay -f mjpeg -
  netgear receive --pattern 1 --options '{"bidirectional_mode": true}' --return '{"zoom": 2}'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if r.options, err = a.options(cmd, netgear.Options{ReceiveMode: true}); err != nil {
				return err
			}
			return r.run(cmd.Context())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.IntVarP(&r.frames, "frames", "n", 0, "stop after `N` frames; 0: when the sender ends the stream")
	fs.DurationVar(&r.timeout, "timeout", 0, "give up when no frame arrives for this `TIME`, such as 10s;\n0: as long as the options say")
	fs.BoolVar(&r.latest, "latest", false, "always take the newest frame and drop what was missed")
	fs.StringVar(&r.answer, "return", "", "return this `JSON` with the answers; needs bidirectional_mode or\nmulticlient_mode in --options")
	fs.BoolVar(&r.lines, "json", false, "print one JSON line per frame: index, shape, dtype, sha256, message, port,\nand with --stamp on the sender's number and the time of capture: seq, time")
	fs.StringVar(&r.out, "out", "", "write the frames to this `FOLDER`: JPEGs as they arrive, others as PNG;\n-: as one MJPEG stream to stdout")
	fs.BoolVar(&r.show, "show", false, "show the frames in a window; Esc or q ends (needs OpenCV)")
	r.metrics.add(fs)
	addConnection(cmd)
	return cmd
}

func (r *receiver) run(ctx context.Context) error {
	switch {
	case r.frames < 0 || r.timeout < 0:
		return settings.Wrong("--frames and --timeout must not be negative")
	case r.out == "-" && r.lines:
		return settings.Wrong("--out - and --json both write to stdout")
	case r.show && !haveOpenCV:
		return settings.Wrong("--show: %w", errNoOpenCV)
	}
	if err := r.setAnswer(); err != nil {
		return err
	}
	r.options.Latest = r.options.Latest || r.latest
	if r.show {
		return show(ctx, r.receive)
	}
	runtime.UnlockOSThread() // without a window any thread can run it, which is faster
	return r.receive(ctx, nil)
}

func (r *receiver) setAnswer() error {
	if r.answer == "" {
		return nil
	}
	var err error
	if r.data, err = netgear.MessageFromJSON([]byte(r.answer)); err != nil {
		return settings.Wrong("--return: %w", err)
	}
	o := r.options
	if !o.BidirectionalMode && !(o.MulticlientMode && o.Pattern == netgear.ReqRep) {
		return settings.Wrong(`--return: only answers carry data: put "bidirectional_mode": true into --options (with --pattern 0 or 1), ` +
			`or "multiclient_mode": true (with --pattern 1)`)
	}
	return nil
}

// receive receives frames and passes them to the outputs and to display.
func (r *receiver) receive(ctx context.Context, display func(*netgear.Frame)) error {
	if err := r.outputs.open(r.out); err != nil {
		return err
	}
	end, meter, err := r.metrics.openEnd(r.options)
	if err != nil {
		return err
	}
	defer meter.close()
	defer end.Close()
	if !r.data.IsNone() {
		if err := end.SetReturnData(r.data); err != nil {
			return settings.Wrong("--return: %w", err)
		}
	}
	announce(end)
	progress := newProgress("received", r.frames)
	failed := 0
	defer func() {
		end.Close()
		var note string
		if failed > 0 {
			note = fmt.Sprintf(", %d failed", failed)
		}
		progress.summary(end.Stats(), note)
	}()
	for i := 0; r.frames == 0 || i < r.frames; i++ {
		frame, err := r.next(ctx, end)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = r.put(i, frame, display)
		frame.Close()
		if err != nil {
			failed++
			return err
		}
		progress.frame()
	}
	return nil
}

func (r *receiver) put(i int, frame *netgear.Frame, display func(*netgear.Frame)) error {
	if r.lines {
		if err := program.WriteReceived(live.Stdout, i, frame); err != nil {
			return err
		}
	}
	if display != nil {
		display(frame)
	}
	return r.outputs.put(i, frame)
}

// next waits for a frame: for at most the timeout or, if that is 0, until the
// library returns ErrTimeout.
func (r *receiver) next(ctx context.Context, end *netgear.NetGear) (*netgear.Frame, error) {
	if r.timeout == 0 {
		return end.Recv(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	for {
		frame, err := end.Recv(bounded)
		switch {
		case err == nil || errors.Is(err, io.EOF) || ctx.Err() != nil:
			return frame, err
		case bounded.Err() != nil:
			return nil, fmt.Errorf("no frame for %v; check that the send end runs, sends to this address and port, and has the same pattern: %w", r.timeout, err)
		case errors.Is(err, netgear.ErrPeerGone), errors.Is(err, netgear.ErrTimeout):
			// The library's time-out is shorter, but the end still listens.
		default:
			return nil, err
		}
	}
}

// announce prints where an end listens or to what it connects.
func announce(end *netgear.NetGear) {
	for _, endpoint := range end.Endpoints() {
		fmt.Fprintln(live.Stderr, "endpoint", endpoint)
	}
}
