package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// openTerminal returns the two ends of a terminal of so many columns and lines.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 100, Row: 30}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// copyTerminal appends to a text what is written to a terminal. The channel is closed
// when all of it has been copied, after the terminal was closed.
func copyTerminal(to *peertest.Text, master *os.File) (read <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(to, master) //nolint:errcheck // EIO when the terminal is closed
	}()
	return done
}

// On a terminal top refreshes a table, and a sender shows its progress.
func TestTerminal(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	cmd := command("top", "--input", "tcp://127.0.0.1:0?name=gate")
	cmd.Stdout = slave
	top := startCommand(t, cmd)
	read := copyTerminal(&top.stdout, master)
	sendMaster, sendSlave := openTerminal(t)
	cmd = command("send", "--address", "127.0.0.1", "--port", top.port(), "--fps", "30", "--frames", "70")
	cmd.Stderr = sendSlave
	send := startCommand(t, cmd)
	copyTerminal(&send.stderr, sendMaster)
	send.await(&send.stderr, `sent .*\d+/70`)
	top.await(&top.stdout, `SENDER +STATE +FPS +MB/S +FRAMES +DROPPED +MISSED +LATENCY`)
	top.await(&top.stdout, `\x1b\[2A\r.*\r\n\r +gate +live`) // drawn over the last table
	send.succeed()
	top.signal(syscall.SIGINT)
	top.succeed()
	sendSlave.Close()
	slave.Close()
	<-read
}

// On a terminal log lines and those of --json appear above the table, and above
// the bar of a sender.
func TestLinesOnTerminal(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	cmd := command("top", "--input", "tcp://127.0.0.1:0?name=gate&pattern=1", "--log-level", "info")
	cmd.Stdout, cmd.Stderr = slave, slave
	top := startCommand(t, cmd)
	read := copyTerminal(&top.stdout, master)
	port := top.await(&top.stdout, `endpoint tcp://\S+:(\d+)`)
	top.await(&top.stdout, `gate +waiting`)
	sendMaster, sendSlave := openTerminal(t)
	cmd = command("send", "--address", "127.0.0.1", "--port", port, "--pattern", "1", "--fps", "30", "--json")
	cmd.Stdout, cmd.Stderr = sendSlave, sendSlave
	send := startCommand(t, cmd)
	copyTerminal(&send.stdout, sendMaster)
	send.await(&send.stdout, `sent [^\r\n]*\r\x1b\[K{"index": [^\r\n]*}\r\n. sent `)
	top.await(&top.stdout, `\x1b\[2A\r\x1b\[Jtime=[^\r\n]* level=INFO [^\r\n]*\r\n\r *SENDER`)
	send.signal(syscall.SIGTERM)
	send.succeed()
	top.signal(syscall.SIGINT)
	top.succeed()
	sendSlave.Close()
	slave.Close()
	<-read
}

// With --json the figures are lines, also on a terminal.
func TestFiguresAsLinesOnTerminal(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"top":    {"top"},
		"relay":  {"relay", "--output", "tcp://127.0.0.1:0?pattern=2&attach=bind"},
		"record": {"record", "--out", filepath.Join(t.TempDir(), "a.mkv")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master, slave := openTerminal(t)
			cmd := command(append(args, "--json", "--input", "tcp://127.0.0.1:0?name=gate")...)
			cmd.Stdout = slave
			p := startCommand(t, cmd)
			read := copyTerminal(&p.stdout, master)
			p.await(&p.stdout, `(?m)^{"time":.*"name":"gate","state":"waiting".*}\r$`)
			p.signal(syscall.SIGTERM)
			p.succeed()
			slave.Close()
			<-read
			if text := p.stdout.String(); strings.Contains(text, "SENDER") || strings.Contains(text, "\x1b") {
				t.Errorf("a table:\n%s", text)
			}
		})
	}
}

// They appear above the bar.
func TestFiguresAboveTheBar(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	cmd := command("record", "--out", filepath.Join(t.TempDir(), "a.mkv"), "--json", "--input", "tcp://127.0.0.1:0?pattern=1")
	cmd.Stdout, cmd.Stderr = slave, slave
	p := startCommand(t, cmd)
	read := copyTerminal(&p.stdout, master)
	port := p.await(&p.stdout, `endpoint tcp://\S+:(\d+)`)
	send := startCommand(t, command("send", "--address", "127.0.0.1", "--port", port, "--pattern", "1", "--fps", "30"))
	p.await(&p.stdout, `recorded [^\r\n]*\r\x1b\[K{"time":[^\r\n]*}\r\n`)
	send.signal(syscall.SIGTERM)
	send.succeed()
	p.signal(syscall.SIGTERM)
	p.succeed()
	slave.Close()
	<-read
}

// On a terminal play --numbers shows how far it has read, and removes it.
func TestNumbersOnTerminal(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	cmd := command("play", filepath.Join("..", "..", "source", "testdata", "three.avi"), "--numbers")
	cmd.Stderr = slave
	play := startCommand(t, cmd)
	read := copyTerminal(&play.stderr, master)
	play.succeed()
	slave.Close()
	<-read
	if text := play.stderr.String(); !strings.Contains(text, "read (1/-, ") || !strings.HasSuffix(text, "\r") {
		t.Errorf("%q", text)
	}
}
