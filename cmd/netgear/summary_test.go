package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/metrics"
)

// sendNumbers sends frames with these numbers in their stamps, over REQ/REP.
func sendNumbers(t *testing.T, port string, numbers ...uint64) {
	t.Helper()
	end, err := netgear.New(netgear.Options{Pattern: netgear.ReqRep, Address: "127.0.0.1", Port: port, Stamp: true})
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeLimit)
	defer cancel()
	for _, n := range numbers {
		if _, err := end.SendJPEG(ctx, jpegs(t, 1)[0], netgear.StampedMessage{Seq: n}); err != nil {
			t.Fatal(err)
		}
	}
}

// The summary of each command that receives has the frames that were lost on
// the way, not only those that the command itself has dropped.
func TestSummariesHaveMissedFrames(t *testing.T) {
	t.Parallel()
	in := func(name string) []string {
		return []string{"--input", "tcp://127.0.0.1:0?pattern=1&stamp=on&name=" + name}
	}
	nats := natsServerFor(t)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"receive": {[]string{"--address", "127.0.0.1", "--port", "0", "--pattern", "1", "--stamp", "on", "--terminate", "keep"}, `received 2 frames in .*, 0 dropped, 3 missed\n`},
		"record":  {append(in("gate"), "--out", filepath.Join(t.TempDir(), "a.mkv")), `recorded 2 frames in 1 file, .*, 0 dropped, 0 failed; input gate: 3 missed\n`},
		"relay":   {append(in("gate"), "--output", "tcp://127.0.0.1:0?pattern=2&attach=bind"), `input gate: 2 frames received, 0 dropped, 3 missed\n`},
		"view":    {append(in("gate"), "--listen", "127.0.0.1:0"), `input gate: 2 frames received, \d dropped, 3 missed\n`},
		"bridge":  {append(in("gate"), "--nats", nats, "--nats-user", "cameras"), `input gate: 2 frames received, 0 dropped, 3 missed\n`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := command(append([]string{name}, c.args...)...)
			if name == "bridge" {
				cmd.Env = append(cmd.Env, "NETGEAR_NATS_PASSWORD=secret")
			}
			p := startCommand(t, cmd)
			pattern := `endpoint tcp://\S+:(\d+)\n`
			if name == "relay" { // the output is the first
				pattern = `(?s)endpoint .*` + pattern
			}
			sendNumbers(t, p.await(&p.stderr, pattern), 1, 5)
			p.signal(syscall.SIGTERM)
			p.succeed()
			if text := p.stderr.String(); !regexp.MustCompile(c.want).MatchString(text) {
				t.Errorf("no %q in\n%s", c.want, text)
			}
		})
	}
}

// The summary of a recording has the number of its files that exist no more.
func TestSummaryHasDeletedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rec := start(t, "record", "--dir", dir, "--budget", "1MiB", "--address", "127.0.0.1", "--port", "0", "--pattern", "1", "--terminate", "stop")
	start(t, "send", "--address", "127.0.0.1", "--port", rec.port(), "--pattern", "1", "--frames", "8", "--options", `{"jpeg_compression": false}`).succeed()
	rec.succeed()
	text := rec.stderr.String()
	found := regexp.MustCompile(`recorded 8 frames in (\d+) files?, .*, 0 dropped, 0 failed; (\d+) of the files deleted for --budget\n$`).FindStringSubmatch(text)
	if found == nil {
		t.Fatal(text)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.mkv"))
	if err != nil {
		t.Fatal(err)
	}
	files, _ := strconv.Atoi(found[1])
	deleted, _ := strconv.Atoi(found[2])
	if deleted == 0 || files-deleted != len(left) {
		t.Errorf("%d files exist\n%s", len(left), text)
	}
}

// The summary of a publisher has the frames that found the queue of a
// subscriber full.
func TestSummaryHasOverflows(t *testing.T) {
	t.Parallel()
	port := peertest.FreePort(t)
	sub, err := zmq4.NewSocket(zmq4.SUB)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	sub.SetRcvhwm(1)
	sub.SetRcvbuf(4096)
	sub.SetSubscribe("")
	sub.SetRcvtimeo(timeLimit)
	if err := sub.Connect("tcp://127.0.0.1:" + port); err != nil {
		t.Fatal(err)
	}
	send := start(t, "send", "--pattern", "2", "--attach", "bind", "--address", "127.0.0.1", "--port", port, "--fps", "200", "--json",
		"--options", `{"jpeg_compression": false, "go": {"high_water_mark": 1, "terminate_delay": "1ms"}}`)
	if _, err := sub.RecvMessageBytes(0); err != nil {
		t.Fatal(err)
	}
	// It reads no more. 200 frames have 180 MB, more than any buffer.
	last := lines(send.stdout.String())
	send.await(&send.stdout, fmt.Sprintf(`"index": %d,`, len(last)+200))
	send.signal(syscall.SIGTERM)
	send.succeed()
	if text := send.stderr.String(); !regexp.MustCompile(`sent \d+ frames .* MB/s, [1-9]\d* overflows? of a subscriber's queue\n`).MatchString(text) {
		t.Error(text)
	}
}

// Frames that a stage drops are logged: at once, and then at most once a minute.
func TestDropsAreLogged(t *testing.T) {
	var log strings.Builder
	counts := []metrics.Counts{{}, {Dropped: map[string]uint64{"no_room": 2, "replaced": 1}}}
	d := newDropLog(slog.New(slog.NewTextHandler(&log, nil)), []stage{
		{"disk", recordStage, func() metrics.Counts { return counts[0] }},
		{"output slow", relayStage, func() metrics.Counts { return counts[1] }},
	})
	start := time.Now()
	for _, c := range []struct {
		second  int
		dropped uint64
		want    string
	}{
		{0, 2, `stage="output slow" kind=relay dropped=3 in_all=3`}, {1, 8, ""}, {59, 8, ""}, {60, 8, `dropped=6 in_all=9`}, {200, 8, ""}, {201, 9, "dropped=1 in_all=10"},
	} {
		log.Reset()
		counts[1].Dropped["no_room"] = c.dropped
		d.look(start.Add(time.Duration(c.second) * time.Second))
		if got := log.String(); !strings.Contains(got, c.want) || strings.Count(got, "\n") != min(1, len(c.want)) {
			t.Errorf("second %d: %q, want %q", c.second, got, c.want)
		}
	}
}

// A relay whose receiver is away logs that it drops frames.
func TestRelayLogsDrops(t *testing.T) {
	t.Parallel()
	relay := start(t, "relay", "--input", "tcp://127.0.0.1:0?pattern=1", "--output", "tcp://127.0.0.1:"+peertest.FreePort(t)+"?queue=1&name=away")
	sendNumbers(t, relay.await(&relay.stderr, `(?s)endpoint .*endpoint tcp://\S+:(\d+)\n`), 1, 2, 3)
	relay.await(&relay.stderr, `level=WARN msg="frames are dropped.*stage="output away" kind=relay dropped=[12] in_all=[12]\n`)
	relay.signal(syscall.SIGTERM)
	relay.succeed()
}

// record --json has the figures of the senders and of the disk.
func TestRecordAsLines(t *testing.T) {
	t.Parallel()
	rec := start(t, "record", "--json", "--out", filepath.Join(t.TempDir(), "a.mkv"), "--input", "tcp://127.0.0.1:0?name=gate&pattern=1")
	sendNumbers(t, rec.port(), 1, 2, 4)
	rec.await(&rec.stdout, `(?m)^{"time":.*"name":"gate","state":"(live|ended)".*"frames":3,.*"missed":1,.*"outputs":\[{"name":"disk","peers":0,.*"frames":3,"dropped":0,"lost":0,"queue":0}\]}$`)
	rec.signal(syscall.SIGTERM)
	rec.succeed()
}

// The summary of a command that has waited in vain has the time.
func TestSummaryWithoutFrames(t *testing.T) {
	t.Parallel()
	status, _, stderr := run(t, "send", "--frames", "1", "--pattern", "1", "--address", "127.0.0.1", "--port", peertest.FreePort(t), "--request-timeout", "20ms", "--max-retries", "1")
	if status != 1 || !strings.Contains(stderr, "sent 0 frames in 0.") || strings.Contains(stderr, "in 0.00 s") {
		t.Errorf("status %d\n%s", status, stderr)
	}
}
