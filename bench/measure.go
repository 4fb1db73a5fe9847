package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// outcome is the result of one round of a scene for one contender.
type outcome struct {
	Failed string `json:",omitempty"` // no other field is set then

	FPS              float64   `json:",omitempty"` // received frames per second
	Sent             float64   `json:",omitempty"` // published frames per second
	SendCPU, RecvCPU float64   `json:",omitempty"` // seconds a frame, all threads of all processes
	Latency          []float64 `json:",omitempty"` // ms, of each frame
	Send, Recv       *event    `json:",omitempty"` // without the times; the first sender
	// The receive end when it was opened, after the warm-up, at the end.
	Ready, Warm, Done footprint
}

// warmFrames go before the measured ones: buffers, caches and TCP windows grow.
const warmFrames = 20

// waitLimit limits the time of one run.
const waitLimit = 2 * time.Minute

func (b *bench) measure(c *contender, s scene) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, waitLimit)
	defer cancel()
	switch s.Kind {
	case stream:
		return b.stream(ctx, c, s)
	case publish:
		return b.publish(ctx, c, s)
	case waiting:
		return b.waiting(ctx, c, s)
	case inside:
		return b.inside(ctx, c, s)
	}
	return b.codec(ctx, c, s)
}

func (b *bench) args(s scene, ports []string, more ...string) []string {
	address := "127.0.0.1"
	if s.Protocol == "ipc" {
		address = filepath.Join(b.tmp, "s")
	}
	a := []string{"--frames", b.framesFile(s.Size), "--width", strconv.Itoa(s.Size.Width), "--height", strconv.Itoa(s.Size.Height),
		"--address", address, "--port", strings.Join(ports, ","), "--protocol", s.Protocol, "--pattern", strconv.Itoa(s.Pattern)}
	if s.JPEG {
		a = append(a, "--jpeg")
	}
	if s.Async {
		a = append(a, "--async")
	}
	if s.Streams > 0 {
		a = append(a, "--multiserver")
	}
	if s.Fresh {
		a = append(a, "--fresh")
	}
	if s.FPS > 0 {
		a = append(a, "--times", "--fps", fmt.Sprint(s.FPS))
	}
	return append(a, more...)
}

// stream has one contender send to itself. The clock starts before the first
// measured frame is sent, when no other is in transit. It stops when the
// receiving program has the last one, so a queue in between does not improve
// the result.
func (b *bench) stream(ctx context.Context, c *contender, s scene) (o outcome, err error) {
	streams := max(1, s.Streams)
	ports := freePorts(streams)
	count := func(times int) []string {
		a := []string{"--warm", strconv.Itoa(warmFrames * times), "--n", strconv.Itoa(s.N * times)}
		if b.profile != "" && c.Name == ours {
			a = append(a, "--profile", b.profile)
		}
		return a
	}
	recv, err := c.start(ctx, s, "recv", b.args(s, ports, count(streams)...)...)
	if err != nil {
		return o, err
	}
	defer recv.end()
	if _, err := recv.await("ready"); err != nil {
		return o, err
	}
	o.Ready = recv.footprint()
	senders := make([]*process, streams)
	for i, port := range ports {
		if senders[i], err = c.start(ctx, s, "send", b.args(s, []string{port}, count(1)...)...); err != nil {
			return o, err
		}
		defer senders[i].end()
	}
	for _, send := range senders {
		if _, err := send.await("ready", "warm"); err != nil {
			return o, err
		}
	}
	warm, err := recv.await("warm")
	if err != nil {
		return o, err
	}
	if err := b.samePixels(s, warm.Sum); err != nil {
		return o, err
	}
	o.Warm = recv.footprint()
	for _, send := range senders {
		send.tell()
	}
	return o, o.collect(s, recv, senders)
}

// collect waits for the end and computes the results. The time in which a
// sender wrote its frames does not count.
func (o *outcome) collect(s scene, recv *process, senders []*process) error {
	frames := float64(s.N * len(senders))
	var start, wrote int64
	for _, p := range senders {
		sent, err := p.await("done")
		if err != nil {
			return err
		}
		if start == 0 || sent.Start < start {
			start = sent.Start
		}
		o.SendCPU += (sent.CPU - float64(sent.Wrote)/1e9) / frames
		wrote = max(wrote, sent.Wrote)
		if o.Send == nil {
			o.Send = &sent
		}
	}
	got, err := recv.await("done")
	if err != nil {
		return err
	}
	o.Done, o.Recv = recv.footprint(), &got
	o.FPS = frames / (float64(got.End-start-wrote) / 1e9)
	o.RecvCPU = got.CPU / frames
	// If every frame is answered none is lost, so the order identifies them.
	for i := range min(len(got.Times), len(o.Send.Times)) {
		o.Latency = append(o.Latency, float64(got.Times[i]-o.Send.Times[i])/1e6)
	}
	o.Send.Times, o.Recv.Times = nil, nil
	return nil
}

// samePixels returns an error unless all contenders return the same first
// frame.
func (b *bench) samePixels(s scene, sum uint32) error {
	key := sizeScene(s.Size, s.JPEG)
	want, seen := b.sums[key]
	if !seen {
		b.sums[key] = sum
	} else if sum != want {
		return fmt.Errorf("%s: received other pixels than the first contender did", s.Name)
	}
	return nil
}

// publish has one contender publish for a while as fast as it can, and counts
// the frames that arrive meanwhile.
func (b *bench) publish(ctx context.Context, c *contender, s scene) (o outcome, err error) {
	ports := freePorts(1)
	recv, err := c.start(ctx, s, "recv", b.args(s, ports, "--warm", "5", "--times")...)
	if err != nil {
		return o, err
	}
	defer recv.end()
	if _, err := recv.await("ready"); err != nil {
		return o, err
	}
	send, err := c.start(ctx, s, "send", b.args(s, ports, "--warm", "50", "--seconds", fmt.Sprint(s.Seconds))...)
	if err != nil {
		return o, err
	}
	defer send.end()
	if _, err := send.await("ready", "warm"); err != nil {
		return o, err
	}
	if _, err := recv.await("warm"); err != nil {
		return o, err
	}
	send.tell()
	sent, err := send.await("done")
	if err != nil {
		return o, err
	}
	recv.tell()
	got, err := recv.await("done")
	if err != nil {
		return o, err
	}
	arrived := 0
	for _, t := range got.Times {
		if t >= sent.Start && t <= sent.End {
			arrived++
		}
	}
	seconds := float64(sent.End-sent.Start) / 1e9
	got.Times = nil
	o.Send, o.Recv, o.Done = &sent, &got, recv.footprint()
	o.Sent, o.FPS = float64(sent.Count)/seconds, float64(arrived)/seconds
	o.SendCPU = sent.CPU / float64(sent.Count)
	return o, nil
}

// waiting measures receive ends that wait, alone or with a sender that has sent
// one frame and is silent since.
func (b *bench) waiting(ctx context.Context, c *contender, s scene) (o outcome, err error) {
	ports := freePorts(s.Ends)
	warm := "0"
	if s.Connected {
		warm = "1"
	}
	args := b.args(s, ports, "--warm", warm)
	recv, err := c.start(ctx, s, "recv", append(args, "--ends", strconv.Itoa(s.Ends), "--idle", fmt.Sprint(s.Seconds))...)
	if err != nil {
		return o, err
	}
	defer recv.end()
	if _, err := recv.await("ready"); err != nil {
		return o, err
	}
	o.Ready = recv.footprint()
	if s.Connected {
		send, err := c.start(ctx, s, "send", args...)
		if err != nil {
			return o, err
		}
		defer send.end()
		if _, err := send.await("ready", "warm"); err != nil {
			return o, err
		}
	}
	if _, err := recv.await("warm"); err != nil {
		return o, err
	}
	time.Sleep(time.Second) // wait until it is idle
	recv.tell()
	got, err := recv.await("done")
	if err != nil {
		return o, err
	}
	o.Recv, o.Done = &got, recv.footprint()
	return o, nil
}

// codec measures the JPEG library alone, on every core at the same time: they
// share memory and caches, as the ends of a stream do.
func (b *bench) codec(ctx context.Context, c *contender, s scene) (o outcome, err error) {
	s.Protocol = "tcp"
	all := make([]*process, runtime.NumCPU())
	for i := range all {
		if all[i], err = c.start(ctx, s, "codec", b.args(s, []string{"0"}, "--n", strconv.Itoa(s.N))...); err != nil {
			return o, err
		}
		defer all[i].end()
		if _, err := all[i].await("ready"); err != nil {
			return o, err
		}
	}
	for _, p := range all {
		p.tell()
	}
	o.Recv = &event{}
	share := float64(len(all))
	for _, p := range all {
		got, err := p.await("done")
		if err != nil {
			return o, err
		}
		o.Recv.Encode += got.Encode / share
		o.Recv.Decode += got.Decode / share
		o.Recv.Size += got.Size / share
	}
	return o, nil
}

// inside compares ways within one process of this library, which may send to
// VidGear's receive ends.
func (b *bench) inside(ctx context.Context, c *contender, s scene) (o outcome, err error) {
	ports := freePorts(max(1, s.Peers))
	for _, port := range ports[:s.Peers] {
		peer, err := b.contender(vidgear).start(ctx, s, "recv", b.args(s, []string{port}, "--n", "1000000000")...)
		if err != nil {
			return o, err
		}
		defer peer.end()
		if _, err := peer.await("ready"); err != nil {
			return o, err
		}
	}
	p, err := c.start(ctx, s, "ways", b.args(s, ports, "--set", s.Set, "--n", strconv.Itoa(s.N))...)
	if err != nil {
		return o, err
	}
	defer p.end()
	if _, err := p.await("ready"); err != nil {
		return o, err
	}
	p.tell()
	got, err := p.await("done")
	o.Recv = &got
	return o, err
}

// freePorts returns ports that were free a moment ago. Not every contender can
// report the port that the system has chosen.
func freePorts(n int) []string {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		defer l.Close() // after all are chosen
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports
}

// quantile returns a quantile of the frames' latencies; 0.5 is the median.
func quantile(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return v[min(len(v)-1, int(q*float64(len(v))))]
}
