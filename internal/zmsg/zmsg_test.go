package zmsg

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/leaktest"
)

func TestMain(m *testing.M) {
	leaktest.VerifyTestMain(m)
}

func never() error { return nil }

// pair returns two connected sockets over inproc.
func pair(t testing.TB, kinds ...zmq4.Type) (a, b *Socket) {
	t.Helper()
	if len(kinds) == 0 {
		kinds = []zmq4.Type{zmq4.PAIR, zmq4.PAIR}
	}
	ctx, err := NewContext()
	if err != nil {
		t.Fatal(err)
	}
	open := func(kind zmq4.Type) *Socket {
		plain, err := ctx.NewSocket(kind)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Wrap(plain)
		if err != nil {
			t.Fatal(err)
		}
		s.SetLinger(0)
		return s
	}
	a, b = open(kinds[0]), open(kinds[1])
	t.Cleanup(func() {
		a.Close()
		b.Close()
		ctx.Term()
		if buffers, messages := Live(); buffers != 0 || messages != 0 {
			t.Errorf("%d buffers and %d messages are still held", buffers, messages)
		}
	})
	return a, b
}

func connect(t testing.TB, a, b *Socket) {
	t.Helper()
	if err := b.Bind("tcp://127.0.0.1:*"); err != nil {
		t.Fatal(err)
	}
	ep, err := b.GetLastEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Connect(ep); err != nil {
		t.Fatal(err)
	}
}

func deadline() time.Time { return time.Now().Add(10 * time.Second) }

func receive(t *testing.T, s *Socket) *Msg {
	t.Helper()
	m := new(Msg)
	if err := s.Wait(deadline(), never, func() error { return s.TryRecv(m) }); err != nil {
		t.Fatal(err)
	}
	return m
}

// The raw pointer is read from an unexported field. This test fails if a new
// version of pebbe/zmq4 has none.
func TestRawPointer(t *testing.T) {
	a, _ := pair(t)
	p, err := rawPointer(a.Socket)
	if err != nil || p == nil {
		t.Fatalf("github.com/pebbe/zmq4 no longer keeps its socket where zmsg reads it: %v", err)
	}
	if _, err := a.ProcessCommands(); err != nil {
		t.Fatalf("the pointer is not a socket: %v", err)
	}
	closed, _ := zmq4.NewSocket(zmq4.PAIR)
	closed.Close()
	if _, err := Wrap(closed); !errors.Is(err, zmq4.ErrorSocketClosed) {
		t.Errorf("wrapping a closed socket: %v", err)
	}
}

func TestPartsOfEverySize(t *testing.T) {
	a, b := pair(t)
	connect(t, a, b)
	for _, n := range []int{0, 1, 33, 34, 8192, 1 << 20, 7 << 20} {
		sent := bytes.Repeat([]byte{7, 1, 250}, n/3+1)[:n]
		if err := a.Wait(time.Time{}, never, func() error { return a.TrySend(sent, More) }); err != nil {
			t.Fatal(err)
		}
		buf, err := NewBuffer(n)
		if err != nil {
			t.Fatal(err)
		}
		copy(buf.Bytes(), sent)
		if err := a.TrySendBuffer(buf, Last); err != nil {
			t.Fatal(err)
		}
		buf.Release()
		first, second := receive(t, b), receive(t, b)
		if !bytes.Equal(first.Bytes(), sent) || !bytes.Equal(second.Bytes(), sent) {
			t.Errorf("%d bytes arrived changed", n)
		}
		if !first.More() || second.More() {
			t.Errorf("more: %v then %v", first.More(), second.More())
		}
		var moved Msg
		second.MoveTo(&moved)
		if second.Bytes() != nil || !bytes.Equal(moved.Bytes(), sent) {
			t.Errorf("%d bytes did not move", n)
		}
		first.Close()
		first.Close()
		moved.Close()
	}
}

// Tracked memory may be reused after Wait and after WaitReleased, and the
// message that arrives has its earlier content.
func TestMessageTracker(t *testing.T) {
	a, b := pair(t)
	connect(t, a, b)
	tracker, err := NewMessageTracker()
	if err != nil {
		t.Fatal(err)
	}
	pixels := make([]byte, 3<<20)
	for i := range 20 {
		for j := range pixels {
			pixels[j] = byte(i)
		}
		if err := a.Wait(time.Time{}, never, func() error { return a.TrySendTracked(tracker, pixels, Last) }); err != nil {
			t.Fatal(err)
		}
		m := receive(t, b)
		if i%2 == 0 {
			tracker.Wait()
		} else if err := a.WaitReleased(tracker, time.Now().Add(10*time.Second), never); err != nil {
			t.Fatal(err)
		}
		if tracker.Pending() {
			t.Fatal("pending after Wait")
		}
		for j := range pixels {
			pixels[j] = 0xff
		}
		if got := m.Bytes(); got[0] != byte(i) || got[len(got)-1] != byte(i) || len(got) != len(pixels) {
			t.Fatalf("frame %d: %d bytes, %d…%d", i, len(got), got[0], got[len(got)-1])
		}
		m.Close()
	}
	tracker.Close()
	tracker.Close()
}

// Closing the socket releases what was never sent.
func TestMessageTrackerOfAClosedSocket(t *testing.T) {
	a, _ := pair(t)
	if err := a.Connect("tcp://127.0.0.1:9"); err != nil {
		t.Fatal(err)
	}
	tracker, err := NewMessageTracker()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.TrySendTracked(tracker, make([]byte, 1<<20), Last); err != nil {
		t.Fatal(err)
	}
	if !tracker.Pending() {
		t.Error("a message that was not sent is not pending")
	}
	a.Close()
	tracker.Close()
}

// unsent returns a socket and a tracker with a message that is not sent, as the
// socket's peer does not listen.
func unsent(t *testing.T) (*Socket, *MessageTracker) {
	t.Helper()
	a, _ := pair(t)
	if err := a.Connect("tcp://127.0.0.1:9"); err != nil {
		t.Fatal(err)
	}
	tracker, err := NewMessageTracker()
	if err == nil {
		err = a.TrySendTracked(tracker, make([]byte, 1<<20), Last)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		tracker.Close()
	})
	return a, tracker
}

func TestWaitReleasedEnds(t *testing.T) {
	stopped := errors.New("stopped")
	a, tracker := unsent(t)
	for _, deadline := range []time.Time{time.Now().Add(-time.Hour), time.Now().Add(20 * time.Millisecond)} {
		if err := a.WaitReleased(tracker, deadline, never); !errors.Is(err, ErrTimeout) {
			t.Errorf("at the deadline: %v", err)
		}
	}
	// A Wake without a reason does not end it, an earlier one is not lost.
	a.Wake()
	if err := a.WaitReleased(tracker, time.Now().Add(20*time.Millisecond), never); !errors.Is(err, ErrTimeout) {
		t.Errorf("after a Wake: %v", err)
	}
	var stop atomic.Bool
	asked := make(chan struct{}, 1)
	go func() {
		<-asked
		stop.Store(true)
		a.Wake()
	}()
	err := a.WaitReleased(tracker, time.Time{}, func() error {
		if stop.Load() {
			return stopped
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil
	})
	if !errors.Is(err, stopped) || !tracker.Pending() {
		t.Errorf("at a Wake: %v, pending %v", err, tracker.Pending())
	}
}

// A wait ends with the release, whether it sleeps by then or is about to.
func TestWaitReleasedWakes(t *testing.T) {
	for i := range 20 {
		a, tracker := unsent(t)
		waiting := make(chan struct{})
		var once sync.Once
		done := make(chan error, 1)
		go func() {
			done <- a.WaitReleased(tracker, time.Time{}, func() error {
				once.Do(func() { close(waiting) })
				return nil
			})
		}()
		<-waiting
		// The waiting goroutine owns a, so only libzmq's socket is closed.
		if err := a.Socket.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil || tracker.Pending() {
				t.Fatalf("round %d: %v, pending %v", i, err, tracker.Pending())
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the wait does not end")
		}
	}
}

// WaitUnshared ends with the last message, and at its limit.
func TestWaitUnshared(t *testing.T) {
	for range 20 {
		a, _ := pair(t)
		if err := a.Connect("tcp://127.0.0.1:9"); err != nil {
			t.Fatal(err)
		}
		buf, err := NewBuffer(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.TrySendBuffer(buf, Last); err != nil {
			t.Fatal(err)
		}
		if buf.WaitUnshared(time.Millisecond); !buf.Shared() {
			t.Fatal("a message that was not sent is released")
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf.WaitUnshared(time.Hour)
		}()
		a.Close()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("the wait does not end")
		}
		if buf.Shared() {
			t.Error("the message is not released")
		}
		buf.Release()
	}
	var none *Buffer
	none.WaitUnshared(time.Hour)
}

func TestBuffersAreReusedAndBounded(t *testing.T) {
	first, err := NewBuffer(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	p := &first.Bytes()[0]
	first.Release()
	first.Release()
	second, err := NewBuffer(1<<20 - 5)
	if err != nil {
		t.Fatal(err)
	}
	if p != &second.Bytes()[0] {
		t.Error("the pool did not serve a buffer of nearly the same size")
	}
	second.Release()
	var many []*Buffer
	for range 40 {
		b, err := NewBuffer(9 << 20)
		if err != nil {
			t.Fatal(err)
		}
		b.Bytes()[9<<20-1] = 1
		many = append(many, b)
	}
	if n, _ := Live(); n != len(many) {
		t.Errorf("%d buffers live, not %d", n, len(many))
	}
	for _, b := range many {
		b.Release()
	}
	if n, _ := Live(); n != 0 {
		t.Errorf("%d buffers live after their release", n)
	}
	if _, err := NewBuffer(-1); err == nil {
		t.Error("a negative size was served")
	}
}

func TestWaitEnds(t *testing.T) {
	stopped := errors.New("stopped")
	again := func() error { return syscall.EAGAIN }
	for name, run := range map[string]func(t *testing.T, s *Socket) error{
		"at its deadline": func(t *testing.T, s *Socket) error {
			return is(s.Wait(time.Now().Add(20*time.Millisecond), never, again), ErrTimeout)
		},
		"at a deadline that has passed": func(t *testing.T, s *Socket) error {
			return is(s.Wait(time.Now().Add(-time.Hour), never, again), ErrTimeout)
		},
		"at a Wake": func(t *testing.T, s *Socket) error {
			var stop atomic.Bool
			asked := make(chan struct{}, 1)
			go func() {
				<-asked
				stop.Store(true)
				s.Wake()
			}()
			return is(s.Wait(time.Time{}, func() error {
				if stop.Load() {
					return stopped
				}
				select {
				case asked <- struct{}{}:
				default:
				}
				return nil
			}, again), stopped)
		},
		"when the call returns anything but EAGAIN": func(t *testing.T, s *Socket) error {
			return is(s.Wait(time.Time{}, never, func() error { return syscall.EPROTO }), syscall.EPROTO)
		},
		"not at EINTR": func(t *testing.T, s *Socket) error {
			n := 0
			return is(s.Wait(time.Time{}, never, func() error {
				if n++; n < 5 {
					return syscall.EINTR
				}
				return nil
			}), nil)
		},
		"not at a Wake without a reason": func(t *testing.T, s *Socket) error {
			s.Wake()
			return is(s.Wait(time.Now().Add(20*time.Millisecond), never, again), ErrTimeout)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := pair(t)
			if err := run(t, s); err != nil {
				t.Error(err)
			}
		})
	}
}

func is(got, want error) error {
	if !errors.Is(got, want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// Readiness is a hint: a socket that is readable may have nothing to read, as
// libzmq reads and drops credential messages itself. Then the call returns
// EAGAIN and the wait continues. It neither fails (VidGear issue #390) nor
// spins.
func TestReadyThenAgain(t *testing.T) {
	a, b := pair(t)
	connect(t, a, b)
	const hints = 20
	tries, swallowed, agains := 0, 0, 0
	eaten := make(chan struct{})
	var m Msg
	done := make(chan error, 1)
	go func() {
		done <- b.Wait(time.Now().Add(10*time.Second), never, func() error {
			tries++
			if err := b.TryRecv(&m); err != nil || swallowed == hints {
				return err
			}
			// As libzmq does with a credential, drop what made the socket
			// readable. The next message is sent only then.
			swallowed++
			m.Close()
			err := b.TryRecv(&m)
			if err == syscall.EAGAIN {
				agains++
			}
			eaten <- struct{}{}
			return err
		})
	}()
	for i := range hints + 1 {
		if err := a.Wait(time.Time{}, never, func() error { return a.TrySend([]byte{byte(i)}, Last) }); err != nil {
			t.Fatal(err)
		}
		if i < hints {
			<-eaten
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := m.Bytes(); len(got) != 1 || got[0] != hints {
		t.Errorf("message %v arrived instead of %d", got, hints)
	}
	m.Close()
	if swallowed != hints || agains != hints {
		t.Errorf("%d hints were swallowed and %d calls returned EAGAIN, not %d", swallowed, agains, hints)
	}
	if tries > 20*hints {
		t.Errorf("%d tries for %d messages: it spins", tries, hints)
	}
}

// A socket at its high-water mark becomes writable again. The wait must end
// then, also if the command is already in the mailbox.
func TestSendWaitsForRoom(t *testing.T) {
	a, b := pair(t, zmq4.PUSH, zmq4.PULL)
	a.SetSndhwm(1)
	b.SetRcvhwm(1)
	connect(t, a, b)
	const n = 2000
	done := make(chan error, 1)
	go func() {
		part := make([]byte, 64<<10)
		for range n {
			if err := a.Wait(time.Now().Add(20*time.Second), never, func() error { return a.TrySend(part, Last) }); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range n {
		receive(t, b).Close()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A hundred goroutines that wait block no threads.
func TestWaitingHoldsNoThread(t *testing.T) {
	a, _ := pair(t)
	ctx, err := a.Context()
	if err != nil {
		t.Fatal(err)
	}
	threads := func() int {
		n, _ := runtime.ThreadCreateProfile(nil)
		return n
	}
	var stop atomic.Bool
	var waiting, done sync.WaitGroup
	var socks []*Socket
	before := threads()
	for range 100 {
		plain, err := ctx.NewSocket(zmq4.PULL)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Wrap(plain)
		if err != nil {
			t.Fatal(err)
		}
		socks = append(socks, s)
		waiting.Add(1)
		done.Go(func() {
			first := true
			s.Wait(time.Time{}, func() error {
				if stop.Load() {
					return errors.New("stop")
				}
				if first {
					first = false
					waiting.Done()
				}
				return nil
			}, func() error { return s.TryRecv(new(Msg)) })
		})
	}
	waiting.Wait()
	if grown := threads() - before; grown > 20 {
		t.Errorf("%d threads more for 100 waiting sockets", grown)
	}
	stop.Store(true)
	for _, s := range socks {
		s.Wake()
	}
	done.Wait()
	for _, s := range socks {
		s.Close()
	}
}

func TestReceiveAllocatesNothing(t *testing.T) {
	a, b := pair(t)
	connect(t, a, b)
	part := []byte(strings.Repeat("x", 1000))
	var m Msg
	send := func() error { return a.TrySend(part, Last) }
	recv := func() error { return b.TryRecv(&m) }
	round := func() {
		if err := a.Wait(time.Time{}, never, send); err != nil {
			t.Fatal(err)
		}
		if err := b.Wait(time.Time{}, never, recv); err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	round()
	if n := testing.AllocsPerRun(200, round); n > 0.5 {
		t.Errorf("%v allocations a message", n)
	}
}

// A block's done function is called once, when its owner and libzmq have both
// released the block, and not before.
func TestExternalBuffers(t *testing.T) {
	a, b := pair(t, zmq4.PUSH, zmq4.PULL)
	connect(t, a, b)
	var l ExternalBuffers
	const frames = 20
	var calls [frames]atomic.Int32
	for i := range frames {
		pixels := bytes.Repeat([]byte{byte(i)}, 1<<20)
		buf, err := l.Wrap(pixels, func() { clear(pixels); calls[i].Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Wait(time.Time{}, never, func() error { return a.TrySendBuffer(buf, Last) }); err != nil {
			t.Fatal(err)
		}
		m := receive(t, b)
		runtime.GC()
		if got := buf.Bytes(); calls[i].Load() != 0 || got[0] != byte(i) {
			t.Fatalf("block %d was released while its owner held it", i)
		}
		buf.Release()
		if got := m.Bytes(); got[0] != byte(i) || got[len(got)-1] != byte(i) || len(got) != len(pixels) {
			t.Fatalf("block %d: %d bytes, %d…%d", i, len(got), got[0], got[len(got)-1])
		}
		m.Close()
		for end := time.Now().Add(10 * time.Second); l.InUse() != 0; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("block %d is not released", i)
			}
		}
	}
	l.Close()
	l.Close()
	for i := range calls {
		if n := calls[i].Load(); n != 1 {
			t.Errorf("block %d was released %d times", i, n)
		}
	}
}

// A send that fails does not release a block, and closing the socket releases
// what was never sent.
func TestExternalBuffersOfAClosedSocket(t *testing.T) {
	a, b := pair(t)
	var l ExternalBuffers
	l.Close()
	var calls atomic.Int32
	for range 2 { // it can be used again after Close
		calls.Store(0)
		buf, err := l.Wrap(make([]byte, 1<<20), func() { calls.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		if err := a.TrySendBuffer(buf, Last); err != syscall.EAGAIN {
			t.Fatalf("without a peer: %v", err)
		}
		if l.InUse() != 1 {
			t.Fatal("a send that failed released the block")
		}
		buf.Release()
		l.Close()
		if calls.Load() != 1 || l.InUse() != 0 {
			t.Errorf("released %d times, %d are in use", calls.Load(), l.InUse())
		}
	}
	connect(t, a, b)
	buf, err := l.Wrap(make([]byte, 1<<20), func() { calls.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(time.Time{}, never, func() error { return a.TrySendBuffer(buf, Last) }); err != nil {
		t.Fatal(err)
	}
	buf.Release()
	a.Close()
	b.Close()
	l.Close()
	if calls.Load() != 2 || l.InUse() != 0 {
		t.Errorf("released %d times, %d are in use", calls.Load(), l.InUse())
	}
}

// Buffers that a backlog needed are freed once a stream uses fewer.
func TestBuffersOfABacklogAreFreed(t *testing.T) {
	var backlog []*Buffer
	for range 8 {
		b, err := NewBuffer(3 << 20)
		if err != nil {
			t.Fatal(err)
		}
		backlog = append(backlog, b)
	}
	for _, b := range backlog {
		b.Release()
	}
	if n := pooled(0); n < len(backlog) {
		t.Fatalf("%d blocks in the pool", n)
	}
	use := func() {
		b, err := NewBuffer(3 << 20)
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	use()
	if n := pooled(2 * time.Second); n < len(backlog) {
		t.Errorf("%d blocks in the pool: a stream that pauses loses its own", n)
	}
	use()
	if n := pooled(0); n != 1 {
		t.Errorf("%d blocks in the pool, though only one has been used for two seconds", n)
	}
}

// Messages that arrive several at a time reuse the memory of earlier ones.
func TestFreedMemoryIsReused(t *testing.T) {
	if !KeepFreed() || alloctest.ASan {
		t.Skip("another malloc than glibc's, or one with 32 bits")
	}
	const size, atOnce, rounds = 12 << 20, 3, 5
	a, b := pair(t)
	connect(t, a, b)
	buf, err := NewBuffer(size)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Release()
	round := func() {
		for range atOnce {
			if err := a.Wait(time.Now().Add(10*time.Second), never, func() error { return a.TrySendBuffer(buf, Last) }); err != nil {
				t.Fatal(err)
			}
		}
		var got [atOnce]*Msg
		for i := range got {
			got[i] = receive(t, b)
		}
		for _, m := range got {
			m.Close()
		}
	}
	round() // allocates it the first time
	before := pageFaults(t)
	for range rounds {
		round()
	}
	if n, all := pageFaults(t)-before, rounds*atOnce*size/syscall.Getpagesize(); n > all/10 {
		t.Errorf("%d pages were allocated again, of %d", n, all)
	}
}

func pageFaults(t *testing.T) int {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return int(u.Minflt)
}

// A PUB socket that must not drop messages has a full pipe. libzmq reports it
// as writable all the same. The wait must end at its deadline.
func TestSendToAFullPub(t *testing.T) {
	a, b := pair(t, zmq4.PUB, zmq4.SUB)
	a.SetSndhwm(1)
	b.SetRcvhwm(1)
	b.SetSubscribe("")
	connect(t, a, b)
	part := make([]byte, 64<<10)
	a.SetXpubNodrop(true)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		b.ProcessCommands() // completes the connection and sends the subscription
		err := a.Wait(time.Now().Add(20*time.Millisecond), never, func() error { return a.TrySend(part, Last) })
		if err != nil {
			if !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v", err)
			}
			return
		}
	}
	t.Error("the pipe never became full")
}
