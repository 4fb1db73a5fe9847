package peertest

import (
	"bytes"
	"strings"
	"sync"
)

// Text holds what was written to it. It is safe for concurrent use.
type Text struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed by the next Write
}

func (t *Text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more != nil {
		close(t.more)
		t.more = nil
	}
	return t.text.Write(b)
}

// SoFar returns the text so far, and a channel that is closed when there is more.
func (t *Text) SoFar() (text string, more <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more == nil {
		t.more = make(chan struct{})
	}
	return t.text.String(), t.more
}

// String returns the text so far.
func (t *Text) String() string {
	text, _ := t.SoFar()
	return text
}

// Lines returns the lines so far that contain a text.
func (t *Text) Lines(with string) (lines []string) {
	for line := range strings.Lines(t.String()) {
		if strings.Contains(line, with) {
			lines = append(lines, line)
		}
	}
	return lines
}
