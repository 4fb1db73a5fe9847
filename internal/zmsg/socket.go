// Package zmsg moves messages in and out of a pebbe/zmq4 socket without
// copying them, and waits for a socket without holding an operating-system
// thread.
//
// pebbe/zmq4's SendBytes and RecvBytes copy every part. Its blocking calls park
// a thread that only the peer can wake. Here parts are libzmq's own zmq_msg_t.
// Waiting uses the Go runtime's network poller on the socket's ZMQ_FD. So a
// context, a deadline or [Socket.Wake] ends a wait at once, and signals have no
// effect on it.
//
// One rule applies in this package: EAGAIN means "nothing yet". libzmq's
// readiness is a hint: in secure mode a credential message sets POLLIN although
// no whole message has arrived. So the package never acts on readiness. It
// tries the call itself, and tries it again after the next change of the
// socket.
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
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// ErrTimeout is returned when a deadline passes before the socket was ready.
var ErrTimeout = errors.New("the deadline has passed")

// errAgain is libzmq's EAGAIN: try again after the socket has changed.
var errAgain = error(syscall.EAGAIN)

// Socket wraps a pebbe/zmq4 socket. Like the socket itself it belongs to one
// goroutine at a time. Only Wake is safe for concurrent use.
type Socket struct {
	*zmq4.Socket
	raw  unsafe.Pointer
	file *os.File // a duplicate of ZMQ_FD, watched by the runtime's poller
	conn syscall.RawConn

	// The call that Wait is trying, and what it last returned.
	try    func() error
	result error
	step   func(uintptr) bool

	observer Observer                // may be nil
	pipe     atomic.Pointer[os.File] // what WaitReleased reads; nil otherwise
}

// Wrap returns a Socket that owns s: Close closes both.
func Wrap(s *zmq4.Socket) (*Socket, error) {
	raw, err := rawPointer(s)
	if err != nil {
		return nil, err
	}
	syscall.ForkLock.RLock() // no child inherits it
	fd, err := syscall.Dup(int(C.ng_fd(raw)))
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("duplicate ZMQ_FD: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("ZMQ_FD: %w", err)
	}
	w := &Socket{Socket: s, raw: raw, file: os.NewFile(uintptr(fd), "zmq")}
	if w.conn, err = w.file.SyscallConn(); err == nil {
		// This fails unless the poller watches the descriptor.
		err = w.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		w.file.Close()
		return nil, fmt.Errorf("ZMQ_FD cannot be polled: %w", err)
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
		return nil, errors.New("this version of github.com/pebbe/zmq4 has no field Socket.soc: use v1.4.0")
	}
	if f.UnsafePointer() == nil {
		return nil, zmq4.ErrorSocketClosed
	}
	return f.UnsafePointer(), nil
}

// Close closes the socket. libzmq keeps messages not yet sent for the linger
// time.
func (s *Socket) Close() error {
	s.file.Close()
	s.raw = nil
	return s.Socket.Close()
}

// Wake makes a Wait or WaitReleased in another goroutine call its stop function
// at once. A Wake before either is not lost.
func (s *Socket) Wake() {
	s.file.SetReadDeadline(past)
	if pipe := s.pipe.Load(); pipe != nil {
		pipe.SetReadDeadline(past)
	}
}

var past = time.Unix(1, 0)

// attempt runs the call, and repeats it at once after EINTR.
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
// deadline never passes. stop is called before each sleep and after each Wake,
// not before the first try. So a caller that loops over Wait must call stop
// once per message, or the loop does not end while messages keep arriving.
func (s *Socket) Wait(deadline time.Time, stop, try func() error) error {
	s.try = try
	defer func() { s.try = nil }()
	if err := s.attempt(); err != errAgain {
		return err
	}
	for {
		// The deadline is set before stop is called: a Wake between the two
		// ends the Read.
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

// ProcessCommands has libzmq process the socket's pending commands, such as new
// and lost connections. It returns which of zmq4.POLLIN and zmq4.POLLOUT hold.
func (s *Socket) ProcessCommands() (zmq4.State, error) {
	n, err := C.ng_events(s.raw)
	if n < 0 {
		return 0, err
	}
	return zmq4.State(n), nil
}

// worthRetry reports whether a send that returned err should be tried once
// more. A send that returns EAGAIN has not read the socket's mailbox, and the
// descriptor does not signal commands that are already in it. Reading
// ZMQ_EVENTS processes them. One more try is enough: libzmq always reports a
// PUB socket as writable, even if a pipe is full, so an unbounded loop would
// never end.
func (s *Socket) worthRetry(rc C.int, err error) bool {
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

// Place is the place of a part in its message. It is a bool type, so that the
// values are readable at a call.
type Place bool

// A part is the last one of its message, or more parts follow.
const (
	Last Place = false
	More Place = true
)

func flags(place Place) C.int {
	if place == More {
		return C.ZMQ_DONTWAIT | C.ZMQ_SNDMORE
	}
	return C.ZMQ_DONTWAIT
}

// TrySend sends a copy of b, or returns EAGAIN.
func (s *Socket) TrySend(b []byte, place Place) error {
	var p unsafe.Pointer
	if len(b) > 0 {
		p = unsafe.Pointer(unsafe.SliceData(b))
	}
	rc, err := C.zmq_send(s.raw, p, C.size_t(len(b)), flags(place))
	if s.worthRetry(rc, err) {
		rc, err = C.zmq_send(s.raw, p, C.size_t(len(b)), flags(place))
	}
	return sendResult(rc, err)
}

// TrySendBuffer sends b without copying it, or returns EAGAIN. The owner keeps
// its reference either way.
func (s *Socket) TrySendBuffer(b *Buffer, place Place) error {
	rc, err := C.ng_buf_send(s.raw, b.b, C.size_t(b.n), flags(place))
	if s.worthRetry(rc, err) {
		rc, err = C.ng_buf_send(s.raw, b.b, C.size_t(b.n), flags(place))
	}
	return sendResult(rc, err)
}
