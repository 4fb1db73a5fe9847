// Package peertest runs the other end of a stream as a process of its own, for
// the suites that drive one: they tell it what to do on its stdin, and it says
// what happens on its stdout, a line at a time.
package peertest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Python is the interpreter that has VidGear. Seen from a suite's folder, it is
// where `make setup` puts it, unless NETGEAR_INTEROP_PYTHON names another.
func Python() string {
	if p := os.Getenv("NETGEAR_INTEROP_PYTHON"); p != "" {
		return p
	}
	return filepath.Join("..", "interop", ".venv", "bin", "python")
}

// Process is a running end. L is what a line of its stdout means.
type Process[L any] struct {
	Name   string
	Lines  chan L // closed when the process is gone
	Stderr Tail

	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Writer
	once  sync.Once
}

// Start starts a process, in a process group of its own, which is killed at the
// test's end. Lines are parsed as they come.
func Start[L any](t testing.TB, name string, cmd *exec.Cmd, parse func(line []byte) L) *Process[L] {
	t.Helper()
	p := &Process[L]{Name: name, Lines: make(chan L, 1<<14), t: t, cmd: cmd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = &p.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	go p.listen(stdout, parse)
	return p
}

func (p *Process[L]) listen(stdout io.Reader, parse func(line []byte) L) {
	defer close(p.Lines)
	in := bufio.NewScanner(stdout)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		p.Lines <- parse(in.Bytes())
	}
}

// Tell sends a command.
func (p *Process[L]) Tell(command string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, command+"\n"); err != nil {
		p.Fail("the %s does not hear %.100q: %v", p.Name, command, err)
	}
}

// Pid returns the number of the process.
func (p *Process[L]) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal.
func (p *Process[L]) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.Fail("the %s: %v: %v", p.Name, s, err)
	}
}

// Fail ends the test, with what the process had to say.
func (p *Process[L]) Fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s\nThe %s's stderr:\n%s", fmt.Sprintf(format, args...), p.Name, p.Stderr.String())
}

// Kill is kill -9, as a crash of the machine would be to the other end. It
// returns when the process is gone.
func (p *Process[L]) Kill() {
	p.once.Do(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		p.wait()
	})
}

// Leave waits for a process that was asked to end, and kills it after a while.
func (p *Process[L]) Leave(patience time.Duration) {
	p.once.Do(func() {
		timer := time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
		defer timer.Stop()
		p.wait()
	})
}

func (p *Process[L]) wait() {
	for range p.Lines { // until listen is gone: Wait may only be called then
	}
	p.cmd.Wait()
}

// Tail keeps the end of what is written to it.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

func (w *Tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, b...)
	w.text = append([]byte(nil), w.text[max(0, len(w.text)-4000):]...)
	return len(b), nil
}

func (w *Tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}

// FreePort finds a port below those that the system hands out: on one of
// those, an end that connects while nobody listens may end up talking to itself.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}
