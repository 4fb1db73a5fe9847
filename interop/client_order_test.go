//go:build !nogocv

package interop

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestGoMulticlientOrder checks that VidGear's clients are served in the order
// of the ports, as in VidGear. That holds for any order of their start, and
// after one has crashed and restarted.
func TestGoMulticlientOrder(t *testing.T) {
	t.Parallel()
	o := netgear.Options{Pattern: netgear.ReqRep, Address: address(t, "tcp"), JPEGCompression: netgear.JPEGOff, MulticlientMode: true}
	var ports []string
	for len(ports) < 3 {
		if p := peertest.FreePort(t); !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	all := o
	all.Ports = ports
	sender := open(t, all)
	connected := func(want int) {
		t.Helper()
		await(t, fmt.Sprintf("%d clients to be connected", want), func() bool { return sender.Stats().Connected == want })
	}
	start := func(i int) *peer {
		t.Helper()
		with := o
		with.Port = ports[i]
		p, _ := startReceiver(t, with)
		return p
	}
	peers := make([]*peer, 3)
	for k, i := range []int{2, 0, 1} {
		peers[i] = start(i)
		connected(k + 1)
	}
	sent := 0
	serve := func(want ...int) {
		t.Helper()
		for _, i := range want {
			reply := send(t, sender, number(sent), nil)
			if reply.Port != ports[i] {
				t.Errorf("frame %d was answered by port %s, want %s", sent, reply.Port, ports[i])
			}
			peers[i].expect("frame")
			sent++
		}
	}
	serve(0, 1, 2, 0, 1, 2, 0)
	peers[1].Kill()
	connected(2)
	serve(2, 0, 2, 0)
	peers[1] = start(1)
	connected(3)
	serve(1, 2, 0, 1)
	if s := sender.Stats(); s.Retries != 0 {
		t.Errorf("%d frames were sent again", s.Retries)
	}
	sender.Close()
	for _, p := range peers {
		p.end("terminated")
	}
}
