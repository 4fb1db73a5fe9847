package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
			deadline := time.Now().Add(timeLimit)
			text := ""
			for !strings.Contains(text, c.want) {
				res, err := http.Get(url)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if text = string(body); time.Now().After(deadline) {
					t.Fatalf("no %s in\n%s", c.want, text)
				}
				time.Sleep(10 * time.Millisecond)
			}
			const noDecoding = `netgear_decode_seconds_count{direction="receive",end="gate"} 0`
			if name != "relay" && !strings.Contains(text, noDecoding) {
				t.Error("decodes frames whose pixels it does not need")
			}
			p.signal(syscall.SIGTERM)
			p.succeed()
		})
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
