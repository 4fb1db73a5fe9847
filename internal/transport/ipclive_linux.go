package transport

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// acceptsConnections is the flag of a socket that listens, in /proc/net/unix
// (__SO_ACCEPTCON).
const acceptsConnections = 1 << 16

// ipcServed reports whether a program, of any user, has a socket that listens at a
// path or takes datagrams there. It finds one that was bound by the absolute path
// and in this network namespace.
func ipcServed(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	list, err := os.Open("/proc/net/unix")
	if err != nil {
		return false
	}
	defer list.Close()
	for lines := bufio.NewScanner(list); lines.Scan(); {
		fields, name := unixSocket(lines.Text())
		if name != path {
			continue
		}
		flags, _ := strconv.ParseUint(fields[3], 16, 64)
		if flags&acceptsConnections != 0 || fields[4] == "0002" {
			return true
		}
	}
	return false
}

// unixSocket returns the fields of a line of /proc/net/unix (Num, RefCount,
// Protocol, Flags, Type, St, Inode), and the path, which may contain spaces.
func unixSocket(line string) (fields [7]string, path string) {
	for i := range fields {
		fields[i], line, _ = strings.Cut(strings.TrimLeft(line, " "), " ")
	}
	return fields, line
}
