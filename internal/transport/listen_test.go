package transport

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A listening socket has the address that was asked for, or there is an error
// that names what is wrong.
func TestListenTCP(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	loopback := loopbackName(t)
	tests := []struct {
		endpoint, want string // want: the address it gets, before the port
		err            error
	}{
		{endpoint: "tcp://127.0.0.1:0", want: "127.0.0.1:"},
		{endpoint: "tcp://*:0", want: "0.0.0.0:"},
		{endpoint: "tcp://0.0.0.0:0", want: "0.0.0.0:"},
		{endpoint: "tcp://" + loopback + ":0", want: "127.0.0.1:"},
		{endpoint: "tcp://" + busy.Addr().String(), err: syscall.EADDRINUSE},
		{endpoint: "tcp://192.0.2.1:0", err: syscall.EADDRNOTAVAIL},
		{endpoint: "tcp://nosuch0:0", err: syscall.ENODEV},
		{endpoint: "tcp://127.0.0.1:70000", err: syscall.EINVAL},
		{endpoint: "tcp://127.0.0.1", err: syscall.EINVAL},
	}
	if DualStack() {
		tests = append(tests, []struct {
			endpoint, want string
			err            error
		}{
			{endpoint: "tcp://[::]:0", want: "[::]:"},
			{endpoint: "tcp://[::1]:0", want: "[::1]:"},
			{endpoint: "tcp://[fe80::1%nosuch0]:0", err: syscall.ENODEV},
		}...)
	}
	for _, tt := range tests {
		t.Run(tt.endpoint, func(t *testing.T) {
			fd, err := listenTCP(tt.endpoint)
			if !errors.Is(err, tt.err) {
				t.Fatalf("%v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			defer unix.Close(fd)
			a, err := unix.Getsockname(fd)
			if err != nil {
				t.Fatal(err)
			}
			got := addrPort(a).String()
			if tt.want == "[::]:" {
				got = strings.Replace(got, "0.0.0.0:", "[::]:", 1)
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("it listens at %s, want %s", got, tt.want)
			}
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("a child process inherits it (%x, %v)", flags, err)
			}
		})
	}
}

func loopbackName(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
	}
	t.Fatal("no loopback interface")
	return ""
}
