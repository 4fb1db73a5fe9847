package netgear

import (
	"runtime"
	"sync"
	"testing"

	"github.com/pebbe/zmq4"
)

// Senders that come the moment the one before has gone, on a busy machine: each
// sends one frame once, as VidGear does, and it must arrive. A new socket for each
// of them would cut some of them off.
func TestPairSendersOneAfterTheOther(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", OnTerminate: KeepWaiting})
	ctx := testContext(t)
	over := make(chan struct{})
	var busy sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		busy.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	defer busy.Wait()
	defer close(over)
	head := jsonWire{}.appendHeader(nil, header{coding: coding{dtype: "uint8", shape: []int{1, 1}}})
	goodbye := jsonWire{}.appendGoodbye(nil, nil)
	for i := range 50 {
		await(t, "the place to be free", func() bool { return recv.Stats().Connected == 0 })
		sender := newBare(t, zmq4.PAIR, recv)
		sender.send(head, []byte{byte(i)})
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatalf("sender %d: %v", i, err)
		}
		if f.Bytes()[0] != byte(i) {
			t.Errorf("sender %d: frame %d", i, f.Bytes()[0])
		}
		f.Close()
		if sender.recv(patience) == nil {
			t.Fatalf("sender %d: no answer", i)
		}
		sender.SetLinger(patience)
		sender.send(goodbye)
		sender.Close()
	}
}
