package netgear

import "golang.org/x/sys/unix"

// exchangeFolders makes each of two folders the other one, at once.
func exchangeFolders(a, b string) error { return unix.RenamexNp(a, b, unix.RENAME_SWAP) }
