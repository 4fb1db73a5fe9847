package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// roleVariable is set in the environment of a child process to what it is.
const roleVariable = "NETGEAR_SOAK_LOAD"

// role is what a child process does. It ends when its stdin is closed.
type role struct {
	Kind    string // hub, camera, clients, watchers
	Options netgear.Options

	ID  int     // camera: its number
	FPS float64 // camera: 0 is as fast as frames are answered

	Cameras  int           // hub: how many it counts
	Work     time.Duration // hub: how long the application takes for a frame
	Page     bool          // hub: it has a viewer
	Streams  int           // hub: the viewer's MaxStreams
	Watchers int           // hub: the viewer's MaxViewers

	URL   string // watchers: of the viewer
	Count int    // clients, watchers: how many at once
	Stay  int    // clients, watchers: frames until one goes; 0: none goes
}

// runRole runs the role of a child process, and reports whether this is one.
func runRole() bool {
	text := os.Getenv(roleVariable)
	if text == "" {
		return false
	}
	var r role
	err := json.Unmarshal([]byte(text), &r)
	if err == nil {
		run := map[string]func(*role, *commands) error{"hub": runHub, "camera": runCamera, "clients": runClients, "watchers": runWatchers}[r.Kind]
		err = run(&r, readCommands())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// commands are the commands that a child process gets: each line of its stdin
// asks for an answer.
type commands struct {
	ctx context.Context // ends with stdin
	in  chan struct{}
}

func readCommands() *commands {
	ctx, cancel := context.WithCancel(context.Background())
	c := &commands{ctx: ctx, in: make(chan struct{})}
	go func() {
		defer cancel()
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			c.in <- struct{}{}
		}
	}()
	return c
}

// answer prints a line with what count returns: at once, for each command, and
// at the end of the context.
func (c *commands) answer(count func() (any, error)) error {
	out := json.NewEncoder(os.Stdout)
	for ctx := c.ctx; ; {
		v, err := count()
		if err == nil {
			err = out.Encode(v)
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-c.in:
		case <-ctx.Done():
			return nil
		}
	}
}

// child is a process with a role.
type child struct {
	name   string
	cmd    *exec.Cmd
	stderr peertest.Tail

	mu    sync.Mutex // of a question and its answer
	stdin io.WriteCloser
	out   *json.Decoder
	ended bool
}

// start starts a process, and waits for its first answer.
func (r role) start(answer any) (*child, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: fmt.Sprintf("%s %d", r.Kind, r.ID), cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	return c, c.start(answer)
}

func (c *child) start(answer any) (err error) {
	defer func() {
		if c.cmd.Process == nil { // it could not be started, as without descriptors
			c.ended = true
		}
	}()
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the parent
	c.cmd.Stderr = &c.stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.out = json.NewDecoder(stdout)
	if err := c.out.Decode(answer); err != nil {
		return errors.Join(c.explain(err), c.kill())
	}
	return nil
}

// ask asks the process for an answer.
func (c *child) ask(answer any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := io.WriteString(c.stdin, "\n"); err != nil {
		return c.explain(err)
	}
	return c.explain(c.out.Decode(answer))
}

func (c *child) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", c.name, err, c.stderr.String())
}

// stop ends the process, which must succeed.
func (c *child) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	c.ended = true
	c.stdin.Close()
	timer := time.AfterFunc(stopTime, func() { c.cmd.Process.Signal(syscall.SIGABRT) })
	defer timer.Stop()
	return c.explain(c.cmd.Wait())
}

// stopTime is how long a process may take to end. Then it prints its goroutines.
const stopTime = 30 * time.Second

// kill ends the process with SIGKILL.
func (c *child) kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	c.ended = true
	c.cmd.Process.Kill()
	c.cmd.Wait() //nolint:errcheck // it was killed
	return nil
}

// together calls a function for 0 to n-1, some at a time, and joins the errors.
func together(n int, do func(int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for i := range next {
				errs[i] = do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
	return errors.Join(errs...)
}

// stopAll ends processes.
func stopAll(all []*child) error {
	return together(len(all), func(i int) error {
		if all[i] == nil {
			return nil
		}
		return all[i].stop()
	})
}

// until polls a condition of other processes until it is met, and fails after a
// minute and a half.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := ok(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}
