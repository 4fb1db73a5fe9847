package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
)

// linesUsage is the help of the flag that asks for JSON lines.
const linesUsage = "print one JSON line per second, also on a terminal"

// snapshot is a JSON line: the figures of one second.
type snapshot struct {
	Time    time.Time   `json:"time"`
	Streams []board.Row `json:"streams"`
	Outputs []branchRow `json:"outputs,omitempty"`
}

// monitor prints the figures each second until ctx ends: as a table that
// refreshes on a screen or, without one, as JSON lines on stdout.
func monitor(ctx context.Context, screen *live.Screen, figures func(now time.Time) snapshot) error {
	if screen != nil {
		defer screen.Close()
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s := figures(now)
			if screen != nil {
				screen.Draw(s.table())
				continue
			}
			if err := s.writeJSON(live.Stdout); err != nil {
				return err
			}
		}
	}
}

// monitored runs work, and meanwhile prints its figures on stdout: as JSON lines, or
// as a table if that is a terminal.
func monitored(ctx context.Context, lines bool, figures func(now time.Time) snapshot, work func(context.Context) error) error {
	var screen *live.Screen
	if !lines {
		if screen = live.Open(os.Stdout); screen == nil {
			return work(ctx)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	showing, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := monitor(showing, screen, figures); err != nil {
			cancel(err) // such as a pipe whose reader has ended
		}
	}()
	err := work(ctx)
	stop()
	<-done
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (s snapshot) writeJSON(w io.Writer) error {
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// table returns the lines of the table.
func (s snapshot) table() []string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "SENDER\tSTATE\tFPS\tMB/S\tFRAMES\tDROPPED\tMISSED\tLATENCY\t")
	for _, r := range s.Streams {
		latency := "-"
		if r.Latency != nil {
			latency = fmt.Sprintf("%.1f ms", *r.Latency)
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.2f\t%d\t%s\t%s\t%s\t\n", plain(r.Name), r.State, r.FPS, r.Rate, r.Frames, orDash(r.Dropped), orDash(r.Missed), latency)
	}
	if s.Outputs != nil {
		fmt.Fprintln(w, "OUTPUT\tPEERS\tFPS\tMB/S\tFRAMES\tDROPPED\tLOST\tQUEUE\t")
		for _, r := range s.Outputs {
			fmt.Fprintf(w, "%s\t%d\t%.1f\t%.2f\t%d\t%d\t%d\t%d\t\n", plain(r.Name), r.Peers, r.FPS, r.Rate, r.Frames, r.Dropped, r.Lost, r.Queue)
		}
	}
	w.Flush()
	var lines []string
	for line := range bytes.Lines(b.Bytes()) {
		lines = append(lines, string(bytes.TrimRight(line, "\n")))
	}
	return lines
}

// orDash returns the text of a count that may not be known.
func orDash(n *uint64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// plain returns a name without the characters that tabwriter interprets.
func plain(name string) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, []byte(name)))
}
