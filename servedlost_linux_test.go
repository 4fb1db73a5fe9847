package netgear

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
	raw "github.com/vidgear-go/netgear/internal/zmtp"
)

// Of two receive ends at a REQ send end that listens, the one that has the frame is
// lost before it has answered. The other gets the frame over its connection, without
// a wait for RequestTimeout: the bytes that were written show that it has not had it.
func TestOneOfTwoPeersOfASendEndThatListensIsLost(t *testing.T) {
	for _, jpeg := range []Colorspace{JPEGOff, JPEGDefault} { // memory of the caller's, and of a pool
		for _, side := range []int{4, 64, 1024} { // within a message of libzmq's, within its batch, and more
			t.Run(fmt.Sprint(jpeg, " ", side), func(t *testing.T) {
				t.Parallel()
				send := mustNew(t, Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, RequestTimeout: 2 * testTimeout, JPEGCompression: jpeg})
				first, second := newBare(t, zmq4.REP, send), newBare(t, zmq4.REP, send)
				awaitPeers(t, send, 2)
				exchange := func() (result chan error, holder, other *bare) {
					result = make(chan error, 1)
					go func() {
						_, err := send.SendArray(testContext(t), testArray(0, "uint8", side, side, 3), nil)
						result <- err
					}()
					holder, other = holderOf(t, first, second)
					return result, holder, other
				}
				for range 5 { // each has had some
					result, holder, _ := exchange()
					holder.send([]byte("ok"))
					if err := <-result; err != nil {
						t.Fatal(err)
					}
				}
				result, holder, other := exchange()
				holder.Socket.Close()
				if other.recv(testTimeout) == nil {
					t.Fatal("the other peer does not get the frame")
				}
				other.send([]byte("ok"))
				if err := <-result; err != nil {
					t.Error(err)
				}
				if s := send.Stats(); s.Retries != 1 || s.Connections != 2 || s.Lost != 1 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// The handshake of a peer that has come since is not taken for the frame, which is
// smaller in secure mode.
func TestHandshakesAreNoFrames(t *testing.T) {
	o := Options{Attach: AttachBind, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, RequestTimeout: 2 * testTimeout,
		JPEGCompression: JPEGOff, SecureMode: StoneHouse, CustomCertLocation: keyFolder(t)}
	send := mustNew(t, o)
	holder, release := make(chan int, 1), make(chan struct{})
	defer close(release)
	o.ReceiveMode, o.Attach, o.BidirectionalMode = true, AttachConnect, true
	receive := func(number int, port string) {
		o.Port = port
		o.Respond = func(context.Context, *Frame) (any, error) {
			select {
			case holder <- number:
				<-release
			default: // another has the first frame
			}
			return nil, nil
		}
		mustNew(t, o)
		awaitPeers(t, send, number+1)
	}
	var proxies []*peertest.Proxy
	for i := range 2 {
		proxies = append(proxies, newProxy(t, "127.0.0.1:0", send))
		receive(i, proxies[i].Port)
	}
	result := make(chan error, 1)
	go func() {
		_, err := send.SendArray(testContext(t), testArray(0, "uint8", 4), nil)
		result <- err
	}()
	cut := <-holder
	holder <- cut // no other waits
	receive(2, send.Port())
	proxies[cut].Cut()
	if err := <-result; err != nil || send.Stats().Retries != 1 {
		t.Errorf("%v, %+v", err, send.Stats())
	}
}

// Of two receive ends at a REQ send end that listens, the one that has not had the
// frame is lost, and another comes. The frame is not sent again.
func TestIdlePeerOfASendEndThatListensIsLost(t *testing.T) {
	for _, side := range []int{4, 64, 1024} {
		t.Run(fmt.Sprint(side), func(t *testing.T) {
			t.Parallel()
			send, judged := judging(t, Options{Attach: AttachBind, Address: "127.0.0.1", Pattern: ReqRep, RequestTimeout: 2 * testTimeout, JPEGCompression: JPEGOff})
			first, second := newBare(t, zmq4.REP, send), newBare(t, zmq4.REP, send)
			awaitPeers(t, send, 2)
			result := make(chan error, 1)
			go func() {
				_, err := send.SendArray(testContext(t), testArray(0, "uint8", side, side, 3), nil)
				result <- err
			}()
			holder, other := holderOf(t, first, second)
			newBare(t, zmq4.REP, send)
			other.Socket.Close()
			if err := <-judged; err != nil {
				t.Error(err)
			}
			holder.send([]byte("ok"))
			if err := <-result; err != nil || send.Stats().Retries != 0 || send.Stats().Lost != 1 {
				t.Errorf("%v, %+v", err, send.Stats())
			}
		})
	}
}

// Of three receive ends at a REQ send end that listens, one has not read its frame
// to the end, which libzmq still holds, and another is lost. The frame is not sent
// again.
func TestSlowPeerOfASendEndThatListensKeepsItsFrame(t *testing.T) {
	send, judged := judging(t, Options{Attach: AttachBind, Address: "127.0.0.1", Pattern: ReqRep, RequestTimeout: 2 * testTimeout, JPEGCompression: JPEGOff})
	slow := dialUnready(t, send)
	if _, err := io.WriteString(slow, raw.Ready("REP")); err != nil {
		t.Fatal(err)
	}
	awaitPeers(t, send, 1)
	result := make(chan error, 1)
	go func() {
		_, err := send.SendArray(testContext(t), large(), nil)
		result <- err
	}()
	flags, number, err := raw.ReadFrame(slow)
	if err != nil {
		t.Fatal(err)
	}
	other := newBare(t, zmq4.REP, send)
	newBare(t, zmq4.REP, send)
	awaitPeers(t, send, 3)
	other.Socket.Close()
	if err := <-judged; err != nil {
		t.Error(err)
	}
	rest := int64(len(large().Data))
	for flags&raw.More != 0 {
		var beginning []byte
		if flags, beginning, err = raw.ReadFrame(slow); err != nil {
			t.Fatal(err)
		}
		if flags&raw.More == 0 {
			rest -= int64(len(beginning))
		}
	}
	if _, err := io.CopyN(io.Discard, slow, rest); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(slow, raw.Frame(raw.More, string(number))+raw.Frame(raw.More, "")+raw.Frame(0, "ok")); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil || send.Stats().Retries != 0 || send.Stats().Lost != 1 {
		t.Errorf("%v, %+v", err, send.Stats())
	}
}

// holderOf returns which of two peers gets a message, and which does not.
func holderOf(t *testing.T, a, b *bare) (holder, other *bare) {
	t.Helper()
	for range int(testTimeout / (40 * time.Millisecond)) {
		if a.recv(20*time.Millisecond) != nil {
			return a, b
		}
		if b.recv(20*time.Millisecond) != nil {
			return b, a
		}
	}
	t.Fatal("no frame")
	return nil, nil
}
