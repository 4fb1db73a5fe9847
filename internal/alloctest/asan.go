//go:build asan

package alloctest

// ASan reports whether this build has AddressSanitizer. It keeps freed memory for
// a while.
const ASan = true

// scale is how much larger the limits are: AddressSanitizer adds 16 bytes or more
// to each of Go's allocations.
const scale = 4
