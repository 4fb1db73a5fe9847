//go:build !nogocv

package examples

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// screenless returns the environment without a screen, with other values added.
func screenless(display string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DISPLAY=") && !strings.HasPrefix(v, "WAYLAND_DISPLAY=") {
			env = append(env, v)
		}
	}
	if display != "" {
		env = append(env, "DISPLAY="+display)
	}
	return env
}

// Without a screen -show is refused with advice, and creates no file.
func TestShowNeedsAScreen(t *testing.T) {
	t.Parallel()
	video := filepath.Join(t.TempDir(), "x.avi")
	for _, c := range []struct{ display, says string }{{"", "DISPLAY is not set"}, {":54321", "nobody answers at DISPLAY :54321"}} {
		for name, flags := range map[string][]string{"receive": {"-address", "127.0.0.1", "-port", "0", "-video", video}, "multiserver": nil} {
			_, stderr := startIn(t, screenless(c.display), name, append(flags, "-show")...).exits(1)
			for _, want := range []string{"-show: there is no screen here", c.says, "-out"} {
				if !strings.Contains(stderr, want) {
					t.Errorf("%s: no %q in: %s", name, want, stderr)
				}
			}
		}
	}
	if _, err := os.Stat(video); !os.IsNotExist(err) {
		t.Errorf("a video is left: %v", err)
	}
}

// virtualScreen starts an X server without a display, and returns an
// environment with it.
func virtualScreen(t *testing.T) []string {
	t.Helper()
	for _, tool := range []string{"Xvfb", "xdotool"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	server.ExtraFiles = []*os.File{write}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	number, err := bufio.NewReader(read).ReadString('\n') // it is ready
	if err != nil {
		t.Fatal(err)
	}
	return screenless(":" + strings.TrimSpace(number))
}

// press waits for the window and types a key into it.
func press(t *testing.T, env []string, key string) {
	t.Helper()
	tool := exec.Command("xdotool", "search", "--sync", "--onlyvisible", "--name", "^NetGear$", "windowfocus", "--sync", "key", key)
	tool.Env = env
	if out, err := tool.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", tool, err, out)
	}
}

// The window handles keys before the first frame, between frames, and after the
// last.
func TestShow(t *testing.T) {
	t.Parallel()
	env := virtualScreen(t)
	for _, key := range []string{"q", "Escape"} {
		receiver := startIn(t, env, "receive", "-show", "-address", "127.0.0.1", "-port", "0")
		receiver.port()
		press(t, env, key)
		receiver.exits(0)

		receiver = startIn(t, env, "receive", "-show", "-address", "127.0.0.1", "-port", "0", "-json")
		sender := start(t, "send", "-address", "127.0.0.1", "-port", receiver.port(), "-fps", "50")
		receiver.prints("\n", 5)
		press(t, env, key)
		receiver.exits(0)
		sender.signal(os.Interrupt)
		sender.exits(0)
	}
	all := startIn(t, env, "multiserver", "-show", "-n", "100000", "-out", filepath.Join(t.TempDir(), "x.png"))
	all.prints("first frame from port", 4)
	press(t, env, "q")
	all.exits(0) // and so do the senders
}
