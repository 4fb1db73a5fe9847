package netgear

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/transport"
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

// A peer that sends only unreadable messages is disconnected, and the
// application gets the reason. The next peer is served.
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
			// Ten thousand a second, also where a pause takes longer than it should.
			began, sent := time.Now(), 0
			await(t, "the flooder to be disconnected", func() bool {
				for ; sent < int(time.Since(began)/(100*time.Microsecond)); sent++ {
					if pattern == ReqRep {
						flooder.TrySend(nil, true)
					}
					flooder.TrySend([]byte("rubbish"), false)
				}
				return recv.Stats().Flooded > 0
			})
			select {
			case err := <-lost:
				if !errors.Is(err, transport.ErrUnreadable) {
					t.Error(err)
				}
			case <-time.After(testTimeout):
				t.Error("the loss is not reported")
			}
			flooder.Socket.Close()
			send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: pattern, JPEGCompression: JPEGOff})
			deliverAny(t, send, recv)
		})
	}
}
