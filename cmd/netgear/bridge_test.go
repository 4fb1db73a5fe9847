package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/board"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/natsbridge"
)

// natsServerFor runs a NATS server with JetStream in this process, and returns
// its address.
func natsServerFor(t *testing.T) string {
	t.Helper()
	return natsServerWith(t, &natsd.Options{Host: "127.0.0.1", Username: "cameras", Password: "secret"})
}

// natsServerWith runs such a server with more options.
func natsServerWith(t *testing.T, o *natsd.Options) string {
	t.Helper()
	o.Port, o.NoLog, o.NoSigs, o.JetStream, o.StoreDir = natsd.RANDOM_PORT, true, true, true, t.TempDir()
	s, err := natsd.NewServer(o)
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

// runAsNATS makes this test's binary a NATS server, with the limit of a message.
const runAsNATS = "RUN_AS_NATS"

// natsMain is the main function of such a process.
func natsMain(maxPayload string) int {
	n, _ := strconv.Atoi(maxPayload)
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: natsd.RANDOM_PORT, NoLog: true, NoSigs: true, MaxPayload: int32(n)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.Start()
	if !s.ReadyForConnections(timeLimit) {
		return 1
	}
	fmt.Println("listens at", s.ClientURL())
	io.Copy(io.Discard, os.Stdin)
	return 0
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
		{[]string{"--from-nats", "--stream", "FRAMES", "--replay", "start", "--subject", "pictures"}, "stream FRAMES is for frames.>"},
		{[]string{"--in-flight", "300"}, "netgear bridge: --in-flight is 300; use 1 to 256"},
		{[]string{"--stream", "A", "--create", "--replicas", "9"}, "netgear bridge: --replicas is 9; use 1 to 5"},
		{[]string{"--from-nats", "--stream", "FRAMES", "--work", "a b"}, `netgear bridge: --work is "a b"; name the consumer`},
	} {
		p := bridge(append(c.args, "--address", "127.0.0.1", "--port", peertest.FreePort(t))...)
		want := exitFailure
		if strings.HasPrefix(c.want, "netgear bridge: --") {
			want = exitUsage
		}
		if status := p.status(); status != want || !strings.Contains(p.stderr.String(), c.want) {
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
		text, more := p.stdout.SoFar()
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

// The command signs in with an NKey and a client's certificate over TLS. A server
// that is not trusted, or does not trust it, is a failure with its reason.
func TestBridgeSignIn(t *testing.T) {
	t.Parallel()
	const seed, public = "SUALW2X46R3C4LN5RRU7RRVCNJ5B6FOEQZI5RAO5AYVWNVSHZEYJTNJC7U", "UA2NDNMYSC36SS4A6J2RR52MSRNTNL5ZBLYJJT4CN2UF4XAHCFMUPQYO"
	cert, key, pool := certificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: natsd.RANDOM_PORT, NoLog: true, NoSigs: true, Nkeys: []*natsd.NkeyUser{{Nkey: public}},
		TLS: true, TLSTimeout: timeLimit.Seconds(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(timeLimit) {
		t.Fatal("the NATS server does not start")
	}
	seedFile := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(seedFile, []byte(seed), 0o600); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(s.ClientURL(), "nats://", "tls://", 1)
	for _, c := range []struct {
		args []string
		want string // "": it connects
	}{
		{[]string{"--nats-ca", cert, "--nats-cert", cert, "--nats-key", key, "--nats-nkey", seedFile}, ""},
		{[]string{"--nats-ca", cert, "--nats-cert", cert, "--nats-key", key}, "Authorization"},
		{[]string{"--nats-cert", cert, "--nats-key", key, "--nats-nkey", seedFile}, "certificate"},
		{[]string{"--nats-ca", cert, "--nats-nkey", seedFile}, "connect to NATS"}, // TLS 1.3 has no certain reason
		{[]string{"--nats-ca", cert, "--nats-nkey", cert}, "--nats-nkey"},
	} {
		args := append([]string{"bridge", "--nats", url, "--input", "tcp://127.0.0.1:0?name=a"}, c.args...)
		if c.want == "" {
			p := start(t, args...)
			p.await(&p.stderr, "endpoint")
			p.signal(syscall.SIGTERM)
			p.succeed()
			continue
		}
		if status, _, stderr := run(t, args...); status != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d\n%s", c.args, status, stderr)
		}
	}
}

// A server that refuses the credentials later, as while its configuration
// changes, is tried again.
func TestBridgeReconnects(t *testing.T) {
	t.Parallel()
	n := natsServer{urls: natsServerFor(t), user: "cameras", password: "secret"}
	nc, err := n.connect(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if !nc.Opts.IgnoreAuthErrorAbort || nc.Opts.MaxReconnect != -1 {
		t.Errorf("it gives up: %+v", nc.Opts)
	}
}

// What waits at a signal, in the queue of an input or for room, is published if NATS
// takes it within the time for that, whatever the policy. What it does not take is
// counted: at the publisher, or at the input.
func TestBridgePublishesWhatWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy           natsbridge.Backpressure
		inFlight, frames int
		held             bool // NATS takes nothing until the signal
		never            bool // nor after it
		inQueue          int  // frames in the input's queue at the signal
		published        uint64
	}{
		"queued, block":         {policy: natsbridge.Block, inFlight: 16, frames: 16, inQueue: 16, published: 16},
		"queued, keep latest":   {policy: natsbridge.KeepLatest, inFlight: 16, frames: 16, inQueue: 16, published: 16},
		"queued, drop newest":   {policy: natsbridge.DropNewest, inFlight: 16, frames: 16, inQueue: 16, published: 16},
		"held, taken later":     {policy: natsbridge.Block, inFlight: 1, frames: 3, held: true, inQueue: 1, published: 3}, // one is on its way, one waits for room
		"held, and never taken": {policy: natsbridge.Block, inFlight: 1, frames: 3, held: true, never: true, inQueue: 1, published: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := peertest.NewProxy(t, peertest.Listen(t, "127.0.0.1:0"), strings.TrimPrefix(natsServerFor(t), "nats://"))
			n := natsServer{urls: "nats://" + proxy.Addr, user: "cameras", password: "secret"}
			nc, err := n.connect(slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			publisher, err := natsbridge.NewPublisher(nc, natsbridge.PublisherOptions{Subject: "frames", Backpressure: c.policy, InFlight: c.inFlight, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			ends, err := openInputs([]input{{"front", netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"}}}, board.New())
			if err != nil {
				t.Fatal(err)
			}
			defer ends.close()
			ctx, signal := context.WithCancel(t.Context())
			defer signal()
			late, end := context.WithCancel(t.Context())
			defer end()
			done := make(chan error, 1)
			begin := func() { done <- publishAll(ctx, late, ends, []*natsbridge.Publisher{publisher}) }
			if c.held {
				proxy.Hold(0)
				go begin()
			}
			send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: ends.ends[0].Port(), TerminateDelay: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer send.Close()
			for _, jpeg := range jpegs(t, c.frames) {
				if _, err := send.SendJPEG(t.Context(), jpeg, nil); err != nil {
					t.Fatal(err)
				}
			}
			peertest.Await(t, timeLimit, "frames to wait", func() bool {
				return publisher.Stats().InFlight == c.frames-c.inQueue && ends.ends[0].Stats().Queue == c.inQueue
			})
			signal()
			switch {
			case !c.held:
				go begin()
			case c.never:
				end()
			default:
				proxy.Release()
			}
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			proxy.Release()
			if err := publisher.Close(); err != nil && !c.never {
				t.Error(err)
			}
			s, dropped := publisher.Stats(), ends.ends[0].Stats().Dropped
			if s.Frames != c.published || s.Frames+s.Dropped.Sum()+dropped != uint64(c.frames) {
				t.Errorf("%+v, and %d dropped in the queue", s, dropped)
			}
		})
	}
}
