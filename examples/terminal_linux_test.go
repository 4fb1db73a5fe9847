//go:build !nogocv

package examples

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// terminal is a program whose stderr and keyboard are a terminal.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	screen peertest.Text // what was written to the terminal
}

// onTerminal starts an example on a terminal of its own. The test's end kills
// it.
func onTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	p := &terminal{t: t, master: master, cmd: exec.Command(filepath.Join(bin, name), args...)}
	p.cmd.Stdin, p.cmd.Stderr = slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(timeLimit, func() { p.cmd.Process.Kill() })
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&p.screen, master) // ends with EIO when the program has ended
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		limit.Stop()
		p.cmd.Process.Kill()
		<-read
		master.Close()
	})
	return p
}

// shows waits until a matching text was on the screen, and returns the first
// group.
func (p *terminal) shows(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(timeLimit)
	for {
		text, more := p.screen.SoFar()
		if found := re.FindStringSubmatch(text); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-more:
		case <-late:
			p.t.Fatalf("no %q on the screen:\n%q", pattern, text)
		}
	}
}

// left returns what a screen shows at the end, after carriage returns and
// cleared lines.
func left(text string) string {
	var kept []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		kept = append(kept, strings.ReplaceAll(line[strings.LastIndexAny(line, "\r")+1:], "\x1b[2K", ""))
	}
	return strings.Join(kept, "\n")
}

// On a terminal there is a progress bar, and Ctrl-C, typed, ends either program
// with a clean last line.
func TestProgressBarAndCtrlC(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"send", "receive"} {
		receiver := onTerminal(t, "receive", "-address", "127.0.0.1", "-port", "0")
		port := receiver.shows(`listening on tcp://127\.0\.0\.1:(\d+)`)
		sender := onTerminal(t, "send", "-address", "127.0.0.1", "-port", port, "-n", "100000", "-fps", "100")
		sender.shows(`sent .*\d+/100000.* frames/s`)
		receiver.shows(`received .* frames/s`)
		ends := []*terminal{sender, receiver} // the receiver received the terminate message
		if who == "receive" {
			ends = []*terminal{receiver, sender}
		}
		for i, p := range ends {
			if i == 0 || who == "receive" {
				io.WriteString(p.master, "\x03")
			}
			p.shows(`\d+ frames? in .* MB/s.*\n`)
		}
		for _, p := range ends {
			text, _ := p.screen.SoFar()
			if got := left(text); !regexp.MustCompile(`(?m)^(sent|received) \d+ frames? in [\d.]+ s: [\d.]+ fps, [\d.]+ MB/s(, \d+ \w+)*\n$`).MatchString(got) {
				t.Errorf("%s: what is left on the screen: %q", who, got)
			}
		}
	}
}

// Without a terminal no bar is printed.
func TestNoProgressBarInAFile(t *testing.T) {
	t.Parallel()
	sender, receiver := pair(t, 0, args("-n", "30"), nil)
	_, sent := sender.exits(0)
	_, received := receiver.exits(0)
	for _, text := range []string{sent, received} {
		if strings.ContainsAny(text, "\r\x1b%") || strings.Contains(text, "frames/s") {
			t.Errorf("a bar: %q", text)
		}
	}
}
