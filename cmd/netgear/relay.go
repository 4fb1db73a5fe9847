package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/fanout"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/metrics"
)

// relayCommand holds the settings of the command relay.
type relayCommand struct {
	lines   bool
	metrics metricsFlags

	inputs  []input
	outputs []output
}

// output is a send end of the relay, not yet open.
type output struct {
	name    string
	options netgear.Options
	queue   fanout.Limits
	from    []string // names of inputs; nil: all
	tag     bool     // the message names the input
	mayLoop bool     // checkLoops leaves it out
	merges  bool     // it has several senders
}

// What waits for a slow output by default: a second of video, and as many bytes
// as in a receive end.
const (
	defaultQueue      = 30
	defaultQueueBytes = 256 << 20
)

const outputUsage = "send to this `ENDPOINT`, such as tcp://10.0.0.9:5555?pattern=1 or\n" +
	"tcp://*:5600?pattern=2&attach=bind for many viewers; repeat it for more.\n" +
	"Its parameters are the flags of the connection, and: name; queue=FRAMES, which\n" +
	"may wait for a slow receiver (default 30); queue-size=SIZE, their bytes (default\n" +
	"256MiB); from=INPUT,...; tag=on, which sends\n" +
	`{"source": INPUT, "message": MESSAGE}` + "; allow-loop=on, for an address\n" +
	"of this machine that leads to another, as that of a service in Kubernetes"

func (a *app) relay() *cobra.Command {
	var r relayCommand
	cmd := &cobra.Command{
		Use: "relay", Short: "Pass streams on: to many viewers, merged, in another pattern, wire or mode", Args: noArguments,
		Long: `Receive streams and send their frames on. JPEGs stay as they are, to the bit.
Each output has a queue of its own: a slow receiver loses only its own frames,
and the table or --json shows how many.

The relay waits for its senders and receivers without limit. It ends with a
signal, or with its senders if their inputs have terminate=stop.`,
		Example: `  netgear relay --input tcp://*:5555 --output "tcp://*:5600?pattern=2&attach=bind"
  netgear relay --input tcp://*:5566?name=front --input tcp://*:5567?name=back \
      --output "tcp://10.0.0.9:5555?pattern=1&tag=on"
  netgear relay --config relay.toml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.read(a, cmd); err != nil {
				return err
			}
			runtime.UnlockOSThread()
			return r.run(cmd.Context(), a)
		},
	}
	cmd.Flags().StringArray("output", nil, outputUsage)
	cmd.Flags().BoolVar(&r.lines, "json", false, linesUsage)
	r.metrics.add(cmd.Flags())
	addInputs(cmd)
	return cmd
}

// read reads the inputs and outputs from the flags or the settings file.
func (r *relayCommand) read(a *app, cmd *cobra.Command) error {
	var err error
	if r.inputs, err = a.inputs(cmd, netgear.Options{Decode: netgear.DecodeOnUse}); err != nil {
		return err
	}
	layers, err := settings.Layers(cmd.Flags(), a.file, cmd.Name())
	if err != nil {
		return err
	}
	layers = settings.SendSide.Of(layers)
	endpoints, err := a.endpoints(cmd, "output", "name", "queue", "queue-size", "from", "tag", "allow-loop")
	if err != nil {
		return err
	}
	if endpoints == nil {
		return settings.Wrong("there is no output: set --output, or [[output]] in the settings file")
	}
	used := map[string]bool{}
	for _, e := range endpoints {
		out, err := r.output(e, layers, a)
		if err != nil {
			return err
		}
		out.name = unique(out.name, used)
		out.options.Logger = a.logger.With("output", out.name)
		r.outputs = append(r.outputs, out)
	}
	if err := r.checkLoops(cmd.Context()); err != nil {
		return err
	}
	if text := r.stampWarning(); text != "" {
		fmt.Fprintln(live.Stderr, "warning:", text)
	}
	return nil
}

// stampWarning describes an input and an output of which only one has stamps.
func (r *relayCommand) stampWarning() string {
	for _, out := range r.outputs {
		for _, in := range r.inputs {
			switch {
			case in.options.Stamp == out.options.Stamp || !out.takes(in.name):
			case in.options.Stamp:
				return fmt.Sprintf("input %s has stamp=on and output %s has not: the frames go on without their stamps", in.name, out.name)
			default:
				return fmt.Sprintf("output %s has stamp=on and input %s has not: the frames get new stamps, and the senders' are left in their messages", out.name, in.name)
			}
		}
	}
	return ""
}

// takes reports whether the output has the frames of the input with this name.
func (o *output) takes(input string) bool { return o.from == nil || slices.Contains(o.from, input) }

func (r *relayCommand) output(e settings.Endpoint, layers []settings.Layer, a *app) (output, error) {
	out := output{name: e.Take("name", ""), queue: fanout.Limits{Frames: defaultQueue, Bytes: defaultQueueBytes}}
	var err error
	if text := e.Take("queue", ""); text != "" {
		if out.queue.Frames, err = strconv.Atoi(text); err != nil || out.queue.Frames < 1 || out.queue.Frames > 10000 {
			return out, settings.Wrong("%s: must be from 1 to 10000", e.Origin("queue"))
		}
	}
	if text := e.Take("queue-size", ""); text != "" {
		if out.queue.Bytes, err = size(e.Origin("queue-size"), text); err != nil {
			return out, err
		}
	}
	if text := e.Take("from", ""); text != "" {
		out.from = strings.Split(text, ",")
	}
	for _, name := range out.from {
		if !slices.ContainsFunc(r.inputs, func(in input) bool { return in.name == name }) {
			return out, settings.Wrong("%s: there is no input %q", e.Origin("from"), name)
		}
	}
	for key, set := range map[string]*bool{"tag": &out.tag, "allow-loop": &out.mayLoop} {
		switch text := e.Take(key, "off"); text {
		case "on", "true", "off", "false":
			*set = text == "on" || text == "true"
		default:
			return out, settings.Wrong("%s: must be on or off", e.Origin(key))
		}
	}
	out.merges = r.merges(out.from)
	if out.options, err = e.Resolve(netgear.Options{MaxRetries: -1, Logger: a.logger}, layers); err != nil {
		return out, err
	}
	if out.name == "" {
		out.name = defaultName(out.options)
	}
	return out, nil
}

// merges reports whether the inputs with these names, or all, have several
// senders.
func (r *relayCommand) merges(from []string) bool {
	senders := 0
	for _, in := range r.inputs {
		if from == nil || slices.Contains(from, in.name) {
			senders += max(1, len(in.options.Ports))
		}
	}
	return senders > 1
}

// branchRow holds the figures of an output.
type branchRow struct {
	Name    string  `json:"name"`
	Peers   int     `json:"peers"`
	FPS     float64 `json:"fps"`
	Rate    float64 `json:"mb_per_s"`
	Frames  uint64  `json:"frames"`
	Dropped uint64  `json:"dropped"`
	Lost    uint64  `json:"lost"`
	Queue   int     `json:"queue"`
}

// branch is an open output.
type branch struct {
	output
	end *netgear.NetGear
	*fanout.Branch
	before fanout.Counts // at the last row
	stop   func()        // drops what is queued
}

// run relays until the context or all inputs end.
func (r *relayCommand) run(ctx context.Context, a *app) error {
	b := board.New()
	meter, err := r.metrics.open(a.logger)
	if err != nil {
		return err
	}
	defer meter.close()
	branches, err := r.open(a)
	if err != nil {
		return err
	}
	ends, err := openInputs(r.inputs, b)
	if err != nil {
		return errors.Join(err, closeBranches(branches))
	}
	var stages []stage
	for _, br := range branches {
		stages = append(stages, stage{"output " + br.name, relayStage, func() metrics.Counts { return relayCounts(br.Counts()) }})
	}
	if err := measure(meter, ends, branches, stages); err != nil {
		ends.close()
		return errors.Join(err, closeBranches(branches))
	}
	defer newDropLog(a.logger, stages).watch()()
	work := func(ctx context.Context) error { return r.pass(ctx, ends, branches) }
	last := time.Now()
	figures := func(now time.Time) snapshot {
		s := snapshot{Time: now, Streams: b.Rows(now)}
		for _, br := range branches {
			s.Outputs = append(s.Outputs, br.row(now.Sub(last).Seconds()))
		}
		last = now
		return s
	}
	err = monitored(ctx, r.lines, figures, work)
	ends.close()
	err = errors.Join(err, closeBranches(branches))
	ends.summary()
	for _, br := range branches {
		fmt.Fprintln(live.Stderr, br.summary())
	}
	return err
}

// summary describes what the output has sent, and lost. What a publisher sends is
// for those that are connected, which may be none.
func (br *branch) summary() string {
	c, s, sent := br.Counts(), br.end.Stats(), "sent"
	if br.options.Pattern == netgear.PubSub {
		sent = "published"
	}
	return fmt.Sprintf("output %s: %s %s, %d dropped, %d lost%s%s", br.name, program.Count(c.Sent, "frame", "frames"), sent, c.Dropped, c.Lost, program.Account(s), unseen(&br.options, &s))
}

// measure adds all ends to the metrics.
func measure(m *meter, ends *openEnds, branches []*branch, stages []stage) (err error) {
	for i, end := range ends.ends {
		err = errors.Join(err, m.add("input "+ends.names[i], end))
	}
	for _, br := range branches {
		err = errors.Join(err, m.add("output "+br.name, br.end))
	}
	return errors.Join(err, m.addStages(stages))
}

// open opens the outputs.
func (r *relayCommand) open(a *app) ([]*branch, error) {
	var branches []*branch
	for _, out := range r.outputs {
		end, err := netgear.New(out.options)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("output %s: %w", out.name, err), closeBranches(branches))
		}
		announce(end)
		branches = append(branches, &branch{output: out, end: end, Branch: fanout.NewBranch(end, out.queue, out.options.Logger)})
	}
	return branches, nil
}

// closeBranches closes the outputs at once, which sends the terminate messages.
func closeBranches(branches []*branch) error {
	errs := make([]error, len(branches))
	var closing sync.WaitGroup
	for i, br := range branches {
		closing.Go(func() { errs[i] = br.end.Close() })
	}
	closing.Wait()
	return errors.Join(errs...)
}

// drainTime is how long queued frames are still sent after the last input has
// ended.
const drainTime = 5 * time.Second

// pass passes the frames of the inputs to the branches. After a signal the inputs
// are closed before the branches send what is queued.
func (r *relayCommand) pass(ctx context.Context, ends *openEnds, branches []*branch) error {
	decoded := r.decodes()
	var running sync.WaitGroup
	for _, br := range branches {
		sending, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		late, cancel := program.Grace(sending, program.Exchange)
		defer cancel()
		br.stop = stop
		running.Go(func() { br.Run(sending, late) }) //nolint:errcheck // it ends with the context or with End
	}
	err := ends.receive(ctx, func(i int, f *netgear.Frame) error {
		bytes := memoryOf(f, decoded)
		for _, br := range branches {
			br.offer(ends.names[i], f, bytes)
		}
		return nil
	})
	for _, br := range branches {
		br.End()
		if ctx.Err() != nil && br.end.Stats().Connected == 0 {
			br.stop() // a signal does not wait for a receiver
		}
	}
	timer := time.AfterFunc(drainTime, func() {
		for _, br := range branches {
			br.stop()
		}
	})
	defer timer.Stop()
	running.Wait()
	return err
}

// decodes reports whether JPEGs are decoded. A frame has its pixels in memory as
// long as it waits for any output.
func (r *relayCommand) decodes() bool {
	return slices.ContainsFunc(r.outputs, func(out output) bool { return out.options.Wire == netgear.AsyncWire })
}

// offer queues a frame of an input, which takes so many bytes, if the output takes
// it.
func (br *branch) offer(from string, f *netgear.Frame, bytes int64) {
	if !br.takes(from) {
		return
	}
	kept := f.Retain()
	if kept == nil {
		return
	}
	br.Put(fanout.Item{Frame: kept, Message: br.message(from, f), Bytes: bytes})
}

// frameOverhead is the memory of a frame besides its bytes, rounded up.
const frameOverhead = 1 << 10

// memoryOf returns the memory that a frame takes while it waits, with its pixels if
// JPEGs are decoded.
func memoryOf(f *netgear.Frame, decoded bool) int64 {
	n := board.Size(f) + frameOverhead
	if decoded && f.JPEG() != nil {
		pixels := int64(1)
		for _, k := range f.Shape() {
			pixels *= int64(k)
		}
		n += pixels
	}
	if packed := f.Message.Msgpack(); packed != nil {
		return n + 2*int64(len(packed)) // it is beside the array as well
	}
	text, _ := f.Message.MarshalJSON()
	return n + int64(len(text))
}

// message returns the message that goes on with a frame. nil is the frame's own.
func (br *branch) message(from string, f *netgear.Frame) any {
	var message any = f.Message
	if br.tag {
		message = map[string]any{"source": sender(from, f), "message": f.Message}
	}
	switch {
	case br.options.Stamp && br.merges && f.Stamp != nil:
		// Each sender has its own numbers; the output's are new ones.
		return netgear.StampedMessage{At: f.Stamp.Time, Message: message}
	case br.tag:
		return message
	}
	return nil
}

// row returns the figures of the seconds since the last one.
func (br *branch) row(seconds float64) branchRow {
	c := br.Counts()
	row := branchRow{Name: br.name, Peers: c.Peers, Frames: c.Sent, Dropped: c.Dropped, Lost: c.Lost, Queue: c.Queue}
	if seconds > 0 {
		row.FPS = board.Round(float64(c.Sent-br.before.Sent) / seconds)
		row.Rate = board.Round(float64(c.Bytes-br.before.Bytes) / seconds / 1e6)
	}
	br.before = c
	return row
}
