package netgear

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// callbacks are the callbacks of one end that are running: OnEvent, OnReply,
// Respond and the release functions. A call that waits for the callback that
// makes it would block forever, so it returns ErrCallback instead.
//
// A callback's goroutine is recognized by its number, which runtime.Stack
// prints first ("goroutine 7 [running]:"). Go has no other way without the
// caller's help: a context reaches neither Close nor OnEvent. The labels of
// runtime/pprof cannot be read, and new goroutines, in which Close is
// permitted, inherit them. The number is read when a callback begins, and by
// calls that are made while one is running. If a later Go prints it in another
// form, nothing is recognized, and such a call blocks.
//
// Two cases are not recognized. One is a callback that waits for another
// goroutine which makes the call. The other is callbacks of two ends that wait
// for each other.
type callbacks struct {
	number atomic.Int32 // of entries, so that a call costs nothing while it is 0

	mu      sync.Mutex
	entries []runningCallback
}

type runningCallback struct {
	goroutine uint64
	callback  callback
}

// callback describes one kind of callback.
type callback struct {
	name   string
	forbid forbidden
}

// forbidden is the set of calls that would wait for a callback.
type forbidden uint8

const (
	forbidClose   forbidden = 1 << iota
	forbidSend              // and Flush
	forbidReceive           // Recv and Frames
)

var (
	eventCallback   = callback{"OnEvent", forbidClose}
	replyCallback   = callback{"OnReply", forbidClose | forbidSend}
	releaseCallback = callback{"a release function", forbidClose | forbidSend}
	respondCallback = callback{"Respond", forbidClose | forbidReceive}
)

// call runs fn as a callback.
func (c *callbacks) call(what callback, fn func()) {
	id := goroutineID()
	c.enter(runningCallback{id, what})
	defer c.leave(id)
	fn()
}

// resume runs f, which calls callbacks. If one of them ends the goroutine
// (runtime.Goexit, which t.FailNow calls), f runs again in another one, so the
// callbacks that follow are still called.
func resume(f func()) {
	returned := false
	defer func() {
		if !returned {
			go resume(f)
		}
	}()
	f()
	returned = true
}

// release returns a release function that runs fn as a callback.
func (c *callbacks) release(fn func()) func() {
	return func() { c.call(releaseCallback, fn) }
}

func (c *callbacks) enter(r runningCallback) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = append(c.entries, r)
	c.number.Add(1)
}

// leave removes the last callback that a goroutine has entered.
func (c *callbacks) leave(goroutine uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, v := range slices.Backward(c.entries) {
		if v.goroutine == goroutine {
			last := len(c.entries) - 1
			copy(c.entries[i:], c.entries[i+1:])
			c.entries = c.entries[:last]
			c.number.Add(-1)
			return
		}
	}
}

// check returns an ErrCallback if the calling goroutine is inside a callback
// that forbids the call.
func (c *callbacks) check(call forbidden) error {
	if c.number.Load() == 0 {
		return nil
	}
	id := goroutineID()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.entries {
		if r.goroutine == id && id != 0 && r.callback.forbid&call != 0 {
			return fmt.Errorf("%w: it was made inside %s; make it in a goroutine that the callback does not wait for", ErrCallback, r.callback.name)
		}
	}
	return nil
}

var stackHeads = sync.Pool{New: func() any { return new([64]byte) }}

// goroutineID returns the number of the calling goroutine, or 0 if it is
// unknown. It takes about a microsecond.
func goroutineID() (id uint64) {
	head := stackHeads.Get().(*[64]byte)
	defer stackHeads.Put(head)
	n := runtime.Stack(head[:], false)
	const before = "goroutine "
	if n <= len(before) || string(head[:len(before)]) != before {
		return 0
	}
	for _, c := range head[len(before):n] {
		if c < '0' || c > '9' {
			break
		}
		id = 10*id + uint64(c-'0')
	}
	return id
}
