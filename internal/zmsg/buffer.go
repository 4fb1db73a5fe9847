package zmsg

// #include "zmsg.h"
import "C"

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"
)

// ErrNoMemory is returned when the C allocator returns no memory.
var ErrNoMemory = errors.New("out of memory for a message")

// Buffer is C memory with a reference count, from a small pool. It can be sent
// without a copy any number of times. Each message holds a reference of its own
// until libzmq has released it. Release drops the owner's reference.
type Buffer struct {
	b *C.ng_buf
	n int
}

// NewBuffer returns a buffer of n bytes, not zeroed. The caller must Release
// it.
func NewBuffer(n int) (*Buffer, error) {
	if n < 0 {
		return nil, ErrNoMemory
	}
	b := C.ng_buf_get(C.size_t(n))
	if b == nil {
		return nil, ErrNoMemory
	}
	return &Buffer{b: b, n: n}, nil
}

// Bytes returns the buffer's memory, which is valid until Release.
func (b *Buffer) Bytes() []byte {
	return unsafe.Slice((*byte)(C.ng_buf_data(b.b)), b.n)
}

// Truncate shortens the buffer to n bytes; it keeps its memory.
func (b *Buffer) Truncate(n int) {
	if n >= 0 && n < b.n {
		b.n = n
	}
}

// Shared reports whether libzmq holds a message with this buffer.
func (b *Buffer) Shared() bool {
	return b != nil && b.b != nil && C.ng_buf_refs(b.b) > 1
}

// Retain returns another reference to the buffer's memory. The caller must
// Release it, too.
func (b *Buffer) Retain() *Buffer {
	C.ng_buf_ref(b.b)
	return &Buffer{b: b.b, n: b.n}
}

// References returns how many references there are, with those of libzmq's
// messages.
func (b *Buffer) References() int { return int(C.ng_buf_refs(b.b)) }

// WaitUnshared blocks until libzmq holds no message with this buffer, or until
// limit has passed. It blocks a thread; it is for a buffer whose socket was
// closed, which libzmq's threads then release.
func (b *Buffer) WaitUnshared(limit time.Duration) {
	if b.Shared() {
		C.ng_buf_wait_unshared(b.b, C.int64_t(limit))
	}
}

// Release drops the owner's reference. A second call does nothing.
func (b *Buffer) Release() {
	if b == nil || b.b == nil {
		return
	}
	C.ng_buf_put(b.b)
	b.b = nil
	b.n = 0
}

// KeepFreed makes glibc's allocator keep up to 62 MB of freed memory in each of
// its heaps, for the next messages. By default it keeps twice the size of the
// largest freed block. KeepFreed returns false if the allocator is another, or
// has 32-bit addresses.
func KeepFreed() bool { return C.ng_keep_freed() != 0 }

// ReleaseFreed returns freed memory to the system, if the allocator is glibc's,
// but for the last 62 MB of each of its heaps at most. It is for the memory of a
// backlog that has been processed. It takes a few milliseconds for a hundred
// megabytes, while other allocations from the same heap wait.
func ReleaseFreed() { C.ng_release_freed() }

// pooled moves the time of each pooled block back by older, and returns the
// number of blocks. It is for tests.
func pooled(older time.Duration) int { return int(C.ng_buf_pooled(C.int64_t(older))) }

// liveMsgs counts received messages that have not been closed.
var liveMsgs atomic.Int64

// Live returns how many buffers and received messages exist at this moment. It
// is for leak checks.
func Live() (buffers, messages int) {
	return int(C.ng_buf_live()), int(liveMsgs.Load())
}

// Requested returns how many calls of NewBuffer there were, and for how many of
// them the pool had no memory. It is for tests, which count copies with it.
func Requested() (buffers, allocated int) {
	return int(C.ng_buf_requested()), int(C.ng_buf_allocated())
}
