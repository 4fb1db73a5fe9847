// Command programs runs the commands of netgear for hours, with cameras that are
// killed, frozen and started again at random: a viewer, a recorder, a relay, and
// a bridge to NATS and back.
//
//	go run -tags nogocv ./soak/programs -duration 2h -seed 7 -o programs-run
//
// It fails if one of them ends, if the viewer does not show a camera within
// seconds of its return, if a frame is missing that was neither counted as
// dropped nor reported, if a recording cannot be read, or if a process grows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	interrupt "github.com/vidgear-go/netgear/internal/program"
)

// settings are those of a run.
type settings struct {
	duration  time.Duration
	seed      uint64
	folder    string
	temporary bool // the folder
	fps       float64
	back      time.Duration // how soon a camera must be shown again
	netgear   string        // the path of the program
	every     time.Duration // the longest time between two faults of a camera
	only      string        // cameras that run; empty: all
	faults    string        // kinds of faults that happen; empty: all
}

// runs reports whether a camera is to run.
func (s *settings) runs(camera string) bool { return among(s.only, camera) }

// happens reports whether a kind of fault is to happen.
func (s *settings) happens(kind string) bool { return among(s.faults, kind) }

func among(list, name string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), name)
}

// check returns an error for a name that does not exist.
func (s *settings) check() error {
	for list, known := range map[string][]string{s.only: cameraNames(), s.faults: faultKinds} {
		for name := range strings.SplitSeq(list, ",") {
			if list != "" && !slices.Contains(known, name) {
				return fmt.Errorf("%q is none of %s", name, strings.Join(slices.Compact(slices.Clone(known)), ", "))
			}
		}
	}
	if s.every <= 0 {
		return errors.New("-every must be positive")
	}
	return nil
}

func main() {
	if runServer() {
		return
	}
	var s settings
	flag.DurationVar(&s.duration, "duration", 10*time.Minute, "how long cameras come and go")
	flag.Uint64Var(&s.seed, "seed", 0, "the seed of the faults; 0: a random one, which is printed")
	flag.StringVar(&s.folder, "o", "", "the folder for recordings, logs and results (default: a temporary one, removed after success)")
	flag.Float64Var(&s.fps, "fps", 30, "frames a second of each camera")
	flag.DurationVar(&s.back, "back", 20*time.Second, "how soon after its return a camera must be shown")
	flag.DurationVar(&s.every, "every", 45*time.Second, "the longest time between two faults of a camera")
	flag.StringVar(&s.only, "only", "", "run these cameras alone, such as bridge-pair")
	flag.StringVar(&s.faults, "faults", "", "let these faults happen alone: kill, end, freeze, nats")
	flag.StringVar(&s.netgear, "netgear", "", "the program netgear (default: it is built)")
	flag.Parse()

	ctx := interrupt.UntilSignal()
	if err := s.prepare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "programs:", err)
		os.Exit(1)
	}
	fmt.Printf("seed %d, folder %s\n", s.seed, s.folder)
	if err := s.run(ctx); err != nil {
		fmt.Printf("FAILED with seed %d, see %s:\n%v\n", s.seed, s.folder, err)
		os.Exit(1)
	}
	fmt.Println("PASSED")
	if s.temporary {
		os.RemoveAll(s.folder)
	}
}

// prepare completes the settings, and builds the program.
func (s *settings) prepare(ctx context.Context) (err error) {
	if err := s.check(); err != nil {
		return err
	}
	if s.seed == 0 {
		s.seed = rand.Uint64N(1 << 32)
	}
	if s.folder == "" {
		s.temporary = true
		if s.folder, err = os.MkdirTemp("", "netgear-programs-"); err != nil {
			return err
		}
	}
	if s.folder, err = filepath.Abs(s.folder); err != nil {
		return err
	}
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return err
	}
	if s.netgear != "" {
		return nil
	}
	s.netgear = filepath.Join(s.folder, "netgear")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags", "nogocv", "-o", s.netgear, "github.com/vidgear-go/netgear/cmd/netgear")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	return build.Run()
}

// run starts everything, lets cameras come and go, ends everything, and checks
// what there is.
func (s *settings) run(ctx context.Context) error {
	p, err := newPlant(s)
	if err != nil {
		return err
	}
	defer p.kill()
	measuring, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go processorTime.measure(measuring)
	if err := p.start(ctx); err != nil {
		return err
	}
	faults, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	err = p.disturb(faults)
	if ctx.Err() != nil {
		fmt.Println("interrupted: what there is so far is checked")
		ctx = context.WithoutCancel(ctx)
	}
	return errors.Join(err, p.finish(ctx))
}
