//go:build unix

package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// untilSignal makes this test's binary a program that ends with a signal: with
// how long two signals are one.
const untilSignal = "PROGRAM_UNTIL_SIGNAL"

func TestMain(m *testing.M) {
	within, err := time.ParseDuration(os.Getenv(untilSignal))
	if err != nil {
		os.Exit(m.Run())
	}
	oneSignal = within
	ctx := UntilSignal()
	fmt.Println("runs")
	<-ctx.Done()
	fmt.Println("ends")
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // until the test closes it
	os.Exit(0)
}

// startProgram starts such a program, and waits until it runs. It is killed after a
// minute.
func startProgram(t *testing.T, within time.Duration) (cmd *exec.Cmd, stdin io.Closer, lines *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), untilSignal+"="+within.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines = bufio.NewScanner(out)
	awaitLine(t, lines, "runs")
	return cmd, in, lines
}

func awaitLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("%q, want %q", lines.Text(), want)
	}
}

// startUntilSignal starts such a program, and sends it a signal.
func startUntilSignal(t *testing.T, within time.Duration, first syscall.Signal) (cmd *exec.Cmd, stdin io.Closer, ended <-chan error) {
	t.Helper()
	// A program inherits signals that are ignored, as by nohup, but none that are
	// received.
	received := make(chan os.Signal, 1)
	signal.Notify(received, first)
	defer signal.Stop(received)
	cmd, in, lines := startProgram(t, within)
	signalTo(t, cmd, first)
	awaitLine(t, lines, "ends")
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	return cmd, in, done
}

func signalTo(t *testing.T, cmd *exec.Cmd, s os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// A second signal within a moment does not kill the program: it ends as after
// one. So signals GNU timeout.
func TestTwoSignalsAreOne(t *testing.T) {
	cmd, stdin, ended := startUntilSignal(t, time.Hour, syscall.SIGTERM)
	for i := range 100 { // the first ones may find it not ready to be killed
		signalTo(t, cmd, []os.Signal{syscall.SIGTERM, syscall.SIGINT}[i%2])
		time.Sleep(time.Millisecond)
	}
	stdin.Close()
	if err := <-ended; err != nil {
		t.Error("it did not end as after one signal:", err)
	}
}

// A later one kills it.
func TestSecondSignalKills(t *testing.T) {
	cmd, stdin, ended := startUntilSignal(t, time.Nanosecond, syscall.SIGTERM)
	defer stdin.Close()
	limit := time.After(time.Minute)
	for {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		select {
		case <-ended:
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Error(cmd.ProcessState)
			}
			return
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			t.Fatal("it does not end")
		}
	}
}

// The end of the terminal is a signal like the others.
func TestHangUp(t *testing.T) {
	_, stdin, ended := startUntilSignal(t, time.Hour, syscall.SIGHUP)
	stdin.Close()
	if err := <-ended; err != nil {
		t.Error("it did not end as after SIGTERM:", err)
	}
}

// A program that was started by nohup ignores it.
func TestHangUpIgnored(t *testing.T) {
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Ignore(syscall.SIGHUP) // the child inherits that
		defer signal.Reset(syscall.SIGHUP)
	}
	cmd, stdin, lines := startProgram(t, time.Hour)
	stdin.Close()
	signalTo(t, cmd, syscall.SIGHUP)
	ends := make(chan struct{})
	go func() { defer close(ends); lines.Scan() }()
	select {
	case <-ends:
		t.Error("it ends")
	case <-time.After(100 * time.Millisecond): // enough, if the signal were not ignored
	}
	signalTo(t, cmd, syscall.SIGTERM)
	<-ends
	if err := cmd.Wait(); err != nil || lines.Text() != "ends" {
		t.Errorf("%q, %v", lines.Text(), err)
	}
}
