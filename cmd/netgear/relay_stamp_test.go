package main

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Stamps pass a relay where input and output agree. Where only one has them, a
// line at the start names them.
func TestRelayStamps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, out, line, warning string }{
		"both":    {"&stamp=on", "&stamp=on", `[a-f\d]", "seq": 7,`, ""},
		"neither": {"", "", `[a-f\d]", "seq": 7,`, ""},
		"input":   {"&stamp=on", "", `"sha256": "[a-f\d]+"}`, "warning: input front has stamp=on and output back has not"},
		"output":  {"", "&stamp=on", `"message": {"seq": 7, .*}, "seq": 1,`, "warning: output back has stamp=on and input front has not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recv := start(t, "receive", "--json", "--stamp", "on", "--frames", "1", "--address", "127.0.0.1", "--port", "0", "--pattern", "1")
			relay := start(t, "relay", "--input", "tcp://127.0.0.1:0?pattern=1&name=front"+c.in, "--output", "tcp://127.0.0.1:"+recv.port()+"?pattern=1&name=back"+c.out)
			sendNumbers(t, relay.await(&relay.stderr, `(?s)endpoint .*endpoint tcp://\S+:(\d+)\n`), 7)
			recv.succeed()
			if got := recv.stdout.String(); !regexp.MustCompile(c.line).MatchString(got) {
				t.Errorf("no %q in %s", c.line, got)
			}
			relay.signal(syscall.SIGTERM)
			relay.succeed()
			if text := relay.stderr.String(); strings.Contains(text, "warning") != (c.warning != "") || !strings.Contains(text, c.warning) {
				t.Errorf("no %q in\n%s", c.warning, text)
			}
		})
	}
}
