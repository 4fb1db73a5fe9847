package netgear

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/numpy"
)

// A dropped frame of which the application has a view is not freed, and the
// leak is logged once. Any other frame is freed, and nothing is logged.
func TestDroppedFrame(t *testing.T) {
	var text bytes.Buffer
	var leak leakReport
	log := slog.New(slog.NewTextHandler(&text, nil))
	freed := &Frame{}
	freed.drop(&leak, log)
	if !freed.closed || text.Len() > 0 {
		t.Errorf("a frame without a view: freed %v, logged %q", freed.closed, &text)
	}
	for range 2 {
		viewed := &Frame{dtype: numpy.Uint8, data: []byte{1}}
		frameBytes(viewed)
		if viewed.drop(&leak, log); viewed.closed {
			t.Error("the memory of a view is freed")
		}
	}
	if n := strings.Count(text.String(), "without Close"); n != 1 {
		t.Errorf("logged %d times: %s", n, &text)
	}
}
