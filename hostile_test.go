package netgear

import (
	"context"
	"fmt"
	"io"
	"net"
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

// greeting and the READY command of a peer without security (ZMTP 3.1, RFC 37).
func handshake(kind string) string {
	ready := "\x05READY\x0bSocket-Type\x00\x00\x00" + string(rune(len(kind))) + kind
	return "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + string(make([]byte, 48)) + "\x04" + string(rune(len(ready))) + ready
}

// A peer that floods an end, with heartbeats in between, and resets the connection
// while the end does not read: libzmq aborts if it finds a heartbeat among what it
// had not taken in. The end must serve the next.
func TestHeartbeatsInAFlood(t *testing.T) {
	for _, receive := range []bool{true, false} {
		for _, pattern := range allPatterns {
			for _, heartbeat := range []time.Duration{0, -1} {
				t.Run(fmt.Sprintf("receive end=%v/%v/heartbeat=%v", receive, pattern, heartbeat == 0), func(t *testing.T) {
					o := Options{Pattern: pattern, HeartbeatInterval: heartbeat, RequestTimeout: 500 * time.Millisecond, MaxRetries: -1, JPEGCompression: JPEGOff, OnTerminate: KeepWaiting}
					victim, next := o, o
					victim.ReceiveMode, victim.Attach, victim.Address, victim.Port, victim.QueueFrames = receive, AttachBind, "127.0.0.1", "0", 1
					n := mustNew(t, victim)
					c := dial(t, n)
					if _, err := io.WriteString(c, handshake(hostileKinds[receive][pattern])); err != nil {
						t.Fatal(err)
					}
					awaitPeers(t, n, 1)
					if _, err := io.WriteString(c, flooding(receive, pattern)); err != nil {
						t.Fatal(err)
					}
					c.(*net.TCPConn).SetLinger(0) // a reset
					c.Close()

					next.ReceiveMode, next.Attach, next.Address, next.Port = !receive, AttachConnect, "127.0.0.1", portOf(n)
					send, recv := mustNew(t, next), n
					if !receive {
						send, recv = recv, send
					}
					deliverAny(t, send, recv)
				})
			}
		}
	}
}

var hostileKinds = map[bool]map[Pattern]string{
	true:  {Pair: "PAIR", ReqRep: "DEALER", PubSub: "PUB"},
	false: {Pair: "PAIR", ReqRep: "ROUTER", PubSub: "SUB"},
}

// flooding is a hundred messages, frames or what a send end may hear, with a
// heartbeat after every fifth.
func flooding(receive bool, pattern Pattern) string {
	part := func(more bool, text string) string {
		flags := "\x00"
		if more {
			flags = "\x01"
		}
		return flags + string([]byte{byte(len(text))}) + text
	}
	message := part(true, string(rawHeader("[1, 1]"))) + part(false, "x")
	switch {
	case receive && pattern == ReqRep:
		message = part(true, "") + message
	case !receive && pattern == PubSub:
		message = part(false, "\x01topic")
	case !receive:
		message = part(false, "ok")
	}
	all := ""
	for i := range 100 {
		if all += message; i%5 == 4 {
			all += "\x04\x07\x04PING\x00\x00"
		}
	}
	return all
}

// deliverAny sends until a frame with its message has come through.
func deliverAny(t *testing.T, send, recv *NetGear) {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for ctx.Err() == nil {
			send.SendArray(ctx, testArray(0, "uint8", 4, 4), "ours")
			time.Sleep(time.Millisecond)
		}
	}()
	for {
		f := mustRecv(t, recv, ctx)
		ours := f.Message.Value() == "ours"
		f.Close()
		if ours {
			break
		}
	}
	cancel()
	<-sent
}

// A Pair peer that does not wait for its answers is thrown out before it fills
// memory. What there was room for is delivered.
func TestPairFlood(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", QueueFrames: 1})
	flooder := newBare(t, zmq4.PAIR, recv)
	go func() {
		for i := range 10000 {
			if flooder.TrySend(rawHeader("[1, 1]"), true) != nil || flooder.TrySend([]byte{byte(i)}, false) != nil {
				return
			}
		}
	}()
	await(t, "the flooder to be thrown out", func() bool { return recv.Stats().Retries > 0 })
	for i := range byte(1 + maxEarly) {
		delivers(t, recv, i)
	}
}
