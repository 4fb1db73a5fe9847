package main

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
)

func (a *app) top() *cobra.Command {
	var lines bool
	cmd := &cobra.Command{
		Use: "top", Short: "Receive streams and show a table of their senders", Args: noArguments,
		Long: `Receive streams and show a table of their senders, each second: frames per
second, MB per second, frames that were dropped or missed, latency and state. On
a terminal the table refreshes; otherwise each second is one JSON line. Missed
frames and latency need senders with --stamp on (Options.Stamp).

It is a receive end of its own. A publisher that listens can have it as one
more subscriber (--pattern 2 --attach connect); other patterns have one receive
end for each frame.`,
		Example: `  netgear top --pattern 2 --attach connect --address 10.0.0.4
  netgear top --pattern 1 --port 5566,5567 --options '{"multiserver_mode": true}'
  netgear top --input tcp://*:5566 --input "tcp://*:5567?pattern=1" | jq .streams`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			inputs, err := a.inputs(cmd, netgear.Options{Stamp: true, Decode: netgear.DecodeOnUse})
			if err != nil {
				return err
			}
			runtime.UnlockOSThread()
			return runTop(cmd.Context(), inputs, lines)
		},
	}
	cmd.Flags().BoolVar(&lines, "json", false, linesUsage)
	addInputs(cmd)
	setDefault(cmd, "stamp", "on")
	return cmd
}

// runTop receives from all inputs until the context or all streams end.
func runTop(ctx context.Context, inputs []input, lines bool) error {
	b := board.New()
	ends, err := openInputs(inputs, b)
	if err != nil {
		return err
	}
	defer ends.close()
	figures := func(now time.Time) snapshot { return snapshot{Time: now, Streams: b.Rows(now)} }
	return monitored(ctx, lines || live.Open(os.Stdout) == nil, figures, func(ctx context.Context) error {
		return ends.receive(ctx, func(int, *netgear.Frame) error { return nil })
	})
}
