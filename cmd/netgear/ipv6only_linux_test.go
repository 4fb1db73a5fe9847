package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"syscall"
	"testing"

	natsd "github.com/nats-io/nats-server/v2/server"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// Without IPv4, the page, the metrics and the NATS server are reached by IPv6
// addresses, in brackets, with a zone, and by names.
func TestIPv6OnlyPrograms(t *testing.T) {
	if !peertest.InIPv6Only(t) {
		return
	}
	everywhere := []string{"[::1]", "localhost", peertest.OnlyIPv6, "[fe80::7%25lo]"}
	for _, c := range []struct {
		listen string   // of the page and the metrics
		at     []string // the hosts in URLs
	}{
		{"[::1]:0", everywhere[:3]},
		{"localhost:0", everywhere[:3]},
		{peertest.OnlyIPv6 + ":0", everywhere[:3]},
		{"[fe80::7%lo]:0", everywhere[3:]},
		{"[::]:0", everywhere},
		{":0", everywhere},
	} {
		t.Run("view at "+c.listen, func(t *testing.T) {
			cmd := command("view", "--listen", c.listen, "--input", "tcp://[::1]:0?name=gate", "--user", "joe",
				"--metrics", c.listen, "--metrics-host", peertest.OnlyIPv6, "--log-level", "info")
			cmd.Env = append(cmd.Env, "NETGEAR_PASSWORD=correct")
			view := startCommand(t, cmd)
			port := view.port()
			page := view.await(&view.stderr, `viewer http://\S+:(\d+)`)
			metrics := view.await(&view.stderr, `url="?http://\S+:(\d+)/metrics`)
			start(t, "send", "--address", "::1", "--port", port, "--frames", "3").succeed()
			for _, host := range c.at {
				awaitMetric(t, "http://"+host+":"+metrics+"/metrics", regexp.QuoteMeta(`netgear_frames_total{direction="receive",end="gate",port=""} 3`))
				r, err := http.NewRequest("GET", "http://"+host+":"+page+"/frame.jpg?stream=gate", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.SetBasicAuth("joe", "correct")
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Errorf("at %s: %v", host, err)
					continue
				}
				if res.Body.Close(); res.StatusCode != 200 || res.Header.Get("Content-Type") != "image/jpeg" {
					t.Errorf("at %s: status %d, %s", host, res.StatusCode, res.Header.Get("Content-Type"))
				}
			}
			view.signal(syscall.SIGTERM)
			view.succeed()
		})
	}

	nats, err := url.Parse(natsServerWith(t, &natsd.Options{Host: "::1"}))
	if err != nil {
		t.Fatal(err)
	}
	for i, host := range everywhere[:3] {
		t.Run("bridge by "+host, func(t *testing.T) {
			server := *nats
			server.Host = host + ":" + nats.Port()
			want := bytes.Join(jpegs(t, 5), nil)
			stream := fmt.Sprint("FRAMES", i)
			into := start(t, "bridge", "--nats", server.String(), "--input", "tcp://[::1]:0?terminate=stop&name=gate", "--stream", stream,
				"--subject", fmt.Sprint("frames", i), "--create", "--backpressure", "block")
			cmd := command("send", "--source", "-", "--address", peertest.OnlyIPv6, "--port", into.port())
			cmd.Stdin = bytes.NewReader(want)
			startCommand(t, cmd).succeed()
			into.succeed()
			viewer := start(t, "receive", "--address", "::1", "--port", "0", "--out", "-")
			start(t, "bridge", "--nats", server.String(), "--from-nats", "--stream", stream, "--subject", fmt.Sprint("frames", i), "--replay", "start", "--speed", "0",
				"--address", "::1", "--port", viewer.port()).succeed()
			viewer.succeed()
			if got := viewer.stdout.String(); got != string(want) {
				t.Errorf("%d bytes, want %d, unchanged", len(got), len(want))
			}
		})
	}

	t.Run("doctor", func(t *testing.T) {
		for _, host := range []string{"[::1]", "localhost", peertest.OnlyIPv6, "[fe80::7%lo]"} {
			recv := start(t, "receive", "--address", "*", "--port", "0")
			if status, stdout, stderr := run(t, "doctor", host+":"+recv.port()); status != 0 {
				t.Errorf("%s: status %d\n%s%s", host, status, stdout, stderr)
			}
			recv.signal(syscall.SIGTERM)
			recv.succeed()
		}
	})
}
