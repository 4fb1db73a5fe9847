package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// event is one line from a contender's process.
type event struct {
	Event      string  `json:"event"`         // ready, warm, done
	Sum        uint32  `json:"sum,omitempty"` // CRC-32 of the first frame's pixels
	Start      int64   `json:"start,omitempty"`
	End        int64   `json:"end,omitempty"` // CLOCK_MONOTONIC, ns: comparable between processes
	CPU        float64 `json:"cpu,omitempty"` // seconds
	Switches   int64   `json:"switches,omitempty"`
	Count      int     `json:"count,omitempty"` // frames sent or received
	Times      []int64 `json:"times,omitempty"` // when each was sent or received
	Wrote      int64   `json:"wrote,omitempty"` // ns spent writing frames before they were sent
	Allocs     float64 `json:"allocs,omitempty"`
	AllocBytes float64 `json:"allocbytes,omitempty"`
	Encode     float64 `json:"encode,omitempty"` // seconds a frame
	Decode     float64 `json:"decode,omitempty"`
	Size       float64 `json:"size,omitempty"` // bytes of a JPEG

	Ways []wayResult `json:"ways,omitempty"`
}

// process is a contender's process with a role.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	stderr bytes.Buffer
	name   string
}

func (c *contender) start(ctx context.Context, s scene, role string, args ...string) (*process, error) {
	line := append(append(append([]string(nil), c.command...), role), args...)
	line = append(line, c.extra...)
	if s.Cores > 0 {
		line = append([]string{"taskset", "-c", fmt.Sprintf("0-%d", s.Cores-1)}, line...)
	}
	p := &process{cmd: exec.CommandContext(ctx, line[0], line[1:]...), name: c.Name + " " + role}
	p.cmd.Stderr = &p.stderr
	p.cmd.Env = append(os.Environ(), c.env...)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	return p, p.cmd.Start()
}

// await reads the next events, which must be these, and returns the last one.
func (p *process) await(names ...string) (e event, err error) {
	for _, name := range names {
		e = event{}
		if err := p.out.Decode(&e); err != nil {
			p.end()
			return e, fmt.Errorf("%s: waiting for %q: %w\n%s", p.name, name, err, p.stderr.String())
		}
		if e.Event != name {
			return e, fmt.Errorf("%s: said %q instead of %q", p.name, e.Event, name)
		}
	}
	return e, nil
}

func (p *process) tell() { io.WriteString(p.in, "go\n") }

func (p *process) end() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// footprint is the memory, threads and descriptors of a process at one moment.
type footprint struct {
	RSS     float64 `json:"rss"` // MB
	Threads int     `json:"threads"`
}

// footprint reads Linux's file. On other systems it returns zero.
func (p *process) footprint() (f footprint) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return f
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		number := strings.TrimSuffix(strings.TrimSpace(value), " kB")
		switch key {
		case "VmRSS":
			kb, _ := strconv.ParseFloat(number, 64)
			f.RSS = kb / 1024
		case "Threads":
			f.Threads, _ = strconv.Atoi(number)
		}
	}
	return f
}
