// Package live shows lines that change in place on a terminal.
package live

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Screen shows lines on a terminal. Each Draw replaces the lines of the last.
type Screen struct {
	out   *os.File
	lines int
}

// Open returns a Screen on a file, or nil if the file is no terminal.
func Open(out *os.File) *Screen {
	if !term.IsTerminal(int(out.Fd())) {
		return nil
	}
	return &Screen{out: out}
}

// Draw shows lines. What does not fit into the terminal is cut off.
func (s *Screen) Draw(lines []string) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 1 || height < 2 {
		width, height = 80, 24
	}
	s.lines = draw(s.out, lines, s.lines, width, height)
}

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
