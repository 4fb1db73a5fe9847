package netgear

import (
	"context"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// Frames that were queued before the terminate message are delivered; VidGear
// discards them.
func TestNothingQueuedIsLostAtTermination(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		recv, send := openPair(t, Options{Pattern: pattern})
		ctx := testContext(t)
		for i := range 20 {
			if _, err := send.SendArray(ctx, testArray(i, "uint8", 40, 40, 3), i); err != nil {
				t.Fatal(err)
			}
		}
		send.Close()
		i := 0
		for f, err := range recv.Frames(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Message.Value() != int64(i) {
				t.Errorf("frame %v at %d", f.Message, i)
			}
			f.Close()
			i++
		}
		if i != 20 {
			t.Errorf("%v: %d of 20 frames", pattern, i)
		}
	}
}

func TestKeepWaiting(t *testing.T) {
	recv, first := openPair(t, Options{TerminatePolicy: KeepWaiting})
	ctx := testContext(t)
	for i, send := range []*NetGear{first, nil, nil} {
		if send == nil {
			send = mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port()})
		}
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 9, 9), i); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil || f.Message.Value() != int64(i) {
			t.Fatalf("sender %d: %v", i, err)
		}
		f.Close()
		send.Close()
	}
}

// Close gives a VidGear receive end time for its queue before the terminate
// message, and one of this library none. A delay of an hour would end the test.
func TestTerminateDelay(t *testing.T) {
	for _, o := range []Options{
		{}, {Pattern: ReqRep}, {BidirectionalMode: true}, {Pattern: ReqRep, MulticlientMode: true}, {Wire: AsyncWire}, {Wire: AsyncWire, Pattern: PubSub},
	} {
		o.TerminateDelay = time.Hour
		_, send := openPair(t, o)
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil); err != nil {
			t.Fatal(err)
		}
		send.Close()
	}
	for _, attach := range []Attachment{AttachBind, AttachConnect} { // a publisher that never had a subscriber
		send := mustNew(t, Options{Pattern: PubSub, Attach: attach, Address: "127.0.0.1", Port: peertest.FreePort(t), TerminateDelay: time.Hour})
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 2, 2), nil); err != nil {
			t.Fatal(err)
		}
		send.Close()
	}
	for name, c := range map[string]struct {
		o      Options
		answer string
	}{
		"plain":         {Options{}, "Data received on device: AB12CD34 !"},
		"bidirectional": {Options{BidirectionalMode: true}, `{"return_type": "NoneType", "data": null}`},
	} {
		peer := newBare(t, zmq4.PAIR, nil)
		c.o.Address, c.o.Port, c.o.TerminateDelay = "127.0.0.1", peer.port(), time.Hour
		send := mustNew(t, c.o)
		done := make(chan error, 1)
		go func() {
			_, err := send.SendArray(context.Background(), testArray(0, "uint8", 2, 2), nil)
			done <- err
		}()
		peer.recv(testTimeout)
		peer.send([]byte(c.answer))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		closed := make(chan struct{})
		go func() { send.Close(); close(closed) }()
		select {
		case <-closed:
			t.Errorf("%s: Close has not waited", name)
		case <-time.After(20 * time.Millisecond):
		}
		peer.Close() // no peer is left that could read
		<-closed
	}
}

// After the delay the terminate message follows.
func TestTerminateDelayEnds(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: PubSub, TerminateDelay: 30 * time.Millisecond, JPEGCompression: JPEGOff})
	ctx := testContext(t)
	go func() {
		for recv.Stats().Frames == 0 && ctx.Err() == nil {
			send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil)
		}
		send.Close()
	}()
	for f, err := range recv.Frames(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}
