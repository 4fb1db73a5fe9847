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

// snapshot is a JSON line: the figures of one second.
type snapshot struct {
	Time    time.Time   `json:"time"`
	Streams []board.Row `json:"streams"`
	Outputs []branchRow `json:"outputs,omitempty"`
}

// monitor prints the figures each second until ctx ends: as a table that
// refreshes on a terminal, otherwise as JSON lines.
func monitor(ctx context.Context, out *os.File, figures func(now time.Time) snapshot) error {
	screen := live.Open(out)
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
			if err := s.writeJSON(out); err != nil {
				return err
			}
		}
	}
}

// monitored runs work, and meanwhile prints its figures on out.
func monitored(ctx context.Context, out *os.File, figures func(now time.Time) snapshot, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	showing, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := monitor(showing, out, figures); err != nil {
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
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.2f\t%d\t%d\t%d\t%s\t\n", plain(r.Name), r.State, r.FPS, r.Rate, r.Frames, r.Dropped, r.Missed, latency)
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

// plain returns a name without the characters that tabwriter interprets.
func plain(name string) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, []byte(name)))
}
