package netgear

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// Peers flood, connect twice, and disconnect during that. They must not reach
// libzmq's assertions (issues #4364, #4767, #3937), and the end must serve the
// next peer.
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
	pause := func() { time.Sleep(30 * time.Millisecond) } // heartbeats fall due meanwhile
	for _, pattern := range allPatterns {
		peers := map[Pattern][]zmq4.Type{Pair: {zmq4.PAIR}, ReqRep: {zmq4.REQ, zmq4.DEALER}, PubSub: {zmq4.PUB, zmq4.XPUB}}[pattern]
		for _, kind := range peers {
			t.Run(fmt.Sprintf("receive end/%v/%v", pattern, kind), func(t *testing.T) {
				t.Parallel()
				recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, QueueFrames: 5, RequestTimeout: 50 * time.Millisecond})
				for range rounds {
					a, b := newBare(t, kind, recv), newBare(t, kind, recv)
					flood(a)
					flood(b)
					pause()
					a.Socket.Close()
					pause()
					b.Socket.Close()
					pause()
				}
				recv.Close()
			})
		}
	}
	for _, pattern := range allPatterns {
		kind := map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.ROUTER, PubSub: zmq4.XSUB}[pattern]
		t.Run(fmt.Sprintf("send end/%v/%v", pattern, kind), func(t *testing.T) {
			t.Parallel()
			send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: pattern, RequestTimeout: 50 * time.Millisecond})
			for range rounds {
				a, b := newBare(t, kind, send), newBare(t, kind, send)
				for i := range 3000 {
					subscribe := append([]byte{1}, fmt.Sprint(i)...)
					a.TrySend(subscribe, false)
					b.TrySend(subscribe, false)
				}
				pause()
				a.Socket.Close()
				pause()
				b.Socket.Close()
				pause()
			}
		})
	}
}

// The bytes that a peer without security sends (ZMTP 3.1, RFC 37): its
// greeting, the READY command with its socket type, and frames.
const greeting = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + zeros16 + zeros16 + zeros16

const zeros16 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func ready(kind string) string {
	return zmtp(isCommand, "\x05READY\x0bSocket-Type\x00\x00\x00"+string(rune(len(kind)))+kind)
}

// greetingV2 is the greeting of a REQ socket that speaks ZMTP 2.0, and identityV2
// the message that follows it.
const (
	greetingV2 = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x03"
	identityV2 = "\x00\x00"
)

// The flags of a frame.
const (
	isMore    = 1
	isLong    = 2
	isCommand = 4
)

// zmtp is one frame: a part of a message, or a command.
func zmtp(flags byte, text string) string {
	head := []byte{flags}
	if flags&isLong != 0 {
		return string(binary.BigEndian.AppendUint64(head, uint64(len(text)))) + text
	}
	return string(append(head, byte(len(text)))) + text
}

// against opens the end that connects to n, which listens, and returns the two.
func against(t *testing.T, o Options, n *NetGear) (send, recv *NetGear) {
	t.Helper()
	o.ReceiveMode, o.Attach, o.Address, o.Port = !n.link.opts.ReceiveMode, AttachConnect, "127.0.0.1", n.Port()
	other := mustNew(t, o)
	if n.link.opts.ReceiveMode {
		return other, n
	}
	return n, other
}

// A peer floods an end, with heartbeats in between, and resets the connection
// while the end does not read. libzmq aborts if it finds a heartbeat among the
// unprocessed bytes. The end must serve the next peer.
func TestHeartbeatsInAFlood(t *testing.T) {
	for _, receive := range []bool{true, false} {
		for _, pattern := range allPatterns {
			t.Run(fmt.Sprintf("receive end=%v/%v", receive, pattern), func(t *testing.T) {
				t.Parallel()
				o := Options{Pattern: pattern, RequestTimeout: 500 * time.Millisecond, MaxRetries: -1, JPEGCompression: JPEGOff, TerminatePolicy: KeepWaiting}
				victim := o
				victim.ReceiveMode, victim.Attach, victim.Address, victim.Port, victim.QueueFrames = receive, AttachBind, "127.0.0.1", "0", 1
				n := mustNew(t, victim)
				c := dial(t, n)
				if _, err := io.WriteString(c, greeting+ready(peerKinds[receive][pattern])); err != nil {
					t.Fatal(err)
				}
				awaitPeers(t, n, 1)
				if _, err := io.WriteString(c, flooding(receive, pattern)); err != nil {
					t.Fatal(err)
				}
				c.(*net.TCPConn).SetLinger(0) // a reset
				c.Close()

				send, recv := against(t, o, n)
				deliverAny(t, send, recv)
			})
		}
	}
}

// flooding returns a hundred messages, frames or what a send end may receive,
// with a heartbeat after every fifth.
func flooding(receive bool, pattern Pattern) string {
	message := zmtp(isMore, string(rawHeader("[1, 1]"))) + zmtp(0, "x")
	switch {
	case receive && pattern == ReqRep:
		message = zmtp(isMore, "") + message
	case !receive && pattern == PubSub:
		message = zmtp(0, "\x01topic")
	case !receive:
		message = zmtp(0, "ok")
	}
	all := ""
	for i := range 100 {
		if all += message; i%5 == 4 {
			all += zmtp(isCommand, "\x04PING\x00\x00")
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
			time.Sleep(time.Millisecond) // the pace: a publisher's first frames are dropped
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

// A Pair peer that does not wait for its answers is disconnected before it
// fills memory. The messages for which there was room are delivered.
func TestPairFlood(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", QueueFrames: 1})
	flooder := newBare(t, zmq4.PAIR, recv)
	for i := range 500 { // libzmq takes a thousand
		flooder.send(rawHeader("[1, 1]"), []byte{byte(i)})
	}
	await(t, "the flooder to be thrown out", func() bool { return recv.Stats().Retries > 0 })
	for i := range byte(1 + maxEarly) {
		delivers(t, recv, i)
	}
}

// Bytes that are almost ZMTP, at every pattern: wrong socket types, unrequested
// commands, parts without an end, resets in the middle. They must not reach an
// assertion of libzmq, and the end must serve the next peer.
func TestHostileBytes(t *testing.T) {
	visits := uint64(1500)
	if testing.Short() {
		visits = 200
	}
	for _, receive := range []bool{true, false} {
		for _, pattern := range allPatterns {
			t.Run(fmt.Sprintf("receive end=%v/%v", receive, pattern), func(t *testing.T) {
				t.Parallel()
				o := Options{Pattern: pattern, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1, JPEGCompression: JPEGOff, TerminatePolicy: KeepWaiting}
				victim := o
				victim.ReceiveMode, victim.Attach, victim.Address, victim.Port = receive, AttachBind, "127.0.0.1", "0"
				victim.QueueFrames, victim.MaxFrameBytes = 3, 1<<20
				n := mustNew(t, victim)
				came := func() uint64 { s := n.Stats(); return s.Refused + s.Lost }
				var strangers sync.WaitGroup
				for i := range uint64(2) {
					strangers.Go(func() {
						r := rand.New(rand.NewPCG(i, 0))
						// A visit while a new socket is opened does not count. However
						// slow the machine is, others must.
						for had, end := uint64(0), time.Now().Add(testTimeout); had < visits && time.Now().Before(end); {
							visit(r, n.Port(), peerKinds[receive][pattern], receive, pattern)
							if now := came(); now > had {
								had, end = now, time.Now().Add(testTimeout)
							}
						}
					})
				}
				send, recv := against(t, o, n)
				for range 3 {
					deliverAny(t, send, recv)
				}
				strangers.Wait()
				deliverAny(t, send, recv)
				// The send call that was canceled last may have closed its socket.
				awaitPeers(t, send, 1)
				awaitPeers(t, recv, 1)
				if came() < visits {
					t.Errorf("fewer than %d visits were noticed: %+v", visits, n.Stats())
				}
			})
		}
	}
}

// say sends bytes to the program that listens on a port, reads for a while what
// comes back, and disconnects. It reports first whether it has finished, and it
// may reset the connection.
func say(port, words string, wait time.Duration, finished, reset bool) {
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil { // just now a new socket is opened; that it listens is no event
		time.Sleep(time.Millisecond)
		return
	}
	sayTo(c, words, wait, finished, reset)
}

func sayTo(c net.Conn, words string, wait time.Duration, finished, reset bool) {
	defer c.Close()
	io.WriteString(c, words)
	c.SetReadDeadline(time.Now().Add(wait))
	if finished {
		c.(*net.TCPConn).CloseWrite()
	}
	io.Copy(io.Discard, c)
	if reset {
		c.(*net.TCPConn).SetLinger(0)
	}
}

// visit sends bytes that are almost ZMTP.
func visit(r *rand.Rand, port, kind string, receive bool, pattern Pattern) {
	if r.IntN(5) == 0 {
		kinds := []string{"PAIR", "REQ", "REP", "DEALER", "ROUTER", "PUB", "SUB", "XPUB", "XSUB", "PUSH", "PULL", "CLIENT", "X", ""}
		kind = kinds[r.IntN(len(kinds))]
	}
	hello := scratched(r, []byte(greeting+ready(kind)), 4)
	if r.IntN(8) == 0 {
		hello = []byte(greetingV2[:11] + string(rune(r.IntN(12))) + identityV2)
	}
	words := scratched(r, rambling(r), 3)
	if r.IntN(2) == 0 {
		words = scratched(r, []byte(flooding(receive, pattern)), 3)
	}
	if r.IntN(4) == 0 {
		words = words[:r.IntN(len(words)+1)]
	}
	wait, finished, reset := time.Duration(r.IntN(4))*time.Millisecond, r.IntN(2) == 0, r.IntN(2) == 0
	if r.IntN(2) == 0 {
		say(port, string(hello)+string(words), wait, finished, reset)
		return
	}
	// Some ends take nothing before their own half of the handshake.
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	shakeHands(c, kind)
	sayTo(c, string(words), wait, finished, reset)
}

// scratched has, once in so many times, some bytes changed.
func scratched(r *rand.Rand, b []byte, once int) []byte {
	if len(b) > 0 && r.IntN(once) == 0 {
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] = byte(r.IntN(256))
		}
	}
	return b
}

// rambling is commands and parts of messages in any order.
func rambling(r *rand.Rand) (b []byte) {
	commands := []string{"\x04PING\x00\x00", "\x04PING\x00\x01hello", "\x04PONG", "\x09SUBSCRIBEa", "\x06CANCELa", "\x05ERROR\x03bad", "\x05READY", "\x04JOINg", "\x05LEAVEg", "\x03XXX", "", "\xff"}
	for range r.IntN(40) {
		flags, text := byte(r.IntN(8)), commands[r.IntN(len(commands))]
		if r.IntN(2) == 0 {
			text = string(rawHeader("[1, 1]"))
		}
		b = append(b, zmtp(flags, text)...)
	}
	return b
}
