package cwake

import (
	"os"
	"syscall"
	"time"
)

// Event wakes one goroutine from C threads. The goroutine sleeps in Go's
// network poller, so no other goroutine has to run first, as that of a Waker
// does. C stores its result, and then writes 8 bytes to the descriptor. In this
// order the goroutine reads the result when it is woken.
type Event struct {
	file   *os.File // what the poller watches
	conn   syscall.RawConn
	fd     int      // for C to write to
	writer *os.File // of a pipe; nil where one descriptor has both ends

	// The condition of Wait, and its test as a value that is created once: a
	// closure for each wait would allocate memory.
	done func() bool
	step func(uintptr) bool
}

// NewEvent returns an Event, which the caller must Close.
func NewEvent() (*Event, error) {
	e := &Event{}
	if err := e.open(); err != nil {
		return nil, err
	}
	var err error
	if e.conn, err = e.file.SyscallConn(); err == nil {
		err = e.file.SetReadDeadline(time.Time{}) // fails unless the poller watches it
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	e.step = func(fd uintptr) bool {
		if !e.done() {
			return false
		}
		drain(int(fd))
		return true
	}
	return e, nil
}

// FD returns the descriptor for C to write to. It is valid until Close.
func (e *Event) FD() int { return e.fd }

// Wait sleeps until done returns true, and returns true. done is called at
// once, and after each write. Wait returns false if Interrupt is called
// meanwhile, or was called since the last Wait. Only one goroutine may wait.
func (e *Event) Wait(done func() bool) bool {
	e.done = done
	if e.conn.Read(e.step) == nil {
		return true
	}
	e.file.SetReadDeadline(time.Time{})
	return false
}

// Interrupt ends the Wait that runs, or else the next one. It is safe for
// concurrent use.
func (e *Event) Interrupt() { e.file.SetReadDeadline(time.Unix(1, 0)) }

// Close closes the descriptor. C must not write to it from then on.
func (e *Event) Close() {
	e.file.Close()
	if e.writer != nil {
		e.writer.Close()
	}
}
