package main

import (
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
)

// A relay whose output leads back to one of its inputs is refused: by whatever
// address of this machine, and whichever of the two listens. Nothing is opened.
func TestRelayLoops(t *testing.T) {
	t.Parallel()
	own := "127.0.0.1"
	if all, err := net.InterfaceAddrs(); err == nil {
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
				own = n.IP.String()
			}
		}
	}
	for _, c := range []struct {
		in, out string
		loop    bool
	}{
		{"tcp://127.0.0.1:5588?pattern=1", "tcp://127.0.0.1:5588?pattern=1", true},
		{"tcp://*:5588", "tcp://localhost:05588", true},
		{"tcp://*:5588", "tcp://" + own + ":5588", true},
		{"tcp://0.0.0.0:5588", "tcp://127.9.9.9:5588", true},
		{"tcp://*", "tcp://127.0.0.1", true}, // the default port
		{"ipc:///tmp/camera", "ipc:///tmp/camera", true},
		{"tcp://127.0.0.1:5588?pattern=2&attach=connect", "tcp://*:5588?pattern=2&attach=bind", true},
		{"tcp://127.0.0.1:5588?wire=imagezmq&pattern=2", "tcp://*:5588?wire=imagezmq&pattern=2", true}, // its publisher listens
		{"tcp://127.0.0.1:5588", "tcp://127.0.0.2:5588", false},
		{"tcp://127.0.0.1:5588", "tcp://127.0.0.1:5589", false},
		{"tcp://*:5588", "tcp://192.0.2.1:5588", false},
		{"tcp://0.0.0.0:5588", "tcp://[::1]:5588", false},
		{"tcp://*:5588", "tcp://*:5588?attach=bind", false}, // fails when it is opened
		{"tcp://127.0.0.1:5588?attach=connect", "tcp://127.0.0.1:5588", false},
		{"tcp://*:5588", "tcp://127.0.0.1:5588?ssh=joe@gate", false},
		{"ipc:///tmp/camera", "ipc:///tmp/other", false},
		{"tcp://*:5588", "tcp://" + own + ":5588?allow-loop=on", false}, // a service elsewhere
		{"tcp://*:0", "tcp://127.0.0.1:5588", false},
	} {
		a := &app{logger: slog.New(slog.DiscardHandler)}
		cmd := a.relay()
		if err := cmd.ParseFlags([]string{"--input", c.in, "--output", c.out}); err != nil {
			t.Fatal(err)
		}
		cmd.SetContext(t.Context())
		var r relayCommand
		err := r.read(a, cmd)
		if loop := err != nil && strings.Contains(err.Error(), "go round without end"); loop != c.loop || !loop && err != nil {
			t.Errorf("%s to %s: %v", c.in, c.out, err)
		}
	}
	status, _, stderr := run(t, "relay", "--input", "tcp://127.0.0.1:5588?pattern=1&name=front", "--output", "tcp://127.0.0.1:5588?pattern=1&name=back")
	if want := "netgear relay: output back leads back to input front of this relay, port 5588: frames would go round without end; if it leads elsewhere, as to a service in Kubernetes, add allow-loop=on to the output\n"; status != exitUsage || !strings.HasPrefix(stderr, want) {
		t.Errorf("status %d\n%s", status, stderr)
	}
	if status, _, stderr := run(t, "relay", "--input", "tcp://*:5588", "--output", "tcp://127.0.0.1:5588?allow-loop=yes"); status != exitUsage || !strings.Contains(stderr, "--output: allow-loop: must be on or off\n") {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

// An output that takes the frames of some inputs only may lead to another input,
// unless they come back from there.
func TestRelayChain(t *testing.T) {
	t.Parallel()
	inputs := []string{"--input", "tcp://127.0.0.1:5588?name=front", "--input", "tcp://127.0.0.1:5589?name=back"}
	for _, c := range []struct {
		outputs []string
		loop    bool
	}{
		{[]string{"tcp://127.0.0.1:5589?from=front", "tcp://127.0.0.1:5590?from=back"}, false},
		{[]string{"tcp://127.0.0.1:5589?from=front", "tcp://127.0.0.1:5588?from=back"}, true},
		{[]string{"tcp://127.0.0.1:5589?from=front,back"}, true},
		{[]string{"tcp://127.0.0.1:5589"}, true},
		{[]string{"tcp://127.0.0.1:5589?from=front", "tcp://127.0.0.1:5588?from=back&allow-loop=on"}, false},
		{[]string{"tcp://127.0.0.1:5589", "tcp://127.0.0.1:5588?allow-loop=on"}, true}, // the first one
	} {
		a := &app{logger: slog.New(slog.DiscardHandler)}
		cmd, args := a.relay(), inputs
		for _, o := range c.outputs {
			args = append(slices.Clone(args), "--output", o)
		}
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		cmd.SetContext(t.Context())
		var r relayCommand
		err := r.read(a, cmd)
		if loop := err != nil && strings.Contains(err.Error(), "go round without end"); loop != c.loop || !loop && err != nil {
			t.Errorf("%s: %v", c.outputs, err)
		}
	}
}
