package storm

import "syscall"

func tgkill(pid, tid int, sig syscall.Signal) error {
	_, _, e := syscall.Syscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(sig))
	if e != 0 {
		return e
	}
	return nil
}
