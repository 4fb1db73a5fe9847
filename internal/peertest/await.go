package peertest

import (
	"net"
	"os"
	"testing"
	"time"
)

// waitLimit bounds the waits of this package.
const waitLimit = time.Minute

// Await polls a condition that is no event, and fails the test after the limit.
func Await(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// Listen listens on a TCP address as soon as it is free.
func Listen(t testing.TB, address string) (l net.Listener) {
	t.Helper()
	Await(t, waitLimit, "the address "+address, func() bool {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	return l
}

// SocketDir returns a new folder, which is removed at the test's end. Its path is
// short enough for a local socket, which that of t.TempDir may not be.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ng")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
