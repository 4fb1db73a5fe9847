//go:build !asan

package alloctest

const scale = 1
