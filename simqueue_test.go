package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// This file has the parts of an end by themselves, where many more orders fit
// into the same time than with whole ends: the receive queue, and the delivery of
// events.

// ---- the receive queue ----

// queueAction is one thing that happens to a receive queue.
type queueAction struct {
	action string
	port   int
	limit  time.Duration
	settle bool
}

var (
	drawQueueAction = rapid.Custom(func(t *rapid.T) queueAction {
		return queueAction{rapid.SampledFrom([]string{"push", "push", "push", "push JPEG", "push JPEG", "push broken", "error", "recv", "recv", "recv", "read pixels", "time"}).Draw(t, "action"),
			drawFew.Draw(t, "port"), drawLimit.Draw(t, "limit"), drawBool.Draw(t, "settle")}
	})
	drawQueueActions = rapid.SliceOfN(drawQueueAction, 5, 60)
)

// simQueue is a receive queue with its calls of Recv.
type simQueue struct {
	*recvQueue
	frames *frameSource
	lossy  bool
	calls  sync.WaitGroup

	mu       sync.Mutex
	pushed   int
	broken   int // frames that cannot be decoded
	received []int
	problems []string
}

func (s *simQueue) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// simulateQueue pushes frames as the receive goroutine does, and receives them.
func simulateQueue(t *rapid.T, totals *simTotals) {
	o := Options{ReceiveMode: true, QueueFrames: 1 + drawFew.Draw(t, "frames"), Latest: drawBool.Draw(t, "latest")}
	if drawBool.Draw(t, "few bytes") {
		o.QueueBytes = 5000
	}
	if drawBool.Draw(t, "lossy") {
		o.Pattern = PubSub
	}
	o.Decode = rapid.SampledFrom([]DecodePolicy{DecodeFollowUse, DecodeAhead, DecodeOnUse}).Draw(t, "decode")
	actions := drawQueueActions.Draw(t, "actions")
	buffers, messages := zmsg.Live()
	l, err := newLink(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &simQueue{frames: &frameSource{link: l, settings: &l.settings}, lossy: l.spec.lossy}
	s.frames.use.policy = o.Decode
	s.recvQueue = newRecvQueue(l, &s.frames.use)
	s.frames.changed = s.useChanged
	for _, a := range actions {
		s.act(a)
		if a.settle {
			synctest.Wait()
			s.check()
		}
	}
	s.finishQueue()
	s.frames.closeDecoders()
	l.close(0)
	if left, msgs := zmsg.Live(); left != buffers || msgs != messages {
		s.problem("%d buffers and %d messages are left", left-buffers, msgs-messages)
	}
	totals.orders++
	totals.steps += len(actions)
	totals.frames += s.pushed
	totals.answered += len(s.received)
	if len(s.problems) > 0 {
		t.Fatalf("%v", s.problems)
	}
}

func (s *simQueue) act(a queueAction) {
	switch a.action {
	case "push", "push JPEG", "push broken":
		if s.hasRoom() { // as the receive goroutine asks before it reads
			s.pushFrame(a)
		}
	case "error":
		s.pushError(ErrPeerGone)
	case "recv", "read pixels":
		s.recv(a)
	}
}

func (s *simQueue) pushFrame(a queueAction) {
	var f *Frame
	var err error
	s.pushed++
	switch a.action {
	case "push":
		f, err = NewFrame(Array{DType: "uint8", Shape: []int{1, 100, 1}, Data: make([]byte, 100)}, s.pushed)
	case "push JPEG":
		f, err = NewJPEGFrame(simJPEG, s.pushed)
	default:
		s.broken++
		f, err = NewJPEGFrame(append(slices.Clone(simJPEG[:len(simJPEG)-20]), 0xFF, 0xD9), s.pushed)
	}
	if err != nil {
		panic(err)
	}
	f.source, f.Port = s.frames, fmt.Sprint(a.port)
	s.push(f)
}

// recv calls pop, which must end at once when its context does.
func (s *simQueue) recv(a queueAction) {
	ctx, cancel := context.WithCancel(context.Background())
	var deadline time.Time
	if a.limit > 0 {
		deadline = time.Now().Add(a.limit)
		ctx, cancel = context.WithDeadline(context.Background(), deadline)
	}
	s.calls.Go(func() {
		defer cancel()
		f, err := s.pop(ctx)
		if now := time.Now(); !deadline.IsZero() && now.After(deadline) {
			s.problem("pop ended %v after its deadline", now.Sub(deadline))
		}
		switch {
		case err == nil:
			f.recvd = true
			if a.action == "read pixels" {
				f.Bytes()
			}
			s.mu.Lock()
			s.received = append(s.received, frameNumber(f.Message))
			s.mu.Unlock()
			f.Close()
		case !errors.Is(err, ErrPeerGone) && !errors.Is(err, io.EOF) && !errors.Is(err, ctx.Err()):
			s.problem("pop: %v", err)
		}
	})
}

// check checks the bounds, and that no call waits without a reason.
func (s *simQueue) check() {
	s.recvQueue.mu.Lock()
	defer s.recvQueue.mu.Unlock()
	frames, errs := 0, 0
	var bytes int64
	for i, it := range s.items {
		bytes += it.bytes
		if it.err == nil {
			frames++
			continue
		}
		if errs++; i > 0 && s.items[i-1].err != nil {
			s.problem("two errors in a row")
		}
	}
	// With Latest each sender may have a frame that is being decoded, besides the
	// newest.
	limit := s.maxFrames
	if s.latest {
		limit += 2 * s.workers
	}
	if frames > limit || errs > limit+1 {
		s.problem("%d frames and %d errors in a queue of %d", frames, errs, s.maxFrames)
	}
	if bytes != s.bytes {
		s.problem("%d bytes are counted, and there are %d", s.bytes, bytes)
	}
	if most := s.maxBytes + int64(1+2*s.workers)*simDecoded; bytes > most {
		s.problem("%d bytes, and %d may be", bytes, most)
	}
	if s.waiting > 0 && len(s.items) > 0 && (s.items[0].state == decoded || !s.ahead()) {
		s.problem("a call waits, and there are %d items", len(s.items))
	}
	if s.waiting > 0 && len(s.items) > 0 && s.items[0].state == undecoded {
		s.problem("nothing decodes the frame that a call waits for")
	}
}

// finishQueue ends the queue, and checks what has become of the frames.
func (s *simQueue) finishQueue() {
	s.finish(io.EOF)
	for ended := false; !ended; {
		f, err := s.pop(context.Background())
		if ended = errors.Is(err, io.EOF); err == nil {
			s.mu.Lock()
			s.received = append(s.received, frameNumber(f.Message))
			s.mu.Unlock()
			f.Close()
		}
	}
	s.calls.Wait()
	s.discard(ErrClosed)
	if s.full && s.pushed > 0 && len(s.items) == 0 {
		s.problem("the receive goroutine was not notified of the room")
	}
	dropped := int(s.link.counters.dropped.Load())
	if len(s.received)+dropped > s.pushed || len(s.received)+dropped+s.broken < s.pushed {
		s.problem("of %d frames, %d of them broken, %d were received and %d dropped", s.pushed, s.broken, len(s.received), dropped)
	}
	if sorted := slices.Sorted(slices.Values(s.received)); len(slices.Compact(sorted)) != len(s.received) {
		s.problem("a frame was received twice: %v", s.received)
	}
}

// TestSimulatedQueue runs the receive queue with its decoders.
func TestSimulatedQueue(t *testing.T) {
	simChecks(t, 1000)
	simJPEG = testJPEG(t, 16, 16)
	var totals simTotals
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) { simulateQueue(t, &totals) })
	})
	t.Logf("%d orders of %d steps; %d frames, of which %d were received", totals.orders, totals.steps, totals.frames, totals.answered)
}

// ---- events ----

// eventAction is one thing that happens to the delivery of events.
type eventAction struct {
	action string
	pause  time.Duration
}

var (
	drawEventAction = rapid.Custom(func(t *rapid.T) eventAction {
		return eventAction{rapid.SampledFrom([]string{"connected", "lost", "lost", "terminated", "refused", "read", "stop reading", "release", "many"}).Draw(t, "action"), drawTime.Draw(t, "pause")}
	})
	drawEventActions = rapid.SliceOfN(drawEventAction, 5, 80)
)

// simulateEvents adds events, numbered in Peer, while a receive goroutine reads
// or does not, and OnEvent takes its time.
func simulateEvents(t *rapid.T, totals *simTotals) {
	actions := drawEventActions.Draw(t, "actions")
	slow := drawTime.Draw(t, "callback")
	var got []Event
	var delays []time.Duration
	var calls callbacks
	s := startEvents(func(e Event) {
		got = append(got, e)
		delays = append(delays, time.Since(e.Time))
		time.Sleep(slow)
	}, &calls)
	kinds := map[string]EventKind{"connected": EventConnected, "lost": EventLost, "terminated": EventTerminated, "refused": EventRefused}
	added, many := 0, false
	add := func(kind EventKind) {
		added++
		s.add(Event{Kind: kind, Peer: fmt.Sprint(added), Endpoint: fmt.Sprint(added)})
	}
	for _, a := range actions {
		switch a.action {
		case "read":
			s.setReading(true)
		case "stop reading":
			s.setReading(false)
		case "release":
			s.release()
		case "many":
			if many {
				continue // once is enough for a full buffer
			}
			many = true
			for range maxEvents {
				add(EventLost)
			}
		default:
			add(kinds[a.action])
		}
		time.Sleep(a.pause)
		s.mu.Lock()
		if k := len(s.queued) + len(s.deferred); k > 2*maxEvents {
			t.Errorf("%d events are buffered", k)
		}
		s.mu.Unlock()
	}
	ended := make(chan struct{})
	go func() {
		s.end()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Duration(added+1) * (slow + time.Second)):
		t.Fatal("end does not return")
	}
	checkEventOrder(t, got, added, many)
	for i, d := range delays {
		if d > flushAfter && slow == 0 {
			t.Errorf("event %d came %v late", i, d)
		}
	}
	totals.orders++
	totals.steps += len(actions)
	totals.happened += added
}

// checkEventOrder checks that the events came in their order, and that none is
// missing unless there were many. Only a terminate message goes before a loss.
func checkEventOrder(t *rapid.T, got []Event, added int, many bool) {
	last := map[bool]int{}
	for _, e := range got {
		var n int
		fmt.Sscan(e.Peer, &n)
		terminated := e.Kind == EventTerminated
		if n <= last[terminated] {
			t.Errorf("event %d came after %d", n, last[terminated])
		}
		last[terminated] = n
	}
	if !many && len(got) != added {
		t.Errorf("%d events of %d", len(got), added)
	}
}

// TestSimulatedEvents runs the delivery of events.
func TestSimulatedEvents(t *testing.T) {
	simChecks(t, 1000)
	var totals simTotals
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) { simulateEvents(t, &totals) })
	})
	t.Logf("%d orders of %d steps; %d events", totals.orders, totals.steps, totals.happened)
}
