//go:build !race

package alloctest

// Race reports whether this build has the race detector, which takes memory and
// allocates.
const Race = false
