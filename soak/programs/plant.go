package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vidgear-go/netgear/internal/tcpproxy"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// plant is everything that runs.
//
//	cameras ──▶ view ◀───────────────┐
//	cameras ──▶ relay ──▶ view       │
//	              └─────▶ record     │
//	cameras ──▶ record               │
//	camera ───▶ bridge ─▶ NATS ─▶ bridge
type plant struct {
	*settings
	series  *sample.Series
	samples *os.File

	programs []*program
	server   atomic.Pointer[process] // the NATS server
	cameras  []*camera
	watch    *watch
	page     string // the viewer's address
	nats     string // the server's port
}

// program is one that runs from the beginning to the end.
type program struct {
	*process
	args    []string
	metrics string       // the address
	last    metricValues // as they were read last
}

// cameraKinds are the cameras.
var cameraKinds = []struct {
	name, pattern string
	shown         bool // by the viewer
}{
	{"view-pair", "0", true}, {"view-reqrep", "1", true}, {"relay-pair", "0", true}, {"relay-reqrep", "1", true},
	{behindNATS, "0", true}, {"record-pair", "0", false}, {"record-pubsub", "2", false},
}

func cameraNames() (names []string) {
	for _, c := range cameraKinds {
		names = append(names, c.name)
	}
	return names
}

// sampleEvery is how often each program is sampled.
const sampleEvery = 10 * time.Second

// newPlant chooses the ports.
func newPlant(s *settings) (*plant, error) {
	out, err := os.Create(filepath.Join(s.folder, "samples.jsonl"))
	if err != nil {
		return nil, err
	}
	p := &plant{settings: s, samples: out, series: sample.NewSeries(out)}
	ports := map[string]string{}
	for _, name := range []string{
		"page", "nats", "view metrics", "record metrics", "relay metrics", "bridge metrics", "from-nats metrics",
		"view-pair", "view-reqrep", "relay-pair", "relay-reqrep", "record-pair", "record-pubsub", "bridge-pair",
		"to view 1", "to view 2", "to record", "from nats",
	} {
		for ports[name] == "" || slices.Contains(slices.Collect(others(ports, name)), ports[name]) {
			if ports[name], err = tcpproxy.FreePort(); err != nil {
				return nil, err
			}
		}
	}
	at := func(name, more string) string { return "tcp://127.0.0.1:" + ports[name] + more }
	listen := func(name string) string { return "127.0.0.1:" + ports[name] }
	p.page, p.nats = listen("page"), ports["nats"]
	server := "nats://127.0.0.1:" + p.nats
	recordings := filepath.Join(s.folder, "recordings")
	p.programs = []*program{
		{args: []string{"view", "--listen", p.page,
			"--input", at("view-pair", "?name=view-pair"),
			"--input", at("view-reqrep", "?name=view-reqrep&pattern=1"),
			"--input", at("to view 1", "?name=relay-pair"),
			"--input", at("to view 2", "?name=relay-reqrep&pattern=1"),
			"--input", at("from nats", "?name=bridge-pair"),
			"--stamp", "on"}},
		{args: []string{"record", "--dir", recordings, "--max-duration", "5m",
			"--input", at("record-pair", "?name=record-pair"),
			"--input", at("record-pubsub", "?name=record-pubsub&pattern=2"),
			"--input", at("to record", "?name=relayed&pattern=1")}},
		{args: []string{"relay",
			"--input", at("relay-pair", "?name=relay-pair"),
			"--input", at("relay-reqrep", "?name=relay-reqrep&pattern=1"),
			"--output", at("to view 1", "?name=view-1&from=relay-pair"),
			"--output", at("to view 2", "?name=view-2&from=relay-reqrep&pattern=1"),
			"--output", at("to record", "?name=record&pattern=1")}},
		{args: []string{"bridge", "--nats", server, "--input", at("bridge-pair", "?name=bridge-pair")}},
		{args: []string{"bridge", "--nats", server, "--from-nats", "--address", "127.0.0.1", "--port", ports["from nats"]}},
	}
	for i, name := range []string{"view", "record", "relay", "bridge", "from-nats"} {
		q := p.programs[i]
		q.process = &process{name: name}
		q.metrics = listen(name + " metrics")
		q.args = append(q.args, "--metrics", q.metrics, "--log-level", "info")
	}
	p.watch = newWatch(s.back)
	for i, c := range cameraKinds {
		p.cameras = append(p.cameras, newCamera(p, i, c.name, ports[c.name], c.pattern, c.shown))
	}
	return p, nil
}

// others yields all values of a map but that of a key.
func others(all map[string]string, but string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key, value := range all {
			if key != but && !yield(value) {
				return
			}
		}
	}
}

// start starts the server and the programs, then the viewer's client.
func (p *plant) start(ctx context.Context) error {
	if err := makePictures(filepath.Join(p.folder, "pictures")); err != nil {
		return err
	}
	if err := p.startServer(ctx); err != nil {
		return err
	}
	for _, q := range p.programs {
		err := until(ctx, time.Minute, "the start of "+q.name, func() (bool, error) { return p.startProgram(ctx, q) })
		if err != nil {
			return err
		}
	}
	p.watch.start(p.page)
	return nil
}

// startProgram starts a program unless it runs, and reports whether it serves
// metrics. A bridge ends if the server does not listen yet.
func (p *plant) startProgram(ctx context.Context, q *program) (_ bool, err error) {
	if q.cmd == nil || q.hasEnded() {
		if q.process, err = startProcess(p.folder, q.name, p.netgear, nil, q.args...); err != nil {
			return false, err
		}
	}
	q.last, err = scrape(ctx, q.metrics)
	return err == nil, err
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// disturb lets the cameras come and go until the context ends. An error of one
// ends all.
func (p *plant) disturb(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, q := range p.programs {
		go func() {
			<-q.ended
			if !q.planned.Load() {
				cancel(fmt.Errorf("%s has ended: %v: %s", q.name, q.cmd.ProcessState, q.lastLines()))
			}
		}()
	}
	var running sync.WaitGroup
	for _, c := range p.cameras {
		if !p.runs(c.name) {
			continue
		}
		running.Go(func() {
			if err := c.live(ctx); err != nil {
				cancel(err)
			}
		})
	}
	running.Go(func() {
		if err := p.observe(ctx); err != nil {
			cancel(err)
		}
	})
	running.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// observe samples the programs, and prints a line each minute.
func (p *plant) observe(ctx context.Context) error {
	begun := time.Now()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if err := p.checkServer(); err != nil {
			return err
		}
		for _, q := range p.programs {
			if err := p.sample(ctx, q); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
		}
		if n%6 == 5 {
			fmt.Printf("%v: %s\n", time.Since(begun).Round(time.Second), p.line())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sample adds a sample of a program.
func (p *plant) sample(ctx context.Context, q *program) error {
	v, err := sample.Of(q.pid())
	if err != nil {
		return err
	}
	if q.last, err = scrape(ctx, q.metrics); err != nil {
		return err
	}
	v[sample.Goroutines] = q.last["go_goroutines"]
	v[sample.Heap] = q.last["go_memstats_heap_inuse_bytes"] / (1 << 20)
	return p.series.Add(q.name, v)
}

// line describes the state of the run.
func (p *plant) line() string {
	faults, frames := 0, uint64(0)
	for _, c := range p.cameras {
		faults += c.faults()
	}
	var text strings.Builder
	for _, q := range p.programs {
		frames += q.frames()
		text.WriteString(fmt.Sprintf(", %s %.0f MiB", q.name, q.last["process_resident_memory_bytes"]/(1<<20)))
	}
	return fmt.Sprintf("%d faults, %d frames at all ends, %s%s, without processor time for %v", faults, frames, p.watch.summary(), text.String(), processorTime.lacked().Round(time.Second))
}

// kill ends everything that still runs.
func (p *plant) kill() {
	p.watch.stop()
	for _, c := range p.cameras {
		if c.process != nil {
			c.kill()
		}
	}
	for _, q := range p.programs {
		if q.cmd != nil {
			q.kill()
		}
	}
	if s := p.server.Load(); s != nil {
		s.kill()
	}
	p.samples.Close()
}
