//go:build unix

// Measure measures how many frames natsbridge carries, and how fast. The server
// and each consumer are processes of their own. This one publishes. It prints a
// Markdown table, which docs/nats.md explains.
//
// Run it in the project's folder:
//
//	go run ./natsbridge/measure
//	go run ./natsbridge/measure -rounds 1 -mb 20 -only core
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/vidgear-go/netgear/internal/program"
)

func main() {
	if err := run(program.UntilSignal(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 2 && (args[0] == serverPart || args[0] == consumerPart) {
		return runPart(ctx, args[0], args[1])
	}
	set := flag.NewFlagSet("measure", flag.ContinueOnError)
	rounds := set.Int("rounds", 3, "how many rounds of every case")
	mb := set.Int("mb", 150, "how many `MB` are published as fast as possible, in each round")
	only := set.String("only", "", "one way `through` NATS: core, memory or file")
	if err := set.Parse(args); err != nil {
		return err
	}
	cases := allCases(*only)
	if *rounds < 1 || *mb < 1 || len(cases) == 0 || set.NArg() > 0 {
		return fmt.Errorf("-rounds and -mb must be positive, and -only core, memory or file: %q", args)
	}
	began, load := time.Now(), loadAverage()
	all := make([]results, len(cases))
	for round := range *rounds {
		for i, c := range cases {
			if err := c.measure(ctx, *mb, &all[i]); err != nil {
				return fmt.Errorf("%s: %w", c.name(), err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %s\n", round+1, c.name())
		}
	}
	fmt.Fprintf(out, "Date: %s. %d cores, %s/%s; load average before %s, after %s. %s, nats-server %s, nats.go %s. %d rounds, %.0f minutes.\n\n",
		began.UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, load, loadAverage(),
		runtime.Version(), server.VERSION, nats.Version, *rounds, time.Since(began).Minutes())
	fmt.Fprint(out, "| frame | through | consumers | frames per second | MB/s received | CPU ms per frame | latency ms, p50, p99 | dropped |\n|---|---|---|---|---|---|---|---|\n")
	for i, c := range cases {
		fmt.Fprintf(out, "| %s | %s |\n", c.name(), all[i])
	}
	return nil
}

// results are the rounds of a case.
type results struct {
	fps, mbps []float64
	cpu       [3][]float64 // ms a frame: publisher, server, all consumers
	latency   []float64    // ms, of all rounds
	dropped   uint64       // in all rounds
}

// String returns the last cells of a row.
func (r results) String() string {
	return fmt.Sprintf("%.0f (%.0f–%.0f) | %.0f | %.2f + %.2f + %.2f | %.1f, %.1f | %d",
		quantile(r.fps, 0.5), slices.Min(r.fps), slices.Max(r.fps), quantile(r.mbps, 0.5),
		quantile(r.cpu[0], 0.5), quantile(r.cpu[1], 0.5), quantile(r.cpu[2], 0.5),
		quantile(r.latency, 0.5), quantile(r.latency, 0.99), r.dropped)
}

// quantile returns the value below which a part q of the values is.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// loadAverage reads Linux's file.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}
