//go:build asan

package alloctest

// scale is how much larger the limits are: AddressSanitizer adds 16 bytes or more
// to each of Go's allocations.
const scale = 4
