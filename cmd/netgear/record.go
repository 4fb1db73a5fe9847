package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/metrics"
	"github.com/vidgear-go/netgear/record"
)

// recordCommand holds the settings of the command record.
type recordCommand struct {
	options         record.Options
	fileSize, total string
	frames          int
	lines           bool
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
	fs.BoolVar(&r.lines, "json", false, linesUsage)
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

// size returns the bytes that the text of a flag stands for, 0 if there is none.
func size(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := settings.Size(text)
	if err != nil {
		return 0, settings.Wrong("%s %s: %w", flag, text, err)
	}
	return n, nil
}

// errEnough ends a recording after the last of --frames.
var errEnough = errors.New("enough frames")

// run records until the context or all streams end.
func (r *recordCommand) run(ctx context.Context, a *app) error {
	meter, err := r.metrics.open(a.logger)
	if err != nil {
		return err
	}
	defer meter.close()
	recorder, err := record.Create(r.options)
	if err != nil {
		return settings.InFlags(err, record.ErrOption, recordFlags)
	}
	rows := board.New()
	ends, err := openInputs(r.inputs, rows)
	if err != nil {
		return errors.Join(err, recorder.Close())
	}
	for i, end := range ends.ends {
		err = errors.Join(err, meter.add(ends.names[i], end))
	}
	stages := []stage{{"disk", recordStage, func() metrics.Counts { return recordCounts(recorder.Stats()) }}}
	err = errors.Join(err, meter.addStages(stages))
	defer newDropLog(a.logger, stages).watch()()
	progress := newProgress("recorded", r.frames)
	work := func(ctx context.Context) error { return r.receive(ctx, ends, recorder, progress) }
	switch {
	case err != nil:
	case r.lines:
		var disk rate
		err = monitored(ctx, true, func(now time.Time) snapshot {
			return snapshot{Time: now, Streams: rows.Rows(now), Outputs: []branchRow{recorderRow(recorder.Stats(), &disk, now)}}
		}, work)
	default:
		err = work(ctx)
	}
	ends.close()
	// A signal is no failure, but frames that are missing at the end are.
	err = errors.Join(unlessEnded(ctx, err), recorder.Close())
	progress.clear()
	s := recorder.Stats()
	fmt.Fprintf(live.Stderr, "recorded %s in %s, %.1f MB, %d dropped, %d failed%s\n",
		program.Count(s.Frames, "frame", "frames"), program.Count(s.Files, "file", "files"), float64(s.Bytes)/1e6, s.Dropped, s.Failed, unrecorded(&s, ends))
	return err
}

// recorderRow returns the figures of the recorder, with the frames that could not be
// written as lost.
func recorderRow(s record.Stats, r *rate, now time.Time) branchRow {
	row := branchRow{Name: "disk", Frames: s.Frames, Dropped: s.Dropped, Lost: s.Failed, Queue: s.Queue}
	row.FPS, row.Rate = r.next(now, s.Frames, s.Bytes)
	return row
}

// unrecorded returns the end of the summary: what the inputs have lost before
// it could be recorded, and the files that exist no more.
func unrecorded(s *record.Stats, ends *openEnds) string {
	var parts []string
	for i, end := range ends.ends {
		if lost := program.Losses(end.Stats()); lost != nil {
			parts = append(parts, fmt.Sprintf("; input %s: %s", ends.names[i], strings.Join(lost, ", ")))
		}
	}
	if s.Deleted > 0 {
		parts = append(parts, fmt.Sprintf("; %d of the files deleted for --budget", s.Deleted))
	}
	return strings.Join(parts, "")
}

func (r *recordCommand) receive(ctx context.Context, ends *openEnds, recorder *record.Recorder, progress *progress) error {
	var mu sync.Mutex     // guards progress and printed
	var printed time.Time // a sender may send such frames only
	err := ends.receive(ctx, func(i int, f *netgear.Frame) error {
		mu.Lock()
		defer mu.Unlock()
		if r.frames > 0 && progress.frames >= r.frames {
			return errEnough // another input's was the last
		}
		err := recorder.Write(sender(ends.names[i], f), f)
		if errors.Is(err, record.ErrClosed) {
			return err
		}
		if err != nil && !errors.Is(err, record.ErrQueueFull) && time.Since(printed) >= time.Second {
			printed = time.Now()
			fmt.Fprintln(live.Stderr, "left out a frame:", err)
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
