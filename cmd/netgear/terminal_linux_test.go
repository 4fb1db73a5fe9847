package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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

// On a terminal top refreshes a table, and a sender shows its progress.
func TestTerminal(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	cmd := command("top", "--input", "tcp://127.0.0.1:0?name=gate")
	cmd.Stdout = slave
	top := startCommand(t, cmd)
	top.stdout.more = make(chan struct{})
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(&top.stdout, master) }() //nolint:errcheck // EIO when the terminal is closed
	sendMaster, sendSlave := openTerminal(t)
	cmd = command("send", "--address", "127.0.0.1", "--port", top.port(), "--fps", "30", "--frames", "70")
	cmd.Stderr = sendSlave
	send := startCommand(t, cmd)
	go io.Copy(&send.stderr, sendMaster) //nolint:errcheck // EIO when the terminal is closed
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
