package netgear

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// Peers connect, three times as many as there are places, and come again when
// they are closed. What the process takes is that of the peers with a place.
func TestMemoryOfManyPeers(t *testing.T) {
	const places, more, together = 300, 1500, 20
	for _, end := range []struct {
		kind string
		childSpec
	}{
		{"REQ", childSpec{Pattern: ReqRep, Receive: true}},
		{"PUB", childSpec{Pattern: PubSub, Receive: true}},
		{"PUSH", childSpec{Pattern: PushPull, Receive: true}},
		{"REP", childSpec{Pattern: ReqRep}},
		{"SUB", childSpec{Pattern: PubSub, Sends: true}},
		{"PULL", childSpec{Pattern: PushPull}},
	} {
		t.Run(end.kind, func(t *testing.T) {
			end.Role, end.Bind, end.MaxPeers = "end", true, places
			c := startChild(t, end.childSpec)
			var closed, came atomic.Int64
			stranger := func() net.Conn {
				conn, err := net.Dial("tcp", "127.0.0.1:"+c.port)
				if err != nil {
					return nil // it was closed already
				}
				t.Cleanup(func() { conn.Close() })
				conn.Write([]byte(greeting + ready(end.kind)))
				came.Add(1)
				go func() {
					io.Copy(io.Discard, conn)
					closed.Add(1)
				}()
				return conn
			}
			var peers []net.Conn
			for range places {
				peers = append(peers, stranger())
			}
			await(t, "the peers", func() bool { return c.account().Connected == places })
			before, descriptors := c.account(), openDescriptors(t, c.Pid())
			for range more / together {
				for range together {
					stranger()
				}
				await(t, "the others to be closed", func() bool { return came.Load()-closed.Load() == places })
			}
			var after account
			await(t, "the others to be closed", func() bool {
				after = c.account()
				return came.Load()-closed.Load() == places && after.Connected == places
			})
			t.Logf("%d KB for %d peers, %d KB more after %d others", (before.Memory-before.Before)>>10, places, (after.Memory-before.Memory)>>10, more)
			await(t, "the descriptors of the others to be closed", func() bool { return openDescriptors(t, c.Pid()) <= descriptors })
			// A REQ end frees connections that have ended when it next sends. The
			// race detector takes memory of its own.
			if grown := after.Memory - before.Memory; grown > 12<<20 && end.kind != "REP" && !alloctest.Race {
				t.Errorf("the process has grown by %d bytes", grown)
			}
			gone := closed.Load()
			peers[0].Close()
			await(t, "another peer", func() bool {
				if came.Load()-closed.Load() < places {
					stranger()
				}
				return closed.Load() > gone && came.Load()-closed.Load() == places && c.account().Connected == places
			})
		})
	}
}

// openDescriptors returns how many descriptors a process has open.
func openDescriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
