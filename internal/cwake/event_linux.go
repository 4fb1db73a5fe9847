package cwake

import (
	"os"

	"golang.org/x/sys/unix"
)

// open opens an eventfd: one descriptor, which is never full and which need not
// be read, because every write wakes the poller.
func (e *Event) open() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	e.file, e.fd = os.NewFile(uintptr(fd), "eventfd"), fd
	return nil
}

func drain(int) {}
