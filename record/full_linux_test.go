package record

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFailingDisk with a file system that is really full. It can be mounted by root
// alone; where the system forbids that too, TestFailingDisk is what remains.
func TestFullFileSystem(t *testing.T) {
	long(t)
	if os.Getuid() != 0 {
		t.Skip("mounting a file system takes root; TestFailingDisk needs none")
	}
	dir := t.TempDir()
	switch err := syscall.Mount("none", dir, "tmpfs", 0, "size=400k"); {
	case errors.Is(err, syscall.EPERM): // a container without the capability
		t.Logf("a tmpfs cannot be mounted: %v; TestFailingDisk needs none", err)
		return
	case err != nil:
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 150_000), 0o600); err != nil {
		t.Fatal(err)
	}
	runFull(t, Options{Dir: dir}, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}, syscall.ENOSPC)
}
