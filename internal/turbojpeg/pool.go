package turbojpeg

/*
#cgo LDFLAGS: -lpthread
#cgo noescape bridge_do
#cgo nocallback bridge_do
#cgo noescape ng_pool_post
#cgo nocallback ng_pool_post
#cgo noescape ng_pool_finished
#cgo nocallback ng_pool_finished
#cgo noescape ng_pool_cancel
#cgo nocallback ng_pool_cancel
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
	"unsafe"

	"github.com/vidgear-go/netgear/internal/cwake"
)

// workerPool is a set of C threads, one for each core, for the large pictures
// of all Encoders and Decoders of the process. A goroutine that called into C
// for milliseconds would keep one of Go's processors busy. Go's monitor thread
// (runtime.sysmon) would stay awake and check every 20 µs whether to take the
// processor away. That cost a twentieth of the pictures' CPU time. So the
// goroutine sleeps, and a pipe wakes it.
//
// The pool starts with the first large picture. It ends when the last Encoder
// or Decoder that has used it is closed.
type workerPool struct {
	refs  int // Encoders and Decoders; guarded by shared's mutex
	c     *C.ng_pool
	waker *cwake.Waker // its goroutine calls notifyFinished

	mu      sync.Mutex
	batches map[*C.ng_batch]*batch // posted and not finished
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
		p, err := startPool()
		if err != nil {
			return nil, err
		}
		shared.pool = p
	}
	shared.pool.refs++
	return shared.pool, nil
}

func (p *workerPool) release() {
	shared.Lock()
	p.refs--
	last := p.refs == 0
	if last {
		shared.pool = nil
	}
	shared.Unlock()
	if last {
		p.stop()
	}
}

func startPool() (p *workerPool, err error) {
	p = &workerPool{batches: map[*C.ng_batch]*batch{}}
	p.waker, err = cwake.Start(func(fd int) error {
		if p.c = C.ng_pool_new(C.int(runtime.GOMAXPROCS(0)), C.int(fd)); p.c == nil {
			return errors.New("turbojpeg: no threads")
		}
		return nil
	}, p.notifyFinished)
	return p, err
}

// notifyFinished notifies the owners of finished batches.
func (p *workerPool) notifyFinished() {
	for c := C.ng_pool_finished(p.c); c != nil; c = C.ng_pool_finished(p.c) {
		p.mu.Lock()
		b := p.batches[c]
		delete(p.batches, c)
		p.mu.Unlock()
		b.done <- struct{}{}
	}
}

// stop ends the threads. No batch may be posted.
func (p *workerPool) stop() {
	p.waker.Stop()
	C.ng_pool_free(p.c)
}

// batch is what one Encoder or Decoder processes at a time: a picture, or the
// strips of one.
type batch struct {
	c    *C.ng_batch
	pin  runtime.Pinner
	done chan struct{} // receives a token when the pool has finished the batch
	pool *workerPool   // nil before the first large picture
}

var errNoMemory = errors.New("turbojpeg: out of memory")

func newBatch() (*batch, error) {
	c := (*C.ng_batch)(C.calloc(1, C.sizeof_ng_batch))
	if c == nil {
		return nil, errNoMemory
	}
	return &batch{c: c, done: make(chan struct{}, 1)}, nil
}

func (b *batch) close() {
	if b.c == nil {
		return
	}
	if b.pool != nil {
		b.pool.release()
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

// run runs the first n jobs. It uses the pool if there are several or the
// picture is large. Otherwise, or if no pool can be started, it runs them on
// this goroutine. Jobs that stop has ended have the result BRIDGE_STOPPED.
func (b *batch) run(n, pixels int, stop *Stop) {
	defer b.pin.Unpin()
	b.c.n, b.c.stop = C.int(n), 0
	for i := range n {
		b.c.jobs[i].stop = &b.c.stop
	}
	p := b.acquire(n, pixels)
	if p == nil {
		b.runHere(n, pixels, stop)
		return
	}
	p.mu.Lock()
	p.batches[b.c] = b
	p.mu.Unlock()
	C.ng_pool_post(p.c, b.c)
	select {
	case <-b.done:
		return
	case <-stop[0]:
	case <-stop[1]:
	}
	C.ng_pool_cancel(p.c, b.c)
	<-b.done
}

// runHere runs the jobs on this goroutine. If they may take long, as no pool
// exists, another goroutine watches stop meanwhile.
func (b *batch) runHere(n, pixels int, stop *Stop) {
	if pixels >= stripPixels && *stop != (Stop{}) {
		over, gone := make(chan struct{}), make(chan struct{})
		go b.watch(stop, over, gone)
		defer func() { close(over); <-gone }()
	}
	for i := range n {
		job := &b.c.jobs[i]
		C.bridge_do(job)
	}
}

func (b *batch) watch(stop *Stop, over, gone chan struct{}) {
	defer close(gone)
	select {
	case <-stop[0]:
	case <-stop[1]:
	case <-over:
		return
	}
	C.ng_batch_stop(b.c)
}

// acquire returns the pool for n jobs. It returns nil if the picture is too
// small for the pool, or if none can be started.
func (b *batch) acquire(n, pixels int) *workerPool {
	if n == 1 && pixels < stripPixels {
		return nil
	}
	if b.pool == nil {
		b.pool, _ = acquirePool()
	}
	return b.pool
}
