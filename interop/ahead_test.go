//go:build !nogocv

package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// TestSendAhead checks that every frame that a Go end sends ahead arrives, in
// order, as Mats and arrays, with and without a transfer of ownership.
func TestSendAhead(t *testing.T) {
	t.Parallel()
	for _, pattern := range lockstep {
		for _, c := range []compression{raw, jpegDefault} {
			t.Run(patternNames[pattern]+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				want := c.pictures(t)
				p, o := startReceiver(t, netgear.Options{Pattern: pattern, Address: address(t, "tcp"), JPEGCompression: c.jpeg, RequestTimeout: longTimeout})
				o.SendAhead = 3
				sender := open(t, o)
				ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
				defer cancel()
				for i, m := range c.clip().mats {
					switch i % 3 {
					case 0:
						send(t, sender, m, nil)
					case 1:
						a := c.clip().array(i)
						a.Data = append([]byte(nil), a.Data...)
						send(t, sender, a, nil)
						clear(a.Data)
					case 2:
						own := m.Clone()
						if _, err := sender.SendOwned(ctx, &own, nil); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := sender.Flush(ctx); err != nil {
					t.Fatal(err)
				}
				equal(t, "frames answered", sender.Stats().Frames, uint64(len(want)))
				// All of them, before the terminate message, at which VidGear
				// drops its queue.
				equalPictures(t, p.pictures(len(want)), want)
				if err := sender.Close(); err != nil {
					t.Fatal(err)
				}
				p.end("terminated")
			})
		}
	}
}

// TestSendAheadReplies checks that OnReply has the data of every answer.
func TestSendAheadReplies(t *testing.T) {
	t.Parallel()
	eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
		const frames = 30
		o.BidirectionalMode = true
		p, o := startReceiver(t, o, "--return", `{"zoom": 2}`)
		var replies []string
		o.SendAhead = 4
		o.OnReply = func(r netgear.Reply, err error) {
			replies = append(replies, fmt.Sprint(r.PythonType, " ", r.Data, " ", err))
		}
		sender := open(t, o)
		for i := range frames {
			send(t, sender, number(i), nil)
		}
		equalPictures(t, p.pictures(frames), numbered(frames))
		if err := sender.Close(); err != nil {
			t.Fatal(err)
		}
		p.end("terminated")
		equal(t, "number of replies", len(replies), frames)
		// VidGear may answer its first frames before its recv has the data.
		equal(t, "last reply", replies[frames-1], `dict {"zoom": 2} <nil>`)
	})
}

// TestSendAheadToAKilledPeer checks that frames sent ahead and not answered are
// reported.
func TestSendAheadToAKilledPeer(t *testing.T) {
	t.Parallel()
	eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
		p, o := startReceiver(t, o)
		o.SendAhead, o.RequestTimeout, o.MaxRetries = 4, 200*time.Millisecond, 2
		o.OnReply = func(netgear.Reply, error) {} // so that Close reports it, on any machine
		sender := open(t, o)
		send(t, sender, number(0), nil)
		p.expect("frame")
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		if err := sender.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		p.Kill()
		const late = 3
		for i := range late {
			send(t, sender, number(i), nil)
		}
		err := sender.Close()
		var lost *netgear.LostError
		if !errors.As(err, &lost) {
			t.Fatalf("Close: %v", err)
		}
		equal(t, "frames lost", lost.Frames, late)
		equal(t, "first of them", lost.First, uint64(2))
	})
}
