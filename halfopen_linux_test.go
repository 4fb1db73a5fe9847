package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// A PAIR send end has lost its connection in silence, its peer is absent, and
// the application occupies every descriptor. The process must not abort. When
// the descriptors are free again and the peer has returned, the next frame
// arrives.
func TestHalfOpenWithoutDescriptors(t *testing.T) {
	for _, away := range []string{"silent", "refusing"} {
		t.Run(away, func(t *testing.T) {
			t.Parallel()
			l := listenShort(t)
			port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
			c := startProcess(t, childSpec{Role: "end", Port: port, Sends: true, Descriptors: 256})
			c.hear()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// The peer ends the handshake and has the frame, and does not
			// answer.
			io.WriteString(conn, greeting+ready("PAIR"))
			header := make([]byte, len(greeting)+len(ready("PAIR"))+10)
			if _, err := io.ReadFull(conn, header); err != nil {
				t.Fatal(err)
			}
			// Until the end has noticed the connection, it does not know from where it was made.
			await(t, "the connection", func() bool { return c.account().Connected > 0 })
			c.Tell("silence")
			c.hear()
			var waiting net.Conn
			if away == "silent" {
				// One connection fills the queue: no other is answered.
				if waiting, err = net.Dial("tcp", l.Addr().String()); err != nil {
					t.Fatal(err)
				}
				defer waiting.Close()
			} else {
				l.Close()
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			await(t, "the loss", func() bool { return c.account().Retries > 0 })
			if away == "silent" {
				await(t, "an attempt to connect", func() bool { return attempted(t, l.Addr().(*net.TCPAddr).Port) })
				if !c.account().HalfOpen {
					t.Fatal("the lost connection is not taken for half-open")
				}
			} else {
				await(t, "a new socket", func() bool { return c.account().Socket })
			}
			c.Tell("take descriptors")
			c.hear()
			for began := time.Now(); time.Since(began) < 4*time.Second; time.Sleep(100 * time.Millisecond) {
				c.account() // fails if the process is gone
			}
			c.Tell("free descriptors")
			c.hear()
			l.Close()
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, TerminatePolicy: KeepWaiting})
			mustRecv(t, recv, testContext(t)).Close()
			await(t, "the answer", func() bool { return c.account().Frames > 0 })
		})
	}
}

// While no peer answers, the deadline, the context and Close end the call.
func TestEndHalfOpenEnds(t *testing.T) {
	full := listenShort(t)
	waiting, err := net.Dial("tcp", full.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	start := func(ctx context.Context, limit time.Duration) (*NetGear, chan error) {
		n := mustNew(t, Options{Address: "127.0.0.1", Port: peertest.FreePort(t)})
		loseInSilence(n, "127.0.0.1:"+peertest.FreePort(t), full.Addr().String())
		ended := make(chan error, 1)
		go func() { ended <- n.send.endHalfOpen(ctx, time.Now().Add(limit)) }()
		await(t, "an attempt to connect", func() bool { return attempted(t, full.Addr().(*net.TCPAddr).Port) })
		return n, ended
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, ended := start(ctx, testTimeout)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("its context ended: %v", err)
	}
	n, ended := start(context.Background(), testTimeout)
	n.Close()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("Close: %v", err)
	}
	_, ended = start(context.Background(), 600*time.Millisecond)
	if err := <-ended; err != zmsg.ErrTimeout {
		t.Errorf("the deadline: %v", err)
	}
}

// attempted reports whether a connection to a port is being made, and not
// answered (SYN_SENT).
func attempted(t *testing.T, port int) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), fmt.Sprintf(":%04X 02 ", port))
}

// listenShort listens with the shortest queue: one connection may wait in it, and
// what comes beside that one is not answered.
func listenShort(t *testing.T) net.Listener {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = unix.Listen(fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
