//go:build !asan

package alloctest

// ASan reports whether this build has AddressSanitizer. It keeps freed memory for
// a while.
const ASan = false

const scale = 1
