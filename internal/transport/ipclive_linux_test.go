package transport

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// noUser is the number of a user that has no files.
const noUser = 65534

// An end that may not connect to a socket does not delete it while the program of
// another user has it, and does once that program has ended.
func TestIPCOfAnotherUser(t *testing.T) {
	dir := peertest.SocketDir(t)
	if err := os.Chmod(dir, 0o777); err != nil { // any user may delete
		t.Fatal(err)
	}
	free := func(path string) (err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // the thread ends with the goroutine
			if os.Getuid() == 0 {
				unix.Setfsuid(noUser) // of this thread alone
			}
			err = ipcFree("ipc://" + path)
		}()
		<-done
		return err
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	listens, err := net.ListenUnix("unix", &net.UnixAddr{Name: at("a stream"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listens.Close()
	listens.SetUnlinkOnClose(false)
	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at("datagrams"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	client, err := net.DialUnix("unix", nil, listens.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := listens.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for _, name := range []string{"a stream", "datagrams"} {
		if err := os.Chmod(at(name), 0); err != nil {
			t.Fatal(err)
		}
		if err := free(at(name)); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: %v", name, err)
		}
	}
	abstract, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@x " + at("a stream"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close() // it has a name that ends like the path
	listens.Close()        // the connection that it has accepted still has the path
	if err := free(at("a stream")); err != nil {
		t.Error(err)
	}
}
