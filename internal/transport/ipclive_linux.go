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
		// Num, RefCount, Protocol, Flags, Type, St, Inode, Path
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || !strings.HasSuffix(lines.Text(), " "+path) {
			continue
		}
		flags, _ := strconv.ParseUint(fields[3], 16, 64)
		if flags&acceptsConnections != 0 || fields[4] == "0002" {
			return true
		}
	}
	return false
}
