package main

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	pace  record.Pace
	track string
	info  bool

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
  netgear play front.mkv --info`,
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
	fs.BoolVar(&p.info, "info", false, "print what is in the file, and send nothing")
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
	if p.info {
		for i, player := range players {
			if len(paths) > 1 {
				fmt.Fprintln(&stdout, paths[i])
			}
			if err := describe(player); err != nil {
				return err
			}
		}
		return nil
	}
	if err := p.checkTrack(players); err != nil {
		return err
	}
	end, err := netgear.New(p.options)
	if err != nil {
		return err
	}
	progress := newProgress("sent", 0)
	if len(players) == 1 {
		progress.length(players[0].Duration())
	}
	late, cancel := program.Grace(ctx, time.Second)
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
	progress.summary(end.Stats())
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

// describe prints what is in a file.
func describe(player *record.Player) error {
	if start := player.Start(); !start.IsZero() {
		fmt.Fprintln(&stdout, "from", start.Local().Format(time.RFC3339))
	}
	fmt.Fprintln(&stdout, "length", player.Duration())
	for _, t := range player.Tracks() {
		fmt.Fprintf(&stdout, "%q  %s  %dx%d\n", t.Name, t.Codec, t.Width, t.Height)
	}
	return nil
}
