package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a command prints on a full disk is missing, so it fails.
func TestFullStdout(t *testing.T) {
	t.Parallel()
	recording := filepath.Join("..", "..", "source", "testdata", "three.avi")
	for _, args := range [][]string{
		{"--help"}, {"--version"}, {"help", "send"}, {"send", "--help"}, {"completion", "bash"},
		{"play", recording, "--info"}, {"play", recording, recording, "--info"}, {"play", recording, "--numbers"},
		{"doctor", "--address", "127.0.0.1", "--port", "0"}, {"doctor", "--json", "--address", "127.0.0.1", "--port", "0"},
		{"keys", "--cert-location", t.TempDir()}, {"keys", "--cert-location", t.TempDir(), "--replace"},
		{"top", "--address", "127.0.0.1", "--port", "0"},
		{"relay", "--json", "--input", "tcp://127.0.0.1:0", "--output", "tcp://127.0.0.1:0?pattern=2&attach=bind"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			out, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd := command(args...)
			cmd.Stdout = out
			p := startCommand(t, cmd)
			if status := p.status(); status != exitFailure || strings.Count(p.stderr.String(), "no space left on device") != 1 {
				t.Errorf("status %d: %s", status, &p.stderr)
			}
		})
	}
}
