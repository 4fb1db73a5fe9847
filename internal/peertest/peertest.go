// Package peertest runs the other end of a stream as a process of its own. A
// suite writes commands to the process's stdin. The process reports events on
// its stdout, one a line.
package peertest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/tcpproxy"
)

// Python returns the path of an interpreter with VidGear. It is the one of
// `make setup`, relative to a suite's folder, unless NETGEAR_INTEROP_PYTHON is
// set.
func Python() string {
	if p := os.Getenv("NETGEAR_INTEROP_PYTHON"); p != "" {
		return p
	}
	return filepath.Join("..", "interop", ".venv", "bin", "python")
}

// NeedVidGear skips a test that is part of the interop tests, unless
// NETGEAR_INTEROP_PYTHON names an interpreter with VidGear.
func NeedVidGear(t testing.TB) {
	t.Helper()
	if os.Getenv("NETGEAR_INTEROP_PYTHON") == "" {
		t.Skip("NETGEAR_INTEROP_PYTHON names no Python with VidGear: it is part of the interop tests (scripts/test.sh interop)")
	}
}

// Process is a running end. L is the type of a parsed line of its stdout.
type Process[L any] struct {
	Name   string
	Lines  chan L // closed when the process has ended
	Stderr Tail

	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Writer
	once  sync.Once
}

// Start starts a process in a process group of its own, which is killed at the
// test's end. Lines are parsed as they arrive.
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

// Tell writes a command to the process.
func (p *Process[L]) Tell(command string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, command+"\n"); err != nil {
		p.Fail("sending %.100[2]q to the %[1]s: %v", p.Name, command, err)
	}
}

// Pid returns the number of the process.
func (p *Process[L]) Pid() int { return p.cmd.Process.Pid }

// Expect reads the next line, and ends the test with the process's stderr unless
// accept takes it within a minute. want describes the line.
func (p *Process[L]) Expect(want string, accept func(L) bool) {
	p.t.Helper()
	select {
	case line, ok := <-p.Lines:
		if !ok || !accept(line) {
			p.Fail("it prints %[2]v, not %[1]q", want, line)
		}
	case <-time.After(time.Minute):
		p.Fail("it does not print %q", want)
	}
}

// Signal sends a signal to the process.
func (p *Process[L]) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.Fail("the %s: %v: %v", p.Name, s, err)
	}
}

// Fail ends the test with the process's stderr.
func (p *Process[L]) Fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s\nThe %s's stderr:\n%s", fmt.Sprintf(format, args...), p.Name, p.Stderr.String())
}

// Kill kills the process with SIGKILL and waits for its end. To its peer that
// looks like a crash.
func (p *Process[L]) Kill() {
	p.once.Do(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		p.wait()
	})
}

// AwaitExit waits for a process that ends by itself, and kills it after the
// timeout.
func (p *Process[L]) AwaitExit(timeout time.Duration) {
	p.once.Do(func() {
		timer := time.AfterFunc(timeout, func() { p.cmd.Process.Kill() })
		defer timer.Stop()
		p.wait()
	})
}

func (p *Process[L]) wait() {
	for range p.Lines { // until listen ends: only then Wait may be called
	}
	p.cmd.Wait()
	if p.crashed() {
		p.t.Errorf("the %s crashed: %v\nIts stderr:\n%s", p.Name, p.cmd.ProcessState, p.Stderr.String())
	}
}

// crashed reports whether the process died of an assertion, of a memory fault
// or of a panic. Go's runtime turns the first two into exit status 2 after it has
// listed its goroutines.
func (p *Process[L]) crashed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return false
	case status.Signaled():
		return slices.Contains([]syscall.Signal{syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS}, status.Signal())
	}
	return status.ExitStatus() == 2 && strings.Contains(p.Stderr.String(), "goroutine ")
}

// Tail stores the last 64 KiB written to it: enough for all goroutines that Go
// lists after an assertion of libzmq. It is safe for concurrent use.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 64 << 10

func (w *Tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, b...)
	w.text = append([]byte(nil), w.text[max(0, len(w.text)-tailSize):]...)
	return len(b), nil
}

// String returns the last 4000 bytes, or, after an assertion, a fault or a
// panic, what was printed before and after it.
func (w *Tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := max(0, len(w.text)-4000)
	if at := bytes.Index(w.text, []byte("\ngoroutine ")); at >= 0 {
		from = max(0, at-2000)
	}
	return string(w.text[from:min(len(w.text), from+4000)])
}

// ClosedPort returns a port of 127.0.0.1 that refuses connections for as long as the
// test runs: a socket has it, and does not listen.
func ClosedPort(t testing.TB) string {
	t.Helper()
	syscall.ForkLock.RLock() // no child inherits it
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(at.(*syscall.SockaddrInet4).Port)
}

// FreePort returns a free port: see tcpproxy.FreePort.
func FreePort(t testing.TB) string {
	t.Helper()
	port, err := tcpproxy.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
