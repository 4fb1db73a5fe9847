package turbojpeg

/*
#cgo LDFLAGS: -lpthread
#cgo noescape bridge_do
#cgo nocallback bridge_do
#cgo noescape crew_post
#cgo nocallback crew_post
#cgo noescape crew_finished
#cgo nocallback crew_finished
#cgo noescape crew_withdraw
#cgo nocallback crew_withdraw
#cgo noescape batch_stop
#cgo nocallback batch_stop
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

// The crew is some threads of C's, one for each core, on which the large pictures of all Encoders
// and Decoders of the process are made and read. A goroutine that called into C for milliseconds
// would keep one of Go's processors busy, and Go's monitor thread (runtime.sysmon) awake, which then
// looks every 20 µs whether to take the processor away: that cost a twentieth of what the pictures
// did. So the goroutine sleeps, and a pipe tells when its picture is done.
//
// It comes with the first such picture and goes when the last Encoder or Decoder that has given it
// one is closed.
type crew struct {
	refs  int // Encoders and Decoders; guarded by shared
	c     *C.crew
	waker *cwake.Waker // its goroutine calls tell

	mu      sync.Mutex
	batches map[*C.crew_batch]*batch // what the crew has in hand
}

// shared is the process's crew; nil while nobody needs one.
var shared struct {
	sync.Mutex
	crew *crew
}

func joinCrew() (*crew, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.crew == nil {
		k, err := startCrew()
		if err != nil {
			return nil, err
		}
		shared.crew = k
	}
	shared.crew.refs++
	return shared.crew, nil
}

func (k *crew) leave() {
	shared.Lock()
	k.refs--
	last := k.refs == 0
	if last {
		shared.crew = nil
	}
	shared.Unlock()
	if last {
		k.end()
	}
}

func startCrew() (k *crew, err error) {
	k = &crew{batches: map[*C.crew_batch]*batch{}}
	k.waker, err = cwake.Start(func(fd int) error {
		if k.c = C.crew_new(C.int(runtime.GOMAXPROCS(0)), C.int(fd)); k.c == nil {
			return errors.New("turbojpeg: no threads")
		}
		return nil
	}, k.tell)
	return k, err
}

// tell tells the owners of what is finished.
func (k *crew) tell() {
	for c := C.crew_finished(k.c); c != nil; c = C.crew_finished(k.c) {
		k.mu.Lock()
		b := k.batches[c]
		delete(k.batches, c)
		k.mu.Unlock()
		b.done <- struct{}{}
	}
}

// end is called when nobody has anything in the crew's hands.
func (k *crew) end() {
	k.waker.Stop()
	C.crew_free(k.c)
}

// batch is what one Encoder or Decoder has to do at a time: a picture, or the strips of one.
type batch struct {
	c    *C.crew_batch
	pin  runtime.Pinner
	done chan struct{} // a token when the crew is done
	crew *crew         // nil before the first picture for it
}

var errNoMemory = errors.New("turbojpeg: out of memory")

func newBatch() (*batch, error) {
	c := (*C.crew_batch)(C.calloc(1, C.sizeof_crew_batch))
	if c == nil {
		return nil, errNoMemory
	}
	return &batch{c: c, done: make(chan struct{}, 1)}, nil
}

func (b *batch) close() {
	if b.c == nil {
		return
	}
	if b.crew != nil {
		b.crew.leave()
		b.crew = nil
	}
	C.free(unsafe.Pointer(b.c))
	b.c = nil
}

// memory is where b starts, for C to read or write until run returns. It may be Go memory.
func (b *batch) memory(p []byte) C.uintptr_t {
	b.pin.Pin(unsafe.SliceData(p))
	return C.uintptr_t(uintptr(unsafe.Pointer(unsafe.SliceData(p))))
}

// Stop is what ends a piece of work early: either of two channels, when it is
// closed. A nil channel never does.
type Stop [2]<-chan struct{}

// now reports whether the work is to end.
func (s *Stop) now() bool {
	select {
	case <-s[0]:
	case <-s[1]:
	default:
		return false
	}
	return true
}

// run does the first n jobs: in the crew if there are several or the picture is a large one, and
// otherwise, or if there is no crew to be had, here and now. Jobs that stop has
// ended have the result BRIDGE_STOPPED.
func (b *batch) run(n, pixels int, stop *Stop) {
	defer b.pin.Unpin()
	b.c.n, b.c.stop = C.int(n), 0
	for i := range n {
		b.c.jobs[i].stop = &b.c.stop
	}
	k := b.hire(n, pixels)
	if k == nil {
		b.runHere(n, pixels, stop)
		return
	}
	k.mu.Lock()
	k.batches[b.c] = b
	k.mu.Unlock()
	C.crew_post(k.c, b.c)
	select {
	case <-b.done:
		return
	case <-stop[0]:
	case <-stop[1]:
	}
	C.crew_withdraw(k.c, b.c)
	<-b.done
}

// runHere does the jobs in this goroutine. Where they may take long, as there is
// no crew, another one watches stop meanwhile.
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
	C.batch_stop(b.c)
}

// hire is the crew for n jobs; nil if the picture is too small for one, or none is to be had.
func (b *batch) hire(n, pixels int) *crew {
	if n == 1 && pixels < stripPixels {
		return nil
	}
	if b.crew == nil {
		b.crew, _ = joinCrew()
	}
	return b.crew
}
