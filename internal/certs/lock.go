package certs

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrBusy is returned if another program holds the lock for too long.
var ErrBusy = errors.New("another program creates keys there and does not end")

// lockFolder acquires the lock of a folder, and waits for it until the timeout.
// The system releases the lock when the process ends, however it ends. unlock
// is nil, without an error, if the file system has no such locks (NFS).
func lockFolder(path string, timeout time.Duration) (unlock func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) && timeout > 0 {
		acquired := make(chan error, 1)
		go func() { acquired <- flock(f, unix.LOCK_EX) }()
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case err = <-acquired:
		case <-timer.C:
			// The call cannot be interrupted. It ends when the other program
			// releases the lock.
			go func() {
				<-acquired
				f.Close()
			}()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: ErrBusy}
		}
	}
	switch {
	case err == nil:
		return func() { f.Close() }, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		err = &fs.PathError{Op: "lock", Path: path, Err: ErrBusy}
	default:
		err = nil // this file system has no locks
	}
	f.Close()
	return nil, err
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
