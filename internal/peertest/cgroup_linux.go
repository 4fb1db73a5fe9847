package peertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// MemoryGroup creates a control group with a limit of memory, and returns its
// folder, or why there is none. With version 1 it is below this process's own
// group. With version 2 a group that has processes cannot limit those below it, so
// it is beside this one's.
func MemoryGroup(t *testing.T, limit int64) (folder string, err error) {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	err = errors.New("no controller of memory")
	for line := range strings.Lines(string(own)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		var parents []string
		file, swap, most := "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", fmt.Append(nil, limit)
		switch {
		case id == "0":
			const root = "/sys/fs/cgroup"
			if path == "/" { // the machine's own root can, although it has processes
				os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0)
			}
			parents = []string{filepath.Join(root, filepath.Dir(path)), filepath.Join(root, path)}
			file, swap, most = "memory.max", "memory.swap.max", []byte("0")
		case controllers == "memory":
			parents = []string{filepath.Join("/sys/fs/cgroup/memory", path)}
		}
		for _, parent := range parents {
			var made string
			removeLeftovers(parent)
			if made, err = os.MkdirTemp(parent, fmt.Sprintf("%s%d-", groupName, os.Getpid())); err != nil {
				continue
			}
			t.Cleanup(func() {
				Await(t, waitLimit, "the end of the control group", func() bool { return !errors.Is(syscall.Rmdir(made), syscall.EBUSY) })
			})
			if err = os.WriteFile(filepath.Join(made, file), fmt.Append(nil, limit), 0); err == nil {
				os.WriteFile(filepath.Join(made, swap), most, 0) // absent where swap is not counted
				return made, nil
			}
		}
	}
	return "", err
}

// groupName begins the names of control groups. The number of the process that has
// created one follows.
const groupName = "netgear-test-"

// removeLeftovers removes the control groups of tests that were killed: those whose
// process has gone. A group that has a process cannot be removed.
func removeLeftovers(parent string) {
	groups, _ := filepath.Glob(filepath.Join(parent, groupName+"*-*"))
	for _, group := range groups {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(group), groupName), "-")
		if pid, err := strconv.Atoi(number); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			syscall.Rmdir(group)
		}
	}
}

// GroupsEndProcesses returns nil if a process that takes more memory than its
// control group has is ended, which the limit is. command returns one that enters
// the group of a folder, and takes more.
func GroupsEndProcesses(t *testing.T, limit int64, command func(ctx context.Context, folder string) *exec.Cmd) error {
	t.Helper()
	folder, err := MemoryGroup(t, limit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	out, err := command(ctx, folder).CombinedOutput()
	if ctx.Err() != nil {
		return errors.New("a process beyond its limit is only slow")
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return nil
	}
	return fmt.Errorf("a process beyond its limit is not killed: %w %s", err, out)
}

// EnterGroup makes a command that has not started begin in a control group.
func EnterGroup(cmd *exec.Cmd, folder string) { prepend(cmd, `echo 0 >"$0/cgroup.procs"`, folder) }

// LimitDescriptors makes a command that has not started begin with so many
// descriptors as its limit, which it cannot raise.
func LimitDescriptors(cmd *exec.Cmd, n int) { prepend(cmd, `ulimit -n "$0"`, strconv.Itoa(n)) }

// prepend runs a line of a shell before the command, in its process. The line has
// an argument.
func prepend(cmd *exec.Cmd, line, argument string) {
	args := append([]string{"sh", "-c", line + ` && exec "$@"`, argument, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Args = "/bin/sh", args
}
