// Soak runs streams for as long as you let it, and checks every frame: that none
// is lost or comes twice without a report, that none is changed, that the stream
// never stalls, and that no process holds more and more. With -faults it kills,
// stops, cuts off and disturbs the two ends meanwhile.
//
//	go run ./soak -frames 5184000 -pattern reqrep -o soak.out
//	go run ./soak -pattern all -wire all -secure all -mode all -faults all -for 1h -o soak.out
//	go run ./soak -pattern all -mode all -peer vidgear -faults all -fps 200 -for 1m -o soak.out
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vidgear-go/netgear/internal/program"
)

// endRole makes a process of this program one end of a stream. Where the program
// is a test binary, endEnv does.
const (
	endRole = "end"
	endEnv  = "NETGEAR_SOAK_END"
)

// The peers.
const (
	goPeer       = "go"
	vidgearPeer  = "vidgear"
	imagezmqPeer = "imagezmq"
)

type flags struct {
	frames                            int64
	size, hwm                         int
	fps, every                        float64
	pattern, wire, secure, jpeg, peer string
	mode                              string
	faults, folder                    string
	chosen                            []string // of -faults
	seed                              uint64
	stall, duration, pause, lasts     time.Duration
	storm, mats                       bool
	plots                             bool
	all                               map[string]any // every flag that counts, for the results
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == endRole {
		if err := beEnd(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
			os.Exit(1)
		}
		return
	}
	failed, err := soakAll(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp): // the flags have been printed
	case err != nil:
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	case failed:
		os.Exit(1)
	}
}

func parse(args []string) (*flags, error) {
	f := &flags{}
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	fs.Int64Var(&f.frames, "frames", 100_000, "frames of each run")
	fs.DurationVar(&f.duration, "for", 0, "run for so long instead, each run")
	fs.IntVar(&f.size, "size", 512, "bytes of a frame, a multiple of 64")
	fs.Float64Var(&f.fps, "fps", 0, "frames a second; 0: as fast as it goes (with -faults and -for the default is 60)")
	fs.IntVar(&f.hwm, "hwm", 0, "HighWaterMark of PUB/SUB and PUSH/PULL; 0: the default, 1")
	fs.Float64Var(&f.every, "every", 1, "seconds between samples")
	fs.StringVar(&f.pattern, "pattern", "reqrep", "pair, reqrep, pubsub, pushpull, several with commas, all, or lockstep (pair and reqrep)")
	fs.StringVar(&f.wire, "wire", netgearWire, "netgear, async, imagezmq, several, or all")
	fs.StringVar(&f.secure, "secure", "off", "off, stonehouse, ironhouse, several, or all")
	fs.StringVar(&f.jpeg, "jpeg", "off", "off, on, or all")
	fs.StringVar(&f.mode, "mode", plainMode, "VidGear's modes: plain, bidirectional (data both ways), multiserver ("+strconv.Itoa(several)+" send ends), multiclient ("+strconv.Itoa(several)+" receive ends), several, or all")
	fs.StringVar(&f.peer, "peer", goPeer, "go (both ends), vidgear or imagezmq (at either end; of several ends the first), several, or all")
	fs.StringVar(&f.faults, "faults", "none", "none, all, or several of "+strings.Join(faultNames(), ", "))
	fs.BoolVar(&f.storm, "storm", false, "in each end of this library, all the while: 1000 signals a second, garbage collections, receive time-outs of a millisecond")
	fs.BoolVar(&f.mats, "mats", false, "the ends of this library send and take Mats; needs a build with gocv, and with -tags matprofile the samples have the Mats that are not closed")
	fs.Uint64Var(&f.seed, "seed", 0, "the order of the faults; 0: a random one, which is printed")
	fs.DurationVar(&f.pause, "pause", 10*time.Second, "the longest pause before a fault")
	fs.DurationVar(&f.lasts, "lasts", 6*time.Second, "the longest fault")
	fs.DurationVar(&f.stall, "stall", 15*time.Second, "a run fails after so long without a frame and without a fault")
	fs.StringVar(&f.folder, "o", "", "folder for results, samples and plots; none: a temporary one")
	fs.BoolVar(&f.plots, "plots", true, "draw the samples, as SVG")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if err := f.check(fs.Args()); err != nil {
		return nil, err
	}
	var err error
	if f.chosen, err = chosenFaults(f.faults); err != nil {
		return nil, err
	}
	if f.seed == 0 {
		f.seed = rand.Uint64N(1 << 32)
	}
	paced := false
	fs.Visit(func(set *flag.Flag) { paced = paced || set.Name == "fps" })
	if !paced && f.duration > 0 && len(f.chosen) > 0 {
		f.fps = 60 // as fast as it goes, a publisher outruns its subscriber, faults or not
	}
	f.all = map[string]any{}
	fs.VisitAll(func(set *flag.Flag) {
		if d, ok := set.Value.(flag.Getter).Get().(time.Duration); ok {
			f.all[set.Name] = d.String()
			return
		}
		f.all[set.Name] = set.Value.(flag.Getter).Get()
	})
	if f.duration > 0 {
		delete(f.all, "frames")
		f.frames = 1 << 50
	}
	return f, nil
}

// check returns an error for values that no run can have. Arguments beside the
// flags are an error: a flag behind them would not count.
func (f *flags) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case f.frames <= 0:
		return fmt.Errorf("-frames %d: use 1 or more", f.frames)
	case f.duration < 0:
		return fmt.Errorf("-for %v is negative", f.duration)
	case f.size < columns || f.size%columns != 0:
		return fmt.Errorf("-size %d is no multiple of %d", f.size, columns)
	case f.fps < 0:
		return fmt.Errorf("-fps %v is negative", f.fps)
	case f.hwm < 0:
		return fmt.Errorf("-hwm %d is negative", f.hwm)
	case f.every <= 0:
		return fmt.Errorf("-every %v: use more than 0", f.every)
	case f.mats && !hasMats:
		return errors.New("-mats: this build has no gocv (-tags nogocv)")
	case f.pause < 0:
		return fmt.Errorf("-pause %v is negative", f.pause)
	case f.lasts < 0:
		return fmt.Errorf("-lasts %v is negative", f.lasts)
	case f.stall <= 0:
		return fmt.Errorf("-stall %v: use more than 0", f.stall)
	}
	return nil
}

// choose returns what a flag selects of all names.
func choose(name, text string, all []string) ([]string, error) {
	if text == "all" {
		return all, nil
	}
	chosen := strings.Split(text, ",")
	for _, c := range chosen {
		if !slices.Contains(all, c) {
			return nil, fmt.Errorf("-%s %s: use %s or all", name, c, strings.Join(all, ", "))
		}
	}
	return chosen, nil
}

// kinds returns what the flags select, without what does not exist.
func (f *flags) kinds() (all []kind, err error) {
	patternFlags := []string{"pair", "reqrep", "pubsub", "pushpull"}
	secureFlags := []string{"off", "stonehouse", "ironhouse"}
	pattern := strings.ReplaceAll(f.pattern, "lockstep", "pair,reqrep")
	patterns, err1 := choose("pattern", pattern, patternFlags)
	chosenWires, err2 := choose("wire", f.wire, []string{netgearWire, asyncWire, imagezmqWire})
	secures, err3 := choose("secure", f.secure, secureFlags)
	jpegs, err4 := choose("jpeg", f.jpeg, []string{"off", "on"})
	peers, err5 := choose("peer", f.peer, []string{goPeer, vidgearPeer, imagezmqPeer})
	modes, err6 := choose("mode", f.mode, []string{plainMode, bidirectionalMode, multiserverMode, multiclientMode})
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err != nil {
			return nil, err
		}
	}
	for _, peer := range peers {
		for _, wire := range chosenWires {
			for _, secure := range secures {
				for _, jpeg := range jpegs {
					for _, pattern := range patterns {
						for _, mode := range modes {
							k := kind{
								Pattern: slices.Index(patternFlags, pattern), Wire: wire, JPEG: jpeg == "on",
								Secure: slices.Index(secureFlags, secure), Mode: strings.TrimPrefix(mode, plainMode), Sender: goPeer, Receiver: goPeer,
							}
							all = append(all, k.with(peer)...)
						}
					}
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no such combination of pattern, wire, security, JPEG, mode and peer")
	}
	return all, nil
}

// with returns a kind with a peer at either end, or none if it does not exist.
func (k kind) with(peer string) []kind {
	switch {
	case k.Pattern == pushPull && k.Wire != asyncWire,
		k.Pattern == 0 && k.Wire == imagezmqWire,
		k.JPEG && k.Wire == asyncWire,
		k.lines() > 1 && (k.Wire != netgearWire || k.Pattern == 0),
		k.Mode == bidirectionalMode && (k.Wire == imagezmqWire || k.Pattern >= pubSub),
		(peer == imagezmqPeer) != (k.Wire == imagezmqWire) && peer != goPeer:
		return nil
	case peer == goPeer:
		return []kind{k}
	}
	return k.withPython(peer)
}

// errInterrupted reports that a signal ended the runs: those in the table are as far
// as they came.
var errInterrupted = errors.New("interrupted: the last run is incomplete, and the rest was not run")

func soakAll(args []string) (failed bool, err error) {
	f, err := parse(args)
	if err != nil {
		return false, err
	}
	kinds, err := f.kinds()
	if err != nil {
		return false, err
	}
	if err := checkPython(kinds); err != nil {
		return false, err
	}
	if f.folder == "" {
		if f.folder, err = os.MkdirTemp("", "netgear-soak-"); err != nil {
			return false, err
		}
	}
	if err := os.MkdirAll(f.folder, 0o755); err != nil {
		return false, err
	}
	results, err := os.OpenFile(filepath.Join(f.folder, "results.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return false, err
	}
	defer results.Close()
	ctx := program.UntilSignal()
	fmt.Fprintf(os.Stderr, "seed %d, %s, results in %s\n", f.seed, f.extent(len(kinds)), f.folder)
	var all []outcome
	for _, k := range kinds {
		if ctx.Err() != nil {
			break
		}
		s := &soak{kind: k, flags: f, folder: filepath.Join(f.folder, fmt.Sprintf("%s-%d", fileName(k), f.seed))}
		o, err := s.runFor(ctx)
		if err != nil {
			return false, fmt.Errorf("%v: %w", k, err)
		}
		o.Stopped = ctx.Err() != nil
		if err := json.NewEncoder(results).Encode(o); err != nil {
			return false, err
		}
		all = append(all, o)
	}
	fmt.Print(table(all))
	if ctx.Err() != nil {
		return false, errInterrupted
	}
	return slices.ContainsFunc(all, func(o outcome) bool { return o.failed() }), nil
}

// extent returns how many runs there are, and how long they take if that is given.
func (f *flags) extent(runs int) string {
	text := fmt.Sprintf("%d runs", runs)
	if runs == 1 {
		text = "1 run"
	}
	switch {
	case f.duration == 0:
		return text
	case runs == 1:
		return fmt.Sprintf("%s of %v", text, f.duration)
	}
	return fmt.Sprintf("%s of %v each, %v in all", text, f.duration, time.Duration(runs)*f.duration)
}

func (s *soak) runFor(ctx context.Context) (outcome, error) {
	if s.flags.duration > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, s.flags.duration)
		defer cancel()
	}
	return s.run(ctx)
}

// fileName returns the name of a kind as that of a folder.
func fileName(k kind) string {
	return strings.NewReplacer("/", "", " ", "-", "→", "-to-").Replace(strings.ToLower(k.String()))
}
