package netgear

import (
	"fmt"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// Peers that flood, connect twice, and leave in the middle of it, at ends with
// hasty heartbeats: libzmq's assertions (issues #4364, #4767, #3937) must stay
// out of reach, and the end must serve whoever comes next.
func TestHostilePeers(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	part := make([]byte, 1000)
	flood := func(b *bare) {
		for range 3000 {
			if b.TrySend(rawHeader("[1000]"), true) != nil || b.TrySend(part, false) != nil {
				return
			}
		}
	}
	for _, pattern := range allPatterns {
		peers := map[Pattern][]zmq4.Type{Pair: {zmq4.PAIR}, ReqRep: {zmq4.REQ, zmq4.DEALER}, PubSub: {zmq4.PUB, zmq4.XPUB}}[pattern]
		for _, kind := range peers {
			t.Run(fmt.Sprintf("receive end/%v/%v", pattern, kind), func(t *testing.T) {
				t.Parallel()
				recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, QueueFrames: 5,
					HeartbeatInterval: 10 * time.Millisecond, HeartbeatTimeout: 50 * time.Millisecond, RequestTimeout: 50 * time.Millisecond})
				for range rounds {
					a, b := newBare(t, kind, recv), newBare(t, kind, recv)
					flood(a)
					flood(b)
					time.Sleep(30 * time.Millisecond) // heartbeats fall due meanwhile
					a.Socket.Close()
					time.Sleep(30 * time.Millisecond)
					b.Socket.Close()
					time.Sleep(30 * time.Millisecond)
				}
				recv.Close()
			})
		}
	}
	for _, pattern := range allPatterns {
		kind := map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.ROUTER, PubSub: zmq4.XSUB}[pattern]
		t.Run(fmt.Sprintf("send end/%v/%v", pattern, kind), func(t *testing.T) {
			t.Parallel()
			send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern,
				HeartbeatInterval: 10 * time.Millisecond, HeartbeatTimeout: 50 * time.Millisecond, RequestTimeout: 50 * time.Millisecond})
			for range rounds {
				a, b := newBare(t, kind, send), newBare(t, kind, send)
				for i := range 3000 {
					subscribe := append([]byte{1}, fmt.Sprint(i)...)
					a.TrySend(subscribe, false)
					b.TrySend(subscribe, false)
				}
				time.Sleep(30 * time.Millisecond)
				a.Socket.Close()
				time.Sleep(30 * time.Millisecond)
				b.Socket.Close()
				time.Sleep(30 * time.Millisecond)
			}
		})
	}
}
