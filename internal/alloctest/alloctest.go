// Package alloctest checks a memory limit for code that reads untrusted input.
package alloctest

import (
	"runtime"
	"testing"
)

// Bytes returns how many bytes f allocates, whether or not they are in use at
// the end. Allocations of other goroutines count too.
func Bytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// AtMost fails the test if f allocates more than limit bytes in every one of
// several tries. Allocations of other goroutines are not in all of them. Under
// AddressSanitizer, which makes each allocation larger, the limit is higher.
func AtMost(t testing.TB, what string, limit int, f func()) {
	t.Helper()
	var n uint64
	limit *= scale
	for range 3 {
		if n = Bytes(f); n <= uint64(limit) {
			return
		}
	}
	t.Errorf("%s: %d bytes allocated, at most %d expected", what, n, limit)
}
