package zmsg

import (
	"bytes"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// lengths are of parts that libzmq stores inside a message, and of others.
var lengths = []int{1, 8, 33, 34, 64, 300, 4096, 70_000}

// memoryRun is one run of FuzzMemory.
type memoryRun struct {
	t        *testing.T
	from, to *Socket
	tracker  *MessageTracker
	external *ExternalBuffers
	buffers  []*Buffer // each is one reference
	received []*Msg
	wrapped  int          // external blocks
	released atomic.Int64 // of them
	sent     [][]byte     // what is still to be received
	blocks   byte         // how many blocks were filled
}

// fill gives each block other bytes.
func (r *memoryRun) fill(block []byte) []byte {
	r.blocks++
	for i := range block {
		block[i] = r.blocks + byte(i)
	}
	return block
}

// remove removes an element of a list, and returns it.
func remove[T any](list *[]T, i int) T {
	one := (*list)[i%len(*list)]
	*list = slices.Delete(*list, i%len(*list), i%len(*list)+1)
	return one
}

// step does one step: the low bits are what, the others which.
func (r *memoryRun) step(step byte) {
	which := int(step >> 3)
	length := lengths[which%len(lengths)]
	switch step & 7 {
	case 0:
		b, err := NewBuffer(length)
		if err != nil {
			r.t.Fatal(err)
		}
		r.fill(b.Bytes())
		r.buffers = append(r.buffers, b)
	case 1:
		b, err := r.external.Wrap(r.fill(make([]byte, length)), func() { r.released.Add(1) })
		if err != nil {
			r.t.Fatal(err)
		}
		r.wrapped++
		r.buffers = append(r.buffers, b)
	case 2:
		if len(r.buffers) > 0 {
			r.buffers = append(r.buffers, r.buffers[which%len(r.buffers)].Retain())
		}
	case 3:
		if len(r.buffers) > 0 {
			remove(&r.buffers, which).Release()
		}
	case 4:
		if len(r.buffers) > 0 {
			b := r.buffers[which%len(r.buffers)]
			r.sendResult(r.from.TrySendBuffer(b, Last), b.Bytes())
		}
	case 5:
		b := r.fill(make([]byte, length))
		r.sendResult(r.from.TrySendTracked(r.tracker, b, Last), b)
	case 6:
		r.receive(which)
	case 7:
		if which%4 == 0 {
			pooled(time.Duration(which) * time.Second)
		} else if len(r.received) > 0 {
			remove(&r.received, which).Close()
		}
	}
}

func (r *memoryRun) sendResult(err error, part []byte) {
	switch err {
	case nil:
		r.sent = append(r.sent, bytes.Clone(part))
	case errAgain: // the queue is full
	default:
		r.t.Fatal(err)
	}
}

// receive receives a part, which must be the next one that was sent.
func (r *memoryRun) receive(which int) {
	m := new(Msg)
	receive := r.to.TryRecv
	if which%4 == 3 {
		receive = func(m *Msg) error { return r.to.TryRecvSkip(m, 0xFFD8) }
	}
	if err := receive(m); err != nil {
		if err != errAgain || len(r.sent) > 0 {
			r.t.Fatalf("%d parts were sent: %v", len(r.sent), err)
		}
		return
	}
	if which%2 == 1 {
		moved := new(Msg)
		m.MoveTo(moved)
		m.Close() // which is empty
		m = moved
	}
	if len(r.sent) == 0 || !bytes.Equal(m.Bytes(), r.sent[0]) {
		r.t.Fatalf("received %d bytes, which are not those that were sent", len(m.Bytes()))
	}
	r.sent = r.sent[1:]
	r.received = append(r.received, m)
}

// end drops all references in any order, the sockets among them. Then pair
// checks that none is left.
func (r *memoryRun) end(socketsFirst bool) {
	if socketsFirst {
		r.close()
	}
	for _, b := range r.buffers {
		b.Release()
	}
	if !socketsFirst {
		r.close()
	}
	for _, m := range r.received {
		m.Close()
	}
	r.tracker.Close()
	r.external.Close()
	if n := int(r.released.Load()); n != r.wrapped {
		r.t.Errorf("%d external blocks were released, of %d", n, r.wrapped)
	}
}

func (r *memoryRun) close() {
	for _, s := range []*Socket{r.from, r.to} {
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

// FuzzMemory sends blocks of all kinds while references to them are taken and
// dropped, one step for each byte of the input. Parts arrive as they were sent.
// At the end no block has a reference, and each external block was released
// once. It is for AddressSanitizer and the race detector, which see more.
func FuzzMemory(f *testing.F) {
	f.Add([]byte{0, 4, 6, 3, 7})
	f.Add([]byte{1, 4, 2, 3, 3, 4, 6, 14, 7, 15})
	f.Add([]byte{5, 13, 21, 29, 37, 45, 53, 61, 6, 14, 22, 30, 38, 46, 54, 62})
	f.Add([]byte{0, 8, 16, 24, 32, 40, 48, 56, 1, 9, 17, 4, 12, 20, 28, 36, 44, 3, 11, 19, 27, 6, 14, 30, 39, 7, 255})
	f.Add(bytes.Repeat([]byte{57, 4, 3}, 60))
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 300 {
			return
		}
		from, to := pair(t)
		if err := to.Bind("inproc://memory"); err != nil {
			t.Fatal(err)
		}
		if err := from.Connect("inproc://memory"); err != nil {
			t.Fatal(err)
		}
		tracker, err := NewMessageTracker()
		if err != nil {
			t.Fatal(err)
		}
		r := memoryRun{t: t, from: from, to: to, tracker: tracker, external: new(ExternalBuffers)}
		defer func() { r.end(len(steps)%2 == 0) }()
		for _, step := range steps {
			r.step(step)
		}
	})
}
