package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/vidgear-go/netgear"
)

// progress shows how far a command is, if stderr is a terminal, and prints a
// summary at the end.
type progress struct {
	verb        string
	bar         *progressbar.ProgressBar // nil unless stderr is a terminal
	frames      int
	first, last time.Time
}

// newProgress starts. total is the number of expected frames, 0 if it is not
// known.
func newProgress(verb string, total int) *progress {
	p := &progress{verb: verb}
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return p
	}
	if total == 0 {
		total = -1 // a spinner
	}
	p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(verb),
		progressbar.OptionSetWidth(30), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("frames"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	return p
}

// frame counts one frame.
func (p *progress) frame() {
	p.last = time.Now()
	if p.frames++; p.frames == 1 {
		p.first = p.last
	}
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// summary prints one line on stderr. The time runs from the first frame to the
// last, so that waiting for the peer does not count. Bytes are those on the
// wire.
func (p *progress) summary(s netgear.Stats) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	seconds := p.last.Sub(p.first).Seconds()
	var fps, rate float64
	if seconds > 0 {
		fps = float64(p.frames-1) / seconds
	}
	if s.Frames > 0 {
		rate = fps * float64(s.Bytes) / float64(s.Frames) / 1e6
	}
	fmt.Fprintf(os.Stderr, "%s %d frames in %.2f s: %.1f fps, %.1f MB/s, %d dropped\n", p.verb, p.frames, seconds, fps, rate, s.Dropped)
}
