//go:build nogocv

package examples

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// Without OpenCV send and receive exchange frames, and write them to files. What
// needs OpenCV is an error that names it.
func TestSendAndReceiveWithoutOpenCV(t *testing.T) {
	bin, out := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", "nogocv", "-o", bin, "./send", "./receive", "./service")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	recv := exec.Command(filepath.Join(bin, "receive"), "-address", "127.0.0.1", "-port", "0", "-out", out)
	stderr, err := recv.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := recv.Start(); err != nil {
		t.Fatal(err)
	}
	defer recv.Process.Kill()
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() {
		t.Fatal("receive prints nothing")
	}
	port := lines.Text()[strings.LastIndex(lines.Text(), ":")+1:]
	send := exec.Command(filepath.Join(bin, "send"), "-address", "127.0.0.1", "-port", port, "-source", "test", "-n", "3")
	if text, err := send.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for lines.Scan() {
	}
	if err := recv.Wait(); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(out); len(files) != 3 {
		t.Errorf("%d files, want 3", len(files))
	}
	for _, args := range [][]string{{"receive", "-show"}, {"receive", "-video", "x.avi"}, {"send", "-source", "0"}} {
		text, err := exec.Command(filepath.Join(bin, args[0]), args[1:]...).CombinedOutput()
		if err == nil || !strings.Contains(string(text), "OpenCV") && !strings.Contains(string(text), "no such camera") {
			t.Errorf("%v: %v\n%s", args, err, text)
		}
	}
}

// The service ends with success when its terminal is closed, as at SIGTERM.
func TestServiceHangUp(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "service")
	if text, err := exec.Command("go", "build", "-buildvcs=false", "-tags", "nogocv", "-o", bin, "./service").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	cmd := exec.Command(bin, "-address", "127.0.0.1", "-port", "0")
	peertest.HangUp(t, cmd, func(output string) bool { return strings.Contains(output, `"endpoints"`) })
	if !cmd.ProcessState.Success() {
		t.Error(cmd.ProcessState)
	}
}
