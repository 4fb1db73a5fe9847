//go:build !nogocv

package interop

import (
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestAdaptToVidGear sends over a network that becomes slow and fast again. A
// VidGear receive end gets smaller pictures, and whole ones again, without
// anything set there.
func TestAdaptToVidGear(t *testing.T) {
	t.Parallel()
	for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep} {
		t.Run(patternNames[pattern], func(t *testing.T) {
			t.Parallel()
			p, o := startReceiver(t, netgear.Options{Pattern: pattern, Address: "127.0.0.1"})
			network := peertest.NewProxy(t, peertest.Listen(t, "127.0.0.1:0"), "127.0.0.1:"+o.Port)
			sender := open(t, netgear.Options{Pattern: pattern, Address: "127.0.0.1", Port: network.Port,
				RequestTimeout: waitLimit, Adapt: netgear.Adapt{MaxAge: 300 * time.Millisecond, MinQuality: 60, MinFPS: 20}})
			whole := shapeText(footage[3].array(0).Shape)
			// sendUntil sends until the receive end gets a picture that is whole, or
			// one that is not.
			sendUntil := func(wanted bool) {
				t.Helper()
				for i, began := 0, time.Now(); ; i++ {
					send(t, sender, footage[3].array(i%footageFrames), nil)
					if shape := p.expect("frame")["shape"]; (shape == whole) == wanted {
						return
					}
					if time.Since(began) > waitLimit {
						t.Fatalf("no picture with whole=%v: %+v", wanted, sender.Stats().Adapt)
					}
				}
			}
			sendUntil(true)
			network.Slow(2 * time.Millisecond) // half a megabyte a second
			sendUntil(false)
			network.Slow(0)
			sendUntil(true)
			// The setting itself may have changed again: a busy machine is late too.
			if s := sender.Stats().Adapt; s.Changes < 2 {
				t.Errorf("%+v", s)
			}
		})
	}
}
