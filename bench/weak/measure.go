package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/netem"
)

const (
	video   = "examples/internal/sample/vtest-excerpt.avi"
	program = "bench/weak/contender.py"
	port    = "5555"
	seed    = 16
)

// contender is one implementation with its settings.
type contender struct {
	Name           string
	Python         bool
	Adapt          bool
	patterns       []int
	publisherBinds bool // the subscriber connects
}

// adapting is the sender with Options.Adapt.
const adapting = "netgear with Adapt"

// The names, in the order of the tables.
var contenders = []contender{
	{Name: "netgear", patterns: []int{0, 1, 2}},
	{Name: adapting, Adapt: true, patterns: []int{0, 1, 2}},
	{Name: "VidGear", Python: true, patterns: []int{0, 1, 2}},
	{Name: "imagezmq", Python: true, patterns: []int{1, 2}, publisherBinds: true},
}

var patternNames = []string{"PAIR", "REQ/REP", "PUB/SUB"}

// measurement is one run of the program.
type measurement struct {
	frames, python     string
	width, height      int
	congestion, sysctl string
}

// makeFrames decodes the sample video to a file.
func (m *measurement) makeFrames(ctx context.Context) error {
	text, err := json.Marshal(map[string]any{"video": video, "frames": m.frames, "width": m.width, "height": m.height, "count": frameCount})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, m.python, program, string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("decoding the sample video with %s (scripts/setup.sh --python installs it): %w", m.python, err)
	}
	return nil
}

// turn is one contender in one scene.
type turn struct {
	scene     *scene
	contender *contender
	pattern   int
}

// turns lists what the flags select.
func (f *flags) turns(scenes []scene) (all []turn) {
	for i := range scenes {
		for pattern := range patternNames {
			for k := range contenders {
				c := &contenders[k]
				if slices.Contains(c.patterns, pattern) && chosen(f.contenders, c.Name) && chosen(f.patterns, fmt.Sprint(pattern)) {
					all = append(all, turn{&scenes[i], c, pattern})
				}
			}
		}
	}
	return all
}

// all measures every turn, some at once.
func (m *measurement) all(ctx context.Context, turns []turn, f *flags, r *results) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	places := make(chan struct{}, f.parallel)
	for _, t := range turns {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if ctx.Err() != nil {
				return
			}
			fmt.Fprintf(os.Stderr, "%s, %s, %s\n", t.scene.Name, patternNames[t.pattern], t.contender.Name)
			o, err := m.measure(ctx, t.scene, t.contender, t.pattern, f.verbose)
			if err != nil {
				o.Gone = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			r.Outcomes = append(r.Outcomes, o)
		})
	}
	wg.Wait()
	return ctx.Err()
}

// arrival is a frame at the receive end. Times are since the start of the
// scene.
type arrival struct {
	Index        int64
	Captured, At time.Duration
	Width, Bytes int
}

func (a *arrival) age() time.Duration { return a.At - a.Captured }

// end is a process with one end of a stream.
type end struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr bytes.Buffer
	lines  chan string
}

func (m *measurement) start(host *netem.Host, c *contender, s spec) (*end, error) {
	s.Contender, s.Port, s.Frames, s.Width, s.Height, s.FPS, s.Adapt = c.Name, port, m.frames, m.width, m.height, fps, c.Adapt
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	e := &end{cmd: exec.Command(self, "end", string(text)), lines: make(chan string, 1024)}
	if c.Python {
		e.cmd = exec.Command(m.python, program, string(text))
	}
	e.cmd.Stderr = &e.stderr
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := host.Start(e.cmd); err != nil {
		return nil, err
	}
	go func() {
		defer close(e.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			e.lines <- scanner.Text()
		}
	}()
	return e, nil
}

// stop ends the process, and returns its last lines.
func (e *end) stop() (last []string) {
	e.stdin.Close()
	kill := time.AfterFunc(5*time.Second, func() { e.cmd.Process.Kill() })
	defer kill.Stop()
	for l := range e.lines {
		last = append(last, l)
	}
	e.cmd.Wait()
	return last
}

// measure runs one contender through one scene.
func (m *measurement) measure(ctx context.Context, s *scene, c *contender, pattern int, verbose bool) (outcome, error) {
	o := outcome{Scene: s.Name, Contender: c.Name, Pattern: pattern}
	network, err := netem.NewNetwork(seed, s.Steps[0].Up, s.Steps[0].Down)
	if err != nil {
		return o, err
	}
	defer network.Close()
	if err := m.configure(network.Sender); err != nil {
		return o, err
	}
	address := netem.ReceiverAddress
	if c.publisherBinds && pattern == 2 {
		address = netem.SenderAddress
	}
	receiver, err := m.start(network.Receiver, c, spec{Receive: true, Pattern: pattern, Address: address})
	if err != nil {
		return o, err
	}
	defer receiver.stop()
	sender, err := m.start(network.Sender, c, spec{Pattern: pattern, Address: address, MaxAge: s.MaxAge.Seconds()})
	if err != nil {
		return o, err
	}
	defer sender.stop()
	w := &watch{scene: s, network: network, sender: sender, receiver: receiver}
	if err := w.run(ctx); err != nil {
		return o, fmt.Errorf("%w\n%s%s", err, sender.stderr.String(), receiver.stderr.String())
	}
	w.summarize(&o)
	if verbose {
		fmt.Fprintf(os.Stderr, "%s, %s, %s\n%s%s", s.Name, patternNames[pattern], c.Name, w.seconds(), tail(sender.stderr.String()))
	}
	return o, nil
}

// configure sets TCP's congestion control and the sysctls at the sender.
func (m *measurement) configure(host *netem.Host) (err error) {
	for setting := range strings.SplitSeq(m.sysctl, ";") {
		if name, value, ok := strings.Cut(setting, "="); ok {
			host.Do(func() {
				err = errors.Join(err, os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0))
			})
		}
	}
	system, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil || m.congestion == "" || m.congestion == strings.TrimSpace(string(system)) {
		return err
	}
	// A namespace's sysctl admits only what the system allows its users. The
	// route has no such limit.
	cmd := exec.Command("ip", "route", "change", netem.ReceiverAddress, "dev", netem.DeviceName, "src", netem.SenderAddress, "congctl", m.congestion)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err = host.Start(cmd); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("setting the congestion control: %w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return err
}

// tail returns the last lines of a text.
func tail(text string) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-30):], "")
}
