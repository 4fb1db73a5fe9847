package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear/internal/numbered"
)

// process is one end while it runs.
type process struct {
	id
	name     string // such as "send end 2"
	settings settings
	python   bool
	progress *progress
	ready    chan struct{} // closed by its event
	exited   chan struct{} // closed when it has ended, and all its events are handled

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr string // the file
	once   sync.Once
	killed atomic.Bool
	runs   *runs // of a Python end, whose frames this program counts

	sender   *senderRecord   // the account of a send end
	receiver *receiverRecord // the account of a receive end
	noted    bool            // the account has all of it; soak.mu must be held
	came     bool            // a publisher has had the command came; of the goroutine of watch

	mu      sync.Mutex
	planned bool // it was killed or closed
}

// start starts an end whose name and settings are set. handle is called with its
// events, in order, from one goroutine.
func (p *process) start(python []string, folder string, handle func(*process, event)) error {
	file := filepath.Join(folder, strings.ReplaceAll(p.name, " ", "-"))
	p.settings.Progress = file + ".progress"
	p.python, p.ready, p.exited, p.stderr = len(python) > 0, make(chan struct{}), make(chan struct{}), file+".stderr"
	s := &p.settings
	var err error
	if p.progress, err = openProgress(s.Progress, true); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := append(python, s.text())
	if !p.python {
		command = []string{self, endRole, s.text()}
	}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env = append(os.Environ(), endEnv+"="+s.text(), "PYTHONFAULTHANDLER=1")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal is for this program
	stderr, err := os.Create(p.stderr)
	if err != nil {
		return err
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.runs = s.newRuns(p.progress, func(e event) { handle(p, e) })
	go func() {
		defer close(p.exited)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			handle(p, p.parse(lines.Bytes()))
		}
		p.cmd.Wait()
	}()
	return nil
}

// parse returns the event of a line.
func (p *process) parse(line []byte) (e event) {
	if p.python {
		return p.parsePython(string(line))
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return event{Event: wrongEvent, Text: fmt.Sprintf("%s printed %.100q", p.name, line)}
	}
	return e
}

// parsePython returns the event of a line of a Python end, in faults/, and counts
// its frames.
func (p *process) parsePython(line string) event {
	words := strings.Fields(line)
	if len(words) == 0 {
		return event{}
	}
	var numbers []int64
	for _, w := range words[1:] {
		if n, err := strconv.ParseInt(w, 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	switch {
	case words[0] == "frame" && len(numbers) >= 3:
		p.runs.frame(numbered.Numbers{Life: numbers[0], Index: numbers[1], Captured: numbers[2]})
		return event{}
	case words[0] == "gone":
		return event{Event: goneEvent, Text: line}
	case words[0] == "ready":
		return event{Event: readyEvent}
	case words[0] == "sent":
		return event{Event: sentEvent}
	case words[0] == "lost" && len(numbers) > 0:
		return event{Event: lostEvent, Index: numbers[0], Text: strings.Join(words[2:], " ")}
	}
	return event{Event: wrongEvent, Text: line}
}

// tell writes a command.
func (p *process) tell(command string) { io.WriteString(p.stdin, command+"\n") }

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s syscall.Signal) error { return syscall.Kill(-p.pid(), s) }

// end marks the end of the process as planned.
func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.planned = true
}

func (p *process) ending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.planned
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill kills the process, and waits until it has ended.
func (p *process) kill() {
	p.end()
	p.killed.Store(true)
	p.once.Do(func() { p.signal(syscall.SIGKILL) })
	<-p.exited
}

// close makes the process close its end, and reports whether it ended in time.
func (p *process) close(limit time.Duration) bool {
	p.end()
	p.tell(closeCommand)
	select {
	case <-p.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// abort makes an end in Python list the stacks of its threads on stderr, and ends
// it.
func (p *process) abort() {
	p.end()
	p.signal(syscall.SIGABRT)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
	}
}

// stackLine is a line of such a list.
var stackLine = regexp.MustCompile(`File "(.*)", line \d+ in (\S+)`)

// where returns the function of VidGear or imagezmq in which an end was aborted,
// with what it called. It is empty in an event loop, which has no stack of that.
func (p *process) where() string {
	text, _ := os.ReadFile(p.stderr)
	_, list, _ := bytes.Cut(text, []byte("Fatal Python error: Aborted"))
	called := ""
	for line := range bytes.Lines(list) {
		m := stackLine.FindSubmatch(line)
		switch {
		case m == nil:
			called = "" // another thread
		case called != "" && (bytes.Contains(m[1], []byte("/vidgear/")) || bytes.Contains(m[1], []byte("/imagezmq/"))):
			return string(m[2]) + ": " + called
		default:
			called = string(m[2])
		}
	}
	return ""
}

// failure describes the end of a process that was to go on, with the last lines
// of its stderr, or those around an assertion or a panic.
func (p *process) failure() string {
	text, _ := os.ReadFile(p.stderr)
	from := max(0, len(text)-3000)
	if at := bytes.Index(text, []byte("\ngoroutine ")); at >= 0 {
		from = max(0, at-2000)
	}
	return fmt.Sprintf("%s ended: %v\n%s", p.name, p.cmd.ProcessState, text[from:min(len(text), from+3000)])
}
