package tcpproxy

import (
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
)

// recent has the last ports that FreePort has returned to this process.
var recent struct {
	sync.Mutex
	ports [1000]string
	next  int
}

// FreePort returns a free port outside the system's ephemeral range, and none
// that another caller in this process has just got and not opened yet. On an
// ephemeral port, an end that connects before its peer listens may connect to
// itself, and any connection may take the port before it is used.
func FreePort() (string, error) {
	recent.Lock()
	defer recent.Unlock()
	for range 100 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		if slices.Contains(recent.ports[:], port) {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			l.Close()
			recent.ports[recent.next] = port
			recent.next = (recent.next + 1) % len(recent.ports)
			return port, nil
		}
	}
	return "", errors.New("no free port")
}
