package zmsg

// #include "zmsg.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/vidgear-go/netgear/internal/cwake"
)

// Loans keeps account of memory that is not this package's and is sent as it
// lies, by way of a Buffer: until libzmq and the Buffer's owner have both let go
// of a block, its memory must not change or go away. What libzmq lets go of on
// its own thread is only noted there; a goroutine, which starts with the first
// block, gives it back. The zero value is ready. Close may not be called while
// another method is.
type Loans struct {
	mu    sync.Mutex
	l     *C.ng_loans // nil before the first block and after Close
	out   map[*C.ng_buf]*loan
	waker *cwake.Waker // its goroutine calls giveBack
}

// loan is what is to be done when a block comes back.
type loan struct {
	pin  runtime.Pinner
	done func()
}

// Lend makes a Buffer of b, which may be Go or C memory and must not be empty.
// The caller must Release it; done is called once, soon after the last reference
// has gone, in a goroutine of the Loans. On an error done is not called.
func (l *Loans) Lend(b []byte, done func()) (*Buffer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.start(); err != nil {
		return nil, err
	}
	one := &loan{done: done}
	p := unsafe.SliceData(b)
	one.pin.Pin(p)
	block := C.ng_loans_lend(l.l, unsafe.Pointer(p), C.size_t(len(b)))
	if block == nil {
		one.pin.Unpin()
		return nil, ErrNoMemory
	}
	l.out[block] = one
	return &Buffer{b: block, n: len(b)}, nil
}

func (l *Loans) start() (err error) {
	if l.l != nil {
		return nil
	}
	l.out = map[*C.ng_buf]*loan{}
	l.waker, err = cwake.Start(func(fd int) error {
		if l.l = C.ng_loans_new(C.int(fd)); l.l == nil {
			return ErrNoMemory
		}
		return nil
	}, l.giveBack)
	return err
}

// giveBack gives back what has come back.
func (l *Loans) giveBack() {
	for b := C.ng_loans_finished(l.l); b != nil; b = C.ng_loans_finished(l.l) {
		l.mu.Lock()
		one := l.out[b]
		delete(l.out, b)
		l.mu.Unlock()
		C.ng_loan_free(b)
		one.pin.Unpin()
		one.done()
	}
}

// Out is how many blocks have not been given back.
func (l *Loans) Out() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.out)
}

// Close waits until everybody has let go of every block, gives them back and
// ends the goroutine. It blocks a thread, so call it when the sockets are
// closed. Calling it again does nothing.
func (l *Loans) Close() {
	if l.l == nil {
		return
	}
	C.ng_loans_wait(l.l)
	l.waker.Stop()
	C.ng_loans_free(l.l)
	l.l = nil
}
