package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// pictures returns JPEGs that differ.
func jpegs(t *testing.T, n int) [][]byte {
	t.Helper()
	var all [][]byte
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 64, 48))
		for p := range 64 * 48 {
			img.SetRGBA(p%64, p/64, color.RGBA{byte(p + 20*i), byte(p >> 4), byte(50 * i), 255})
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		all = append(all, b.Bytes())
	}
	return all
}

// fields returns values of JSON lines.
func fields(t *testing.T, text string, keys ...string) []string {
	t.Helper()
	var all []string
	for _, line := range lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		var values []string
		for _, k := range keys {
			values = append(values, fmt.Sprint(m[k]))
		}
		all = append(all, strings.Join(values, " "))
	}
	return all
}

// Frames arrive as they were sent, in each pattern, with settings from flags,
// the environment and a file.
func TestSendReceive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "netgear.toml")
	os.WriteFile(file, []byte("pattern = 3\nwire = \"NetGear_Async\"\naddress = \"127.0.0.1\"\n[send]\nframes = 4\nmessage = '{\"n\": [1]}'\n[receive]\nport = 0\n"), 0o600)
	raw := []string{"--options", `{"jpeg_compression": false}`}
	for name, c := range map[string]struct {
		args []string
		env  []string
	}{
		"PAIR":     {args: append([]string{"--address", "127.0.0.1"}, raw...)},
		"REQ/REP":  {args: append([]string{"--pattern", "REQ/REP"}, raw...), env: []string{"NETGEAR_ADDRESS=127.0.0.1", "NETGEAR_PATTERN=2"}},
		"PUSHPULL": {args: []string{"--config", file}},
		"imagezmq": {args: []string{"--wire", "imagezmq", "--address", "127.0.0.1", "--options", `{"jpeg_compression": false}`, "--frames", "4"}},
		"by file":  {env: []string{"NETGEAR_CONFIG=" + file, "NETGEAR_LOG_FORMAT=json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := command(append([]string{"receive", "--json", "--port", "0"}, c.args...)...)
			cmd.Env = append(cmd.Env, c.env...)
			recv := startCommand(t, cmd)
			cmd = command(append([]string{"send", "--json", "--frames", "4", "--message", `{"n": [1]}`, "--port", recv.port()}, c.args...)...)
			cmd.Env = append(cmd.Env, c.env...)
			send := startCommand(t, cmd)
			send.succeed()
			recv.succeed()
			sent := fields(t, send.stdout.String(), "index", "shape", "sha256")
			if got := fields(t, recv.stdout.String(), "index", "shape", "sha256"); len(got) != 4 || fmt.Sprint(got) != fmt.Sprint(sent) {
				t.Errorf("received %q\nsent %q", got, sent)
			}
			if got := fields(t, recv.stdout.String(), "message"); got[3] != "map[n:[1]]" {
				t.Errorf("message %v", got)
			}
		})
	}
}

// JPEGs from stdin pass through three relays, in three patterns, and come out
// to the bit, with message, number and time of capture. All end with the sender.
func TestChainOfRelays(t *testing.T) {
	t.Parallel()
	want := bytes.Join(jpegs(t, 20), nil)
	last := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--out", "-", "--pattern", "1")
	port := last.port()
	var relays []*process
	for _, pattern := range []int{1, 0, 1} {
		in := (pattern + 1) % 2
		r := start(t, "relay", "--input", fmt.Sprintf("tcp://127.0.0.1:0?terminate=stop&pattern=%d", in),
			"--output", fmt.Sprintf("tcp://127.0.0.1:%s?pattern=%d", port, pattern))
		port = r.await(&r.stderr, `(?s)endpoint tcp://.*endpoint tcp://\S+:(\d+)`)
		relays = append(relays, r)
	}
	cmd := command("send", "--source", "-", "--address", "127.0.0.1", "--port", port, "--message", "[1, 2]")
	cmd.Stdin = bytes.NewReader(want)
	startCommand(t, cmd).succeed()
	for _, r := range append(relays, last) {
		r.succeed()
	}
	if got := last.stdout.String(); got != string(want) {
		t.Errorf("%d bytes came out of the relays, want %d, unchanged", len(got), len(want))
	}
	for _, r := range relays {
		if !strings.Contains(r.stderr.String(), "20 frames sent, 0 dropped, 0 lost") {
			t.Errorf("%s", &r.stderr)
		}
	}
}

// A relay merges two senders, marks their frames, and passes them on in the
// clear although its inputs are secure, on another wire.
func TestRelayMerges(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	if status, _, stderr := run(t, "keys", "--cert-location", keys); status != 0 {
		t.Fatal(stderr)
	}
	recv := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--pattern", "1", "--wire", "async", "--json")
	file := filepath.Join(t.TempDir(), "relay.toml")
	os.WriteFile(file, []byte(fmt.Sprintf(`
address = "127.0.0.1"
cert-location = %q
pattern = 1
[relay]
json = true
[[relay.input]]
name = "front"
port = 0
secure-mode = "StoneHouse"
terminate = "stop"
[[relay.input]]
name = "back"
port = 0
secure-mode = "IronHouse"
terminate = "stop"
[[relay.output]]
port = %s
wire = "NetGear_Async"
queue = 5
tag = true
`, keys, recv.port())), 0o600)
	relay := start(t, "relay", "--config", file)
	relay.await(&relay.stderr, `(?s)(endpoint .*){3}`)
	var ports []string
	for _, line := range lines(relay.stderr.String())[1:] {
		ports = append(ports, line[strings.LastIndex(line, ":")+1:])
	}
	senders := []*process{}
	for i, mode := range []string{"1", "2"} {
		senders = append(senders, start(t, "send", "--address", "127.0.0.1", "--pattern", "1", "--port", ports[i], "--secure-mode", mode,
			"--cert-location", keys, "--frames", "3", "--fps", "20", "--message", mode))
	}
	for _, p := range append(senders, relay, recv) {
		p.succeed()
	}
	count := map[string]int{}
	for _, m := range fields(t, recv.stdout.String(), "message", "shape") {
		count[m]++
	}
	if len(count) != 2 || count["map[message:1 source:front] [480 640 3]"] != 3 || count["map[message:2 source:back] [480 640 3]"] != 3 {
		t.Errorf("%v", count)
	}
}

// A branch whose receiver takes nothing loses its own frames only, and the JSON
// lines show them.
func TestRelaySlowBranch(t *testing.T) {
	t.Parallel()
	recv := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--json")
	relay := start(t, "relay", "--json", "--input", "tcp://127.0.0.1:0?terminate=stop", "--output", "tcp://127.0.0.1:"+recv.port()+"?name=fast&queue=100",
		"--output", "tcp://127.0.0.1:0?attach=bind&pattern=1&queue=2&name=stuck")
	relay.await(&relay.stderr, `(?s)(endpoint .*){3}`)
	text := lines(relay.stderr.String())[2]
	send := start(t, "send", "--address", "127.0.0.1", "--port", text[strings.LastIndex(text, ":")+1:], "--fps", "50", "--frames", "30")
	send.succeed()
	relay.await(&relay.stdout, `"name":"stuck","peers":0,"fps":0,"mb_per_s":0,"frames":0,"dropped":[1-9]`)
	relay.signal(syscall.SIGTERM)
	relay.succeed()
	recv.succeed()
	if n := len(lines(recv.stdout.String())); n != 30 {
		t.Errorf("the fast branch got %d frames, want 30", n)
	}
	for _, want := range []string{"output fast: 30 frames sent, 0 dropped, 0 lost", "output stuck: 0 frames sent, "} {
		if !strings.Contains(relay.stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, &relay.stderr)
		}
	}
}

// A recording that is played is the stream that was recorded, to the bit.
func TestRecordPlay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.mkv")
	want := bytes.Join(jpegs(t, 12), nil)
	rec := start(t, "record", "--out", file, "--address", "127.0.0.1", "--port", "0", "--terminate", "stop")
	cmd := command("send", "--source", "-", "--address", "127.0.0.1", "--port", rec.port(), "--fps", "50")
	cmd.Stdin = bytes.NewReader(want)
	startCommand(t, cmd).succeed()
	rec.succeed()
	if !strings.Contains(rec.stderr.String(), "recorded 12 frames in 1 file,") {
		t.Errorf("%s", &rec.stderr)
	}
	recv := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--out", "-")
	start(t, "play", file, "--address", "127.0.0.1", "--port", recv.port(), "--speed", "0").succeed()
	recv.succeed()
	if got := recv.stdout.String(); got != string(want) {
		t.Errorf("%d bytes were played, want %d", len(got), len(want))
	}
	// Several files follow each other.
	recv = start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--out", "-")
	start(t, "play", file, file, "--address", "127.0.0.1", "--port", recv.port(), "--speed", "0").succeed()
	recv.succeed()
	if got := recv.stdout.String(); got != string(want)+string(want) {
		t.Errorf("%d bytes of two files were played, want %d", len(got), 2*len(want))
	}
	// SIGTERM ends a loop, with the terminate message.
	recv = start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--json")
	play := start(t, "play", file, "--address", "127.0.0.1", "--port", recv.port(), "--loop", "--speed", "4")
	recv.await(&recv.stdout, `"index": 14`)
	play.signal(syscall.SIGTERM)
	play.succeed()
	recv.succeed()
	status, stdout, _ := run(t, "play", file, "--info")
	if status != 0 || !strings.Contains(stdout, "V_MJPEG  64x48") {
		t.Errorf("status %d: %s", status, stdout)
	}
	if status, _, stderr := run(t, "play", file, "--track", "nosuch"); status != 2 || !strings.Contains(stderr, "there is none with this name, but \"") {
		t.Errorf("status %d: %s", status, stderr)
	}
	os.WriteFile(file, []byte("no recording"), 0o600)
	if status, _, stderr := run(t, "play", file); status != 1 || !strings.Contains(stderr, file) {
		t.Errorf("a foreign file: status %d: %s", status, stderr)
	}
}

// Received pictures are files: JPEGs as they arrive, others as PNG.
func TestReceiveFiles(t *testing.T) {
	t.Parallel()
	want := jpegs(t, 2)
	for _, c := range []struct{ options, ext string }{{"{}", "jpg"}, {`{"jpeg_compression": false}`, "png"}} {
		folder := filepath.Join(t.TempDir(), "frames")
		recv := start(t, "receive", "--address", "127.0.0.1", "--port", "0", "--out", folder)
		cmd := command("send", "--source", "-", "--address", "127.0.0.1", "--port", recv.port(), "--options", c.options)
		cmd.Stdin = bytes.NewReader(bytes.Join(want, nil))
		startCommand(t, cmd).succeed()
		recv.succeed()
		for i := range want {
			got, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("frame-%06d.%s", i, c.ext)))
			if err != nil {
				t.Fatal(err)
			}
			if c.ext == "jpg" && !bytes.Equal(got, want[i]) {
				t.Errorf("picture %d differs", i)
			}
			if _, format, err := image.DecodeConfig(bytes.NewReader(got)); err != nil || format != map[string]string{"jpg": "jpeg", "png": "png"}[c.ext] {
				t.Errorf("%s: %v", format, err)
			}
		}
	}
}

// A source of nothing but damaged pictures is a failure, and not an endless one.
func TestOnlyDamagedPictures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bad.jpg")
	os.WriteFile(file, []byte("\xFF\xD8\xFF\xE0 damaged \xFF\xD9"), 0o600)
	recv := start(t, "receive", "--address", "127.0.0.1", "--port", "0")
	for _, flag := range []string{"--still", "--loop"} {
		status, _, stderr := run(t, "send", "--address", "127.0.0.1", "--port", recv.port(), "--source", file, flag)
		if status != 1 || !strings.Contains(stderr, "no picture can be sent") {
			t.Errorf("%s: status %d\n%.300s", flag, status, stderr)
		}
	}
}

// A sender of frames that cannot be recorded does not fill the log.
func TestRecordRefusesQuietly(t *testing.T) {
	t.Parallel()
	rec := start(t, "record", "--out", filepath.Join(t.TempDir(), "x.mkv"), "--address", "127.0.0.1", "--port", "0", "--pattern", "1", "--frames", "200")
	peer, err := zmq4.NewSocket(zmq4.REQ) // the library sends no empty frames
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	peer.SetLinger(0)
	peer.SetRcvtimeo(timeLimit)
	if err := peer.Connect("tcp://127.0.0.1:" + rec.port()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 200 {
		if _, err := peer.SendMessage(`{"terminate_flag": false, "compression": false, "message": null, "pattern": "1", "dtype": "uint8", "shape": [0]}`, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := peer.RecvMessage(0); err != nil && i < 199 { // the last one ends the program
			t.Fatal(err)
		}
	}
	rec.succeed()
	most := 1 + int(time.Since(began).Seconds())
	if n := strings.Count(rec.stderr.String(), "left out a frame"); n < 1 || n > most {
		t.Errorf("%d lines, want 1 to %d\n%s", n, most, &rec.stderr)
	}
}

// A publisher without a viewer sends into nothing, and the summary names that.
func TestSendWithoutSubscriber(t *testing.T) {
	t.Parallel()
	status, _, stderr := run(t, "send", "--pattern", "2", "--address", "127.0.0.1", "--port", peertest.FreePort(t), "--frames", "3")
	if status != 0 || !strings.Contains(stderr, "sent 3 frames") || !strings.Contains(stderr, "; no subscriber was connected\n") {
		t.Errorf("status %d: %s", status, stderr)
	}
}
