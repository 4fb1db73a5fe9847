package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/metrics"
	"github.com/vidgear-go/netgear/record"
)

// recordCommand holds the settings of the command record.
type recordCommand struct {
	options         record.Options
	fileSize, total string
	frames          int
	metrics         metricsFlags

	inputs []input
}

func (a *app) record() *cobra.Command {
	var r recordCommand
	cmd := &cobra.Command{
		Use: "record", Short: "Record streams as Matroska files", Args: noArguments,
		Long: `Receive streams and write them as they arrive, without decoding, into Matroska
files that any player shows and netgear play sends again. A full disk and a slow
disk never delay the stream: frames are dropped, counted and logged.`,
		Example: `  netgear record --out front.mkv
  netgear record --dir /srv/video --max-duration 1h --budget 50GB
  netgear record --dir . --input tcp://*:5566?name=front --input tcp://*:5567?name=back`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.read(a, cmd); err != nil {
				return err
			}
			runtime.UnlockOSThread()
			return r.run(cmd.Context(), a)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&r.options.Path, "out", "", "write this one `FILE`")
	fs.StringVar(&r.options.Dir, "dir", "", "write files with the time in their names to this `FOLDER`")
	fs.StringVar(&r.options.Name, "name", "", "begin the names in --dir with this `NAME` (default netgear)")
	fs.StringVar(&r.fileSize, "max-size", "", "begin another file at this `SIZE`, such as 2GB")
	fs.DurationVar(&r.options.MaxFileDuration, "max-duration", 0, "and after this `TIME`, such as 1h")
	fs.StringVar(&r.total, "budget", "", "delete the oldest files in --dir beyond this `SIZE` of all, such as 50GB")
	fs.IntVarP(&r.frames, "frames", "n", 0, "stop after `N` frames; 0: with a signal, or when all senders have ended")
	r.metrics.add(fs)
	addInputs(cmd)
	setDefault(cmd, "stamp", "on")
	return cmd
}

func (r *recordCommand) read(a *app, cmd *cobra.Command) error {
	var err error
	if r.inputs, err = a.inputs(cmd, netgear.Options{Stamp: true, Decode: netgear.DecodeOnUse}); err != nil {
		return err
	}
	if r.options.MaxFileBytes, err = size("--max-size", r.fileSize); err != nil {
		return err
	}
	if r.options.DiskBudget, err = size("--budget", r.total); err != nil {
		return err
	}
	if r.options.Path == "" && r.options.Dir == "" {
		return settings.Wrong("set --out FILE or --dir FOLDER")
	}
	if r.options.MaxFileDuration < 0 {
		return settings.Wrong("--max-duration must not be negative")
	}
	r.options.Logger = a.logger
	return nil
}

// recordFlags has the flags for fields of record.Options.
var recordFlags = map[string]string{"Path": "--out", "Dir": "--dir", "Name": "--name", "MaxFileBytes": "--max-size", "MaxFileDuration": "--max-duration", "DiskBudget": "--budget"}

// size reads a number of bytes such as 500MB, 2GB or 1GiB.
func size(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	upper, unit := strings.ToUpper(strings.TrimSpace(text)), 1.0
	for _, u := range []struct {
		name  string
		bytes float64
	}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(upper, u.name); ok {
			upper, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(upper, 64)
	if err != nil || !(n*unit >= 1 && n*unit < 1<<62) {
		return 0, settings.Wrong("%s %s: must be a size such as 500MB or 2GB", flag, text)
	}
	return int64(n * unit), nil
}

// errEnough ends a recording after the last of --frames.
var errEnough = errors.New("enough frames")

// run records until the context or all streams end.
func (r *recordCommand) run(ctx context.Context, a *app) error {
	recorder, err := record.Create(r.options)
	if err != nil {
		return settings.InFlags(err, record.ErrOption, recordFlags)
	}
	meter, err := r.metrics.open(a.logger)
	if err != nil {
		return errors.Join(err, recorder.Close())
	}
	defer meter.close()
	ends, err := openInputs(r.inputs, board.New())
	if err != nil {
		return errors.Join(err, recorder.Close())
	}
	for i, end := range ends.ends {
		err = errors.Join(err, meter.add(ends.names[i], end))
	}
	err = errors.Join(err, meter.addStage("disk", recordStage, func() metrics.Counts { return recordCounts(recorder.Stats()) }))
	progress := newProgress("recorded", r.frames)
	if err == nil {
		err = r.receive(ctx, ends, recorder, progress)
	}
	ends.close()
	// A signal is no failure, but frames that are missing at the end are.
	err = errors.Join(unlessEnded(ctx, err), recorder.Close())
	progress.clear()
	s := recorder.Stats()
	fmt.Fprintf(os.Stderr, "recorded %d frames in %d files, %.1f MB, %d dropped, %d failed\n", s.Frames, s.Files, float64(s.Bytes)/1e6, s.Dropped, s.Failed)
	return err
}

func (r *recordCommand) receive(ctx context.Context, ends *openEnds, recorder *record.Recorder, progress *progress) error {
	frames := make(chan struct{}, 1) // guards progress and printed
	var printed time.Time            // a sender may send such frames only
	err := ends.receive(ctx, func(i int, f *netgear.Frame) error {
		err := recorder.Write(sender(ends.names[i], f), f)
		if errors.Is(err, record.ErrClosed) {
			return err
		}
		frames <- struct{}{}
		defer func() { <-frames }()
		if err != nil && !errors.Is(err, record.ErrQueueFull) && time.Since(printed) >= time.Second {
			printed = time.Now()
			fmt.Fprintln(os.Stderr, "left out a frame:", err)
		}
		if r.frames > 0 && progress.frames >= r.frames {
			return errEnough
		}
		if progress.frame(); progress.frames == r.frames {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
