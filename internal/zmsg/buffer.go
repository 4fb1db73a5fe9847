package zmsg

// #include "zmsg.h"
import "C"

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"
)

// ErrNoMemory is returned when the C allocator has nothing left.
var ErrNoMemory = errors.New("zmsg: out of memory")

// Buffer is C memory with a reference count, taken from a small pool. It can
// be sent without a copy any number of times: each message holds a reference
// of its own until libzmq has let go of it. Release drops the owner's.
type Buffer struct {
	b *C.ng_buf
	n int
}

// NewBuffer returns a buffer of n bytes, not zeroed. The caller must Release it.
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

// Bytes is the buffer's memory. It is valid until Release.
func (b *Buffer) Bytes() []byte {
	return unsafe.Slice((*byte)(C.ng_buf_data(b.b)), b.n)
}

// Truncate shortens the buffer to n bytes; it keeps its memory.
func (b *Buffer) Truncate(n int) {
	if n >= 0 && n < b.n {
		b.n = n
	}
}

// Shared reports whether libzmq holds a message with this buffer that it has not
// yet written.
func (b *Buffer) Shared() bool {
	return b != nil && b.b != nil && C.ng_buf_refs(b.b) > 1
}

// WaitUnshared waits until libzmq holds no message with this buffer, at most for
// the limit. It is for a buffer whose socket was closed.
func (b *Buffer) WaitUnshared(limit time.Duration) {
	end := time.Now().Add(limit)
	for pause := 50 * time.Microsecond; b.Shared() && time.Now().Before(end); pause = min(2*pause, 5*time.Millisecond) {
		time.Sleep(pause)
	}
}

// Release drops the owner's reference. Calling it again does nothing.
func (b *Buffer) Release() {
	if b == nil || b.b == nil {
		return
	}
	C.ng_buf_put(b.b)
	b.b = nil
	b.n = 0
}

// KeepFreed makes the C allocator of the process keep up to 62 MB of what is
// freed, in each of its heaps, for the next messages. That is glibc's, which
// otherwise keeps as much as two messages; false if it is another.
func KeepFreed() bool { return C.ng_keep_freed() != 0 }

// pooled makes the blocks that lie in the pool older, and counts them. For tests.
func pooled(older time.Duration) int { return int(C.ng_buf_pooled(C.int64_t(older))) }

// liveMsgs counts received messages that have not been closed.
var liveMsgs atomic.Int64

// Live tells how many buffers and received messages are held at this moment.
// It is for leak checks.
func Live() (buffers, messages int) {
	return int(C.ng_buf_live()), int(liveMsgs.Load())
}

// Asked tells how many buffers NewBuffer was ever asked for, and for how many of
// them the pool had no memory. It is for tests, which count copies by it.
func Asked() (buffers, made int) {
	return int(C.ng_buf_asked()), int(C.ng_buf_made())
}
