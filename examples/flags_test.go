//go:build !nogocv

package examples

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/examples/internal/sample"
)

// The flags of send and receive that no other test covers.

// A slow receiver with -latest: some frames are dropped, every one is counted,
// and the newest one arrives.
func TestLatestFlag(t *testing.T) {
	t.Parallel()
	const frames = 60
	// Writing a large PNG takes many times as long as sending the frame.
	sender, receiver := pair(t, 0, args("-n", fmt.Sprint(frames), "-size", "1280x960", "-options", rawPixels, "-json"),
		args("-latest", "-json", "-out", t.TempDir()))
	sent, _ := sender.exits(0)
	received, stderr := receiver.exits(0)
	a, b := lines(t, sent), lines(t, received)
	got := summary(t, stderr, "received")
	if got.dropped == 0 || int(got.frames) != len(b) || int(got.frames+got.dropped) != frames {
		t.Errorf("%d lines, %s", len(b), stderr)
	}
	if a[len(a)-1]["sha256"] != b[len(b)-1]["sha256"] {
		t.Error("the newest frame was dropped")
	}
}

// A video that receive wrote has every frame, in the size of the first.
func TestVideoFlag(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x.avi", "x.mp4"} {
		for _, color := range []string{"-gray=false", "-gray"} {
			video := filepath.Join(t.TempDir(), name)
			sender, receiver := pair(t, 0, args("-n", "13", "-size", "320x200", color), args("-video", video))
			sender.exits(0)
			receiver.exits(0)
			sender, receiver = pair(t, 0, args("-source", video, "-json"), nil)
			sent, _ := sender.exits(0)
			receiver.exits(0)
			got := lines(t, sent)
			if len(got) != 13 || fmt.Sprint(got[0]["shape"]) != "[200 320 3]" || got[0]["sha256"] == got[12]["sha256"] {
				t.Errorf("%s, %s: %d frames, the first %v", name, color, len(got), got[0])
			}
		}
	}
}

// A video without frames leaves no file.
func TestVideoWithoutFrames(t *testing.T) {
	t.Parallel()
	video := filepath.Join(t.TempDir(), "x.avi")
	refuses(t, "receive", args("-address", "127.0.0.1", "-port", "0", "-timeout", "100ms", "-video", video), args("no frame for 100ms"))
	if _, err := os.Stat(video); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
}

// numbers are the numbers of a summary line.
type numbers struct{ frames, seconds, fps, mbps, dropped float64 }

// summary parses the last line on stderr, which must be the summary.
func summary(t *testing.T, stderr, verb string) numbers {
	t.Helper()
	last := stderr[strings.LastIndex(stderr, "\n")+1:]
	found := regexp.MustCompile(`^` + verb + ` (\d+) frames? in (\d+\.\d\d) s: (\d+\.\d) fps, (\d+\.\d) MB/s(?:, (\d+) dropped.*)?$`).FindStringSubmatch(last)
	if found == nil {
		t.Fatalf("not a summary: %s", stderr)
	}
	var n [5]float64
	for i := range n {
		n[i], _ = strconv.ParseFloat(found[i+1], 64)
	}
	return numbers{n[0], n[1], n[2], n[3], n[4]}
}

// The numbers of the summary match each other, and the frames sent.
func TestSummary(t *testing.T) {
	t.Parallel()
	sender, receiver := pair(t, 0, args("-n", "31", "-fps", "50", "-size", "500x400", "-options", rawPixels), nil)
	_, sent := sender.exits(0)
	_, received := receiver.exits(0)
	for _, got := range []numbers{summary(t, sent, "sent"), summary(t, received, "received")} {
		// One frame has 0.6 MB and its header.
		if got.frames != 31 || got.dropped != 0 || !near(got.fps*got.seconds, 30) || !near(got.mbps/got.fps, 0.6) {
			t.Errorf("%+v", got)
		}
	}
}

// near reports whether numbers are equal but for the summary's rounding.
func near(a, b float64) bool { return a > 0.95*b && a < 1.05*b }

// With -fps frames are sent no faster. They may be slower on a slow machine.
func TestFPSFlag(t *testing.T) {
	t.Parallel()
	sender, receiver := pair(t, 1, args("-n", "21", "-fps", "40"), nil)
	_, stderr := sender.exits(0)
	receiver.exits(0)
	// The first few may be faster, after the wait for the receiver.
	if got := summary(t, stderr, "sent"); got.frames != 21 || got.seconds < 15./40 {
		t.Errorf("too fast: %s", stderr)
	}
}

func TestSizeAndGray(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags []string
		shape string
	}{
		{args("-source", "sample"), "[576 768 3]"},
		{args("-source", "sample", "-size", "160x90"), "[90 160 3]"},
		{args("-source", "sample", "-gray"), "[576 768]"},
		{args("-source", "sample", "-size", "160x90", "-gray"), "[90 160]"},
		{args("-source", "test", "-size", "160x90", "-gray"), "[90 160]"},
	} {
		sender, receiver := pair(t, 0, append(c.flags, "-n", "2", "-options", rawPixels, "-json"), args("-json"))
		sent, _ := sender.exits(0)
		received, _ := receiver.exits(0)
		if got := lines(t, received); sent != received || len(got) != 2 || fmt.Sprint(got[1]["shape"]) != c.shape {
			t.Errorf("%v: sent\n%sreceived\n%s", c.flags, sent, received)
		}
	}
}

// Several ports in send: each client receives its share, and its answers have
// its port.
func TestMultiClientPorts(t *testing.T) {
	t.Parallel()
	const multi = `{"multiclient_mode": true}`
	var clients []*program
	var ports []string
	for i := range 2 {
		c := start(t, "receive", "-address", "127.0.0.1", "-pattern", "1", "-port", "0", "-options", multi, "-return", fmt.Sprintf(`"client %d"`, i), "-json")
		clients, ports = append(clients, c), append(ports, c.port())
	}
	text, _ := start(t, "send", "-address", "127.0.0.1", "-pattern", "1", "-port", strings.Join(ports, ","), "-options", multi, "-n", "40", "-fps", "100", "-json").exits(0)
	sent := lines(t, text)
	if len(sent) != 40 {
		t.Fatalf("%d frames, want 40", len(sent))
	}
	for i, c := range clients {
		received, _ := c.exits(0)
		replies := 0
		for _, line := range sent {
			if line["reply_port"] == ports[i] {
				replies++
				if line["reply"] != nil && line["reply"] != fmt.Sprintf("client %d", i) {
					t.Errorf("client %d: %v", i, line)
				}
			}
		}
		if got := strings.Count(received, "\n"); got == 0 || got != replies {
			t.Errorf("client %d: %d frames, %d answers", i, got, replies)
		}
		if !strings.Contains(text, fmt.Sprintf(`"reply": "client %d", "reply_port": %q`, i, ports[i])) {
			t.Errorf("client %d: its return data is not in\n%s", i, text)
		}
	}
}

// ---- sources ----

func TestURL(t *testing.T) {
	t.Parallel()
	path := sampleFile(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/video.avi" {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, path)
	}))
	defer server.Close()
	sender, receiver := pair(t, 0, args("-source", server.URL+"/video.avi", "-options", rawPixels, "-json"), args("-json"))
	sent, _ := sender.exits(0)
	received, _ := receiver.exits(0)
	if sent != received || strings.Count(sent, "\n") != sample.Frames {
		t.Errorf("sent\n%sreceived\n%s", sent, received)
	}
	refusesSource(t, server.URL+"/nothing.avi", "the server answers 404 Not Found")
	server.Close()
	refusesSource(t, server.URL+"/video.avi", "no server answers")
}

// The JPEGs of an MJPEG file are sent as they are.
func TestMJPEGFile(t *testing.T) {
	t.Parallel()
	sender, receiver := pair(t, 0, args("-source", "../source/testdata/three.avi", "-json"), args("-json"))
	sent, _ := sender.exits(0)
	received, _ := receiver.exits(0)
	if sent != received || strings.Count(sent, "\n") != 3 {
		t.Errorf("sent\n%sreceived\n%s", sent, received)
	}
}

func TestNoSuchCamera(t *testing.T) {
	t.Parallel()
	refusesSource(t, "4321", "no such camera")
}

// refusesSource fails unless send ends with one clear error, without OpenCV's
// log.
func refusesSource(t *testing.T, source, says string) {
	t.Helper()
	_, stderr := start(t, "send", "-source", source).exits(1)
	if !strings.Contains(stderr, "error: -source "+source+": "+says) || !strings.Contains(stderr, `source "test"`) {
		t.Errorf("no %q in: %s", says, stderr)
	}
	if strings.Contains(stderr, "OpenCV(") || strings.Contains(stderr, "WARN") {
		t.Errorf("OpenCV's log is there too: %s", stderr)
	}
}
