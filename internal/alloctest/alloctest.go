// Package alloctest holds code that reads what comes from outside to a bound on
// the memory that it takes for it.
package alloctest

import (
	"runtime"
	"testing"
)

// Bytes is how many bytes f allocates, in use at the end or not. Other goroutines
// count as well.
func Bytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// AtMost fails the test if f allocates more than limit bytes, each time that it is
// tried: what others allocate meanwhile does not come again.
func AtMost(t testing.TB, what string, limit int, f func()) {
	t.Helper()
	var n uint64
	for range 3 {
		if n = Bytes(f); n <= uint64(limit) {
			return
		}
	}
	t.Errorf("%s: %d bytes allocated, at most %d expected", what, n, limit)
}
