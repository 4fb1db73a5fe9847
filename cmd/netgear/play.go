package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/record"
)

// playCommand holds the settings of the command play.
type playCommand struct {
	pace    record.Pace
	track   string
	info    bool
	numbers bool
	lines   bool
	metrics metricsFlags

	options netgear.Options
}

func (a *app) play() *cobra.Command {
	var p playCommand
	cmd := &cobra.Command{
		Use: "play FILE...", Short: "Send a recording, or another MJPEG file",
		Long: `Send a recording of netgear record, or another Matroska or AVI file with Motion
JPEG, to a receive end: at its pace, faster or slower. JPEGs are sent as they
are in the file. Several files are played one after the other.`,
		Example: `  netgear play front.mkv
  netgear play front.mkv --speed 4 --from 10m --loop
  netgear play front.mkv --speed 0        # as fast as the receive end takes frames
  netgear play front-*.mkv                # a recording in several files
  netgear play front.mkv --info
  netgear play front-*.mkv --numbers      # which frames are missing`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return settings.Wrong("expected a file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if p.options, err = a.options(cmd, netgear.Options{}); err != nil {
				return err
			}
			switch {
			case p.pace.Speed < 0 || math.IsNaN(p.pace.Speed) || p.pace.From < 0:
				return settings.Wrong("--speed and --from must not be negative")
			case p.lines && !p.info && !p.numbers:
				return settings.Wrong("--json needs --info or --numbers")
			case p.pace.Speed == 0:
				p.pace.Speed = math.Inf(1)
			}
			runtime.UnlockOSThread()
			return p.run(cmd.Context(), args)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.Float64Var(&p.pace.Speed, "speed", 1, "play so many `TIMES` as fast; 0: as fast as the receive end takes frames")
	fs.DurationVar(&p.pace.From, "from", 0, "begin at this `TIME` of the recording, such as 90s; files that end before it are skipped")
	fs.BoolVar(&p.pace.Loop, "loop", false, "begin again at the end")
	fs.StringVar(&p.track, "track", "", "send only the sender with this `NAME`")
	fs.BoolVar(&p.info, "info", false, "print what is in the file; send nothing")
	fs.BoolVar(&p.numbers, "numbers", false, "as --info, and read the files to their ends: print how many frames each\nsender has, over all files, and which of their numbers are missing")
	fs.BoolVar(&p.lines, "json", false, "print what --info and --numbers print as JSON lines: one for each file and,\nwith --numbers, one for each sender")
	p.metrics.add(fs)
	addConnection(cmd)
	return cmd
}

func (p *playCommand) run(ctx context.Context, paths []string) error {
	var players []*record.Player
	for _, path := range paths {
		player, err := record.Open(path)
		if err != nil {
			return err
		}
		defer player.Close()
		players = append(players, player)
	}
	if p.info || p.numbers {
		return p.describe(ctx, &stdout, paths, players)
	}
	if err := p.checkTrack(players); err != nil {
		return err
	}
	end, meter, err := p.metrics.openEnd(p.options)
	if err != nil {
		return err
	}
	defer meter.close()
	progress := newProgress("sent", 0)
	if len(players) == 1 {
		progress.length(players[0].Duration())
	}
	late, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	send := record.SendTo(end)
	err = record.PlayAll(ctx, players, func(_ context.Context, f *record.Frame) error {
		if p.track != "" && f.Track != p.track {
			return nil
		}
		if err := send(late, f); err != nil {
			return err
		}
		progress.at(f.At)
		return nil
	}, p.pace)
	err = errors.Join(err, end.Close()) // sends the terminate message
	sent := end.Stats()
	progress.summary(sent, unseen(&p.options, &sent))
	return err
}

// checkTrack returns an error if no file has the track.
func (p *playCommand) checkTrack(players []*record.Player) error {
	if p.track == "" {
		return nil
	}
	var names []string
	for _, player := range players {
		for _, t := range player.Tracks() {
			if t.Name == p.track {
				return nil
			}
			if name := strconv.Quote(t.Name); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return settings.Wrong("--track: there is none with this name, but %s", strings.Join(names, ", "))
}

// describe prints what the beginning and the index of a file say about it.
func describe(w io.Writer, player *record.Player) {
	if start := player.Start(); !start.IsZero() {
		fmt.Fprintln(w, "from", start.Local().Format(time.RFC3339))
	}
	fmt.Fprintln(w, "length", player.Duration())
	if player.Cut() {
		fmt.Fprintln(w, "cut: the end is missing, because its process was killed or still records, or the file is not whole")
	}
	for _, t := range player.Tracks() {
		fmt.Fprintf(w, "%q  %s  %dx%d\n", t.Name, t.Codec, t.Width, t.Height)
	}
}

// describe prints what the files say about themselves and, with --numbers, the
// numbers of the frames of each sender, over all files. After a signal, or where a
// file is damaged, it prints those that it has read. It returns the damage of all
// files, as playing them does.
func (p *playCommand) describe(ctx context.Context, w io.Writer, paths []string, players []*record.Player) error {
	var all series
	var damage, ended error
	for i, player := range players {
		name := ""
		if len(paths) > 1 {
			name = filepath.Base(paths[i])
		}
		if err := p.describeFile(w, paths[i], name != "", player); err != nil {
			return err
		}
		if !p.numbers {
			continue
		}
		all.begin(name)
		last, err := all.describe(ctx, player)
		if err != nil && ctx.Err() != nil {
			if ended = err; !p.lines {
				fmt.Fprintf(w, "interrupted; not read after %v\n", last)
			}
			break
		}
		if err != nil {
			damage = errors.Join(damage, fmt.Errorf("%w (%s)", err, paths[i]))
		}
	}
	if len(paths) > 1 && p.numbers && !p.lines {
		fmt.Fprintln(w, "all files")
	}
	for _, name := range all.names {
		if !p.lines {
			fmt.Fprintf(w, "%q  %s\n", name, all.tracks[name])
		} else if err := json.NewEncoder(w).Encode(all.tracks[name].line(name)); err != nil {
			return err
		}
	}
	return cmp.Or(damage, ended)
}

// describeFile prints what the beginning and the index of a file say about it.
func (p *playCommand) describeFile(w io.Writer, path string, named bool, player *record.Player) error {
	if p.lines {
		return describeLine(w, path, player)
	}
	if named {
		fmt.Fprintln(w, path)
	}
	describe(w, player)
	return nil
}

// describe reads a file to its end. Otherwise it returns why, and how far it came.
func (s *series) describe(ctx context.Context, player *record.Player) (last time.Duration, err error) {
	progress := newProgress("read", 0)
	progress.length(player.Duration())
	err = s.read(ctx, player, func(at time.Duration) {
		last = at
		progress.at(at)
	})
	progress.clear()
	return last, err
}
