package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/program"
)

// Meter counts frames. It prints a progress bar, if stderr is a terminal, and a
// summary line at the end.
type Meter struct {
	verb        string
	bar         *progressbar.ProgressBar // nil unless stderr is a terminal
	frames      int
	first, last time.Time
}

// NewMeter starts counting. The summary begins with the verb ("sent"). total is
// the number of expected frames, 0 if unknown.
func NewMeter(verb string, total int) *Meter {
	m := &Meter{verb: verb}
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return m
	}
	if total == 0 {
		total = -1 // a spinner
	}
	m.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetDescription(verb),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("frames"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		// Otherwise a goroutine of the bar draws it after ClearBar.
		progressbar.OptionSetSpinnerChangeInterval(0),
	)
	return m
}

// Frame counts one frame.
func (m *Meter) Frame() {
	m.last = time.Now()
	if m.frames++; m.frames == 1 {
		m.first = m.last
	}
	if m.bar != nil {
		m.bar.Add(1)
	}
}

// Frames returns how many frames were counted.
func (m *Meter) Frames() int { return m.frames }

// Summary prints one line on stderr. The clock runs from the first frame to the
// last, so waiting for the peer does not count; bytes are those on the wire. What
// the end has lost follows; a receive end that is closed discards its queue.
func (m *Meter) Summary(s netgear.Stats) {
	m.ClearBar()
	seconds := m.last.Sub(m.first).Seconds()
	var fps, mbps float64
	if seconds > 0 {
		fps = float64(m.frames-1) / seconds
	}
	if s.Frames > 0 {
		mbps = fps * float64(s.Bytes) / float64(s.Frames) / 1e6
	}
	fmt.Fprintf(os.Stderr, "%s %s in %.2f s: %.1f fps, %.1f MB/s%s\n", m.verb, program.Count(m.frames, "frame", "frames"), seconds, fps, mbps, program.Account(s))
}

// ClearBar removes the bar from the terminal, before other text is printed.
func (m *Meter) ClearBar() {
	if m.bar != nil {
		m.bar.Clear()
	}
}
