//go:build !nogocv

package examples

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
)

func init() { more = append(more, "./service") }

// The service logs its connections and figures as JSON, serves one sender after
// the other, and ends with success at SIGTERM.
func TestService(t *testing.T) {
	t.Parallel()
	p := start(t, "service", "-address", "127.0.0.1", "-port", "0", "-every", "50ms")
	port := p.waitFor(`"endpoints":\["tcp://127\.0\.0\.1:(\d+)"`)
	for range 2 {
		start(t, "send", "-address", "127.0.0.1", "-port", port, "-n", "3", "-size", "64x48").exits(0)
		p.waitFor(`"event":"connected"`)
		p.waitFor(`"event":"terminated"`)
	}
	p.waitFor(`"msg":"figures"`)
	p.signal(syscall.SIGTERM)
	_, stderr := p.exits(0)
	for line := range strings.Lines(stderr) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q", line)
		}
	}
}
