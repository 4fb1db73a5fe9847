package main

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// natsServerFor runs a NATS server with JetStream in this process, and returns
// its address.
func natsServerFor(t *testing.T) string {
	t.Helper()
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: natsd.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: t.TempDir(), Username: "cameras", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(timeLimit) {
		t.Fatal("the NATS server does not start")
	}
	return s.ClientURL()
}

// JPEGs pass through NATS to the bit: live, and from a recording.
func TestBridge(t *testing.T) {
	t.Parallel()
	nats := natsServerFor(t)
	bridge := func(args ...string) *process {
		cmd := command(append([]string{"bridge", "--nats", nats, "--nats-user", "cameras"}, args...)...)
		cmd.Env = append(cmd.Env, "NETGEAR_NATS_PASSWORD=secret")
		return startCommand(t, cmd)
	}
	want := bytes.Join(jpegs(t, 20), nil)
	check := func(name string, from *process) {
		t.Helper()
		from.succeed()
		if got := from.stdout.String(); got != string(want) {
			t.Errorf("%s: %d bytes, want %d, unchanged", name, len(got), len(want))
		}
	}
	into := bridge("--input", "tcp://127.0.0.1:0?terminate=stop&name=front.door", "--stream", "FRAMES", "--create", "--backpressure", "block", "--json")
	port := into.port()

	viewer := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--out", "-")
	live := bridge("--from-nats", "--camera", "front-door", "--backpressure", "block", "--address", "127.0.0.1", "--port", viewer.port())
	live.await(&live.stderr, "endpoint")

	cmd := command("send", "--source", "-", "--address", "127.0.0.1", "--port", port)
	cmd.Stdin = bytes.NewReader(want)
	startCommand(t, cmd).succeed()
	into.succeed() // at the sender's terminate message
	if !strings.Contains(into.stderr.String(), "front.door: 20 frames published, 0 dropped\n") {
		t.Error(into.stderr.String())
	}

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--stream", "OTHER"}, "there is no stream OTHER; --create makes it"},
		{[]string{"--stream", "OTHER", "--create", "--latest-only"}, "give this stream another --subject"},
		{[]string{"--stream", "FRAMES", "--subject", "pictures"}, "stream FRAMES is for frames.>, not for pictures.>: set --subject"},
		{[]string{"--from-nats", "--stream", "FRAMES", "--subject", "pictures"}, "stream FRAMES is for frames.>"},
	} {
		p := bridge(append(c.args, "--address", "127.0.0.1", "--port", freePort(t))...)
		if status := p.status(); status != 1 || !strings.Contains(p.stderr.String(), c.want) {
			t.Errorf("%q: status %d\n%s", c.args, status, &p.stderr)
		}
	}

	again := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--out", "-")
	replay := bridge("--from-nats", "--stream", "FRAMES", "--replay", "start", "--speed", "0", "--address", "127.0.0.1", "--port", again.port())
	replay.succeed() // at the end of the recording
	check("replay", again)
	if !strings.Contains(replay.stderr.String(), "20 frames sent, 0 dropped\n") {
		t.Error(replay.stderr.String())
	}
	waitBytes(t, viewer, len(want))
	live.signal(syscall.SIGTERM)
	live.succeed()
	check("live", viewer)
}

// waitBytes waits until a process has written so much, or ends.
func waitBytes(t *testing.T, p *process, n int) {
	t.Helper()
	for late := time.After(timeLimit); ; {
		text, more := p.stdout.get()
		if len(text) >= n {
			return
		}
		select {
		case <-more:
		case <-p.done:
			return
		case <-late:
			t.Fatalf("%d bytes of %d", len(text), n)
		}
	}
}

// A server that refuses the bridge is a failure with its reason.
func TestBridgeRefused(t *testing.T) {
	t.Parallel()
	status, _, stderr := run(t, "bridge", "--nats", natsServerFor(t), "--address", "127.0.0.1", "--port", "0")
	if status != 1 || !strings.Contains(stderr, "connect to NATS at nats://127.0.0.1:") || !strings.Contains(stderr, "Authorization") {
		t.Errorf("status %d\n%s", status, stderr)
	}
}
