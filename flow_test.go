package netgear

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// Ends that send as fast as they can are never taken for floods: large frames
// and small, one sender and eight, encrypted or not.
func TestSaturatedEndsAreNoFloods(t *testing.T) {
	lasting := time.Second
	if testing.Short() {
		lasting = 200 * time.Millisecond
	}
	location := keyFolder(t)
	for _, pattern := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
		for _, mode := range []SecureMode{Grasslands, IronHouse} {
			for name, shape := range map[string][]int{"tiny": {1, 4}, "small": {64, 64, 3}, "large": {1080, 1920, 3}} {
				if pattern == PushPull && name != "large" {
					continue // there a pipe's limit holds small frames back
				}
				senders := 1
				if pattern != Pair {
					senders = 8
				}
				t.Run(fmt.Sprintf("%v/%v/%s", pattern, mode, name), func(t *testing.T) {
					o := Options{Pattern: pattern, SecureMode: mode, JPEGCompression: JPEGOff, TerminatePolicy: KeepWaiting}
					if mode != Grasslands {
						o.CustomCertLocation = location
					}
					if pattern == PushPull {
						o.Wire, o.RequestTimeout = AsyncWire, time.Second
					}
					saturate(t, o, senders, shape, lasting)
				})
			}
		}
	}
}

func saturate(t *testing.T, o Options, senders int, shape []int, lasting time.Duration) {
	t.Helper()
	recv, send := openPair(t, o, func(r, s *Options) {})
	all := []*NetGear{send}
	o.Address, o.Port = "127.0.0.1", recv.Port()
	for len(all) < senders {
		all = append(all, mustNew(t, o))
	}
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	var busy sync.WaitGroup
	for _, n := range all {
		busy.Go(func() {
			for a := testArray(0, "uint8", shape...); ctx.Err() == nil; {
				n.SendArray(ctx, a, nil)
			}
		})
	}
	for began, frames := time.Now(), 0; frames == 0 || time.Since(began) < lasting; frames++ {
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	cancel()
	busy.Wait()
	s := recv.Stats()
	t.Logf("%.0f frames a second, %d lost", float64(s.Frames)/lasting.Seconds(), s.Lost)
	if s.Flooded != 0 || s.Frames == 0 {
		t.Errorf("the receive end: %+v", s)
	}
	for _, n := range all {
		if s := n.Stats(); s.Flooded != 0 {
			t.Errorf("a send end: %+v", s)
		}
	}
}

// A sender whose frames the receive end cannot read, at the rate of a fast
// camera, stays connected.
func TestMismatchedSenderStays(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: PubSub})
	send := newBare(t, zmq4.PUB, recv)
	awaitPeers(t, recv, 1)
	tick := time.NewTicker(time.Second / 240)
	defer tick.Stop()
	for recv.Stats().Malformed < 480 {
		<-tick.C
		send.TrySend([]byte("what is this"), false)
	}
	if s := recv.Stats(); s.Flooded != 0 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTinyFrames(t *testing.T) {
	repeat := func(s string) []byte { return slices.Repeat([]byte(s), 2048/len(s)) }
	for name, c := range map[string]struct {
		bytes []byte
		want  bool
	}{
		"empty parts":      {repeat(zmtp(isMore, "")), true},
		"parts of a byte":  {repeat(zmtp(isMore, "x"))[1:], true},
		"parts of 9 bytes": {repeat(zmtp(isMore, "123456789"))[5:], true},
		"long form":        {repeat(zmtp(isMore|isLong, "12"))[7:], true},
		"messages":         {repeat(zmtp(0, "ok")), true},
		"parts of 60":      {repeat(zmtp(isMore, string(make([]byte, 60)))), false},
		"a picture":        {testArray(1, "uint8", 2048).Data, false},
		"text":             {repeat(`{"return_type": "ndarray"}`), false},
	} {
		if got := tinyFrames(c.bytes); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What counts as unread, and from when on it is too much.
func TestFlowVerdicts(t *testing.T) {
	now := time.Now()
	limits := inflowLimits{bytes: 1000, bytesPerSecond: 10, parts: maxPendingParts}
	l := &peerConn{since: now}
	step := func(total int64, read reading, after time.Duration, unread int64, why error) {
		t.Helper()
		l.last = total
		if got := l.update(&read, &limits, now.Add(after)); got != unread {
			t.Errorf("%d unread, not %d", got, unread)
		}
		if got := l.verdict(l.unread, &limits, now.Add(after)); got != why {
			t.Errorf("%v, not %v", got, why)
		}
	}
	step(500, reading{}, 0, 500, nil)
	step(800, reading{bytes: 500, parts: 1}, 0, 300, nil)
	step(1800, reading{}, 0, 1300, errPiledUp)
	step(1900, reading{bytes: 100, parts: 1, all: true}, 0, 0, nil)
	step(2800, reading{}, 0, 900, nil)
	step(3000, reading{}, 20*time.Second, 900, nil) // heartbeats
	step(3000, reading{}, time.Hour, 0, nil)
	limits = inflowLimits{bytes: 1 << 40, parts: maxPendingParts}
	step(3000+3<<20, reading{bytes: 3, parts: 1}, time.Hour, 3<<20-3, nil)
	step(3000+4<<20, reading{bytes: 3, parts: 1}, time.Hour, 4<<20-6, errPiledUp) // more than a million messages
}

// A peer that sends nothing but rubbish is disconnected, and the application is
// told why. The next one is served.
func TestUnreadableFloodIsReported(t *testing.T) {
	for _, pattern := range allPatterns {
		t.Run(pattern.String(), func(t *testing.T) {
			lost := make(chan error, 1)
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, OnEvent: func(s Event) {
				if s.Kind == EventLost && s.Err != nil {
					select {
					case lost <- s.Err:
					default:
					}
				}
			}})
			flooder := newBare(t, map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.DEALER, PubSub: zmq4.PUB}[pattern], recv)
			flooder.SetSndhwm(0)
			awaitPeers(t, recv, 1)
			tick := time.NewTicker(100 * time.Microsecond)
			defer tick.Stop()
			for recv.Stats().Flooded == 0 && !t.Failed() {
				<-tick.C
				if pattern == ReqRep {
					flooder.TrySend(nil, true)
				}
				flooder.TrySend([]byte("rubbish"), false)
			}
			if err := <-lost; !errors.Is(err, errUnreadable) {
				t.Error(err)
			}
			flooder.Socket.Close()
			send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: pattern, JPEGCompression: JPEGOff})
			deliverAny(t, send, recv)
		})
	}
}
