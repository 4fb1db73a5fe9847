package certs

import "golang.org/x/sys/unix"

// exchangeFolders renames each of two folders to the other one in one step.
func exchangeFolders(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
