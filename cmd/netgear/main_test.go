package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/program"
)

// runAsProgram makes this test's binary the program itself.
const runAsProgram = "RUN_AS_NETGEAR"

func TestMain(m *testing.M) {
	if n := os.Getenv(runAsNATS); n != "" {
		os.Exit(natsMain(n))
	}
	if os.Getenv(runAsProgram) != "" {
		os.Exit(execute(program.UntilSignal(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// timeLimit is how long a test waits for a process. It is no measure of speed.
const timeLimit = time.Minute

// process is the running program.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr peertest.Text
	done           chan struct{}
}

// command returns the program as a process that is not started. Its environment
// has nothing of the test's that the program reads.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NETGEAR_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// The race detector would wait for a second at the end of each process.
	cmd.Env = append(cmd.Env, runAsProgram+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// start starts the program. The test's end kills it.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, command(args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.done); cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-p.done })
	return p
}

// await waits until an output has a matching text, and returns the first group.
func (p *process) await(out *peertest.Text, pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(timeLimit)
	ended := p.done
	for {
		text, more := out.SoFar()
		if found := re.FindStringSubmatch(text); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-more:
		case <-ended:
			ended = nil
			if text, _ := out.SoFar(); !re.MatchString(text) {
				p.t.Fatalf("%v ended without %q:\n%s%s", p.cmd.Args[1:], pattern, &p.stdout, &p.stderr)
			}
		case <-late:
			p.t.Fatalf("%v: no %q:\n%s%s", p.cmd.Args[1:], pattern, &p.stdout, &p.stderr)
		}
	}
}

// port waits until the program listens, and returns the port.
func (p *process) port() string {
	p.t.Helper()
	return p.await(&p.stderr, `endpoint tcp://\S+:(\d+)`)
}

// status waits for the end of the program, and returns its exit status.
func (p *process) status() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(timeLimit):
		p.t.Fatalf("%v does not end:\n%s%s", p.cmd.Args[1:], &p.stdout, &p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// succeed waits for the end of the program, which must be successful.
func (p *process) succeed() {
	p.t.Helper()
	if status := p.status(); status != 0 {
		p.t.Fatalf("%v: status %d\n%s%s", p.cmd.Args[1:], status, &p.stdout, &p.stderr)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// run runs the program to its end, and returns its status and output.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := start(t, args...)
	status = p.status()
	return status, p.stdout.String(), p.stderr.String()
}

// lines returns the lines of a text.
func lines(text string) []string {
	var all []string
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}
