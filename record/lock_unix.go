//go:build unix && !solaris && !aix

package record

import (
	"os"
	"syscall"
)

// deleted reports whether a file has no name any more: what is written into it
// is gone when it is closed. A file that was renamed is not deleted.
func deleted(f file) bool {
	o, ok := f.(*os.File)
	if !ok {
		return false
	}
	i, err := o.Stat()
	if err != nil {
		return false
	}
	s, ok := i.Sys().(*syscall.Stat_t)
	return ok && s.Nlink == 0
}

// lock locks a file until it is closed, and reports whether no other process
// holds it. A file system without locks counts as locked by no process.
func lock(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a descriptor
	return err != syscall.EWOULDBLOCK                                  //nolint:errorlint // a bare errno
}
