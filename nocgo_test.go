package netgear

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A build without cgo fails with one error, which names the cause, in this
// package and in a program that imports it.
func TestBuildWithoutCgo(t *testing.T) {
	for _, what := range []string{".", "./examples/send"} {
		build := exec.Command("go", "build", "-buildvcs=false", "-o", t.TempDir(), what)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		text := strings.TrimSpace(string(out))
		if err == nil || strings.Count(text, "\n") > 0 || !strings.Contains(text, "netgear needs cgo: set CGO_ENABLED=1") || strings.Contains(text, "undefined") {
			t.Errorf("%s: %v\n%s", what, err, text)
		}
	}
}
