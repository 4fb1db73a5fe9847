//go:build !nogocv

// Package examples tests the example programs as processes, as their users run
// them.
package examples

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/examples/internal/sample"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// more are programs that only some builds have.
var more []string

// bin is the folder of the built programs.
var bin string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "netgear-examples-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	programs := append([]string{"build", "-buildvcs=false", "-tags", tags(), "-o", bin, "./send", "./receive", "./demo",
		"./bidirectional", "./multiserver", "./multiclient", "./latest", "./secure", "./keys", "./sshtunnel"}, more...)
	build := exec.Command("go", programs...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build, err, out)
		return 1
	}
	return m.Run()
}

// tags are the build tags of this test.
func tags() string {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-tags" {
			return s.Value
		}
	}
	return ""
}

// ---- processes ----

// program is a running example.
type program struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdout peertest.Text
	done   chan struct{} // closed when stderr has ended

	mu     sync.Mutex
	stderr []string
	said   chan string // not yet read by waitFor
}

const timeLimit = 60 * time.Second

// start starts an example. The test's end kills it.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	return startIn(t, os.Environ(), name, args...)
}

// startIn starts an example in an environment.
func startIn(t *testing.T, env []string, name string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	p := &program{t: t, name: name, done: make(chan struct{}), said: make(chan string, 1000)}
	p.cmd = exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	p.cmd.Stdout, p.cmd.Env = &p.stdout, env
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		defer close(p.said)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			p.mu.Lock()
			p.stderr = append(p.stderr, lines.Text())
			p.mu.Unlock()
			p.said <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-p.done
		p.cmd.Wait()
	})
	return p
}

// waitFor waits until the program prints a matching text on stderr, and returns
// the first group.
func (p *program) waitFor(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for line := range p.said {
		if found := re.FindStringSubmatch(line); found != nil {
			return found[len(found)-1]
		}
	}
	p.t.Fatalf("%s never said %q; it said:\n%s", p.name, pattern, p.errors())
	return ""
}

// prints waits until the program has printed something n times on stdout.
func (p *program) prints(what string, n int) {
	p.t.Helper()
	for {
		text, more := p.stdout.SoFar()
		if strings.Count(text, what) >= n {
			return
		}
		select {
		case <-more:
		case <-p.done:
			p.t.Fatalf("%s ended without %d times %q on stdout; stderr:\n%s", p.name, n, what, p.errors())
		}
	}
}

// port waits until a receiver listens, and returns its port.
func (p *program) port() string { return p.waitFor(`^listening on .*:(\d+)$`) }

func (p *program) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.stderr, "\n")
}

// exits waits until the program exits with the given status, and returns its
// stdout and stderr.
func (p *program) exits(status int) (stdout, stderr string) {
	p.t.Helper()
	<-p.done
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("%s: exit status %d (%v), want %d; stderr:\n%s", p.name, got, p.cmd.ProcessState, status, p.errors())
	}
	stdout, _ = p.stdout.SoFar()
	return stdout, p.errors()
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// pair starts a receiver and then a sender that is connected to it.
func pair(t *testing.T, pattern int, send, receive []string) (sender, receiver *program) {
	t.Helper()
	both := []string{"-address", "127.0.0.1", fmt.Sprint("-pattern=", pattern)}
	receiver = start(t, "receive", append(append(both[:2:2], both[2], "-port", "0"), receive...)...)
	sender = start(t, "send", append(append(both[:2:2], both[2], "-port", receiver.port()), send...)...)
	return sender, receiver
}

func args(s ...string) []string { return s }

// lines parses JSON lines.
func lines(t *testing.T, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, v)
	}
	return all
}

// sampleFile writes the sample video to a file.
func sampleFile(t *testing.T) string {
	t.Helper()
	path, err := sample.WriteTemp()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(path) })
	return path
}

const rawPixels = `{"jpeg_compression": false}`

// ---- what works ----

func TestRawFramesArriveAsSent(t *testing.T) {
	t.Parallel()
	for pattern := range 2 {
		sender, receiver := pair(t, pattern, args("-source", sampleFile(t), "-options", rawPixels, "-json"), args("-json"))
		sent, summary := sender.exits(0)
		received, _ := receiver.exits(0)
		if sent != received || strings.Count(sent, "\n") != sample.Frames {
			t.Errorf("pattern %d: sent\n%sreceived\n%s", pattern, sent, received)
		}
		if want := fmt.Sprintf("sent %d frames in ", sample.Frames); !strings.Contains(summary, want) {
			t.Errorf("no %q in %s", want, summary)
		}
		first := lines(t, sent)[0]
		if fmt.Sprintln(first["index"], first["shape"], first["dtype"]) != "0 [576 768 3] uint8\n" {
			t.Errorf("%v", first)
		}
	}
}

// A publisher's first frames may be lost. Those that arrive are unchanged.
func TestPubSub(t *testing.T) {
	t.Parallel()
	sender, receiver := pair(t, 2, args("-fps", "100", "-options", rawPixels, "-json"), args("-json", "-n", "20"))
	received, _ := receiver.exits(0)
	sender.signal(os.Interrupt)
	sent, _ := sender.exits(0)
	checksums := map[any]bool{}
	for _, line := range lines(t, sent) {
		checksums[line["sha256"]] = true
	}
	got := lines(t, received)
	if len(got) != 20 {
		t.Fatalf("%d lines, want 20", len(got))
	}
	for _, line := range got {
		if !checksums[line["sha256"]] {
			t.Errorf("this frame was never sent: %v", line)
		}
	}
}

func TestJPEGFramesArrive(t *testing.T) {
	t.Parallel()
	for pattern := range 2 {
		sender, receiver := pair(t, pattern, args("-n", "30", "-size", "320x200", "-json"), args("-json"))
		sent, _ := sender.exits(0)
		received, _ := receiver.exits(0)
		a, b := lines(t, sent), lines(t, received)
		if len(a) != 30 || len(b) != 30 {
			t.Fatalf("pattern %d: %d sent, %d received", pattern, len(a), len(b))
		}
		if fmt.Sprint(a[0]["shape"]) != "[200 320 3]" || fmt.Sprint(b[0]["shape"]) != "[200 320 3]" {
			t.Errorf("%v, %v", a[0], b[0])
		}
		if a[0]["sha256"] == b[0]["sha256"] {
			t.Error("raw pixels, although JPEG is the default")
		}
	}
}

// The last frame's answer must not be lost when the receiver ends at once.
func TestBothEndsStopAfterTheSameFrame(t *testing.T) {
	t.Parallel()
	for pattern := range 2 {
		sender, receiver := pair(t, pattern, args("-n", "5", "-gray"), args("-n", "5"))
		receiver.exits(0)
		_, stderr := sender.exits(0)
		if strings.Contains(stderr, "retries") {
			t.Errorf("pattern %d: %s", pattern, stderr)
		}
	}
}

func TestStillAndLoop(t *testing.T) {
	t.Parallel()
	sender, receiver := pair(t, 0, args("-still", "-n", "5", "-options", rawPixels), args("-json"))
	sender.exits(0)
	still, _ := receiver.exits(0)
	for i, line := range lines(t, still) {
		if line["sha256"] != lines(t, still)[0]["sha256"] {
			t.Errorf("-still: frame %d is another", i)
		}
	}
	n := fmt.Sprint(sample.Frames + 1)
	sender, receiver = pair(t, 0, args("-source", sampleFile(t), "-loop", "-gray", "-n", n, "-options", rawPixels), args("-json"))
	sender.exits(0)
	looped, _ := receiver.exits(0)
	got := lines(t, looped)
	if len(got) != sample.Frames+1 || got[0]["sha256"] != got[sample.Frames]["sha256"] || got[0]["sha256"] == got[1]["sha256"] {
		t.Errorf("-loop: %s", looped)
	}
	if fmt.Sprint(got[0]["shape"]) != "[576 768]" {
		t.Errorf("-gray: %v", got[0])
	}
}

// Messages and return data are Python's JSON: NaN, and integers of any size.
func TestMessagesAndReturnData(t *testing.T) {
	t.Parallel()
	const both = `{"bidirectional_mode": true}`
	sender, receiver := pair(t, 1,
		args("-n", "10", "-json", "-options", both, "-message", `{"a": NaN, "n": 1180591620717411303424, "é": [1, 2.0]}`),
		args("-json", "-options", both, "-return", `["stop", -Infinity]`))
	sent, _ := sender.exits(0)
	received, _ := receiver.exits(0)
	if want := `"message": {"a": NaN, "n": 1180591620717411303424, "\u00e9": [1, 2.0]}}`; strings.Count(received, want) != 10 {
		t.Errorf("no %s in\n%s", want, received)
	}
	// The first answers may have been sent before -return took effect.
	if want := `"reply": ["stop", -Infinity]}`; strings.Count(sent, want) < 5 {
		t.Errorf("no %s in\n%s", want, sent)
	}
}

func TestMultiServer(t *testing.T) {
	t.Parallel()
	const multi = `{"multiserver_mode": true}`
	receiver := start(t, "receive", "-address", "127.0.0.1", "-pattern", "1", "-port", "0,0", "-options", multi, "-json")
	first, second := receiver.port(), receiver.port()
	var senders []*program
	for _, port := range []string{first, second} {
		senders = append(senders, start(t, "send", "-address", "127.0.0.1", "-pattern", "1", "-port", port, "-options", multi, "-fps", "100"))
	}
	for _, port := range []string{first, second} {
		receiver.prints(`"port": "`+port+`"`, 3)
	}
	for _, s := range senders {
		s.signal(os.Interrupt)
		s.exits(0)
	}
	receiver.exits(0) // after the second terminate message
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	video := filepath.Join(dir, "video.avi")
	sender, receiver := pair(t, 0, args("-n", "12", "-options", rawPixels), args("-out", filepath.Join(dir, "new", "frames"), "-video", video))
	sender.exits(0)
	receiver.exits(0)
	files, _ := filepath.Glob(filepath.Join(dir, "new", "frames", "frame-*.png"))
	if len(files) != 12 || filepath.Base(files[11]) != "frame-000011.png" {
		t.Fatalf("%v", files)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() != 640 {
		t.Errorf("%v, %v", img, err)
	}
	// The video can be played and sent.
	sender, receiver = pair(t, 0, args("-source", video, "-json"), nil)
	sent, _ := sender.exits(0)
	receiver.exits(0)
	if got := len(lines(t, sent)); got != 12 {
		t.Errorf("%d frames in the video, want 12", got)
	}
	// A picture is a source of one frame, with the pixels it was written with.
	sender, receiver = pair(t, 0, args("-source", files[3], "-json"), nil)
	again, _ := sender.exits(0)
	receiver.exits(0)
	if got := lines(t, again); len(got) != 1 {
		t.Errorf("%s", again)
	}
}

func TestCtrlC(t *testing.T) {
	t.Parallel()
	for pattern := range 3 {
		for _, who := range []string{"send", "receive"} {
			// A sender that waits for an answer would wait longer than the test.
			sender, receiver := pair(t, pattern, args("-fps", "50", "-options", `{"request_timeout": 3600}`), args("-timeout", "30s", "-json"))
			receiver.prints("\n", 3)
			if who == "send" {
				sender.signal(os.Interrupt)
				sender.exits(0)
				receiver.exits(0) // it received the terminate message
				continue
			}
			receiver.signal(syscall.SIGTERM)
			receiver.exits(0)
			// No peer answers; the sender still ends at once.
			sender.signal(os.Interrupt)
			sender.exits(0)
		}
	}
}

// No peer exists: Ctrl-C ends the wait.
func TestCtrlCWhileWaiting(t *testing.T) {
	t.Parallel()
	receiver := start(t, "receive", "-address", "127.0.0.1", "-port", "0")
	receiver.port()
	receiver.signal(os.Interrupt)
	receiver.exits(0)
}

func TestCtrlCWithoutReceiver(t *testing.T) {
	t.Parallel()
	// A port without a listener: one that was free a moment ago.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	sender := start(t, "send", "-address", "127.0.0.1", "-port", fmt.Sprint(port), "-options", `{"logging": true}`)
	sender.waitFor("no answer") // the first of its retries, after 4 seconds
	sender.signal(os.Interrupt)
	sender.exits(0)
}

// ---- what does not ----

func TestBadInput(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	notAVideo := filepath.Join(t.TempDir(), "video.avi")
	if err := os.WriteFile(notAVideo, []byte("this is a text"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		says []string // all of it on stderr
	}{
		{"send", args("-source", "no/such/file.mp4"), args("-source", "no/such/file.mp4", "no such file", `source "test"`)},
		{"send", args("-source", notAVideo), args("-source", notAVideo, "is it a video")},
		{"send", args("-source", t.TempDir()), args("-source", "error:")},
		{"send", args("-options", `{"falg": 0}`), args("-options", "falg", "did you mean flag?")},
		{"send", args("-options", `{"flag": 1}`), args("-options", "#390", `use -options '{"flag": 0}'`)},
		{"receive", args("-options", `{"flag": 1, "copy": false, "track": false}`), args("#390")},
		{"send", args("-options", `{"max_retries": "many"}`), args("max_retries", "whole number")},
		{"send", args("-options", `[1]`), args("-options", "must be a JSON object")},
		{"send", args("-options", `{"receive_mode": true}`), args("examples/receive")},
		{"send", args("-pattern", "3"), args("-pattern 3", "PUSH/PULL", "use -async")},
		{"receive", args("-pattern", "3"), args("-pattern 3", "PUSH/PULL", "use -async")},
		{"send", args("-protocol", "udp"), args("-protocol udp", "tcp", "ipc")},
		{"send", args("-port", "99999"), args("-port 99999", "65535")},
		{"send", args("-size", "large"), args("-size", "1280x720")},
		{"send", args("-message", `{"a`), args("-message")},
		{"send", args("-n", "-1"), args("-n", "must not be negative")},
		{"send", args("-nn"), args("-nn", "-h")},
		{"send", args("video.mp4"), args("unexpected argument", "-h")},
		// 192.0.2.1 is reserved for documentation, so no machine has it.
		{"receive", args("-address", "192.0.2.1"), args("192.0.2.1", "not an address of this machine")},
		{"receive", args("-address", "127.0.0.1", "-port", port), args("127.0.0.1:"+port, "another program listens there")},
		{"receive", args("-address", "127.0.0.1", "-port", "0", "-timeout", "300ms"), args("no frame for 300ms", "same pattern", "no peer is connected")},
		{"receive", args("-address", "127.0.0.1", "-port", "0", "-return", "1"), args("-return", `put "bidirectional_mode": true in -options`)},
		{"receive", args("-port", "0", "-pattern", "2", "-return", "1", "-options", `{"multiclient_mode": true}`), args("-return", "with -pattern 1")},
		{"receive", args("-address", "127.0.0.1", "-port", "0", "-return", "{", "-options", `{"bidirectional_mode": true}`), args("-return")},
		{"receive", args("-out", filepath.Join(notAVideo, "frames")), args("-out", "not a directory")},
		{"receive", args("-video", filepath.Join(notAVideo, "x.avi")), args("-video", "not a directory")},
		{"demo", args("-pattern", "3"), args("-pattern must be 0")},
		{"demo", args("-only", "send", "-port", "0"), args("-port 0", "from 1 to 65535")},
		{"demo", args("-only", "both"), args("-only", "send or receive")},
		{"demo", args("-loops", "0"), args("-loops")},
		{"bidirectional", args("-pattern", "2"), args("-pattern 2", "0 PAIR or 1 REQ/REP")},
		{"bidirectional", args("-only", "both"), args("-only", "send or receive")},
		{"multiserver", args("-pattern", "0"), args("-pattern 0", "1 REQ/REP or 2 PUB/SUB")},
		{"multiserver", args("-n", "1", "-out", filepath.Join(notAVideo, "x.png")), args("-out", "cannot write")},
		{"multiserver", args("-source", "no/such/file.mp4"), args("-source", "no such file")},
		{"multiclient", args("-pattern", "0"), args("-pattern 0", "1 REQ/REP or 2 PUB/SUB")},
		{"multiclient", args("-n", "0"), args("-n must be")},
		{"send", args("-async", "-pattern", "4"), args("-pattern 4", "PUSH/PULL")},
		{"send", args("-async", "-options", `{"jpeg_compression": true, "multiclient_mode": true}`), args("multiclient_mode", "NetGear_Async")},
		{"send", args("-source", "http://joe:S3cr3t@127.0.0.1:1/x.avi?token=S3cr3t"), args("-source http://joe:[redacted]@127.0.0.1:1/x.avi?[redacted]: no server answers")},
		{"send", args("-options", `{"ssh_tunnel_pwd": ["S3cr3t"]}`), args("ssh_tunnel_pwd", "must be a text")},
		{"send", args("-options", "{ssh_tunnel_pwd:", "S3cr3t}"), args("unexpected argument")},
		{"sshtunnel", args("-ssh", "joe@127.0.0.1", "-password=S3cr3t"), args("-password takes no value")},
		{"sshtunnel", args("-ssh", "joe:S3cr3t@127.0.0.1", "-password"), args("SSHTunnelPwd")},
		{"latest", args("-fps", "0"), args("-fps must be")},
		{"latest", args("-n", "2", "-source", "no/such/file.mp4"), args("-source", "no such file")},
	} {
		t.Run(c.name+" "+strings.Join(c.args, " "), func(t *testing.T) { refuses(t, c.name, c.args, c.says) })
	}
}

// ---- the demo ----

func TestDemo(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{}, {"-pattern", "1", "-raw"}, {"-pattern", "2"}} {
		sheet := filepath.Join(t.TempDir(), "sheet.png")
		demo := start(t, "demo", append(flags, "-loops", "1", "-out", sheet)...)
		text, _ := demo.exits(0)
		for _, want := range []string{
			fmt.Sprintf("%d received, 0 missing, 0 wrong", sample.Frames), "Every frame arrived", sheet, "from vidgear.gears import NetGear",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%v: no %q in:\n%s", flags, want, text)
			}
		}
		f, err := os.Open(sheet)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil || img.Bounds().Dx() < 800 {
			t.Errorf("contact sheet: %v", err)
		}
	}
}

// Each process of the demo can run alone, with another program as the other
// end.
func TestDemoNoticesWhatIsMissing(t *testing.T) {
	t.Parallel()
	demo := start(t, "demo", "-only", "receive", "-port", "0", "-loops", "2", "-out", filepath.Join(t.TempDir(), "sheet.png"))
	demo.prints("receives: PAIR on tcp://127.0.0.1:", 1)
	text, _ := demo.stdout.SoFar()
	port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(text)[1]
	start(t, "send", "-address", "127.0.0.1", "-port", port, "-source", sampleFile(t)).exits(0)
	text, stderr := demo.exits(1)
	if !strings.Contains(stderr, "40 of 80 frames did not arrive") || !strings.Contains(text, "40 missing, 0 wrong") {
		t.Errorf("%s\n%s", text, stderr)
	}
}

// Both processes, started separately, print their results. Raw frames of a
// sender that is not the demo are compared with the original.
func TestDemoInPieces(t *testing.T) {
	t.Parallel()
	for _, sender := range []string{"demo", "send"} {
		receiver := start(t, "demo", "-only", "receive", "-port", "0", "-loops", "1", "-raw", "-out", filepath.Join(t.TempDir(), "sheet.png"))
		receiver.prints("receives: PAIR on tcp://127.0.0.1:", 1)
		text, _ := receiver.stdout.SoFar()
		port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(text)[1]
		if sender == "demo" {
			sent, _ := start(t, "demo", "-only", "send", "-port", port, "-loops", "1", "-raw").exits(0)
			counts(t, sent, map[string]int{"sends: PAIR to 127.0.0.1, port " + port: 1, "Frames: 40 sent": 1})
		} else {
			start(t, "send", "-address", "127.0.0.1", "-port", port, "-source", "sample", "-options", rawPixels).exits(0)
		}
		text, _ = receiver.exits(0)
		counts(t, text, map[string]int{"40 received, 0 missing, 0 wrong": 1, "Every frame arrived": 1, "Inf": 0})
		if sender == "send" {
			counts(t, text, map[string]int{"40 frames are the original pixel for pixel": 1})
		}
	}
}

// ---- the modes: both ends in one process ----

func TestBidirectional(t *testing.T) {
	t.Parallel()
	for pattern := range 2 {
		pattern := fmt.Sprint("-pattern=", pattern)
		text, _ := start(t, "bidirectional", pattern, "-n", "12", "-fps", "100").exits(0)
		counts(t, text, map[string]int{`(?m)^frame (\d+): {"frame": \d+, "brightness": 1\d\d\.\d}$`: 11, `(?m)^frame 9: an array of uint8, shape \[48 64 3\]$`: 1, `12 frames received`: 1})
		for i := range 9 { // the answer to a frame is about that frame
			counts(t, text, map[string]int{fmt.Sprintf(`(?m)^frame %d: {"frame": %d,`, i, i): 1})
		}
		// In VidGear's way, it is about an earlier one.
		text, _ = start(t, "bidirectional", pattern, "-n", "12", "-fps", "20", "-return").exits(0)
		answers := regexp.MustCompile(`(?m)^frame (\d+): {"frame": (\d+),`).FindAllStringSubmatch(text, -1)
		if len(answers) == 0 || !strings.Contains(text, "frame 0: null") {
			t.Errorf("%s", text)
		}
		for _, a := range answers {
			if about, _ := strconv.Atoi(a[2]); fmt.Sprint(about) == a[1] {
				t.Errorf("%s: an answer came from the future", a[0])
			}
		}
	}
}

// counts returns how often expressions occur in a text.
func counts(t *testing.T, text string, want map[string]int) {
	t.Helper()
	for pattern, n := range want {
		if got := len(regexp.MustCompile(pattern).FindAllString(text, -1)); got != n {
			t.Errorf("%d times %q, want %d, in:\n%s", got, pattern, n, text)
		}
	}
}

func TestMultiServerMontage(t *testing.T) {
	t.Parallel()
	for pattern := 1; pattern <= 2; pattern++ {
		out := filepath.Join(t.TempDir(), "montage.png")
		text, _ := start(t, "multiserver", fmt.Sprint("-pattern=", pattern), "-n", "30", "-out", out).exits(0)
		counts(t, text, map[string]int{`goodbye from port \d+`: 4, `listening on `: 4, `first frame from port`: 4, `port \d+: \d+ frames received`: 4})
		if pattern == 1 { // PUB/SUB may lose some
			counts(t, text, map[string]int{`: 30 frames received`: 3, `: 15 frames received`: 1})
		}
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		// Every quarter has a picture: more than one color.
		w, h := img.Bounds().Dx()/2, img.Bounds().Dy()/2
		for i := range 4 {
			x, y := i%2*w, i/2*h
			if img.At(x+w/2, y+h/2) == img.At(x+w/2, y+h-8) && img.At(x+w/2, y+h/2) == img.At(x+w-8, y+h/2) {
				t.Errorf("pattern %d: nothing in quarter %d", pattern, i)
			}
		}
	}
}

// Each end alone: the receive end ends when the last of its senders has ended.
func TestMultiServerInPieces(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "montage.png")
	receiver := start(t, "multiserver", "-only", "receive", "-address", "127.0.0.1", "-port", "0,0", "-out", out)
	receiver.prints("listening on", 2)
	text, _ := receiver.stdout.SoFar()
	var senders []*program
	for _, found := range regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindAllStringSubmatch(text, -1) {
		senders = append(senders, start(t, "multiserver", "-only", "send", "-address", "127.0.0.1", "-port", found[1], "-n", "100000", "-source", "test"))
	}
	receiver.prints("first frame from port", len(senders))
	for i, s := range senders {
		s.signal(os.Interrupt)
		s.exits(0)
		receiver.prints("goodbye from port", i+1)
	}
	receiver.exits(0) // the last one has ended
}

func TestMultiClient(t *testing.T) {
	t.Parallel()
	text, _ := start(t, "multiclient", "-n", "30", "-fps", "50").exits(0)
	counts(t, text, map[string]int{`client \d+ dies after 5 frames`: 1, `client \d+ had \d+ frames`: 2, `frame \d+: client \d+ answers {"frames": \d+}`: 30,
		`30 frames sent`: 1, `client \d+ answered \d+`: 3})
	text, _ = start(t, "multiclient", "-n", "30", "-fps", "50", "-pattern", "2").exits(0)
	counts(t, text, map[string]int{`client \d+ dies after 5 frames`: 1, `client \d+ had \d+ frames`: 2, `answers`: 0, `30 frames sent`: 1})
}

func TestLatest(t *testing.T) {
	t.Parallel()
	for pattern := range 3 {
		text, _ := start(t, "latest", fmt.Sprint("-pattern=", pattern), "-n", "6", "-work", "200ms", "-fps", "20").exits(0)
		counts(t, text, map[string]int{`(?m)^frame \d+: [0-9.µm]+s old, \d+ dropped so far$`: 12, `with the queue: 6 frames, .* 0 dropped;`: 1, `with Latest:    6 frames,`: 1,
			`with Latest: .* 0 dropped;`: 0})
	}
}

// The wire of NetGear_Async in every pattern that loses nothing: raw pixels,
// and messages.
func TestAsync(t *testing.T) {
	t.Parallel()
	for _, pattern := range []int{0, 1, 3} {
		sender, receiver := pair(t, pattern, args("-async", "-source", "sample", "-n", "12", "-json", "-message", `{"a": [1, 2.5, "é"]}`), args("-async", "-json"))
		sent, _ := sender.exits(0)
		received, _ := receiver.exits(0)
		if got := strings.ReplaceAll(received, `, "message": {"a": [1, 2.5, "\u00e9"]}`, ""); got != sent || strings.Count(sent, "\n") != 12 {
			t.Errorf("pattern %d: sent\n%sreceived\n%s", pattern, sent, received)
		}
		if strings.Count(received, `"message"`) != 12 {
			t.Errorf("pattern %d: messages are missing in\n%s", pattern, received)
		}
	}
}

// refuses fails unless the program ends with an error, which must not contain a
// password.
func refuses(t *testing.T, name string, args, says []string) {
	t.Helper()
	_, stderr := start(t, name, args...).exits(1)
	for _, want := range says {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in: %s", want, stderr)
		}
	}
	if strings.Contains(stderr, "S3cr3t") {
		t.Errorf("the password is in: %s", stderr)
	}
}

// Ends without a valid key are refused with a reason, and then the stream
// flows.
func TestSecure(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{"-mode", "1", "-pattern", "0"}, {"-mode", "2", "-pattern", "1"}} {
		stdout, stderr := start(t, "secure", append(flags, "-n", "10")...).exits(0)
		for _, says := range []string{"10 frames received", "authentication failed"} {
			if !strings.Contains(stdout+stderr, says) {
				t.Errorf("%v does not say %q:\n%s%s", flags, says, stdout, stderr)
			}
		}
	}
}

// Public keys are printed, secret keys are not.
func TestKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stdout, stderr := start(t, "keys", "-location", dir).exits(0)
	secret, err := os.ReadFile(filepath.Join(dir, ".vidgear", "keys", "private_keys", "server.key_secret"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`secret-key = "(.+)"`).FindSubmatch(secret)
	if found == nil || strings.Contains(stdout+stderr, string(found[1])) || strings.Contains(stdout+stderr, "secret-key") {
		t.Errorf("secrets are shown:\n%s%s", stdout, stderr)
	}
	if !strings.Contains(stdout, "server.key") {
		t.Errorf("nothing is shown:\n%s", stdout)
	}
}

func TestSSHTunnelNeedsAHost(t *testing.T) {
	t.Parallel()
	if _, stderr := start(t, "sshtunnel").exits(1); !strings.Contains(stderr, "-ssh") {
		t.Errorf("it does not say what is missing:\n%s", stderr)
	}
}
