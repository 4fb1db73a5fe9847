package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/pebbe/zmq4"
)

func TestFrameOverhead(t *testing.T) {
	if size := unsafe.Sizeof(Frame{}) + unsafe.Sizeof(item{}); size > frameOverhead {
		t.Errorf("a frame takes %d bytes besides its own", size)
	}
}

// largeMessage is a message of a megabyte.
var largeMessage = strings.Repeat("m", 1<<20)

// Messages count towards QueueBytes, in every pattern, and one that is larger
// than all of it is accepted.
func TestQueueCountsMessages(t *testing.T) {
	const limit, sends = 4 << 20, 24
	for name, o := range map[string]Options{
		"PAIR": {}, "REQ-REP": {Pattern: ReqRep}, "PUB-SUB": {Pattern: PubSub},
		"PUSH-PULL": {Pattern: PushPull, Wire: AsyncWire}, "PAIR, async": {Wire: AsyncWire}, "stamped": {Stamp: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.QueueBytes = limit
			recv, send := openPair(t, o)
			awaitPeers(t, send, 1)
			before := heap()
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for range sends {
					if _, err := send.SendArray(ctx, testArray(0, "uint8", 1, 1), largeMessage); err != nil {
						return
					}
				}
			}()
			await(t, "the queue to be full", func() bool { return recv.Stats().QueueBytes >= limit })
			if o.Pattern == PubSub {
				<-ended
			}
			if s := recv.Stats(); s.Queue > 8 || s.QueueBytes > limit+4<<20 {
				t.Errorf("%d frames of %d bytes in the queue", s.Queue, s.QueueBytes)
			}
			if took := heap() - before; took > 30<<20 {
				t.Errorf("%d bytes on the heap", took)
			}
			cancel()
			<-ended
		})
	}
	recv, send := openPair(t, Options{QueueBytes: 1000})
	for range 2 {
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 1, 1), largeMessage); err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, testContext(t))
		if f.Message.Value() != largeMessage {
			t.Error("another message came")
		}
		f.Close()
	}
	await(t, "an empty queue", func() bool { return recv.Stats().QueueBytes == 0 })
}

// An array of the other byte order counts once, also when it has been swapped.
func TestSwappedArraysCountOnce(t *testing.T) {
	const size = 1 << 20
	for _, respond := range []bool{false, true} {
		t.Run(fmt.Sprint("Respond ", respond), func(t *testing.T) {
			recv, send := openPair(t, Options{Decode: DecodeAhead, BidirectionalMode: respond}, func(recv, _ *Options) {
				if respond {
					recv.Respond = func(_ context.Context, f *Frame) (any, error) {
						_, err := f.Bytes()
						return nil, err
					}
				}
			})
			if _, err := send.SendArray(testContext(t), Array{DType: ">u2", Shape: []int{size / 2}, Data: make([]byte, size)}, nil); err != nil {
				t.Fatal(err)
			}
			q := recv.recv.queue
			await(t, "the array to be swapped", func() bool {
				q.mu.Lock()
				defer q.mu.Unlock()
				return len(q.items) == 1 && q.items[0].state == decoded
			})
			if s := recv.Stats(); s.QueueBytes < size || s.QueueBytes > size+2*frameOverhead {
				t.Errorf("%d bytes in the queue", s.QueueBytes)
			}
			mustRecv(t, recv, testContext(t)).Close()
			if s := recv.Stats(); s.QueueBytes != 0 {
				t.Errorf("%d bytes in an empty queue", s.QueueBytes)
			}
		})
	}
}

// With Latest, too: the oldest frames of other senders are dropped.
func TestLatestCountsMessages(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, MultiserverMode: true, Latest: true, QueueBytes: 4 << 20})
	peer := newBare(t, zmq4.REQ, recv)
	const frames = 12
	for i := range frames {
		peer.send(fmt.Appendf(nil, `{"port": "%d", "terminate_flag": false, "compression": false, "message": %q, "dtype": "uint8", "shape": [1]}`, i, largeMessage), []byte("x"))
		peer.recv(testTimeout)
	}
	await(t, "the last frame", func() bool { return recv.Stats().Frames == frames && recv.Stats().Ports["11"].Queue == 1 })
	if s := recv.Stats(); s.Queue != 3 || s.QueueBytes > 4<<20 || s.QueueBytes < 3<<20 || s.Dropped != frames-3 {
		t.Errorf("%d frames of %d bytes, %d dropped", s.Queue, s.QueueBytes, s.Dropped)
	}
	for _, want := range []string{"9", "10", "11"} {
		f := mustRecv(t, recv, testContext(t))
		if f.Port != want {
			t.Errorf("the frame of %s, want that of %s", f.Port, want)
		}
		f.Close()
	}
}

// What is sent ahead counts with its messages.
func TestSendAheadCountsMessages(t *testing.T) {
	peer := newBare(t, zmq4.REP, nil)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port(), Pattern: ReqRep, SendAhead: 7, RequestTimeout: 100 * time.Millisecond, MaxRetries: -1})
	for range 8 {
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 1, 1), largeMessage); err != nil {
			t.Fatal(err)
		}
	}
	if s := send.Stats(); s.Queue != 8 || s.QueueBytes < 8<<20 || s.QueueBytes > 9<<20 {
		t.Errorf("%d frames of %d bytes", s.Queue, s.QueueBytes)
	}
	var lost *LostError
	if err := send.Close(); !errors.As(err, &lost) {
		t.Error(err)
	}
	if s := send.Stats(); s.Queue != 0 || s.QueueBytes != 0 {
		t.Errorf("%d frames of %d bytes after Close", s.Queue, s.QueueBytes)
	}
}

// Messages that a PAIR end has read ahead of a full queue count, and are
// bounded.
func TestReadAheadCounts(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", QueueFrames: 1, QueueBytes: 4 << 20, TerminatePolicy: KeepWaiting})
	peer := newBare(t, zmq4.PAIR, recv)
	head, pixels := rawHeader(fmt.Sprintf("[%d]", 3<<20)), bytes.Repeat([]byte("p"), 3<<20)
	for i := range 3 {
		peer.send(head, pixels)
		await(t, "the message", func() bool { return recv.Stats().QueueBytes >= int64(i+1)*3<<20 })
	}
	if s := recv.Stats(); s.Queue != 1 || s.QueueBytes > 10<<20 {
		t.Errorf("%d frames of %d bytes", s.Queue, s.QueueBytes)
	}
	peer.send(head, pixels)
	await(t, "the peer to be thrown out", func() bool { return recv.Stats().Retries == 1 })
	if s := recv.Stats(); s.QueueBytes > 10<<20 {
		t.Errorf("%d bytes", s.QueueBytes)
	}
	for range 3 {
		mustRecv(t, recv, testContext(t)).Close()
	}
	await(t, "an empty queue", func() bool { return recv.Stats().QueueBytes == 0 })
	recv.Close()
	if _, err := recv.Recv(testContext(t)); err == io.EOF {
		t.Error(err)
	}
}
