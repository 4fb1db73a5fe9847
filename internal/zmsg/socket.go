// Package zmsg moves messages in and out of a pebbe/zmq4 socket without
// copying them, and waits for a socket without holding an operating-system
// thread.
//
// pebbe/zmq4 copies every part both ways (its SendBytes and RecvBytes), and a
// blocking call in it parks a whole thread that nothing but the peer can wake.
// Here parts are libzmq's own zmq_msg_t, and waiting goes through the Go
// runtime's network poller on the socket's ZMQ_FD, so that a context, a
// deadline or a call to [Socket.Wake] ends it at once and signals never show.
//
// The one rule of this package: EAGAIN means "nothing yet". libzmq's readiness
// is a hint, never a promise (in secure mode a credential message makes POLLIN
// true while no whole message is there), so readiness is never acted on: the
// call itself is tried, and tried again after the next change of the socket.
package zmsg

// #cgo pkg-config: libzmq
// #cgo LDFLAGS: -lpthread
// #include "zmsg.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// ErrTimeout is returned when a deadline passes before the socket was ready.
var ErrTimeout = errors.New("zmsg: deadline passed")

// errAgain is libzmq's EAGAIN: try again after the socket has changed.
var errAgain = error(syscall.EAGAIN)

// Socket wraps a pebbe/zmq4 socket. Like the socket itself it belongs to one
// goroutine at a time; only Wake may be called from anywhere.
type Socket struct {
	*zmq4.Socket
	raw  unsafe.Pointer
	file *os.File // a duplicate of ZMQ_FD, watched by the runtime's poller
	conn syscall.RawConn

	// The call that Wait is trying, and what it last said.
	try    func() error
	result error
	step   func(uintptr) bool

	observer Observer // nil: nothing observes what is received
}

// Wrap takes over s: Close closes both.
func Wrap(s *zmq4.Socket) (*Socket, error) {
	raw, err := rawPointer(s)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Dup(int(C.ng_fd(raw)))
	if err != nil {
		return nil, fmt.Errorf("zmsg: duplicate ZMQ_FD: %w", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("zmsg: ZMQ_FD: %w", err)
	}
	w := &Socket{Socket: s, raw: raw, file: os.NewFile(uintptr(fd), "zmq")}
	if w.conn, err = w.file.SyscallConn(); err == nil {
		// Fails unless the poller watches the descriptor.
		err = w.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		w.file.Close()
		return nil, fmt.Errorf("zmsg: ZMQ_FD cannot be polled: %w", err)
	}
	w.step = func(uintptr) bool {
		w.result = w.attempt()
		return w.result != errAgain
	}
	return w, nil
}

// rawPointer reads pebbe's unexported field; TestRawPointer guards it.
func rawPointer(s *zmq4.Socket) (unsafe.Pointer, error) {
	f := reflect.ValueOf(s).Elem().FieldByName("soc")
	if !f.IsValid() || f.Kind() != reflect.UnsafePointer {
		return nil, errors.New("zmsg: this version of github.com/pebbe/zmq4 has no field Socket.soc: use v1.4.0")
	}
	if f.UnsafePointer() == nil {
		return nil, zmq4.ErrorSocketClosed
	}
	return f.UnsafePointer(), nil
}

// Close closes the socket; messages not yet sent live on for its linger time.
func (s *Socket) Close() error {
	s.file.Close()
	s.raw = nil
	return s.Socket.Close()
}

// Wake makes a Wait in another goroutine ask its stop function at once. A Wake
// before a Wait is not lost.
func (s *Socket) Wake() { s.file.SetReadDeadline(longAgo) }

var longAgo = time.Unix(1, 0)

// attempt runs the call, again at once after EINTR.
func (s *Socket) attempt() error {
	for {
		if err := s.try(); err != error(syscall.EINTR) {
			return err
		}
	}
}

// Wait runs try until it returns something other than EAGAIN, and returns that.
// Between tries it sleeps until the socket changes. It also returns what stop
// returns once that is not nil, and ErrTimeout after the deadline; a zero
// deadline never passes. stop is asked before each sleep and after each Wake,
// not before the first try: a caller that loops over Wait must ask it once per
// message, or the loop does not end while messages keep coming.
func (s *Socket) Wait(deadline time.Time, stop, try func() error) error {
	s.try = try
	defer func() { s.try = nil }()
	if err := s.attempt(); err != errAgain {
		return err
	}
	for {
		// First the deadline, then stop: a Wake between the two ends the Read.
		if err := s.file.SetReadDeadline(deadline); err != nil {
			return err
		}
		if err := stop(); err != nil {
			return err
		}
		err := s.conn.Read(s.step)
		switch {
		case err == nil:
			return s.result
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !deadline.IsZero() && !time.Now().Before(deadline):
			return ErrTimeout
		}
	}
}

// Settle lets libzmq do what is pending for this socket (new connections, lost
// ones) and returns which of zmq4.POLLIN and zmq4.POLLOUT hold.
func (s *Socket) Settle() (zmq4.State, error) {
	n, err := C.ng_events(s.raw)
	if n < 0 {
		return 0, err
	}
	return zmq4.State(n), nil
}

// settled reports whether a send that returned err is worth one more try at
// once. A send that returns EAGAIN has not read the socket's mailbox, and its
// descriptor does not report again what is already in there; ZMQ_EVENTS reads
// it. One more try is enough: for PUB, libzmq reports room always, also where a
// pipe is full, so trying until it no longer does would never end.
func (s *Socket) settled(rc C.int, err error) bool {
	if rc >= 0 || err != errAgain {
		return false
	}
	n, _ := C.ng_events(s.raw)
	return n > 0 && n&C.ZMQ_POLLOUT != 0
}

func sendResult(rc C.int, err error) error {
	if rc >= 0 {
		return nil
	}
	return err
}

func flags(more bool) C.int {
	if more {
		return C.ZMQ_DONTWAIT | C.ZMQ_SNDMORE
	}
	return C.ZMQ_DONTWAIT
}

// TrySend sends a copy of b, or says EAGAIN.
func (s *Socket) TrySend(b []byte, more bool) error {
	var p unsafe.Pointer
	if len(b) > 0 {
		p = unsafe.Pointer(unsafe.SliceData(b))
	}
	rc, err := C.zmq_send(s.raw, p, C.size_t(len(b)), flags(more))
	if s.settled(rc, err) {
		rc, err = C.zmq_send(s.raw, p, C.size_t(len(b)), flags(more))
	}
	return sendResult(rc, err)
}

// TrySendBuffer sends b without copying it, or says EAGAIN. The owner keeps its
// reference either way.
func (s *Socket) TrySendBuffer(b *Buffer, more bool) error {
	rc, err := C.ng_buf_send(s.raw, b.b, C.size_t(b.n), flags(more))
	if s.settled(rc, err) {
		rc, err = C.ng_buf_send(s.raw, b.b, C.size_t(b.n), flags(more))
	}
	return sendResult(rc, err)
}

// Hold tracks memory lent to libzmq.
type Hold struct {
	h   *C.ng_hold
	pin runtime.Pinner
}

// NewHold returns a Hold; the caller must Close it.
func NewHold() (*Hold, error) {
	h := C.ng_hold_new()
	if h == nil {
		return nil, ErrNoMemory
	}
	return &Hold{h: h}, nil
}

// TrySendHeld sends b, which may be Go or C memory, without copying it, or says
// EAGAIN. b must not change or go away before h.Wait has returned.
func (s *Socket) TrySendHeld(h *Hold, b []byte, more bool) error {
	p := unsafe.SliceData(b)
	h.pin.Pin(p)
	rc, err := C.ng_hold_send(h.h, s.raw, unsafe.Pointer(p), C.size_t(len(b)), flags(more))
	if s.settled(rc, err) {
		rc, err = C.ng_hold_send(h.h, s.raw, unsafe.Pointer(p), C.size_t(len(b)), flags(more))
	}
	return sendResult(rc, err)
}

// Wait returns once libzmq holds none of the memory lent with this Hold. It
// blocks a thread, so call it when the memory is already gone (an answer has
// come) or is about to be (the socket is closed).
func (h *Hold) Wait() {
	if C.ng_hold_count(h.h) > 0 {
		C.ng_hold_wait(h.h)
	}
	h.pin.Unpin()
}

// WaitUntil waits like Wait, until the deadline (ErrTimeout) or until stop, which
// is asked now and then, says something. It blocks a thread for a moment only.
func (h *Hold) WaitUntil(deadline time.Time, stop func() error) error {
	for pause := time.Millisecond; C.ng_hold_count(h.h) > 0 && C.ng_hold_wait_briefly(h.h) > 0; pause = min(2*pause, 10*time.Millisecond) {
		if err := stop(); err != nil {
			return err
		}
		if !time.Now().Before(deadline) {
			return ErrTimeout
		}
		time.Sleep(pause)
	}
	h.pin.Unpin()
	return nil
}

// Held tells whether libzmq still holds some of the memory.
func (h *Hold) Held() bool { return C.ng_hold_count(h.h) > 0 }

// Close waits like Wait and frees the Hold.
func (h *Hold) Close() {
	if h.h == nil {
		return
	}
	h.Wait()
	C.ng_hold_free(h.h)
	h.h = nil
}
