//go:build !linux

package netgear

func runChild() {}
