package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// unreachableEnv has the endpoint in a process that TestProtocolUnreachable
// starts.
const unreachableEnv = "NETGEAR_TEST_UNREACHABLE"

// What remains: a router, or the peer's machine, that answers an attempt to
// connect with the ICMP message "protocol unreachable" makes libzmq abort the
// process (tcp_connecter.cpp, connect: ENOPROTOOPT), and nothing here can prevent
// that. If this test fails, libzmq has been mended, and docs/design.md can be
// changed.
func TestProtocolUnreachable(t *testing.T) {
	if endpoint := os.Getenv(unreachableEnv); endpoint != "" {
		s, err := Open(Config{Kind: zmq4.PUB, MaxMessage: 1 << 10, Logger: slog.New(slog.DiscardHandler), Setup: func(*zmq4.Socket) error { return nil }},
			[]string{endpoint}, func(Event) {})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // the process ends before
		s.Shut(0)
		return
	}
	port := silentPort(t)
	answerUnreachable(t, port)
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestProtocolUnreachable$")
	victim.Env = append(os.Environ(), fmt.Sprintf("%s=tcp://127.0.0.1:%d", unreachableEnv, port))
	if out, err := victim.CombinedOutput(); err == nil || !strings.Contains(string(out), "tcp_connecter.cpp") {
		t.Errorf("libzmq does not abort: %v\n%s", err, out)
	}
}

// silentPort returns a port at which attempts to connect are not answered: the
// queue of its listener is full.
func silentPort(t *testing.T) int {
	t.Helper()
	open := func() int {
		fd, err := newStream(unix.AF_INET)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	l, c := open(), open()
	a := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	err := unix.Bind(l, a)
	if err == nil {
		err = unix.Listen(l, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(l)
	if err == nil {
		err = unix.Connect(c, at)
	}
	if err != nil {
		t.Fatal(err)
	}
	return at.(*unix.SockaddrInet4).Port
}

// answerUnreachable answers attempts to connect to a port of this machine, for
// the time of the test. Only root can do so.
func answerUnreachable(t *testing.T, port int) {
	t.Helper()
	all := uint16(unix.ETH_P_IP)
	packets, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(all<<8|all>>8))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skip("needs root: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	icmp, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptTimeval(packets, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000})
	over, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(over)
		<-done
		unix.Close(packets)
		unix.Close(icmp)
	})
	go func() {
		defer close(done)
		for packet := make([]byte, 2048); ; {
			select {
			case <-over:
				return
			default:
			}
			n, _, err := unix.Recvfrom(packets, packet, 0)
			const ip, syn = 20, 2
			if err != nil || n < ip+20 || packet[0] != 0x45 || packet[9] != unix.IPPROTO_TCP ||
				int(binary.BigEndian.Uint16(packet[ip+2:])) != port || packet[ip+13] != syn {
				continue
			}
			const unreachable, protocol = 3, 2
			m := append([]byte{unreachable, protocol, 0, 0, 0, 0, 0, 0}, packet[:ip+8]...)
			binary.BigEndian.PutUint16(m[2:], checksum(m))
			unix.Sendto(icmp, m, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
		}
	}()
}

// checksum is the Internet checksum (RFC 1071) of an even number of bytes.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
