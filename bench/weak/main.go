// Weak measures how old frames are on arrival on networks that limit, delay,
// lose and stop: this library, VidGear and imagezmq beside each other. Each
// network is emulated by internal/netem, so it needs Linux, root and
// /dev/net/tun. It prints a Markdown page, which docs/weak-networks.md
// explains.
//
// Run it in the project's folder:
//
//	go run ./bench/weak                     everything
//	go run ./bench/weak -only steps         one scene
//	go run ./bench/weak -trace FILE         a recorded network, in Mahimahi's format
//
// VidGear and imagezmq are those in interop/.venv, which scripts/setup.sh
// --python creates, or those of the Python in NETGEAR_INTEROP_PYTHON.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/netem"
	interrupt "github.com/vidgear-go/netgear/internal/program"
)

// flags are the command line.
type flags struct {
	only, contenders, patterns string
	trace                      string
	parallel                   int
	results, again             string
	page, plots                string
	congestion, sysctl         string
	verbose                    bool
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "end" {
		exit(runEnd(os.Args[2]))
	}
	var f flags
	flag.StringVar(&f.only, "only", "", "only these scenes, with commas between: "+strings.Join(sceneNames(), ", "))
	flag.StringVar(&f.contenders, "contenders", "", "only these contenders")
	flag.StringVar(&f.patterns, "patterns", "", "only these patterns: 0, 1, 2")
	flag.StringVar(&f.trace, "trace", "", "a file in Mahimahi's format, for the scene "+recordedName)
	flag.IntVar(&f.parallel, "parallel", 3, "so many streams at once, each on a network of its own")
	flag.StringVar(&f.results, "results", "weak-results.json", "where to write what was measured")
	flag.StringVar(&f.again, "again", "", "measure nothing: print and draw from this file of results")
	flag.StringVar(&f.page, "page", "", "also write the page to this document, between two marks")
	flag.StringVar(&f.plots, "plots", "", "also draw to this folder")
	flag.StringVar(&f.congestion, "congestion", "cubic", "TCP's congestion control at the sender")
	flag.StringVar(&f.sysctl, "sysctl", "", "settings of the sender's host, such as net.ipv4.tcp_notsent_lowat=16384, with semicolons between")
	flag.BoolVar(&f.verbose, "v", false, "print each second of each stream")
	flag.Parse()
	exit(run(interrupt.UntilSignal(), &f))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "weak:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, f *flags) error {
	if f.again != "" {
		r := &results{}
		if err := r.read(f.again); err != nil {
			return err
		}
		return r.publish(ctx, f)
	}
	scenes, err := makeScenes(f.trace)
	if err != nil {
		return err
	}
	scenes = slices.DeleteFunc(scenes, func(s scene) bool { return !chosen(f.only, s.Name) })
	if err := probe(); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "netgear-weak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	m := &measurement{frames: filepath.Join(tmp, "frames.bgr"), width: frameWidth, height: frameHeight, python: python(), congestion: f.congestion, sysctl: f.sysctl}
	if err := m.makeFrames(ctx); err != nil {
		return err
	}
	r, begun := newResults(scenes, f.congestion), time.Now()
	if err := m.all(ctx, f.turns(scenes), f, r); err != nil {
		return err
	}
	r.Took = time.Since(begun).Minutes()
	if err := r.write(f.results); err != nil {
		return err
	}
	return r.publish(ctx, f)
}

// probe returns why networks cannot be emulated here.
func probe() error {
	w, err := netem.NewNetwork(seed, netem.Settings{}, netem.Settings{})
	if err != nil {
		return err
	}
	return w.Close()
}

// chosen reports whether a list with commas has the name. An empty list has
// all.
func chosen(list, name string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), name)
}

// python is the interpreter with VidGear and imagezmq.
func python() string {
	return cmp.Or(os.Getenv("NETGEAR_INTEROP_PYTHON"), filepath.Join("interop", ".venv", "bin", "python"))
}
