// Package leaktest finds goroutines that tests do not end.
package leaktest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// limit is how long Find waits for goroutines that are about to end.
const limit = 2 * time.Second

// ignored are functions of the testing package and the runtime. A goroutine
// that has one of them on its stack is not the tested code's.
var ignored = []string{
	"testing.(*M).startAlarm", "testing.(*T).Parallel", "testing.(*T).Run",
	"testing.(*F).Fuzz", "testing.RunTests", "testing.runFuzzing", "testing.runTests",
	"os/signal.loop", "os/signal.signal_recv", "runtime.ensureSigM", "runtime/trace.Start", "runtime.ReadTrace",
}

// Option limits what Find reports.
type Option func(goroutine) bool

type goroutine struct {
	id    string
	stack string
}

// calls reports whether the goroutine is inside a function. The goroutine's
// creator, which the stack names as well, does not count.
func (g goroutine) calls(function string) bool {
	for line := range strings.Lines(g.stack) {
		if rest, ok := strings.CutPrefix(line, function); ok && strings.HasPrefix(rest, "(") {
			return true
		}
	}
	return false
}

// IgnoreCurrent returns an option that leaves out the goroutines that run now.
func IgnoreCurrent() Option {
	ids := map[string]bool{}
	for _, g := range others() {
		ids[g.id] = true
	}
	return func(g goroutine) bool { return ids[g.id] }
}

// IgnoreFunction returns an option that leaves out goroutines inside a
// function, which is named with its package's path.
func IgnoreFunction(name string) Option {
	return func(g goroutine) bool { return g.calls(name) }
}

// Find returns an error with the stacks of all goroutines but the caller's and
// the testing package's. It waits up to two seconds for them to end.
func Find(options ...Option) error {
	pause := time.Millisecond
	for end := time.Now().Add(limit); ; pause = min(2*pause, 100*time.Millisecond) {
		left := find(options)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d goroutines are left:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
		time.Sleep(pause) // no event reports the end of a goroutine
	}
}

func find(options []Option) (stacks []string) {
next:
	for _, g := range others() {
		for _, function := range ignored {
			if g.calls(function) {
				continue next
			}
		}
		for _, ignores := range options {
			if ignores(g) {
				continue next
			}
		}
		stacks = append(stacks, g.stack)
	}
	return stacks
}

// others returns all goroutines but the caller's.
func others() (all []goroutine) {
	text := make([]byte, 64<<10)
	for {
		n := runtime.Stack(text, true)
		if n < len(text) {
			text = text[:n]
			break
		}
		text = make([]byte, 2*len(text))
	}
	for i, block := range bytes.Split(text, []byte("\n\n")) {
		// goroutine 7 [chan receive]:
		fields := strings.Fields(string(block))
		if i == 0 || len(fields) < 2 { // the first is the caller's
			continue
		}
		all = append(all, goroutine{id: fields[1], stack: strings.TrimSpace(string(block))})
	}
	return all
}

// VerifyTestMain runs the tests, then exits, with 1 if they passed but left
// goroutines.
func VerifyTestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := Find(); err != nil {
			fmt.Fprintln(os.Stderr, "leak:", err)
			code = 1
		}
	}
	os.Exit(code)
}
