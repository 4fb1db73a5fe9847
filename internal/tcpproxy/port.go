package tcpproxy

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePort returns a free port outside the system's ephemeral range. On an
// ephemeral port, an end that connects before its peer listens may connect to
// itself.
func FreePort() (string, error) {
	for range 100 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			l.Close()
			return port, nil
		}
	}
	return "", errors.New("no free port")
}
