package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/natsbridge"
)

// The commands that run for long serve metrics of their ends.
func TestMetrics(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"view":   {[]string{"view", "--listen", "127.0.0.1:0", "--input", "tcp://127.0.0.1:0?name=gate"}, `netgear_frames_total{direction="receive",end="gate",port=""} 3`},
		"record": {[]string{"record", "--out", filepath.Join(t.TempDir(), "a.mkv"), "--input", "tcp://127.0.0.1:0?name=gate"}, `netgear_frames_total{direction="receive",end="gate",port=""} 3`},
		"relay": {[]string{"relay", "--input", "tcp://127.0.0.1:0?name=gate", "--output", "tcp://127.0.0.1:0?name=out&pattern=2&attach=bind", "--output", "tcp://127.0.0.1:0?name=out&pattern=2&attach=bind"},
			`netgear_frames_total{direction="send",end="output out (2)",port=""} 3`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, append(c.args, "--metrics", "127.0.0.1:0", "--metrics-host", "cam.example", "--log-level", "info")...)
			url := p.await(&p.stderr, `url=(http://127\.0\.0\.1:\d+/metrics)`)
			for host, want := range map[string]int{"cam.example:9105": 200, "attacker.example": 421} {
				if got := statusFor(t, url, host); got != want {
					t.Errorf("%s: status %d, want %d", host, got, want)
				}
			}
			for request, want := range map[string]string{
				"GET / HTTP/1.0\r\n\r\n": "200", "GET /other HTTP/1.0\r\n\r\n": "404", "GET / HTTP/1.0\r\nHost: attacker.example\r\n\r\n": "421",
				"GET /metrics HTTP/1.0\r\n\r\n": "200", "GET /metrics HTTP/1.0\r\nHost: attacker.example\r\n\r\n": "421",
				"GET /metrics HTTP/1.1\r\nHost:\r\n\r\n": "200", "GET /metrics HTTP/1.1\r\n\r\n": "400",
			} {
				if got := rawStatus(t, url, request); got != want {
					t.Errorf("%q: status %s, want %s", request, got, want)
				}
			}
			port := p.await(&p.stderr, `(?s)endpoint tcp://.*?:(\d+)\n`)
			if name == "relay" {
				port = p.await(&p.stderr, `(?s)endpoint .*endpoint tcp://\S+:(\d+)\n`)
			}
			start(t, "send", "--address", "127.0.0.1", "--port", port, "--frames", "3").succeed()
			text := awaitMetric(t, url, regexp.QuoteMeta(c.want))
			const noDecoding = `netgear_decode_seconds_count{direction="receive",end="gate"} 0`
			if name != "relay" && !strings.Contains(text, noDecoding) {
				t.Error("decodes frames whose pixels it does not need")
			}
			p.signal(syscall.SIGTERM)
			p.succeed()
		})
	}
}

// The commands of a single end serve its metrics, too.
func TestMetricsOfOneEnd(t *testing.T) {
	t.Parallel()
	const some = ` [1-9]\d*`
	recv, received := startMetered(t, command("receive", "--address", "127.0.0.1", "--port", "0", "--terminate", "keep"))
	_, sent := startMetered(t, command("send", "--address", "127.0.0.1", "--port", recv.port(), "--fps", "100", "--max-retries", "0"))
	awaitMetric(t, received, regexp.QuoteMeta(`netgear_frames_total{direction="receive",end="127.0.0.1:0",port=""}`)+some)
	awaitMetric(t, sent, regexp.QuoteMeta(`netgear_frames_total{direction="send",end="127.0.0.1:`+recv.port()+`",port=""}`)+some)
	awaitMetric(t, sent, regexp.QuoteMeta(`netgear_peers{direction="send",end="127.0.0.1:`+recv.port()+`"}`)+" 1")

	file := filepath.Join("..", "..", "source", "testdata", "three.avi")
	played := peertest.FreePort(t) // a publisher needs no subscriber
	_, url := startMetered(t, command("play", file, "--loop", "--address", "127.0.0.1", "--port", played, "--pattern", "2"))
	awaitMetric(t, url, regexp.QuoteMeta(`netgear_frames_total{direction="send",end="127.0.0.1:`+played+`",port=""}`)+some)
}

// awaitMetric waits until the metrics have a matching line, and returns them.
func awaitMetric(t *testing.T, url, pattern string) string {
	t.Helper()
	line := regexp.MustCompile("(?m)^" + pattern + "$")
	text := ""
	defer func() {
		if t.Failed() {
			t.Log(text)
		}
	}()
	peertest.Await(t, timeLimit, pattern, func() bool {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(body)
		return line.MatchString(text)
	})
	return text
}

// startMetered starts a command that serves metrics, and returns their address.
func startMetered(t *testing.T, cmd *exec.Cmd) (*process, string) {
	t.Helper()
	cmd.Args = append(cmd.Args, "--metrics", "127.0.0.1:0", "--log-level", "info")
	p := startCommand(t, cmd)
	return p, p.await(&p.stderr, `url=(http://127\.0\.0\.1:\d+/metrics)`)
}

// A recording that fails shows in the metrics. It is a failure of the command,
// also after a signal.
func TestMetricsOfFailedRecording(t *testing.T) {
	t.Parallel()
	parent := filepath.Join(t.TempDir(), "disk")
	p, url := startMetered(t, command("record", "--dir", filepath.Join(parent, "videos"), "--input", "tcp://127.0.0.1:0?name=gate"))
	port := p.port()
	send := func() { start(t, "send", "--address", "127.0.0.1", "--port", port, "--frames", "3").succeed() }
	send()
	text := awaitMetric(t, url, `netgear_stage_frames_total\{kind="record",stage="disk"\} 3`)
	for _, line := range []string{`netgear_stage_dropped_total{kind="record",reason="no_room",stage="disk"} 0`, `netgear_stage_failed_total{kind="record",reason="write",stage="disk"} 0`,
		`netgear_stage_queue_frames{kind="record",stage="disk"} 0`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
	if err := os.RemoveAll(parent); err != nil { // the disk is gone
		t.Fatal(err)
	}
	awaitRecordingFails(t, url, send)
	p.signal(syscall.SIGTERM)
	if status := p.status(); status != exitFailure || !strings.Contains(p.stderr.String(), "frames missing at the end") {
		t.Errorf("status %d\n%s", status, &p.stderr)
	}
}

// awaitRecordingFails sends frames until one cannot be written. The recorder
// notices within a second that its file was deleted.
func awaitRecordingFails(t *testing.T, url string, send func()) {
	t.Helper()
	failed := regexp.MustCompile(`netgear_stage_failed_total\{kind="record",reason="write",stage="disk"\} [1-9]`)
	for deadline := time.Now().Add(timeLimit); time.Now().Before(deadline); {
		send()
		if failed.MatchString(awaitMetric(t, url, "netgear_stage_failed_total.*")) {
			return
		}
	}
	t.Fatal("no frame fails")
}

// The frames that a slow output loses show in the metrics.
func TestMetricsOfSlowOutput(t *testing.T) {
	t.Parallel()
	p, url := startMetered(t, command("relay", "--input", "tcp://127.0.0.1:0?name=gate", "--output", "tcp://127.0.0.1:"+peertest.FreePort(t)+"?name=slow&queue=2"))
	port := p.await(&p.stderr, `(?s)endpoint .*endpoint tcp://\S+:(\d+)\n`)
	start(t, "send", "--address", "127.0.0.1", "--port", port, "--frames", "10").succeed()
	// One frame is under way, unless all came before the first was taken.
	awaitMetric(t, url, `netgear_stage_dropped_total\{kind="relay",reason="no_room",stage="output slow"\} [78]`)
	awaitMetric(t, url, `netgear_stage_queue_frames\{kind="relay",stage="output slow"\} [12]`)
	p.signal(syscall.SIGTERM)
	p.succeed()
}

// What a bridge publishes and takes from NATS shows in the metrics.
func TestMetricsOfBridge(t *testing.T) {
	t.Parallel()
	nats := natsServerFor(t)
	bridge := func(args ...string) (*process, string) {
		cmd := command(append([]string{"bridge", "--nats", nats, "--nats-user", "cameras"}, args...)...)
		cmd.Env = append(cmd.Env, "NETGEAR_NATS_PASSWORD=secret")
		return startMetered(t, cmd)
	}
	into, published := bridge("--input", "tcp://127.0.0.1:0?name=front", "--backpressure", "block")
	viewer := start(t, "receive", "--address", "127.0.0.1", "--port", "0")
	from, taken := bridge("--from-nats", "--backpressure", "block", "--address", "127.0.0.1", "--port", viewer.port())
	from.await(&from.stderr, "endpoint")
	start(t, "send", "--address", "127.0.0.1", "--port", into.port(), "--frames", "3").succeed()
	for url, stage := range map[string]string{published: `kind="nats_publish"%s,stage="nats front"`, taken: `kind="nats_subscribe"%s,stage="nats"`} {
		text := awaitMetric(t, url, `netgear_stage_frames_total\{`+fmt.Sprintf(stage, "")+`\} 3`)
		for name, reason := range map[string]string{"dropped": "no_room", "failed": "too_large"} {
			if want := fmt.Sprintf("netgear_stage_%s_total{%s} 0\n", name, fmt.Sprintf(stage, `,reason="`+reason+`"`)); !strings.Contains(text, want) {
				t.Errorf("no %sin\n%s", want, text)
			}
		}
	}
	for _, p := range []*process{into, from} {
		p.signal(syscall.SIGTERM)
		p.succeed()
	}
	viewer.succeed()
}

// Each reason for which a bridge loses frames has a name.
func TestReasons(t *testing.T) {
	d := natsbridge.SubscriberDrops{NoRoom: 1, Replaced: 2, SlowClient: 3, BadHeader: 4}
	dropped, failed := byReason(d)
	if want := map[string]uint64{"no_room": 1, "replaced": 2, "slow_client": 3}; !maps.Equal(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}
	if len(failed) != 9 || failed["bad_header"] != 4 {
		t.Errorf("failed %v", failed)
	}
}

// rawStatus returns the status of a request of these bytes.
func rawStatus(t *testing.T, address, request string) string {
	t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	c, err := net.DialTimeout("tcp", host, timeLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(timeLimit))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if words := strings.Fields(line); len(words) > 1 {
		return words[1]
	}
	t.Fatal(line, err)
	return ""
}

// statusFor returns the status of a request by a name.
func statusFor(t *testing.T, url, host string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
