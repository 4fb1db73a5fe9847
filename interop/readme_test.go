//go:build !nogocv

package interop

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"github.com/vidgear-go/netgear/internal/doctest"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// readme has the README's commands and programs.
type readme struct {
	install string            // the commands that create a module
	send    map[string]string // the sender by language
	receive map[string]string // the receiver by language
}

func readReadme(t *testing.T) readme {
	t.Helper()
	blocks, err := doctest.Blocks(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := readme{send: map[string]string{}, receive: map[string]string{}}
	for _, b := range blocks {
		switch {
		case b.Heading == "Install" && strings.Contains(b.Text, "go mod init"):
			r.install = b.Text
		case b.Heading == "Send":
			r.send[b.Language] = b.Text
		case b.Heading == "Receive":
			r.receive[b.Language] = b.Text
		}
	}
	if r.install == "" || len(r.send) != 2 || len(r.receive) != 2 {
		t.Fatalf("README.md has %d senders, %d receivers, and the commands %q", len(r.send), len(r.receive), r.install)
	}
	return r
}

// TestReadme follows the README: it installs the library by the README's
// commands, builds its Go programs and streams a video between them and the
// Python ones. It changes two things of their text: the port, and the path of
// the copy, which is this repository, so that what has been built is used.
func TestReadme(t *testing.T) {
	t.Parallel()
	r := readReadme(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	python, err := filepath.Abs(peertest.Python())
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), peertest.FreePort(t)
	camera := filepath.Join(dir, "camera")
	if err := os.Mkdir(camera, 0o700); err != nil {
		t.Fatal(err)
	}
	frames := linkVideo(t, camera)

	write(t, filepath.Join(camera, "main.go"), replace(t, r.send["go"], `"5555"`, `"`+port+`"`))
	shell(t, dir, replace(t, r.install, "=../netgear", "="+root)) // it builds camera/camera
	write(t, filepath.Join(camera, "main.go"), replace(t, r.receive["go"], `"5555"`, `"`+port+`"`))
	shell(t, camera, "go build -o receive")
	send := map[string][]string{
		"go":     {filepath.Join(camera, "camera")},
		"python": {python, "-c", replace(t, r.send["python"], `"5555"`, `"`+port+`"`)},
	}
	receive := map[string][]string{
		"go":     {filepath.Join(camera, "receive")},
		"python": {python, "-c", replace(t, r.receive["python"], `"5555"`, `"`+port+`"`)},
	}

	for _, pair := range [][2]string{{"go", "go"}, {"go", "python"}, {"python", "go"}} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			receiver := start(t, camera, receive[pair[1]])
			// A Python end may take longer to start than a send end's tries.
			await(t, "the receiver", func() bool { return listens(port) })
			sender := start(t, camera, send[pair[0]])
			if err := sender.Wait(); err != nil {
				t.Fatalf("the sender: %v\n%s", err, sender.Stderr)
			}
			if err := receiver.Wait(); err != nil {
				t.Fatalf("the receiver: %v\n%s", err, receiver.Stderr)
			}
			want := frames
			if pair[1] == "python" {
				want-- // VidGear drops what is queued at the terminate message
			}
			if got := strings.Count(receiver.Stdout.(*bytes.Buffer).String(), "576 768 3\n"); got < want {
				t.Errorf("%d of %d frames arrived\n%s", got, frames, receiver.Stderr)
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shell runs commands in a folder. Building with the tags of the suite uses
// what has been built for it.
func shell(t *testing.T, dir, commands string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false -tags=matprofile")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, out)
	}
}

// linkVideo makes the sample video the programs' video.mp4, and returns its
// number of frames.
func linkVideo(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "examples", "internal", "sample", "*.avi"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	sample, err := filepath.Abs(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(sample, filepath.Join(dir, "video.mp4")); err != nil {
		t.Fatal(err)
	}
	video, err := gocv.VideoCaptureFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	return int(video.Get(gocv.VideoCaptureFrameCount))
}

// replace replaces what a text has exactly once.
func replace(t *testing.T, text, old, by string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("README.md does not have %s exactly once in:\n%s", old, text)
	}
	return strings.Replace(text, old, by, 1)
}

// start starts a program in the folder. The test's end kills it.
func start(t *testing.T, dir string, command []string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, new(bytes.Buffer), new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// listens reports whether a program listens on the port. A connection without a
// handshake is no peer, even for PAIR.
func listens(port string) bool {
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
