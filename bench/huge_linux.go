package main

import "golang.org/x/sys/unix"

func adviseHuge(b []byte) { unix.Madvise(b, unix.MADV_HUGEPAGE) }
