package netgear

import (
	"testing"
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
