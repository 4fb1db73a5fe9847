//go:build !linux

package netgear

import "syscall"

func tgkill(pid, _ int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }
