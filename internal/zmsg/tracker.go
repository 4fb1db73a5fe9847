package zmsg

// #include "zmsg.h"
import "C"

import (
	"errors"
	"os"
	"runtime"
	"time"
	"unsafe"
)

// MessageTracker tracks the caller's memory that libzmq reads for messages, as
// pyzmq's MessageTracker does. It belongs to one goroutine at a time.
type MessageTracker struct {
	t   *C.ng_tracker
	pin runtime.Pinner

	// The pipe that C writes to when the last message is released, during a
	// WaitReleased. Both ends are nil before the first one that has to wait.
	reader, writer *os.File
	fd             C.int // the descriptor of writer
}

// NewMessageTracker returns a MessageTracker, which the caller must Close. Its
// error is ErrNoMemory.
func NewMessageTracker() (*MessageTracker, error) {
	t := C.ng_tracker_new()
	if t == nil {
		return nil, ErrNoMemory
	}
	return &MessageTracker{t: t}, nil
}

// TrySendTracked sends b without copying it, or returns EAGAIN. b may be Go or
// C memory. It must stay valid and unchanged until t.Wait, or s.WaitReleased
// without an error, has returned.
func (s *Socket) TrySendTracked(t *MessageTracker, b []byte, place Place) error {
	p := unsafe.SliceData(b)
	t.pin.Pin(p)
	rc, err := C.ng_tracker_send(t.t, s.raw, unsafe.Pointer(p), C.size_t(len(b)), flags(place))
	if s.worthRetry(rc, err) {
		rc, err = C.ng_tracker_send(t.t, s.raw, unsafe.Pointer(p), C.size_t(len(b)), flags(place))
	}
	return sendResult(rc, err)
}

// Pending reports whether libzmq still holds some of the memory.
func (t *MessageTracker) Pending() bool { return C.ng_tracker_pending(t.t) > 0 }

// Wait blocks until libzmq holds none of the memory. It blocks a thread. So it
// should be called when libzmq has released the memory, which an answer shows,
// or is about to, because the socket is closed.
func (t *MessageTracker) Wait() {
	if t.Pending() {
		C.ng_tracker_wait(t.t)
	}
	t.pin.Unpin()
}

// WaitReleased blocks until libzmq holds none of the memory that t tracks. It
// returns ErrTimeout after the deadline, where a zero deadline never passes,
// and what stop returns once that is not nil. stop is called before each sleep
// and after each Wake of s. It blocks no thread.
func (s *Socket) WaitReleased(t *MessageTracker, deadline time.Time, stop func() error) error {
	if !t.Pending() {
		t.pin.Unpin()
		return nil
	}
	if err := t.openPipe(); err != nil {
		return err
	}
	s.pipe.Store(t.reader)
	defer s.pipe.Store(nil)
	C.ng_tracker_notify(t.t, t.fd)
	defer C.ng_tracker_notify(t.t, -1)
	for {
		// The deadline is set before stop is called: a Wake between the two
		// ends the Read.
		if err := t.reader.SetReadDeadline(deadline); err != nil {
			return err
		}
		if err := stop(); err != nil {
			return err
		}
		// A byte of an earlier wait that had ended may be in the pipe too.
		var bytes [8]byte
		_, err := t.reader.Read(bytes[:])
		switch {
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !t.Pending():
			t.pin.Unpin()
			return nil
		case err != nil && !deadline.IsZero() && !time.Now().Before(deadline):
			return ErrTimeout
		}
	}
}

// openPipe opens the pipe unless it is open.
func (t *MessageTracker) openPipe() error {
	if t.reader != nil {
		return nil
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	conn, err := writer.SyscallConn() // Fd would make writing block
	if err == nil {
		err = conn.Control(func(fd uintptr) { t.fd = C.int(fd) })
	}
	if err != nil {
		reader.Close()
		writer.Close()
		return err
	}
	t.reader, t.writer = reader, writer
	return nil
}

// Close waits like Wait and frees the MessageTracker. A second call does
// nothing.
func (t *MessageTracker) Close() {
	if t.t == nil {
		return
	}
	t.Wait()
	if t.reader != nil {
		t.reader.Close()
		t.writer.Close()
	}
	C.ng_tracker_free(t.t)
	t.t = nil
}
