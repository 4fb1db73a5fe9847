package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// process is one end of a stream.
type process struct {
	*peertest.Process[line]
	t      *testing.T
	pauses pauses
}

// line is one line of an end's output.
type line struct {
	at    time.Time
	word  string
	text  string  // all of it
	count []int64 // the numbers after the word
}

// start starts an end, Go's or VidGear's, in the given network namespace (""
// for none). It waits until the end is ready, and returns that time.
func start(t *testing.T, s spec, inPython bool, wall string) (*process, time.Time) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := []string{self}
	if inPython {
		command = []string{peertest.Python(), s.program(), string(text)}
	}
	if wall != "" {
		command = append([]string{"ip", "netns", "exec", wall}, command...)
	}
	name := "send end"
	if s.Receive {
		name = "receive end"
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), endEnv+"="+string(text))
	p := &process{t: t}
	p.Process = peertest.Start(t, name, cmd, p.hear)
	ready, err := p.await("ready", waitLimit, func(line) bool { return true })
	if err != nil {
		p.Fail("%v", err)
	}
	return p, time.UnixMicro(ready.count[0])
}

// program returns the Python program of an end.
func (s *spec) program() string {
	if s.ImageZMQ {
		return "imagezmq_peer.py"
	}
	return "peer.py"
}

// hear stores the lines of the process as they arrive.
func (p *process) hear(text []byte) line {
	l := line{at: time.Now(), text: string(text)}
	for i, w := range strings.Fields(l.text) {
		if n, err := strconv.ParseInt(w, 10, 64); i == 0 {
			l.word = w
		} else if err == nil {
			l.count = append(l.count, n)
		}
	}
	switch {
	case l.word == "frame" && len(l.count) == frameNumbers:
		p.pauses.frame(l.count[framePort], l.at)
	case l.word == "wrong:":
		p.t.Errorf("an end said: %s", l.text)
	}
	return l
}

// The numbers of a frame's line.
const (
	frameCaptured = 2
	framePort     = 3
	frameNumbers  = 4
)

// pauses are the longest times between two frames of a stream, by port.
type pauses struct {
	sync.Mutex
	last    map[int64]time.Time
	between map[int64]time.Duration
}

func (w *pauses) frame(port int64, at time.Time) {
	w.Lock()
	defer w.Unlock()
	if w.last == nil {
		w.last, w.between = map[int64]time.Time{}, map[int64]time.Duration{}
	}
	if last, ok := w.last[port]; ok {
		w.between[port] = max(w.between[port], at.Sub(last))
	}
	w.last[port] = at
}

// longest returns the longest pause of any of these streams since the last
// call.
func (w *pauses) longest(ports []int64) (longest time.Duration) {
	w.Lock()
	defer w.Unlock()
	for _, port := range ports {
		longest = max(longest, w.between[port], time.Since(w.last[port]))
		w.between[port] = 0
	}
	return longest
}

var errEnded = errors.New("has ended")

// await returns the first line of this kind that matches, and skips others.
func (p *process) await(word string, within time.Duration, fits func(line) bool) (line, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		select {
		case l, ok := <-p.Lines:
			switch {
			case !ok:
				return l, fmt.Errorf("the %s %w", p.Name, errEnded)
			case l.word == word && len(l.count) > 0 && fits(l):
				return l, nil
			case l.word == "gone" || l.word == "error":
				fmt.Fprintf(&p.Stderr, "%s said: %s\n", l.at.Format("04:05.000"), l.text)
			}
		case <-timer.C:
			return line{}, fmt.Errorf("no %q from the %s for %v", word, p.Name, within)
		}
	}
}

// newFrames waits for so many frames of each stream that were captured after a
// time. It returns when the last of them arrived.
func (p *process) newFrames(after time.Time, ports []int64, count int) (time.Time, error) {
	missing := map[int64]int{}
	for _, port := range ports {
		missing[port] = count
	}
	l, err := p.await("frame", frameLimit, func(l line) bool {
		port := l.count[framePort]
		if l.count[frameCaptured] <= after.UnixMicro() || missing[port] == 0 {
			return false
		}
		if missing[port]--; missing[port] == 0 {
			delete(missing, port)
		}
		return len(missing) == 0
	})
	if err != nil {
		err = fmt.Errorf("%w (missing by port: %v)", err, missing)
	}
	return l.at, err
}

// close sends the close command. It returns when the process has ended.
func (p *process) close() {
	p.Tell("close")
	p.AwaitExit(waitLimit)
}

// ---- what a process holds ----

// holdings are goroutines, file descriptors, buffers, messages, Mats, and
// threads.
type holdings [6]int64

func (h holdings) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d buffers, %d messages, %d Mats, %d threads", h[0], h[1], h[2], h[3], h[4], h[5])
}

func (p *process) holdings() holdings {
	p.t.Helper()
	p.Tell("report")
	l, err := p.await("report", waitLimit, func(l line) bool { return len(l.count) == len(holdings{}) })
	if err != nil {
		p.Fail("%v", err)
	}
	return holdings(l.count)
}

// more reports whether h holds more than before did. The Go runtime never ends
// a thread and starts one for each long call into C. So threads may become a
// few more, but not one for each fault.
func (h holdings) more(before holdings) bool {
	const threads = len(h) - 1
	for i := range threads {
		if h[i] > before[i] {
			return true
		}
	}
	return h[threads] > before[threads]+8
}

// settled returns what a process holds once that is no more than before, or
// after a while.
func (p *process) settled(before holdings, within time.Duration) holdings {
	p.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		if h := p.holdings(); !h.more(before) || time.Now().After(deadline) {
			return h
		}
	}
}
