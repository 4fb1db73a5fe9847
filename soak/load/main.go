// Command load puts many peers on one end, and measures what each of them gets:
// 200 camera processes into one receive end, 64 viewers of package web, and 1000
// ends that connect and go.
//
//	go run -tags nogocv ./soak/load
//	go run -tags nogocv ./soak/load -only cameras -cameras 50 -duration 5s
//
// It fails if a camera gets less or more than its share, if a frame is lost or
// doubled where frames are answered, or if the receive end keeps anything of the
// peers that have gone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/program"
)

// load is how much is done.
type load struct {
	cameras     int
	fps         float64
	duration    time.Duration // of each measurement
	viewers     int
	shown       float64 // frames a second that all viewers get together
	browser     string  // path of Chromium; empty: none
	connections int
	tolerance   float64
	python      string // with imagezmq; empty: none
	folder      string // for files of this run
	ways        []way  // how cameras send
}

func main() {
	if runRole() {
		return
	}
	l := load{}
	var only, named string
	flag.IntVar(&l.cameras, "cameras", 200, "camera processes")
	flag.Float64Var(&l.fps, "fps", 10, "frames a second of each camera, where it keeps a rate")
	flag.DurationVar(&l.duration, "duration", 20*time.Second, "how long each case is measured")
	flag.IntVar(&l.viewers, "viewers", 64, "viewers of package web")
	flag.Float64Var(&l.shown, "shown", 3000, "frames a second to all viewers together, which sets the rate of the cameras that they see")
	flag.StringVar(&l.browser, "browser", "", "the path of Chromium, which is one more viewer")
	flag.IntVar(&l.connections, "connections", 1000, "ends that are connected at once, and come and go")
	flag.Float64Var(&l.tolerance, "tolerance", 0.1, "how far from its share a camera may be, as a part of the share; one frame always")
	flag.StringVar(&l.python, "python", os.Getenv("NETGEAR_INTEROP_PYTHON"), "a Python with imagezmq, whose senders are cameras as well (default $NETGEAR_INTEROP_PYTHON)")
	flag.StringVar(&named, "way", "", "only the ways of cameras whose name contains this, in the part cameras")
	flag.StringVar(&only, "only", "", "only these parts: cameras, slow, restart, viewers, connections, several with commas (default all)")
	flag.Parse()
	l.ways = slices.DeleteFunc(slices.Clone(ways), func(w way) bool { return !strings.Contains(w.name, named) || w.python && l.python == "" })
	if err := l.check(only, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}

	ctx := program.UntilSignal()
	err := l.inFolder(func() error { return l.run(ctx, only) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// part is one measurement with its table.
type part struct {
	name string
	run  func(context.Context, *load) (table, error)
}

var parts = []part{
	{"cameras", runCameras},
	{"slow", runSlow},
	{"restart", runRestart},
	{"viewers", runViewers},
	{"connections", runConnections},
}

// check returns an error for flags that no run can have. Arguments beside the
// flags are an error: a flag behind them would not count.
func (l *load) check(only string, rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case l.cameras < 1 || l.viewers < 1 || l.connections < 1:
		return errors.New("-cameras, -viewers and -connections: use 1 or more")
	case len(l.ways) == 0:
		return errors.New("-way: no way has such a name (Python's need -python)")
	case l.duration <= 0:
		return fmt.Errorf("-duration %v: use more than 0", l.duration)
	case l.fps <= 0 || l.shown <= 0:
		return errors.New("-fps and -shown: use more than 0")
	case l.tolerance < 0:
		return fmt.Errorf("-tolerance %v is negative", l.tolerance)
	}
	if only == "" {
		return nil
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	for name := range strings.SplitSeq(only, ",") {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-only %s: use %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// inFolder calls a function while a folder for its files exists.
func (l *load) inFolder(do func() error) (err error) {
	if l.folder, err = os.MkdirTemp("", "netgear-load-"); err != nil {
		return err
	}
	defer os.RemoveAll(l.folder)
	return do()
}

// run runs the parts and prints their tables. Every part runs, whatever fails
// before it.
func (l *load) run(ctx context.Context, only string) error {
	var failed []string
	for _, p := range parts {
		if only != "" && !slices.Contains(strings.Split(only, ","), p.name) {
			continue
		}
		begun := time.Now()
		t, err := p.run(ctx, l)
		fmt.Printf("%s\n", t)
		if err != nil {
			failed = append(failed, p.name)
			fmt.Printf("FAILED: %s: %v\n\n", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %v, load average %s\n", p.name, time.Since(begun).Round(time.Second), loadAverage())
		if ctx.Err() != nil {
			return errors.New("interrupted: the last part is incomplete")
		}
	}
	if failed != nil {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// loadAverage returns the system's load of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}
