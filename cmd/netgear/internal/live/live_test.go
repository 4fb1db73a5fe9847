package live

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

func TestDraw(t *testing.T) {
	var out bytes.Buffer
	n := draw(&out, []string{"one", "a line that is too long", "evil\x1b[2Jname"}, 2, 10, 24)
	if want := "\x1b[2A\rone\x1b[K\n\ra line tha\x1b[K\n\revil?[2Jna\x1b[K\n\x1b[J"; n != 3 || out.String() != want {
		t.Errorf("%d lines: %q\nwant %q", n, out.String(), want)
	}
	out.Reset()
	if n := draw(&out, strings.Split("1 2 3 4 5", " "), 0, 20, 4); n != 3 || !strings.Contains(out.String(), "… and 3 more lines") {
		t.Errorf("%d lines: %q", n, out.String())
	}
}

// emulator is a terminal for what this package and progress bars write.
type emulator struct {
	lines    [][]rune
	row, col int
}

func (e *emulator) Write(b []byte) (int, error) {
	for text := []rune(string(b)); len(text) > 0; text = text[1:] {
		for len(e.lines) <= e.row {
			e.lines = append(e.lines, nil)
		}
		var up int
		switch r, rest := text[0], string(text); {
		case r == '\n':
			e.row, e.col = e.row+1, 0
		case r == '\r':
			e.col = 0
		case strings.HasPrefix(rest, "\x1b[K"):
			e.lines[e.row] = e.lines[e.row][:min(e.col, len(e.lines[e.row]))]
			text = text[2:]
		case strings.HasPrefix(rest, "\x1b[J"):
			e.lines = e.lines[:e.row]
			text = text[2:]
		case r == '\x1b':
			fmt.Sscanf(rest, "\x1b[%dA", &up)
			e.row -= up
			text = text[strings.IndexByte(rest, 'A'):]
		default:
			line := append(e.lines[e.row], make([]rune, max(0, e.col+1-len(e.lines[e.row])))...)
			line[e.col] = r
			e.lines[e.row] = line
			e.col++
		}
	}
	return len(b), nil
}

func (e *emulator) String() string {
	var b strings.Builder
	for _, line := range e.lines {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

// Text appears above the lines of a screen, and above a bar.
func TestTextAboveLines(t *testing.T) {
	var e emulator
	stderr := &text{out: &e, terminal: func() bool { return true }}
	elsewhere := &text{out: new(bytes.Buffer), terminal: func() bool { return false }}
	say := func(line string) {
		t.Helper()
		for _, w := range []*text{stderr, elsewhere} {
			if n, err := fmt.Fprintln(w, line); n != len(line)+1 || err != nil {
				t.Error(n, err)
			}
		}
	}
	check := func(want string) {
		t.Helper()
		if got := e.String(); got != want {
			t.Errorf("on the terminal is\n%s, want\n%s", got, want)
		}
	}
	say("first")
	s := &Screen{out: &e, size: func() (int, int, error) { return 40, 24, nil }}
	s.Draw([]string{"NAME  FPS", "gate   25"})
	say("log 1\nlog 2")
	s.Draw([]string{"NAME  FPS", "gate   24"})
	say("log 3")
	check("first\nlog 1\nlog 2\nlog 3\nNAME  FPS\ngate   24\n")
	s.Close()
	say("summary")
	check("first\nlog 1\nlog 2\nlog 3\nNAME  FPS\ngate   24\nsummary\n")
	if got := elsewhere.out.(*bytes.Buffer).String(); got != "first\nlog 1\nlog 2\nlog 3\nsummary\n" {
		t.Errorf("in the file is %q", got)
	}

	e = emulator{}
	b := NewBar(&e)
	b.Write([]byte("\rsent 1/9"))
	say("log 1")
	check("log 1\nsent 1/9\n")
	b.Write([]byte("\r        \r"))
	b.Write([]byte("\rsent 10/"))
	b.Write([]byte("90"))
	say("log 2")
	say("log 3")
	check("log 1\nlog 2\nlog 3\nsent 10/90\n")
	b.Write([]byte("\r          \r"))
	b.Close()
	say("summary")
	check("log 1\nlog 2\nlog 3\nsummary\n")
}

// A terminal that takes nothing, as after Ctrl-S, holds up no text that goes
// elsewhere, such as the log of the ends.
func TestHeldTerminal(t *testing.T) {
	drawn, terminal := io.Pipe()
	s := &Screen{out: terminal, size: func() (int, int, error) { return 40, 24, nil }}
	var drawing sync.WaitGroup
	drawing.Go(func() { s.Draw([]string{"gate   25"}) })
	drawn.Read(make([]byte, 1)) // the rest of the line waits
	log := &text{out: new(bytes.Buffer), terminal: func() bool { return false }}
	fmt.Fprintln(log, "connected")
	drawn.Close()
	drawing.Wait()
	s.Close()
}
