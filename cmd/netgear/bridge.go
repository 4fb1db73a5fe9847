package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/metrics"
	"github.com/vidgear-go/netgear/natsbridge"
)

// bridgeCommand holds the settings of the command bridge.
type bridgeCommand struct {
	server   natsServer
	fromNATS bool
	lines    bool
	metrics  metricsFlags

	publish natsbridge.PublisherOptions
	stream  natsbridge.StreamOptions
	create  bool
	maxSize string
	pressed string // backpressure

	cameras []string
	replay  string
	since   time.Time // replay as a time; zero: the start
	speed   float64
	follow  bool
	latest  bool
	work    string

	inputs []input         // unless fromNATS
	output netgear.Options // if fromNATS
}

func (a *app) bridge() *cobra.Command {
	var b bridgeCommand
	cmd := &cobra.Command{
		Use: "bridge", Short: "Publish streams to NATS, or send frames from NATS", Args: noArguments,
		Long: `Receive streams and publish their frames to NATS, on the subject frames.CAMERA.
A camera's name is that of its input. With --from-nats it is the other way round:
frames from NATS are sent by a send end. JPEGs stay as they are, to the bit.

With --stream the frames are stored by JetStream, and --from-nats can replay them
(--replay), begin with the latest of each camera (--latest), or share them with
other processes (--work).`,
		Example: `  netgear bridge --input "tcp://*:5566?name=front" --nats nats://10.0.0.2
  netgear bridge --input "tcp://*:5566?name=front" --stream FRAMES --create --keep-age 24h
  netgear bridge --from-nats --camera front --address 10.0.0.9
  netgear bridge --from-nats --stream FRAMES --replay 10m --speed 2`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := b.read(a, cmd); err != nil {
				return err
			}
			runtime.UnlockOSThread()
			return settings.InFlags(b.run(cmd.Context(), a), natsbridge.ErrOption, b.flags())
		},
	}
	b.addFlags(cmd)
	return cmd
}

func (b *bridgeCommand) addFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	b.server.addFlags(fs)
	fs.BoolVar(&b.fromNATS, "from-nats", false, "send frames from NATS, instead of publishing those that are received")
	fs.StringVar(&b.publish.Subject, "subject", "frames", "begin the subjects with this `NAME`")
	fs.StringVar(&b.publish.Stream, "stream", "", "store frames in this JetStream `STREAM`, or with --from-nats read them there")
	fs.StringVar(&b.pressed, "backpressure", "keep-latest", "apply this `POLICY` to frames that NATS, or with --from-nats the\nreceive end, is too slow for: block, drop-newest or keep-latest")
	complete(cmd, "backpressure", "block", "drop-newest", "keep-latest")
	fs.IntVar(&b.publish.InFlight, "in-flight", 0, "have at most `N` frames of an input on their way (default 4)")
	fs.BoolVar(&b.create, "create", false, "create the stream, or change it, as the next flags describe it")
	fs.DurationVar(&b.stream.MaxAge, "keep-age", 0, "delete stored frames that are older than this `TIME`, such as 24h")
	fs.StringVar(&b.maxSize, "keep-size", "", "delete the oldest beyond this `SIZE`, such as 50GB")
	fs.BoolVar(&b.stream.LatestOnly, "latest-only", false, "store only the latest frame of each camera")
	fs.BoolVar(&b.stream.Memory, "memory", false, "store them in the server's memory")
	fs.IntVar(&b.stream.Replicas, "replicas", 0, "store them on so many `SERVERS` of a cluster (default 1)")
	fs.StringSliceVar(&b.cameras, "camera", nil, "--from-nats: only the cameras with these `NAMES` (default: all)")
	fs.StringVar(&b.replay, "replay", "", "--from-nats: begin with what was stored at this `TIME`, such as 10m (ago),\n2026-01-31T08:00:00Z or start")
	fs.Float64Var(&b.speed, "speed", 1, "--replay: so many `TIMES` as fast; 0: as fast as the receive end takes frames")
	fs.BoolVar(&b.follow, "follow", false, "--replay: continue with new frames")
	fs.BoolVar(&b.latest, "latest", false, "--from-nats: begin with the latest stored frame of each camera")
	fs.StringVar(&b.work, "work", "", "--from-nats: share the frames with all bridges and workers of this `NAME`")
	fs.BoolVar(&b.lines, "json", false, linesUsage)
	b.metrics.add(fs)
	addInputs(cmd)
}

// read completes the settings and checks them.
func (b *bridgeCommand) read(a *app, cmd *cobra.Command) error {
	if err := errors.Join(b.server.read(a, cmd), b.check(cmd)); err != nil {
		return err
	}
	var err error
	if b.stream.MaxBytes, err = size("--keep-size", b.maxSize); err != nil {
		return err
	}
	if err := b.publish.Backpressure.UnmarshalText([]byte(b.pressed)); err != nil {
		return settings.Wrong("--backpressure %s: must be block, drop-newest or keep-latest", b.pressed)
	}
	if b.since, err = replayFrom(b.replay, time.Now()); err != nil {
		return err
	}
	b.publish.Logger = a.logger
	b.stream.Name, b.stream.Subject = b.publish.Stream, b.publish.Subject
	if b.fromNATS {
		b.output, err = a.options(cmd, netgear.Options{MaxRetries: -1})
		return err
	}
	if b.inputs, err = a.inputs(cmd, netgear.Options{Decode: netgear.DecodeOnUse}); err != nil {
		return err
	}
	return checkCameras(b.inputs)
}

// checkCameras refuses inputs that have no camera's name, or that of another.
func checkCameras(inputs []input) error {
	used := map[string]string{}
	for _, in := range inputs {
		camera := cameraName(in.name, &netgear.Frame{})
		if !natsbridge.ValidCamera(camera) {
			return settings.Wrong("--input: the name %.140q is no camera's name, which has 1 to 128 bytes of UTF-8", in.name)
		}
		if other, ok := used[camera]; ok {
			return settings.Wrong("--input: the names %q and %q are both camera %s; choose another", other, in.name, camera)
		}
		used[camera] = in.name
	}
	return nil
}

// check refuses flags without effect.
func (b *bridgeCommand) check(cmd *cobra.Command) error {
	set := func(names ...string) string {
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				return name
			}
		}
		return ""
	}
	from, into := set("camera", "replay", "latest", "work"), set("input", "create", "in-flight")
	stored := set("create", "replay", "latest", "work")
	switch described := set("keep-age", "keep-size", "latest-only", "memory", "replicas"); {
	case !b.fromNATS && from != "":
		return settings.Wrong("--%s needs --from-nats", from)
	case b.fromNATS && into != "":
		return settings.Wrong("--%s has no effect with --from-nats", into)
	case b.fromNATS && b.publish.Stream != "" && set("backpressure") != "":
		return settings.Wrong("--backpressure has no effect with --from-nats and --stream: JetStream waits")
	case b.publish.Stream == "" && stored != "":
		return settings.Wrong("--%s needs --stream", stored)
	case !b.create && described != "":
		return settings.Wrong("--%s needs --create", described)
	case b.fromNATS && b.publish.Stream != "" && set("replay", "latest", "work") == "":
		return settings.Wrong("--from-nats with --stream needs --replay, --latest or --work")
	case b.replay == "" && set("speed", "follow") != "":
		return settings.Wrong("--%s needs --replay", set("speed", "follow"))
	case b.stream.MaxAge < 0:
		return settings.Wrong("--keep-age must not be negative")
	case b.speed < 0 || math.IsNaN(b.speed):
		return settings.Wrong("--speed must not be negative")
	}
	if choices := len(cmd.Flags().Args()) + count(b.replay != "", b.latest, b.work != ""); choices > 1 {
		return settings.Wrong("--replay, --latest and --work exclude each other")
	}
	return nil
}

// flags has the flags for fields of the options of package natsbridge.
func (b *bridgeCommand) flags() map[string]string {
	flags := map[string]string{"InFlight": "--in-flight", "Subject": "--subject", "Replicas": "--replicas", "Name": "--stream", "Stream": "--stream", "Cameras": "--camera"}
	if b.work != "" {
		flags["Name"] = "--work"
	}
	return flags
}

// count returns how many are true.
func count(all ...bool) (n int) {
	for _, one := range all {
		if one {
			n++
		}
	}
	return n
}

// run bridges until the context or the streams end.
func (b *bridgeCommand) run(ctx context.Context, a *app) error {
	nc, err := b.server.connect(a.logger)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := b.openStream(ctx, nc); err != nil {
		return err
	}
	meter, err := b.metrics.open(a.logger)
	if err != nil {
		return err
	}
	defer meter.close()
	if b.fromNATS {
		return b.send(ctx, nc, meter)
	}
	return b.receive(ctx, nc, meter)
}

// codeOverlap is JetStream's error of a stream whose subjects another one has.
const codeOverlap jetstream.ErrorCode = 10065

// openStream creates the stream, or checks that there is one for the frames.
func (b *bridgeCommand) openStream(ctx context.Context, nc natsConn) error {
	if b.publish.Stream == "" {
		return nil
	}
	if b.create {
		err := natsbridge.EnsureStream(ctx, nc, b.stream)
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == codeOverlap {
			return fmt.Errorf("%w; give this stream another --subject", err)
		}
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	s, err := js.Stream(ctx, b.publish.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("there is no stream %s; --create makes it", b.publish.Stream)
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", b.publish.Stream, err)
	}
	subjects := s.CachedInfo().Config.Subjects
	covers := func(subject string) bool {
		prefix, all := strings.CutSuffix(subject, ">")
		return all && strings.HasPrefix(b.publish.Subject+".", prefix)
	}
	if !slices.ContainsFunc(subjects, covers) {
		return fmt.Errorf("stream %s is for %s, not for %s.>: set --subject", b.publish.Stream, strings.Join(subjects, ", "), b.publish.Subject)
	}
	return nil
}

// ---- into NATS ----

// receive publishes what the inputs receive.
func (b *bridgeCommand) receive(ctx context.Context, nc natsConn, meter *meter) error {
	rows := board.New()
	ends, err := openInputs(b.inputs, rows)
	if err != nil {
		return err
	}
	defer func() { ends.close(); ends.summary() }()
	var publishers []*natsbridge.Publisher
	var stages []stage
	for i, end := range ends.ends {
		p, failed := natsbridge.NewPublisher(nc, b.publish)
		if failed == nil {
			publishers = append(publishers, p)
			stages = append(stages, stage{"nats " + ends.names[i], publishStage, func() metrics.Counts { return publishCounts(p.Stats()) }})
		}
		err = errors.Join(err, failed, meter.add("input "+ends.names[i], end))
	}
	err = errors.Join(err, meter.addStages(stages))
	defer newDropLog(b.publish.Logger, stages).watch()()
	if err == nil {
		rates := make([]rate, len(publishers))
		err = monitored(ctx, b.lines, func(now time.Time) snapshot {
			s := snapshot{Time: now, Streams: rows.Rows(now)}
			for i, p := range publishers {
				s.Outputs = append(s.Outputs, publisherRow("nats "+ends.names[i], p.Stats(), nc.IsConnected(), &rates[i], now))
			}
			return s
		}, func(ctx context.Context) error {
			late, cancel := program.Grace(ctx, program.Exchange)
			defer cancel()
			return publishAll(ctx, late, ends, publishers)
		})
	}
	return errors.Join(err, closePublishers(ends.names, publishers))
}

// publishAll publishes until all streams have ended or ctx has. Then it publishes
// what is queued, and waits for room until late ends.
func publishAll(ctx, late context.Context, ends *openEnds, publishers []*natsbridge.Publisher) error {
	return ends.receive(ctx, func(i int, f *netgear.Frame) error {
		err := publishers[i].Publish(late, cameraName(ends.names[i], f), f)
		if err != nil && (late.Err() != nil || errors.Is(err, natsbridge.ErrClosed)) {
			return err
		}
		return nil // counted
	})
}

// closePublishers waits for the frames in flight, and prints a line for each.
func closePublishers(names []string, publishers []*natsbridge.Publisher) error {
	errs := make([]error, len(publishers))
	var closing sync.WaitGroup
	for i, p := range publishers {
		closing.Go(func() { errs[i] = p.Close() })
	}
	closing.Wait()
	for i, p := range publishers {
		s := p.Stats()
		fmt.Fprintf(live.Stderr, "%s: %s published, %d dropped%s\n", names[i], program.Count(s.Frames, "frame", "frames"), s.Dropped.Sum(), reasons(s.Dropped))
	}
	return errors.Join(errs...)
}

// cameraName returns the name of a frame's camera, which is a token of a subject.
func cameraName(input string, f *netgear.Frame) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7F || strings.ContainsRune(".*>/:", r) {
			return '-'
		}
		return r
	}, sender(input, f))
}

// ---- from NATS ----

// send sends frames from NATS.
func (b *bridgeCommand) send(ctx context.Context, nc natsConn, meter *meter) error {
	sub, err := b.subscribe(ctx, nc)
	if err != nil {
		return err
	}
	defer sub.Close()
	end, err := netgear.New(b.output)
	if err != nil {
		return err
	}
	announce(end)
	stages := []stage{{"nats", subscribeStage, func() metrics.Counts { return subscribeCounts(sub.Stats()) }}}
	defer newDropLog(b.publish.Logger, stages).watch()()
	err = errors.Join(meter.add("output", end), meter.addStages(stages))
	if err != nil {
		return errors.Join(err, end.Close())
	}
	late, cancel := program.Grace(ctx, program.Exchange)
	defer cancel()
	var r rate
	err = monitored(ctx, b.lines, func(now time.Time) snapshot {
		return snapshot{Time: now, Outputs: []branchRow{subscriberRow(defaultName(b.output), sub.Stats(), end.Stats(), &r, now)}}
	}, func(ctx context.Context) error {
		context.AfterFunc(ctx, func() { sub.Close() })
		if err := sub.SendTo(late, end); !errors.Is(err, natsbridge.ErrClosed) {
			return err
		}
		return ctx.Err()
	})
	err = errors.Join(err, end.Close()) // sends the terminate message
	s := sub.Stats()
	sent := end.Stats()
	fmt.Fprintf(live.Stderr, "%s sent, %d dropped%s%s\n", program.Count(sent.Frames, "frame", "frames"), s.Dropped.Sum(), reasons(s.Dropped), program.Account(sent))
	return err
}

// subscribe opens what the flags select.
func (b *bridgeCommand) subscribe(ctx context.Context, nc natsConn) (*natsbridge.Subscriber, error) {
	limits := natsbridge.Limits{MaxFrameBytes: b.output.MaxFrameBytes}
	from := natsbridge.StreamSource{Stream: b.publish.Stream, Subject: b.publish.Subject, Cameras: b.cameras, Limits: limits}
	switch {
	case b.work != "":
		return natsbridge.Work(ctx, nc, natsbridge.WorkOptions{StreamSource: from, Name: b.work})
	case b.latest:
		return natsbridge.Watch(ctx, nc, natsbridge.WatchOptions{StreamSource: from})
	case b.publish.Stream == "":
		return natsbridge.Subscribe(nc, natsbridge.SubscribeOptions{Subject: b.publish.Subject, Cameras: b.cameras, Backpressure: b.publish.Backpressure, Limits: limits})
	}
	o := natsbridge.ReplayOptions{StreamSource: from, From: b.since, Speed: b.speed, Follow: b.follow}
	if b.speed == 0 {
		o.Speed = math.Inf(1)
	}
	return natsbridge.Replay(ctx, nc, o)
}

// replayFrom reads the time of --replay. The zero Time is the start.
func replayFrom(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "start" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago.Abs()), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, settings.Wrong("--replay %s: must be a time such as 2026-01-31T08:00:00Z, how long ago, such as 10m, or start", text)
	}
	return at, nil
}

// ---- figures ----

// rate has what a row showed a second ago.
type rate struct {
	at            time.Time
	frames, bytes uint64
}

// next returns frames and megabytes per second since the last call.
func (r *rate) next(now time.Time, frames, bytes uint64) (fps, mb float64) {
	if seconds := now.Sub(r.at).Seconds(); !r.at.IsZero() && seconds > 0 {
		fps, mb = board.Round(float64(frames-r.frames)/seconds), board.Round(float64(bytes-r.bytes)/seconds/1e6)
	}
	*r = rate{now, frames, bytes}
	return fps, mb
}

func publisherRow(name string, s natsbridge.PublisherStats, connected bool, r *rate, now time.Time) branchRow {
	chosen := s.Dropped.NoRoom + s.Dropped.Replaced
	row := branchRow{Name: name, Peers: count(connected), Frames: s.Frames, Dropped: chosen, Lost: s.Dropped.Sum() - chosen, Queue: s.InFlight + s.Waiting}
	row.FPS, row.Rate = r.next(now, s.Frames, s.Bytes)
	return row
}

func subscriberRow(name string, s natsbridge.SubscriberStats, sent netgear.Stats, r *rate, now time.Time) branchRow {
	row := branchRow{Name: name, Peers: sent.Connected, Frames: sent.Frames, Dropped: s.Dropped.Sum(), Lost: sent.Unsent, Queue: s.Queue}
	row.FPS, row.Rate = r.next(now, sent.Frames, sent.Bytes)
	return row
}

// reasons returns the counts of a struct of counts that are not zero.
func reasons(drops any) string {
	v := reflect.ValueOf(drops)
	var parts []string
	for i := range v.NumField() {
		if n := v.Field(i).Uint(); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", v.Type().Field(i).Name, n))
		}
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
