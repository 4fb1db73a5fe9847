package certs

import "golang.org/x/sys/unix"

// exchangeFolders renames each of two folders to the other one in one step.
func exchangeFolders(a, b string) error { return unix.RenamexNp(a, b, unix.RENAME_SWAP) }
