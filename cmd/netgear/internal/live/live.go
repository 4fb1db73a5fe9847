// Package live shows lines that change in place on a terminal, and other text
// above them.
package live

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Stdout and Stderr write to the files of the same names. While lines are shown on
// a terminal, text for a terminal appears above the lines. Each call of
// Write must have whole lines.
var (
	Stdout io.Writer = &text{out: os.Stdout, terminal: sync.OnceValue(func() bool { return isTerminal(os.Stdout) })}
	Stderr io.Writer = &text{out: os.Stderr, terminal: sync.OnceValue(func() bool { return isTerminal(os.Stderr) })}
)

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// terminal is what is shown. A program has one terminal.
var terminal struct {
	sync.Mutex
	lines // or nil
}

// lines are lines that change in place.
type lines interface {
	erase()
	show()
}

// remove forgets lines: what is written from then on follows them. The terminal
// must be locked.
func remove(shown lines) {
	if terminal.lines == shown {
		terminal.lines = nil
	}
}

// text writes text to a file, above the lines that are shown.
type text struct {
	out      io.Writer
	terminal func() bool // the file is one
}

func (t *text) Write(b []byte) (int, error) {
	if !t.terminal() {
		return t.out.Write(b) // without the lock: a terminal that is held (Ctrl-S) holds up no file
	}
	terminal.Lock()
	defer terminal.Unlock()
	if terminal.lines == nil {
		return t.out.Write(b)
	}
	terminal.erase()
	defer terminal.show()
	return t.out.Write(b)
}

// Screen shows lines on a terminal. Each Draw replaces the lines of the last.
type Screen struct {
	out   io.Writer
	size  func() (width, height int, err error)
	shown []string
	lines int // on the terminal
}

// Open returns a Screen on a file, or nil if the file is no terminal.
func Open(out *os.File) *Screen {
	if !isTerminal(out) {
		return nil
	}
	return &Screen{out: out, size: func() (int, int, error) { return term.GetSize(int(out.Fd())) }}
}

// Draw shows lines. What does not fit into the terminal is cut off.
func (s *Screen) Draw(lines []string) {
	terminal.Lock()
	defer terminal.Unlock()
	terminal.lines, s.shown = s, lines
	s.show()
}

// Close ends the changes. The last lines stay, and other text follows them.
func (s *Screen) Close() {
	terminal.Lock()
	defer terminal.Unlock()
	remove(s)
}

func (s *Screen) show() {
	width, height, err := s.size()
	if err != nil || width < 1 || height < 2 {
		width, height = 80, 24
	}
	s.lines = draw(s.out, s.shown, s.lines, width, height)
}

func (s *Screen) erase() {
	if s.lines > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\r\x1b[J", s.lines)
		s.lines = 0
	}
}

// Bar shows one line on a terminal, such as a progress bar. What is written to it
// since the last carriage return is the line.
type Bar struct {
	out  io.Writer
	line []byte
}

// NewBar returns a Bar on a terminal.
func NewBar(out io.Writer) *Bar { return &Bar{out: out} }

// Write writes a part of the line. A carriage return begins it again.
func (b *Bar) Write(p []byte) (int, error) {
	terminal.Lock()
	defer terminal.Unlock()
	terminal.lines = b
	b.line = append(b.line, p...)
	b.line = b.line[bytes.LastIndexByte(b.line, '\r')+1:]
	return b.out.Write(p)
}

// Close ends the changes. Other text follows the line, if it has not been removed.
func (b *Bar) Close() {
	terminal.Lock()
	defer terminal.Unlock()
	remove(b)
}

func (b *Bar) erase() { _, _ = io.WriteString(b.out, "\r\x1b[K") }
func (b *Bar) show()  { _, _ = b.out.Write(b.line) }

// draw writes lines over the before lines of the last drawing, and returns how
// many it has written.
func draw(w io.Writer, lines []string, before, width, height int) int {
	if more := len(lines) - (height - 1); more > 0 {
		lines = append(lines[:height-2:height-2], fmt.Sprintf("… and %d more lines", more+1))
	}
	var b strings.Builder
	if before > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", before) // up
	}
	for _, line := range lines {
		b.WriteString("\r" + clip(line, width) + "\x1b[K\n") // erase the rest of the line
	}
	b.WriteString("\x1b[J") // and of the screen
	_, _ = io.WriteString(w, b.String())
	return len(lines)
}

// clip returns the beginning of a line, without control characters: names of
// senders must not control the terminal.
func clip(line string, width int) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, line)
	if runes := []rune(clean); len(runes) > width {
		return string(runes[:width])
	}
	return clean
}
