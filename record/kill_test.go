package record

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// childEnv names the folder into which a child process records.
const childEnv = "NETGEAR_RECORD_CHILD"

// beChild records frames until the process is killed. It prints the number of
// each frame as it begins to record it, and the time.
func beChild(dir string) {
	r, err := Create(Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for n := 0; ; n++ {
		g := given{name: "cam", jpeg: picture(n, 64, 48), message: n, at: time.Now()}
		f, err := g.build()
		if err == nil {
			err = r.Write(g.name, f)
			f.Close()
		}
		if err != nil && !errors.Is(err, ErrQueueFull) {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(time.Now().UnixNano())
		time.Sleep(5 * time.Millisecond)
	}
}

// A process that is killed loses at most the last second. Its file is read by
// FFmpeg and by a Player.
func TestKilled(t *testing.T) {
	long(t)
	t.Parallel()
	ffprobe := program(t, "ffprobe")
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	child := peertest.Start(t, "recording process", cmd, func(line []byte) string { return string(line) })
	var last time.Time
	read := func(line string) {
		ns, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			t.Fatal(line)
		}
		last = time.Unix(0, ns)
	}
	var first time.Time
	var pause time.Duration // the longest of the process, on a busy machine
	for line := range child.Lines {
		before := last
		read(line)
		if !before.IsZero() {
			pause = max(pause, last.Sub(before))
		}
		if first.IsZero() {
			first = last
		}
		if last.Sub(first) > 1500*time.Millisecond { // some clusters
			break
		}
	}
	child.Kill()
	for line := range child.Lines {
		read(line)
	}
	files := recordings(t, dir, defaultName)
	if len(files) != 1 {
		t.Fatalf("%d files", len(files))
	}
	p := open(t, files[0])
	frames, err := readAll(t, p)
	if err != nil && !errors.Is(err, ErrTruncated) {
		t.Fatal(err)
	}
	for i, f := range frames {
		if f.Message.Value() != int64(i) || string(f.JPEG) != string(picture(i, 64, 48)) {
			t.Fatalf("frame %d has the message %v", i, f.Message)
		}
	}
	if lost := last.Sub(frames[len(frames)-1].Time); lost > time.Second+2*pause {
		t.Errorf("the last %v are lost, and the process paused for %v", lost, pause)
	}
	if p.Duration() < time.Second/2 || !p.Cut() {
		t.Errorf("the duration is %v, cut: %v", p.Duration(), p.Cut())
	}
	streams := probe(t, ffprobe, files[0])
	if n, err := strconv.Atoi(streams.Streams[0].Frames); err != nil || n < len(frames) || n > len(frames)+1 {
		t.Errorf("FFmpeg reads %s frames, not %d", streams.Streams[0].Frames, len(frames))
	}
}
