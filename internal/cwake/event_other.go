//go:build !linux

package cwake

import (
	"os"
	"syscall"
)

// open opens a pipe.
func (e *Event) open() (err error) {
	if e.file, e.writer, err = os.Pipe(); err != nil {
		return err
	}
	conn, err := e.writer.SyscallConn() // Fd would make writing block
	if err == nil {
		err = conn.Control(func(fd uintptr) { e.fd = int(fd) })
	}
	if err != nil {
		e.Close()
	}
	return err
}

// drain empties the pipe, which must not become full.
func drain(fd int) {
	var bytes [64]byte
	syscall.Read(fd, bytes[:])
}
