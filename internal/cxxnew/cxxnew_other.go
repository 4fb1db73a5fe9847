//go:build !linux

package cxxnew

// Filled returns 0: no object is filled on this system.
func Filled() int { return 0 }
