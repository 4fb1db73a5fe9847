package peertest

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// mainVariable is set in the environment of a test binary that is to be the program
// under test instead.
const mainVariable = "NETGEAR_RUN_MAIN"

// AsMain returns a command that is this test binary, and whose TestMain is to run
// the program's main function: IsMain reports true there.
func AsMain(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), mainVariable+"=1")
	return cmd
}

// IsMain reports whether this process is a command of AsMain.
func IsMain() bool { return os.Getenv(mainVariable) != "" }

// HangUp starts a program, sends it SIGHUP once runs reports true of its output, and
// requires that it ends by itself then, as it does after an interrupt.
func HangUp(t testing.TB, cmd *exec.Cmd, runs func(output string) bool) {
	t.Helper()
	var out Text
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, waitLimit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A program inherits signals that are ignored, as by nohup, but none that are
	// received.
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	err := cmd.Start()
	signal.Stop(received)
	if err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(2*waitLimit, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer limit.Stop()
	defer cmd.Wait() //nolint:errcheck // again, if the test has ended before
	defer cmd.Process.Kill()
	Await(t, waitLimit, "the program to run", func() bool { return runs(out.String()) })
	cmd.Process.Signal(syscall.SIGHUP)
	cmd.Wait() //nolint:errcheck // the state has it
	if !cmd.ProcessState.Exited() {
		t.Errorf("%v\n%s", cmd.ProcessState, out.String())
	}
}
