//go:build !nogocv

package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// TestGoPublisherCloses closes right after a frame, which may still fill the
// subscriber's queue of one. VidGear's recv must end all the same.
func TestGoPublisherCloses(t *testing.T) {
	t.Parallel()
	for name, multiserver := range map[string]bool{"plain": false, "multiserver": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := netgear.Options{Pattern: netgear.PubSub, Address: address(t, "tcp"), JPEGCompression: netgear.JPEGOff, MultiserverMode: multiserver}
			if multiserver {
				o.Ports = []string{"0"}
			}
			p, o := startReceiver(t, o)
			if multiserver {
				o.Port, o.Ports = o.Ports[0], nil
			}
			sender := open(t, o)
			sendUntilThere(t, sender, p, o.Pattern, 0, "message")
			send(t, sender, footage[4].array(0), nil)
			sender.Close()
			p.end("terminated")
		})
	}
}

// TestGoMulticlientCloses checks that every client receives the terminate
// message, as in VidGear.
func TestGoMulticlientCloses(t *testing.T) {
	t.Parallel()
	o := netgear.Options{Pattern: netgear.ReqRep, Address: address(t, "tcp"), JPEGCompression: netgear.JPEGOff, MulticlientMode: true}
	var peers []*peer
	var ports []string
	for range 3 {
		p, with := startReceiver(t, o)
		peers, ports = append(peers, p), append(ports, with.Port)
	}
	o.Ports = ports
	sender := open(t, o)
	answered := map[string]bool{}
	for i := 0; len(answered) < len(peers); i++ {
		answered[send(t, sender, number(i), nil).Port] = true
	}
	sender.Close()
	for _, p := range peers {
		p.end("terminated")
	}
}

// sendUntilThere sends a frame, with PubSub repeatedly until the peer has it,
// and returns the event. Late copies are skipped.
func sendUntilThere(t *testing.T, sender *netgear.NetGear, p *peer, pattern netgear.Pattern, i int, message string) event {
	t.Helper()
	within := waitLimit
	if pattern == netgear.PubSub {
		within = time.Second / 4
	}
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); {
		send(t, sender, number(i), message)
		for e, ok := p.poll(within); ok; e, ok = p.poll(within) {
			if e.text("event") != "frame" {
				p.Fail("the Python end said %v", e)
			}
			if m, shown := e["message"]; !shown || m == fmt.Sprintf("%q", message) {
				return e
			}
		}
	}
	p.Fail("the frame does not arrive")
	return nil
}
