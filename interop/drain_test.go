//go:build !nogocv

package interop

import (
	"flag"
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

var drainRuns = flag.Int("drain-runs", 5, "how many streams TestCloseLetsVidGearDrain sends in each pattern")

// TestCloseLetsVidGearDrain checks that every frame reaches the application at
// a VidGear receive end, which discards its queue at the terminate message. The
// last case has an application that is slower than the sender.
func TestCloseLetsVidGearDrain(t *testing.T) {
	t.Parallel()
	const frames = 40
	for _, c := range []struct {
		pattern netgear.Pattern
		runs    int
		pause   time.Duration // of the application for each frame
		delay   time.Duration
	}{
		{pattern: netgear.Pair, runs: *drainRuns},
		{pattern: netgear.ReqRep, runs: *drainRuns},
		{pattern: netgear.Pair, runs: 1, pause: 20 * time.Millisecond, delay: 4 * time.Second},
	} {
		t.Run(fmt.Sprint(patternNames[c.pattern], " ", c.pause), func(t *testing.T) {
			t.Parallel()
			port := peertest.FreePort(t)
			cmd := exec.Command(peertest.Python(), "drain.py", strconv.Itoa(int(c.pattern)), port, strconv.Itoa(c.runs), fmt.Sprint(c.pause.Seconds()))
			p := peertest.Start(t, "Python end", cmd, func(line []byte) string { return string(line) })
			for range c.runs {
				line(t, p, "ready")
				sender := open(t, netgear.Options{Address: "127.0.0.1", Port: port, Pattern: c.pattern, TerminateDelay: c.delay})
				for i := range frames {
					send(t, sender, footage[3].array(i%footageFrames), nil)
				}
				if err := sender.Close(); err != nil {
					t.Fatal(err)
				}
				line(t, p, strconv.Itoa(frames))
			}
		})
	}
}

// line reads the next line of a process, which must be want.
func line(t *testing.T, p *peertest.Process[string], want string) {
	t.Helper()
	select {
	case got := <-p.Lines:
		if got != want {
			p.Fail("the Python end said %q, not %q", got, want)
		}
	case <-time.After(waitLimit):
		p.Fail("the Python end said nothing for %v", waitLimit)
	}
}
