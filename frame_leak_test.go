package netgear

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// untracked returns a frame without a finalizer.
func untracked() *Frame {
	f := newBlankFrame()
	f.source, f.settled, f.data = &created, true, []byte{1}
	f.frames.Add(1)
	return f
}

// A dropped frame of which the application has a view is not freed, and the
// leak is logged once. Any other frame is freed, and nothing is logged.
func TestDroppedFrame(t *testing.T) {
	var text bytes.Buffer
	var leak leakReport
	log := slog.New(slog.NewTextHandler(&text, nil))
	freed := untracked()
	freed.drop(&leak, log)
	if !freed.closed || text.Len() > 0 {
		t.Errorf("a frame without a view: freed %v, logged %q", freed.closed, &text)
	}
	for range 2 {
		viewed := untracked()
		frameBytes(viewed)
		if viewed.drop(&leak, log); viewed.closed {
			t.Error("the memory of a view is freed")
		}
	}
	if n := strings.Count(text.String(), "without Close"); n != 1 {
		t.Errorf("logged %d times: %s", n, &text)
	}
}
