package health

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// owner returns the program that listens on a TCP port, if the system shows it
// to this user.
func owner(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, n, inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
	}
	return ""
}

// Listening returns the inodes of the TCP sockets on which a process listens, as
// links of /proc name them. Systems without /proc return none.
func Listening(pid int) []string {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, anyPort, inodes)
	}
	var own []string
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/[0-9]*", pid))
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && inodes[target] {
			own = append(own, target)
		}
	}
	return own
}

// anyPort stands for every port.
const anyPort = -1

// listening adds the sockets that listen on a port, or on any, as links of /proc
// name them.
func listening(table string, port int, inodes map[string]bool) {
	f, err := os.Open(table) //nolint:gosec // fixed names
	if err != nil {
		return
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && (port == anyPort || strings.HasSuffix(fields[1], suffix)) && fields[3] == "0A" { // LISTEN
			inodes["socket:["+fields[9]+"]"] = true
		}
	}
}
