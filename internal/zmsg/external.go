package zmsg

// #include "zmsg.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/vidgear-go/netgear/internal/cwake"
)

// ExternalBuffers tracks memory of other packages that is sent in place,
// through a Buffer. The memory of a block must stay valid and unchanged until
// libzmq and the Buffer's owner have both released the block. libzmq does so on
// its own thread, which only puts the block on a list. A goroutine, started
// with the first block, then calls the block's done function. The zero value is
// ready to use. Close must not be called concurrently with another method.
type ExternalBuffers struct {
	mu    sync.Mutex
	c     *C.ng_ext // nil before the first block and after Close
	inUse map[*C.ng_buf]*external
	waker *cwake.Waker // its goroutine calls releaseFinished
}

// external is a block's pinned memory, and the function to call on release.
type external struct {
	pin  runtime.Pinner
	done func()
}

// Wrap returns a Buffer whose memory is b. b may be Go or C memory and must not
// be empty. The caller must Release the Buffer. done is called once, on the
// goroutine of e, soon after the last reference was dropped. If Wrap returns an
// error, done is not called.
func (e *ExternalBuffers) Wrap(b []byte, done func()) (*Buffer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.start(); err != nil {
		return nil, err
	}
	one := &external{done: done}
	p := unsafe.SliceData(b)
	one.pin.Pin(p)
	block := C.ng_ext_wrap(e.c, unsafe.Pointer(p), C.size_t(len(b)))
	if block == nil {
		one.pin.Unpin()
		return nil, ErrNoMemory
	}
	e.inUse[block] = one
	return &Buffer{b: block, n: len(b)}, nil
}

// start starts the goroutine unless it runs. e.mu must be held.
func (e *ExternalBuffers) start() (err error) {
	if e.c != nil {
		return nil
	}
	e.inUse = map[*C.ng_buf]*external{}
	e.waker, err = cwake.Start(func(fd int) error {
		if e.c = C.ng_ext_new(C.int(fd)); e.c == nil {
			return ErrNoMemory
		}
		return nil
	}, e.releaseFinished)
	return err
}

// releaseFinished calls done for each block on the list of finished ones.
func (e *ExternalBuffers) releaseFinished() {
	for b := C.ng_ext_finished(e.c); b != nil; b = C.ng_ext_finished(e.c) {
		e.mu.Lock()
		one := e.inUse[b]
		delete(e.inUse, b)
		e.mu.Unlock()
		C.ng_ext_buf_free(b)
		one.pin.Unpin()
		one.done()
	}
}

// InUse returns the number of blocks whose done function is still to be called.
func (e *ExternalBuffers) InUse() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.inUse)
}

// Close waits until every block is released, calls the done functions that are
// left, and ends the goroutine. It blocks a thread, so it should be called
// after the sockets are closed. A second call does nothing.
func (e *ExternalBuffers) Close() {
	if e.c == nil {
		return
	}
	C.ng_ext_wait(e.c)
	e.waker.Stop()
	C.ng_ext_free(e.c)
	e.c = nil
}
