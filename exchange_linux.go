package netgear

import "golang.org/x/sys/unix"

// exchangeFolders makes each of two folders the other one, at once.
func exchangeFolders(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
