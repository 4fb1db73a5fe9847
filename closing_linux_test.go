package netgear

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// TestResetWhileClosing closes ends in processes of their own. Their peer reads
// nothing, so the socket lingers. Meanwhile the peer sends what the closing
// socket cannot take in, and resets the connection. With a heartbeat of this
// end's that falls due after that, libzmq aborts the process (issue #4364).
func TestResetWhileClosing(t *testing.T) {
	for _, receive := range []bool{false, true} {
		for _, pattern := range allPatterns {
			// libzmq would send the first heartbeat a second after the handshake.
			for _, after := range []time.Duration{300, 400, 450} {
				t.Run(fmt.Sprintf("receive end=%v/%v/%d ms", receive, pattern, after), func(t *testing.T) {
					t.Parallel()
					resetWhileClosing(t, pattern, receive, after*time.Millisecond)
				})
			}
		}
	}
}

func resetWhileClosing(t *testing.T, pattern Pattern, receive bool, after time.Duration) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	met, closing, reset := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	var peers sync.WaitGroup
	defer peers.Wait()
	defer l.Close()
	peers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			peers.Go(func() {
				defer c.Close()
				holdUp(c, pattern, receive, met, closing, reset)
			})
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c := startChild(t, childSpec{Role: "end", Pattern: pattern, Receive: receive, Port: port, Sends: !receive, Size: 8 << 20})
	select {
	case <-met:
	case <-time.After(testTimeout):
		c.Fail("the end did not connect")
	}
	time.Sleep(after)
	c.Tell("close")
	close(closing)
	time.Sleep(500 * time.Millisecond) // a publisher lingers then
	close(reset)
	c.hear() // it has closed
}

// holdUp is the peer of a closing end: it reads nothing until the end closes,
// continues to send, and resets the connection.
func holdUp(c net.Conn, pattern Pattern, receive bool, met chan<- struct{}, closing, reset <-chan struct{}) {
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	if shakeHands(c, peerKinds[receive][pattern]) != nil {
		return
	}
	words := flooding(receive, pattern)
	switch {
	case receive:
		words = strings.Repeat(words, 500) // answers accumulate
	case pattern == PubSub:
		words = zmtp(0, "\x01")
	default:
		words = ""
		go io.Copy(io.Discard, c) // the frame must go out
	}
	select {
	case met <- struct{}{}:
	default:
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(c, words)
	}()
	<-closing
	for {
		select {
		case <-reset:
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			<-sent
			return
		case <-time.After(time.Millisecond):
			c.SetWriteDeadline(time.Now().Add(time.Millisecond))
			io.WriteString(c, zmtp(0, "\x01x"))
			c.SetWriteDeadline(time.Time{})
		}
	}
}

// TestOldPeersWhileClosing opens and closes a REP end again and again, while peers
// that speak ZMTP 2.0 send their identity at any moment. libzmq aborts the process
// if one comes when the socket is being closed.
func TestOldPeersWhileClosing(t *testing.T) {
	port := peertest.FreePort(t)
	c := startChild(t, childSpec{Role: "rebind", Receive: true, Bind: true, Idle: true, Reopened: port})
	ctx, cancel := context.WithCancel(testContext(t))
	var peers sync.WaitGroup
	defer peers.Wait()
	defer cancel()
	for i := range uint64(20) {
		peers.Go(func() {
			for r := rand.New(rand.NewPCG(i, 0)); ctx.Err() == nil; {
				conn, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err != nil { // just now the end is closed
					time.Sleep(time.Millisecond)
					continue
				}
				io.WriteString(conn, greetingV2)
				time.Sleep(time.Duration(r.IntN(10_000)) * time.Microsecond)
				io.WriteString(conn, identityV2)
				conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				io.Copy(io.Discard, conn)
				conn.Close()
			}
		})
	}
	opened := c.account().Opens
	await(t, "the end to be opened and closed", func() bool { return c.account().Opens > opened+100 })
}
