package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/live"
	"github.com/vidgear-go/netgear/internal/program"
)

// progress shows how far a command is, if stderr is a terminal, and prints a
// summary at the end.
type progress struct {
	verb        string
	bar         *progressbar.ProgressBar // nil unless stderr is a terminal
	line        *live.Bar                // of bar
	frames      int
	total       time.Duration // of what is played
	began       time.Time
	first, last time.Time // of the frames
}

// newProgress starts. total is the number of expected frames, 0 if it is not
// known.
func newProgress(verb string, total int) *progress {
	p := &progress{verb: verb, began: time.Now()}
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return p
	}
	if total == 0 {
		total = -1 // a spinner
	}
	p.line = live.NewBar(os.Stderr)
	p.bar = newBar(p.line, int64(total), verb, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("frames"))
	return p
}

// newBar returns a bar that is drawn by the calls of its methods alone. With a
// spinner that changes by itself, a goroutine would draw it after clear.
func newBar(line io.Writer, total int64, text string, more ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total, append(more, progressbar.OptionSetWriter(line), progressbar.OptionSetDescription(text),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0))...)
}

// frame counts one frame.
func (p *progress) frame() {
	p.count()
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// length sets the length of what is played, if it is known. The bar then shows
// the time in it.
func (p *progress) length(d time.Duration) {
	if p.bar != nil && d > 0 {
		p.total = d
		p.bar = newBar(p.line, d.Milliseconds(), p.verb)
	}
}

// at counts one frame at a time of what is played.
func (p *progress) at(d time.Duration) {
	if p.total == 0 {
		p.frame()
		return
	}
	p.count()
	p.bar.Describe(fmt.Sprintf("%s %d frames, %v of %v", p.verb, p.frames, d.Round(time.Second), p.total.Round(time.Second)))
	_ = p.bar.Set64(min(d, p.total).Milliseconds())
}

func (p *progress) count() {
	p.last = time.Now()
	if p.frames++; p.frames == 1 {
		p.first = p.last
	}
}

// clear removes the bar.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.line.Close()
	}
}

// summary prints one line on stderr. The time runs from the first frame to the
// last, so that waiting for the peer does not count; without a frame it is what the
// command has waited. Bytes are those on the
// wire. What the end has lost follows, and the notes. The end must be closed:
// it discards what is queued then.
func (p *progress) summary(s netgear.Stats, notes ...string) {
	p.clear()
	if p.frames == 0 {
		p.first, p.last = p.began, time.Now()
	}
	seconds := p.last.Sub(p.first).Seconds()
	var fps, rate float64
	if p.frames > 1 && seconds > 0 {
		fps = float64(p.frames-1) / seconds
	}
	if s.Frames > 0 {
		rate = fps * float64(s.Bytes) / float64(s.Frames) / 1e6
	}
	fmt.Fprintf(live.Stderr, "%s %s in %.2f s: %.1f fps, %.1f MB/s%s%s\n", p.verb, program.Count(p.frames, "frame", "frames"), seconds, fps, rate, program.Account(s), strings.Join(notes, ""))
}
