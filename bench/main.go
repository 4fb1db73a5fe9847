// Bench compares this library with the real VidGear, imagezmq and bare libzmq.
// All send the same frames, with each end in a process of its own. The
// contenders take turns in one run, because on a shared machine only ratios of
// adjacent measurements are meaningful. It prints a Markdown page, which
// docs/performance.md explains.
//
// Run it in the project's folder:
//
//	go run ./bench             a few minutes
//	go run ./bench -full       for the page, with its plots
//	go run ./bench -sweep      socket settings, with bare libzmq
//
// VidGear and imagezmq are those in interop/.venv, which scripts/setup.sh
// --python creates, or those of the Python in NETGEAR_INTEROP_PYTHON.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	interrupt "github.com/vidgear-go/netgear/internal/program"
)

const (
	video   = "examples/internal/sample/vtest-excerpt.avi"
	program = "bench/vidgear_bench.py"
)

// bench is one run.
type bench struct {
	ctx        context.Context
	tmp        string
	python     string
	contenders []*contender
	profile    string
	sums       map[string]uint32 // of the first frame as received, by size and mode
	begun      time.Time
}

// flags are the command line.
type flags struct {
	quick, full, sweep bool
	only               string
	rounds             int
	results, plots     string
	page               string
	again, profile     string
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "end" {
		exit(runEnd(os.Args[2:]))
	}
	var f flags
	flag.BoolVar(&f.quick, "quick", false, "a short run (the default)")
	flag.BoolVar(&f.full, "full", false, "a long run with everything, and the plots")
	flag.BoolVar(&f.sweep, "sweep", false, "socket settings instead, with bare libzmq")
	flag.StringVar(&f.only, "only", "", fmt.Sprintf("only these groups, with commas between: %s",
		strings.Join(append(quickGroups, moreGroups...), ",")))
	flag.IntVar(&f.rounds, "rounds", 0, "so many rounds of every group (default: as many as the form has)")
	flag.StringVar(&f.results, "results", "bench-results.json", "where -full writes what it measured")
	flag.StringVar(&f.plots, "plots", "docs/plots", "where -full draws")
	flag.StringVar(&f.page, "page", "docs/performance.md", "where -full and -again write the page, between two marks; it is printed too")
	flag.StringVar(&f.again, "again", "", "measure nothing: print and draw from this file of results")
	flag.StringVar(&f.profile, "profile", "", "folder for CPU and allocation profiles of this library's ends (slows them down)")
	flag.Parse()
	if f.quick && f.full {
		exit(errors.New("-quick or -full, not both"))
	}
	exit(run(interrupt.UntilSignal(), f))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, f flags) error {
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("run it in the project's folder: %w", err)
	}
	if f.again != "" {
		r, err := readResults(f.again)
		if err != nil {
			return err
		}
		return f.publish(ctx, r, os.Stdout)
	}
	tmp, err := os.MkdirTemp("", "netgear-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	b := &bench{ctx: ctx, tmp: tmp, profile: f.profile, sums: map[string]uint32{}, begun: time.Now()}
	if err := b.prepare(); err != nil {
		return err
	}
	if f.sweep {
		return b.sweep(os.Stdout, cmp.Or(f.rounds, 3))
	}
	r, err := b.newResults(f)
	if err != nil {
		return err
	}
	// The results are written after each group, so that an interrupted run is
	// not lost.
	keep := func() error {
		if !f.full {
			return nil
		}
		return r.write(f.results)
	}
	if err := b.rounds(r, keep); err != nil {
		return err
	}
	return f.publish(ctx, r, os.Stdout)
}

// publish prints the page. With -full it also draws the charts and writes the
// page to the document.
func (f *flags) publish(ctx context.Context, r *results, w io.Writer) error {
	r.print(w)
	if f.full || f.again != "" {
		if err := errors.Join(r.draw(ctx, f.plots), r.writePage(f.page)); err != nil {
			return err
		}
	}
	return r.failures()
}

// prepare creates what every contender needs.
func (b *bench) prepare() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.python = os.Getenv("NETGEAR_INTEROP_PYTHON")
	if b.python == "" {
		b.python = filepath.Join("interop", ".venv", "bin", "python")
	}
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o755); err != nil {
			return err
		}
	}
	return b.makeContenders(self, b.python)
}

func (b *bench) framesFile(s size) string { return filepath.Join(b.tmp, s.Name+".bgr") }

// makeFrames decodes the sample video, scaled to a size, once.
func (b *bench) makeFrames(s size) error {
	if _, err := os.Stat(b.framesFile(s)); err == nil {
		return nil
	}
	cmd := exec.CommandContext(b.ctx, b.python, program, "frames", "--video", video, "--frames", b.framesFile(s),
		"--width", strconv.Itoa(s.Width), "--height", strconv.Itoa(s.Height), "--n", strconv.Itoa(s.Frames))
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("decoding the sample video with %s (scripts/setup.sh --python installs it): %w", b.python, err)
	}
	return nil
}

// rounds measures everything in rounds. Within a round the contenders are
// adjacent in time, and the order changes. keep is called after each group.
func (b *bench) rounds(r *results, keep func() error) error {
	for _, g := range r.Groups {
		for _, s := range g.Scenes {
			if err := b.makeFrames(s.Size); err != nil {
				return err
			}
		}
		for round := range g.Rounds {
			fmt.Fprintf(os.Stderr, "%4.0f s: %s, round %d of %d\n", time.Since(b.begun).Seconds(), g.Name, round+1, g.Rounds)
			for _, s := range g.Scenes {
				for k := range b.contenders {
					if err := b.turn(r, b.contenders[(k+round)%len(b.contenders)], s); err != nil {
						return err
					}
				}
			}
		}
		r.Took = time.Since(b.begun).Seconds()
		if err := keep(); err != nil {
			return err
		}
	}
	return nil
}

// turn measures one contender in one scene. A failure is part of the results,
// so that the other results are not lost.
func (b *bench) turn(r *results, c *contender, s scene) error {
	s, takes := c.takes(s)
	if !takes {
		return nil
	}
	o, err := b.measure(c, s)
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s, %s: %v\n", s.Name, c.Name, err)
		o = outcome{Failed: err.Error()}
	}
	r.add(s.Name, c.Name, o)
	return nil
}
