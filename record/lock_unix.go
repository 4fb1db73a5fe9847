//go:build unix && !solaris && !aix

package record

import (
	"os"
	"syscall"
)

// lock locks a file until it is closed, and reports whether no other process
// holds it. A file system without locks counts as locked by no process.
func lock(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a descriptor
	return err != syscall.EWOULDBLOCK                                  //nolint:errorlint // a bare errno
}
