//go:build !nogocv

package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// TestMatrix streams real video in every pattern and compression, each way.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, pattern := range allPatterns {
		for i, c := range append([]compression{raw}, jpegs...) {
			if i >= 5 && pattern != netgear.Pair {
				continue // one pattern is enough to check a colorspace
			}
			matrixCase(t, "tcp", pattern, c)
			if i < 2 {
				matrixCase(t, "ipc", pattern, c)
			}
		}
	}
}

func matrixCase(t *testing.T, protocol string, pattern netgear.Pattern, c compression) {
	name := fmt.Sprintf("%s/%s", patternNames[pattern], c.name)
	if protocol != "tcp" {
		name += "-" + protocol
	}
	for direction, test := range map[string]func(*testing.T, netgear.Options, compression){"go-to-python": goToPython, "python-to-go": pythonToGo} {
		t.Run(name+"/"+direction, func(t *testing.T) {
			t.Parallel()
			test(t, netgear.Options{Pattern: pattern, Protocol: protocol, Address: address(t, protocol), JPEGCompression: c.jpeg, RequestTimeout: longTimeout}, c)
		})
	}
}

func goToPython(t *testing.T, o netgear.Options, c compression) {
	want := c.pictures(t)
	p, o := startReceiver(t, o)
	sender := open(t, o)
	if o.Pattern == netgear.PubSub {
		publishToPython(t, sender, p, c)
	} else {
		for _, m := range c.clip().mats {
			send(t, sender, m, nil)
		}
		// All of them, before the terminate message, at which VidGear drops its
		// queue.
		equalPictures(t, p.pictures(len(want)), want)
	}
	sender.Close()
	p.end("terminated")
}

// publishToPython repeats the clip until enough has arrived. PubSub loses
// frames before the subscriber has joined, and frames that are too fast for it.
func publishToPython(t *testing.T, sender *netgear.NetGear, p *peer, c compression) {
	want := c.pictures(t)
	var sent, arrived []string
	sendAndLook := func(i int, within time.Duration) {
		send(t, sender, c.clip().mats[i], nil)
		sent = append(sent, want[i])
		for e, ok := p.poll(within); ok; e, ok = p.poll(0) {
			arrived = append(arrived, e.picture())
		}
	}
	deadline := time.Now().Add(waitLimit)
	last := len(want) - 1
	for i := 0; len(arrived) < footageFrames; i++ {
		sendAndLook(i%last, 20*time.Millisecond)
		if time.Now().After(deadline) {
			p.Fail("only %d of %d frames arrived", len(arrived), len(sent))
		}
	}
	// The last frame alone: once it has arrived, the terminate message does not
	// have to queue.
	for !slices.Contains(arrived, want[last]) {
		sendAndLook(last, time.Second)
		if time.Now().After(deadline) {
			p.Fail("the last frame does not arrive")
		}
	}
	inOrder(t, arrived, sent)
}

func pythonToGo(t *testing.T, o netgear.Options, c compression) {
	want := c.pictures(t)
	receiver, o := openReceiver(t, o)
	if o.Pattern == netgear.PubSub {
		subscribeToPython(t, receiver, o, c)
		return
	}
	p := startSender(t, o, "--source", "npy-dir", c.clip().dir)
	for i := range want {
		// Through a Mat, as in most programs.
		f := receive(t, receiver)
		m, err := f.Mat()
		if err != nil {
			t.Fatal(err)
		}
		a, err := matArray(m)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprintf("frame %d", i), picture(a), want[i])
		m.Close()
		f.Close()
	}
	receiveEnd(t, receiver)
	p.end("count")
}

// subscribeToPython receives frames whose messages number them. Some may be
// missing, but the rest must be in order and intact.
func subscribeToPython(t *testing.T, receiver *netgear.NetGear, o netgear.Options, c compression) {
	want := c.pictures(t)
	const many = 5000
	p := startSender(t, o, "--source", "npy-dir", c.clip().dir, "--fps", "50", "--n", fmt.Sprint(many), "--messages", numbers(many))
	before := int64(-1)
	for range footageFrames {
		f := receive(t, receiver)
		number, ok := f.Message.Value().(int64)
		if !ok || number <= before {
			t.Fatalf("frame %v after frame %d", f.Message, before)
		}
		equal(t, fmt.Sprintf("frame %d", number), framePicture(t, f), want[number%int64(len(want))])
		before = number
		f.Close()
	}
	p.Tell("close")
	p.end("closed")
}

// numbers returns the JSON list of 0 to n-1.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",%d", i)
	}
	return "[" + b.String()[1:] + "]"
}
