//go:build !nogocv

package interop

import (
	"fmt"
	"testing"

	"github.com/vidgear-go/netgear"
)

// A VidGear send end continues if this library's receive end drops its frames.
// It accepts the form of the answer with the reason, in every mode, and also
// from a receive end on the other wire.
func TestRejectedFramesDoNotDisturbVidGear(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name   string
		change func(theirs, ours *netgear.Options)
		multi  bool
	}{
		{name: "plain", change: func(theirs, ours *netgear.Options) {}},
		{name: "bidirectional", change: func(theirs, ours *netgear.Options) {
			theirs.BidirectionalMode, ours.BidirectionalMode = true, true
		}},
		{name: "multi-client", multi: true, change: func(theirs, ours *netgear.Options) { theirs.MulticlientMode, ours.MulticlientMode = true, true }},
		{name: "multi-server", multi: true, change: func(theirs, ours *netgear.Options) { theirs.MultiserverMode, ours.MultiserverMode = true, true }},
		{name: "NetGear to NetGear_Async", change: func(theirs, ours *netgear.Options) { ours.Wire = netgear.AsyncWire }},
		{name: "NetGear to NetGear_Async, bidirectional", change: func(theirs, ours *netgear.Options) {
			ours.Wire, theirs.BidirectionalMode = netgear.AsyncWire, true
		}},
		{name: "NetGear_Async to NetGear", change: func(theirs, ours *netgear.Options) { theirs.Wire = netgear.AsyncWire }},
		{name: "NetGear_Async to NetGear, bidirectional", change: func(theirs, ours *netgear.Options) {
			theirs.Wire, theirs.BidirectionalMode, ours.BidirectionalMode = netgear.AsyncWire, true, true
		}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
				if mode.multi && o.Pattern == netgear.Pair {
					return
				}
				o.JPEGCompression = netgear.JPEGDefault
				o.MaxFrameBytes = 1_000_000 // for a frame of 1.3 MB, which is smaller as JPEG
				theirs := o
				mode.change(&theirs, &o)
				rejects(t, theirs, o)
			})
		})
	}
}

func rejects(t *testing.T, theirs, ours netgear.Options) {
	const frames = 5
	receiver, ours := openReceiver(t, ours)
	theirs.Port, theirs.Ports = ours.Port, ours.Ports
	source := []string{"--source", "npy-dir", footage[3].dir, "--n", fmt.Sprint(frames)}
	if theirs.Wire == netgear.AsyncWire {
		source = append(asyncSource(), "--n", fmt.Sprint(frames))
	}
	startSender(t, theirs, source...).end("count")
	await(t, "the frames to be rejected", func() bool { return receiver.Stats().Malformed >= frames })
	if s := receiver.Stats(); s.Frames != 0 {
		t.Errorf("%+v", s)
	}
}
