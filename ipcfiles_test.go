package netgear

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// An ipc receive end binds a path only if no file exists there, or only a
// socket on which no program listens. libzmq would delete any file.
func TestIPCDeletesNothing(t *testing.T) {
	for _, end := range []Options{{ReceiveMode: true}, {Attach: AttachBind}, {ReceiveMode: true, Pattern: PubSub}} {
		dir := peertest.SocketDir(t)
		at := func(name string) string { return filepath.Join(dir, name) + ":5555" }
		if err := errors.Join(
			os.WriteFile(at("file"), []byte("precious"), 0o600), os.Mkdir(at("folder"), 0o700), syscall.Mkfifo(at("fifo"), 0o600),
			os.Symlink(at("file"), at("link")), os.Symlink(at("none"), at("dangling link")), os.Symlink("/dev/null", at("device")),
		); err != nil {
			t.Fatal(err)
		}
		left, err := net.Listen("unix", at("left"))
		if err != nil {
			t.Fatal(err)
		}
		left.(*net.UnixListener).SetUnlinkOnClose(false)
		left.Close()

		for _, name := range []string{"file", "folder", "fifo", "link", "dangling link", "device"} {
			before, err := os.Lstat(at(name))
			if err != nil {
				t.Fatal(err)
			}
			o := end
			o.Protocol, o.Address = "ipc", filepath.Join(dir, name)
			n, err := New(o)
			if err == nil {
				n.Close()
			}
			if !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), "not a socket") || !strings.Contains(err.Error(), at(name)) {
				t.Errorf("%s: %v", name, err)
			}
			if after, err := os.Lstat(at(name)); err != nil || !os.SameFile(before, after) {
				t.Errorf("%s is gone or another: %v", name, err)
			}
		}
		if text, err := os.ReadFile(at("file")); string(text) != "precious" {
			t.Errorf("the file holds %q: %v", text, err)
		}
		// C takes a path to end at a NUL byte, so libzmq would delete the file.
		for _, o := range []Options{{Address: at("file") + "\x00"}, {Address: filepath.Join(dir, "file"), Port: "5555\x00"}} {
			o.ReceiveMode, o.Attach, o.Pattern, o.Protocol = end.ReceiveMode, end.Attach, end.Pattern, "ipc"
			n, err := New(o)
			if err == nil {
				n.Close()
			}
			if text, readable := os.ReadFile(at("file")); !errors.Is(err, ErrOption) || string(text) != "precious" {
				t.Errorf("%q %q: %v; the file: %q, %v", o.Address, o.Port, err, text, readable)
			}
		}
		// Sockets that other programs have, also one that accepts no connection.
		datagrams, err := net.ListenPacket("unixgram", at("datagrams"))
		if err != nil {
			t.Fatal(err)
		}
		defer datagrams.Close()
		busy, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(busy)
		if err := errors.Join(unix.Bind(busy, &unix.SockaddrUnix{Name: at("busy")}), unix.Listen(busy, 0)); err != nil {
			t.Fatal(err)
		}
		for full := false; !full; {
			c, err := net.Dial("unix", at("busy"))
			if full = err != nil; !full {
				defer c.Close()
			}
		}
		for _, name := range []string{"datagrams", "busy"} {
			o := end
			o.Protocol, o.Address = "ipc", filepath.Join(dir, name)
			n, err := New(o)
			if err == nil {
				n.Close()
			}
			if !errors.Is(err, ErrAddress) || !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := os.Lstat(at(name)); err != nil {
				t.Error(err)
			}
		}
		// What a killed program left behind, and a path where nothing is.
		for _, name := range []string{"left", "new"} {
			o := end
			o.Protocol, o.Address = "ipc", filepath.Join(dir, name)
			if n, err := New(o); err != nil {
				t.Errorf("%s: %v", name, err)
			} else {
				n.Close()
			}
		}
	}
}

// "*" is every interface; a path has none, and libzmq would bind a random one.
// An end that connects needs one address in any case.
func TestWildcardAddress(t *testing.T) {
	for _, o := range []Options{
		{Protocol: "ipc", Address: "*", ReceiveMode: true}, {Protocol: "ipc", Address: "*"}, {Protocol: "ipc", Address: "*.sock", ReceiveMode: true},
		{Address: "*"}, {Address: "*", ReceiveMode: true, Attach: AttachConnect},
	} {
		var wrong *OptionError
		if err := o.Validate(); !errors.As(err, &wrong) || wrong.Field != "Address" {
			t.Errorf("%s %q, receive=%v: %v", o.Protocol, o.Address, o.ReceiveMode, err)
		}
	}
	for _, o := range []Options{{Address: "*", ReceiveMode: true}, {Address: "*", Attach: AttachBind}, {Protocol: "ipc", Address: "/run/*"}} {
		if err := o.Validate(); err != nil {
			t.Errorf("%s %q, receive=%v: %v", o.Protocol, o.Address, o.ReceiveMode, err)
		}
	}
}
