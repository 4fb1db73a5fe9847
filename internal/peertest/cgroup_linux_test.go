package peertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Groups of processes that have gone are removed, and no others.
func TestRemoveLeftovers(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	parent, left := t.TempDir(), fmt.Sprint(groupName, os.Getpid(), "-2")
	for _, name := range []string{fmt.Sprint(groupName, gone.Process.Pid, "-1"), left, "other"} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	removeLeftovers(parent)
	if all, err := filepath.Glob(filepath.Join(parent, "*")); err != nil || len(all) != 2 || filepath.Base(all[0]) != left {
		t.Errorf("%v, %v", all, err)
	}
}
