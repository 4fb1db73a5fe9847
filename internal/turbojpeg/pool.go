package turbojpeg

/*
#cgo LDFLAGS: -lpthread
#cgo noescape bridge_do
#cgo nocallback bridge_do
#cgo noescape ng_pool_post
#cgo nocallback ng_pool_post
#cgo noescape ng_pool_cancel
#cgo nocallback ng_pool_cancel
#cgo noescape ng_pool_posted
#cgo nocallback ng_pool_posted
#cgo noescape ng_batch_stop
#cgo nocallback ng_batch_stop
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/vidgear-go/netgear/internal/cwake"
)

// workerPool is a set of C threads, one for each core, for the large pictures
// of all Encoders and Decoders of the process. A goroutine that called into C
// for milliseconds would keep one of Go's processors busy. Go's monitor thread
// (runtime.sysmon) would stay awake and check every 20 µs whether to take the
// processor away. That cost a twentieth of the pictures' CPU time. So the
// goroutine sleeps in Go's network poller, and the thread that finishes its
// picture wakes it.
//
// The pool starts with the first large picture. It ends when the last Encoder
// or Decoder that has used it is closed.
type workerPool struct {
	refs int // Encoders and Decoders; guarded by shared's mutex
	c    *C.ng_pool
}

// shared holds the process's pool, nil while no batch uses one.
var shared struct {
	sync.Mutex
	pool *workerPool
}

func acquirePool() (*workerPool, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.pool == nil {
		c := C.ng_pool_new(C.int(runtime.GOMAXPROCS(0)))
		if c == nil {
			return nil, errors.New("no threads for JPEGs")
		}
		shared.pool = &workerPool{c: c}
	}
	shared.pool.refs++
	return shared.pool, nil
}

// posted returns the number of batches that are not finished. No thread writes
// to the descriptor of a finished one from then on.
func (p *workerPool) posted() int { return int(C.ng_pool_posted(p.c)) }

func (p *workerPool) release() {
	p.posted()
	shared.Lock()
	p.refs--
	last := p.refs == 0
	if last {
		shared.pool = nil
	}
	shared.Unlock()
	if last {
		C.ng_pool_free(p.c)
	}
}

// batch is what one Encoder or Decoder processes at a time: a picture, or the
// strips of one.
type batch struct {
	c   *C.ng_batch
	pin runtime.Pinner

	// Unset before the first large picture.
	pool     *workerPool
	event    *cwake.Event
	finished func() bool // whether the pool has finished the batch

	// The goroutine that interrupts the event when a Stop does.
	followed Stop
	unfollow func()
}

func newBatch() (*batch, error) {
	c := (*C.ng_batch)(C.calloc(1, C.sizeof_ng_batch))
	if c == nil {
		return nil, ErrNoMemory
	}
	return &batch{c: c, unfollow: func() {}}, nil
}

func (b *batch) close() {
	if b.c == nil {
		return
	}
	b.unfollow()
	if b.pool != nil {
		b.pool.release()
		b.event.Close()
		b.pool = nil
	}
	C.free(unsafe.Pointer(b.c))
	b.c = nil
}

// address pins p, which may be Go memory, until run returns, and returns its
// address for C.
func (b *batch) address(p []byte) C.uintptr_t {
	b.pin.Pin(unsafe.SliceData(p))
	return C.uintptr_t(uintptr(unsafe.Pointer(unsafe.SliceData(p))))
}

// Stop is a pair of channels. Closing either ends a call early. A nil channel
// never does.
type Stop [2]<-chan struct{}

// now reports whether a channel is closed.
func (s *Stop) now() bool {
	select {
	case <-s[0]:
	case <-s[1]:
	default:
		return false
	}
	return true
}

// watch calls end, on another goroutine, when a channel is closed. It does so
// until unwatch is called, which waits for it.
func (s Stop) watch(end func()) (unwatch func()) {
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-s[0]:
		case <-s[1]:
		case <-over:
			return
		}
		end()
	}()
	return func() { close(over); <-gone }
}

// run runs the first n jobs. It uses the pool if there are several or the
// picture is large. Otherwise, or if no pool can be started, it runs them on
// this goroutine. Jobs that stop has ended have the result BRIDGE_STOPPED.
func (b *batch) run(n, pixels int, stop *Stop) {
	defer b.pin.Unpin()
	b.c.n, b.c.stop = C.int(n), 0
	for i := range n {
		b.c.jobs[i].stop = &b.c.stop
	}
	if n == 1 && pixels < stripPixels || !b.usePool() {
		b.runHere(n, pixels, *stop)
		return
	}
	b.follow(*stop)
	C.ng_pool_post(b.pool.c, b.c)
	for finished := false; !finished; finished = b.event.Wait(b.finished) {
		if stop.now() {
			C.ng_pool_cancel(b.pool.c, b.c)
		}
	}
}

// follow makes the end of stop interrupt the wait for the pool. Most pictures
// of an Encoder or a Decoder have the same stop, so it stays in force until
// another takes its place.
func (b *batch) follow(stop Stop) {
	if stop == b.followed {
		return
	}
	b.unfollow()
	b.followed, b.unfollow = stop, stop.watch(b.event.Interrupt)
}

// runHere runs the jobs on this goroutine. If they may take long, as no pool
// exists, another goroutine watches stop meanwhile.
func (b *batch) runHere(n, pixels int, stop Stop) {
	if pixels >= stripPixels && stop != (Stop{}) {
		defer stop.watch(func() { C.ng_batch_stop(b.c) })()
	}
	for i := range n {
		job := &b.c.jobs[i]
		C.bridge_do(job)
	}
}

// usePool reports whether the batch can use the pool. It fails if the pool
// cannot start, or if no descriptor is free.
func (b *batch) usePool() bool {
	if b.pool != nil {
		return true
	}
	event, err := cwake.NewEvent()
	if err != nil {
		return false
	}
	pool, err := acquirePool()
	if err != nil {
		event.Close()
		return false
	}
	b.pool, b.event, b.c.fd = pool, event, C.int(event.FD())
	b.finished = func() bool { return atomic.LoadInt32((*int32)(&b.c.finished)) != 0 }
	return true
}
