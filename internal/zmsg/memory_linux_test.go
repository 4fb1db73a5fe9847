package zmsg

import (
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// exchangeParts has n parts of a size received one at a time, so that libzmq
// reads each by itself.
func exchangeParts(t *testing.T, n, size int) []*Msg {
	t.Helper()
	a, b := pair(t)
	connect(t, a, b)
	part, received := make([]byte, size), make([]*Msg, n)
	for i := range received {
		if err := a.Wait(deadline(), never, func() error { return a.TrySend(part, Last) }); err != nil {
			t.Fatal(err)
		}
		received[i] = receive(t, b)
	}
	return received
}

// A small part takes about as much memory as it has bytes, however it came.
func TestMemoryOfSmallParts(t *testing.T) {
	if alloctest.ASan {
		t.Skip("AddressSanitizer's blocks are larger")
	}
	// A part in a block of libzmq's would take 9 to 18 KB. The race detector takes a
	// kilobyte for each.
	const parts, size, limit = 4000, 100, 4 << 10
	before := alloctest.Memory()
	received := exchangeParts(t, parts, size)
	if each := (alloctest.Memory() - before) / parts; each > limit {
		t.Errorf("a part of %d bytes takes %d", size, each)
	}
	for _, m := range received {
		m.Close()
	}
}

// The memory of a backlog that was read can be returned, also where the last
// block of the heap is in use.
func TestReleaseFreed(t *testing.T) {
	if !KeepFreed() || alloctest.ASan {
		t.Skip("another malloc than glibc's, or one with 32 bits")
	}
	const parts, size = 8000, 8000
	before := alloctest.Memory()
	received := exchangeParts(t, parts, size)
	most := alloctest.Memory() - before
	for _, m := range received[:parts-1] {
		m.Close()
	}
	kept := alloctest.Memory() - before
	ReleaseFreed()
	left := alloctest.Memory() - before
	t.Logf("%d KB received, %d KB after they were read, %d KB after ReleaseFreed", most>>10, kept>>10, left>>10)
	if left > most/2 {
		t.Errorf("%d KB are left of %d", left>>10, most>>10)
	}
	received[parts-1].Close()
}
