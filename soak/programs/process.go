package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a running program with its log.
type process struct {
	name    string
	log     string // the file of its stdout and stderr
	before  int64  // how long that was when it started
	cmd     *exec.Cmd
	ended   chan struct{} // closed when it has ended
	planned atomic.Bool   // it is to end
}

// startProcess starts a program. What it prints is appended to NAME.log in the
// folder.
func startProcess(folder, name, path string, environment []string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(folder, name+".log"), cmd: exec.Command(path, args...), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if info, err := log.Stat(); err == nil {
		p.before = info.Size()
	}
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Ctrl-C is for this program, and no process outlives it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait() //nolint:errcheck // its state is looked at
		close(p.ended)
	}()
	return p, nil
}

// stopTime is how long a program may take to end after SIGTERM. Then it prints
// its goroutines.
const stopTime = 30 * time.Second

// stop ends the program with SIGTERM, which must succeed. A program that has just
// been started may not handle signals yet; what it prints shows that it does.
func (p *process) stop() error {
	p.planned.Store(true)
	until(context.Background(), stopTime, "output", p.hasPrinted) //nolint:errcheck // it may have nothing to print
	p.signal(syscall.SIGTERM)
	if until(context.Background(), stopTime, "the end", func() (bool, error) { return p.hasEnded(), nil }) != nil {
		p.signal(syscall.SIGABRT)
		<-p.ended
		return fmt.Errorf("%s does not end within %v of SIGTERM: see %s", p.name, stopTime, p.log)
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s ends with %v: %s", p.name, p.cmd.ProcessState, p.lastLines())
	}
	return nil
}

// hasPrinted reports whether the program has printed something, or has ended.
func (p *process) hasPrinted() (bool, error) {
	select {
	case <-p.ended:
		return true, nil
	default:
	}
	info, err := os.Stat(p.log)
	return err == nil && info.Size() > p.before, err
}

// kill ends the program with SIGKILL.
func (p *process) kill() {
	p.planned.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.ended
}

func (p *process) signal(s syscall.Signal) {
	p.cmd.Process.Signal(s) //nolint:errcheck // it may have ended
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// lastLines returns the end of the log.
func (p *process) lastLines() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " / ")
}

// line returns the last line of the log that begins so.
func (p *process) line(prefix string) (string, error) {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return "", err
	}
	found := ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, prefix) {
			found = strings.TrimSpace(line)
		}
	}
	if found == "" {
		return "", fmt.Errorf("%s printed no line %q", p.name, prefix)
	}
	return found, nil
}

// tick is how often awake and until look.
const tick = 100 * time.Millisecond

// awake waits until this process has run for a time, or the context ends. While
// the whole machine stands still, as without memory, or the processes are
// frozen, no time passes for it: nothing could have happened in that.
func awake(ctx context.Context, d time.Duration) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for last := time.Now(); d > 0 && ctx.Err() == nil; {
		select {
		case <-t.C:
			now := time.Now()
			d -= min(now.Sub(last), 2*tick)
			last = now
		case <-ctx.Done():
		}
	}
}

// until polls a condition of other processes until it is met.
func until(ctx context.Context, limit time.Duration, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		awake(ctx, limit)
		cancel(context.DeadlineExceeded)
	}()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		done, err := ok()
		if done {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (%v)", what, context.Cause(ctx), err)
		}
	}
}
