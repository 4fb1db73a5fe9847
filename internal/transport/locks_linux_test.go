package transport

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection's descriptor may be that of the application's file by the time the
// connection is ended. Closing any descriptor of a file would release the
// process's locks on it.
func TestLocksOfTheApplicationAreKept(t *testing.T) {
	for name, reserved := range map[string]bool{"with the reserve": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			if reserved {
				holdReserve(t)
			}
			path := filepath.Join(t.TempDir(), "locked")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			other, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			lock := unix.Flock_t{Type: unix.F_WRLCK, Len: 1}
			if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
				t.Fatal(err)
			}
			c := &connection{fd: uint32(f.Fd()), id: socketID{cookie: 1}}
			c.endReading()
			reserve.disconnect(int(c.fd), c.id)
			found := unix.Flock_t{Type: unix.F_WRLCK, Len: 1}
			if err := unix.FcntlFlock(other.Fd(), unix.F_OFD_GETLK, &found); err != nil {
				t.Fatal(err)
			}
			if found.Type == unix.F_UNLCK {
				t.Error("the lock is gone")
			}
		})
	}
}
