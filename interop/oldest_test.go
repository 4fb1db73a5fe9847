//go:build !nogocv

package interop

import (
	"fmt"
	"testing"

	"github.com/vidgear-go/netgear"
)

// TestOldestVidGear streams frames to and from the oldest VidGear that is
// supported. Its JPEGs have no colorspace in the header and are blue, green, red.
func TestOldestVidGear(t *testing.T) {
	t.Parallel()
	for _, cell := range []struct {
		pattern netgear.Pattern
		how     compression
	}{{netgear.Pair, jpegDefault}, {netgear.ReqRep, jpegDefault}, {netgear.ReqRep, raw}} {
		o := netgear.Options{Pattern: cell.pattern, Address: "127.0.0.1", JPEGCompression: cell.how.jpeg, BidirectionalMode: true, RequestTimeout: longTimeout}
		name := patternNames[cell.pattern] + "/" + cell.how.name
		t.Run(name+"/go-to-python", func(t *testing.T) {
			t.Parallel()
			oldestReceives(t, o, cell.how)
		})
		t.Run(name+"/python-to-go", func(t *testing.T) {
			t.Parallel()
			oldestSends(t, o, cell.how)
		})
	}
}

const oldestFrames = 8

func oldestReceives(t *testing.T, o netgear.Options, c compression) {
	want := c.pictures(t)
	p, o := startReceiver(t, o, "--oldest", "--return", `{"seen": 1}`)
	sender := open(t, o)
	for i, m := range c.clip().mats[:oldestFrames] {
		reply := send(t, sender, m, i)
		equal(t, "frame", p.expect("frame").picture(), want[i])
		equal(t, "reply", reply.Data.String(), `{"seen": 1}`)
	}
	sender.Close()
	p.end("terminated")
}

func oldestSends(t *testing.T, o netgear.Options, c compression) {
	want := c.pictures(t)
	receiver, o := openReceiver(t, o)
	p := startSender(t, o, "--oldest", "--n", fmt.Sprint(oldestFrames), "--source", "npy-dir", c.clip().dir)
	for i := range oldestFrames {
		equal(t, fmt.Sprintf("frame %d", i), receivePicture(t, receiver), want[i])
	}
	receiveEnd(t, receiver)
	p.end("count")
}
