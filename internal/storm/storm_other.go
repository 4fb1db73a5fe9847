//go:build !linux

package storm

import "syscall"

func tgkill(pid, _ int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }
