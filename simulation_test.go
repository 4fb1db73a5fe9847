package netgear

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pebbe/zmq4"
	"pgregory.net/rapid"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// The simulation runs real ends on simNet's sockets, on the clock of a
// testing/synctest bubble. rapid draws the options and the order of what
// happens, from a seed, and makes a failing order smaller.
//
//	go test -run 'TestSimulated' -rapid.seed=N -rapid.checks=N .
//
// The properties, which hold in every order:
//
//   - A frame is answered once, or reported lost once, never both. Its answer is
//     the one to this frame.
//   - An answered frame has arrived. None arrives twice, unless it was sent again.
//   - A call ends at once when its context or its end does.
//   - Close ends within the documented time, and leaves no socket, message or
//     buffer.
//   - Queues stay within their bounds, in frames and in bytes.
//   - OnEvent gets connections and losses in the order in which they occurred,
//     and both alternate for each peer.
//   - When the network is in order again, frames pass, without waiting for a
//     time-out.

// simChecks sets how many orders a test tries if no flag does: few enough for a
// test that always runs, and the same ones each time. `make simulate` draws others.
//
// With the race detector it skips the test: once in a few thousand bubbles Go's
// runtime crashes there (1.26.8, SIGSEGV in __tsan::SlotLock or StackDepot::Put, from
// the timers of a bubble; golang/go#78156). scripts/test.sh runs it without.
func simChecks(t *testing.T, few int) {
	t.Helper()
	if alloctest.Race {
		t.Skip("synctest bubbles and the race detector crash together (golang/go#78156); the simulation runs without it")
	}
	given := os.Getenv("RAPID_CHECKS") != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" || f.Name == "rapid.seed" })
	if given {
		return
	}
	for name, value := range map[string]string{"rapid.checks": strconv.Itoa(few), "rapid.seed": "1"} {
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Value.Set(before) })
	}
}

// simTotals counts what a test has simulated.
type simTotals struct {
	orders, steps, happened, frames, answered, lost, connections int
	simulated                                                    time.Duration
}

func (s *simTotals) log(t *testing.T) {
	t.Logf("%d orders of %d steps; %d messages, events and connections in %v of simulated time; %d frames, of which %d were answered and %d reported lost; %d connections",
		s.orders, s.steps, s.happened, s.simulated.Round(time.Second), s.frames, s.answered, s.lost, s.connections)
}

func (s *simTotals) add(w *simWorld, steps int) {
	s.orders++
	s.steps += steps
	s.happened += int(w.net.steps)
	s.connections += w.net.peers
	s.simulated += time.Since(w.began)
	for _, e := range w.all {
		s.frames += e.frames
		if e.NetGear.send != nil {
			s.answered += int(e.Stats().Frames)
			s.lost += e.lost
		}
	}
}

// simWorld is one simulation: a receive end and its senders, or in multi-client
// mode a send end and its receivers.
type simWorld struct {
	net     *simNet
	options Options // of both ends
	ahead   func(*Options)
	attach  bool // the send end listens
	respond bool
	replies bool          // OnReply is set
	serial  bool          // one send call at a time, and one call of Recv
	slow    time.Duration // that OnEvent takes

	began   time.Time
	recvs   []*simEnd // several in multi-client mode
	senders []*simEnd
	all     []*simEnd
	calls   sync.WaitGroup
	pending []*simCall

	mu        sync.Mutex
	problems  []string
	received  map[simArrival]int
	responded map[int]map[string]bool // frames that Respond has had, and the ports of the ends
	last      map[int]int             // the last frame, by sender
	turns     []int                   // the receivers of the frames, as they came
	retries   uint64                  // frames that ends may have sent again
}

// multi reports whether it is multi-client mode.
func (w *simWorld) multi() bool { return w.options.MulticlientMode }

// simArrival is a frame of which a receiver gets one.
type simArrival struct{ number, receiver int }

// problem notes that a property does not hold.
func (w *simWorld) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// simEnd is one end, with what happens to it.
type simEnd struct {
	*NetGear
	world   *simWorld
	number  int // of the sender, whose frames begin with that number times simFrames, or of the receiver, from 0
	frames  int // so far
	sending *simCall
	recving *simCall // the last one of Recv
	closing time.Time
	closed  bool
	ended   bool // Close has returned

	mu       sync.Mutex
	occurred []simOccurrence
	events   []Event
	accepted int // frames in the queue
	answered int // frames that the end has reported as answered
	lost     int // frames that it has reported as lost
	seen     map[int]bool
}

const simFrames = 1 << 20

// simOccurrence is a connection that was made or has ended.
type simOccurrence struct {
	kind EventKind
	peer string
	at   time.Time
}

func (e *simEnd) occur(ev transport.Event) {
	kind := EventConnected
	switch ev.Kind {
	case transport.Connected:
	case transport.Disconnected:
		kind = EventLost
	default:
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.occurred = append(e.occurred, simOccurrence{kind, ev.Address, time.Now()})
}

const simEndpoint = "tcp://127.0.0.1:5555"

// simPorts are the ports of the receivers.
var simPorts = []string{"5555", "5556", "5557"}

// open opens an end.
func (w *simWorld) open(receive bool, number int) *simEnd {
	e := &simEnd{world: w, number: number, seen: map[int]bool{}}
	o := w.options
	o.ReceiveMode = receive
	o.Address, o.TerminateDelay = "127.0.0.1", -1
	switch {
	case receive:
		o.Port = simPorts[number]
	case w.multi():
		o.Ports = simPorts
	default:
		o.Port = simPorts[0]
	}
	o.Logger = slog.New(slog.DiscardHandler)
	o.OnEvent = func(ev Event) {
		e.mu.Lock()
		e.events = append(e.events, ev)
		e.mu.Unlock()
		time.Sleep(w.slow)
	}
	if w.attach {
		o.Attach = AttachConnect
		if !receive {
			o.Attach = AttachBind
		}
	}
	switch {
	case receive && w.respond:
		o.Respond = func(_ context.Context, f *Frame) (any, error) {
			n := frameNumber(f.Message)
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.responded[n] == nil {
				w.responded[n] = map[string]bool{}
			}
			w.responded[n][o.Port] = true
			return n, nil
		}
	case !receive:
		w.ahead(&o)
		if w.replies && (o.SendAhead > 0 || o.SendLatest) {
			o.OnReply = func(r Reply, err error) {
				e.result(-1, r, err)
				if err := e.Flush(context.Background()); !errors.Is(err, ErrCallback) {
					w.problem("Flush inside OnReply: %v", err)
				}
			}
		}
		o.QueueFrames, o.QueueBytes, o.Latest = 0, 0, false
	}
	o.Pattern = o.pattern()
	if err := o.Validate(); err != nil {
		panic(err)
	}
	l, err := newLink(o)
	if err != nil {
		panic(err)
	}
	l.openSocket = func(c transport.Config, endpoints []string, report func(transport.Event)) (socket, []string, error) {
		s, endpoints, err := w.net.openSocket(c, endpoints, func(ev transport.Event) {
			e.occur(ev)
			report(ev)
		})
		if err == nil && c.Kind == zmq4.PUSH {
			s.(*simSocket).discard = e.discarded
		}
		return s, endpoints, err
	}
	if e.NetGear, err = openEnd(l); err != nil {
		panic(err)
	}
	w.all = append(w.all, e)
	return e
}

// discarded notes frames that a socket of a PUSH end has discarded, although
// their send calls have succeeded.
func (e *simEnd) discarded(frames int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if frames > 0 && e.closing.IsZero() {
		e.world.problem("an end that is not closed has discarded %d frames", frames)
	}
}

// frameNumber returns the number of a frame, or -1 if it is not of a sender.
func frameNumber(m Message) int {
	n := -1
	if m.IsNone() || m.Decode(&n) != nil {
		return -1
	}
	return n
}

// result notes the result of a frame: number, or -1 in OnReply, which does not
// have it.
func (e *simEnd) result(number int, r Reply, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.lost++
		return
	}
	e.answered++
	if !e.world.respond {
		return
	}
	of := frameNumber(r.Data)
	e.world.mu.Lock()
	responded, here := len(e.world.responded[of]) > 0, e.world.responded[of][r.Port]
	e.world.mu.Unlock()
	switch {
	case number >= 0 && of != number:
		e.world.problem("frame %d has the answer to %d", number, of)
	case !responded:
		e.world.problem("frame %d was answered and has not arrived", of)
	case e.world.multi() && !here:
		e.world.problem("frame %d was answered by %q, which has not had it", of, r.Port)
	case e.seen[of]:
		e.world.problem("frame %d was answered twice", of)
	}
	e.seen[of] = true
}

// ---- calls ----

// simCall is a call that may wait.
type simCall struct {
	cancel   context.CancelFunc
	canceled atomic.Pointer[time.Time]
	over     chan struct{}
}

// running reports whether the call has not returned.
func (c *simCall) running() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.over:
		return false
	default:
		return true
	}
}

// call makes a call in a goroutine of its own. It must end when its context or
// its end does: at once, in simulated time.
func (w *simWorld) call(e *simEnd, name string, timeout time.Duration, f func(ctx context.Context) error) *simCall {
	ctx, cancel := context.WithCancel(context.Background())
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
		ctx, cancel = context.WithDeadline(context.Background(), deadline)
	}
	c := &simCall{cancel: cancel, over: make(chan struct{})}
	began := time.Now()
	w.calls.Go(func() {
		defer close(c.over)
		defer cancel()
		err := f(ctx)
		now := time.Now()
		e.mu.Lock()
		closing := e.closing
		e.mu.Unlock()
		canceled := c.canceled.Load()
		switch {
		case !deadline.IsZero() && now.After(deadline):
			w.problem("%s ended %v after its deadline: %v", name, now.Sub(deadline), err)
		case canceled != nil && now.After(*canceled):
			w.problem("%s ended %v after it was canceled: %v", name, now.Sub(*canceled), err)
		case !closing.IsZero() && now.After(closing) && now.After(began):
			w.problem("%s ended %v after Close: %v", name, now.Sub(closing), err)
		}
		var lost *LostError
		for _, expected := range []error{ErrPeerGone, ErrClosed, ErrTimeout, io.EOF, context.Canceled, context.DeadlineExceeded} {
			if err == nil || errors.Is(err, expected) || errors.As(err, &lost) {
				return
			}
		}
		w.problem("%s: %v", name, err)
	})
	w.pending = append(w.pending, c)
	return c
}

var simJPEG []byte // a small one; set by the tests

// send sends a frame.
func (w *simWorld) send(e *simEnd, timeout time.Duration, jpeg bool) *simCall {
	e.frames++
	number := e.number*simFrames + e.frames
	return w.call(e, "Send", timeout, func(ctx context.Context) error {
		var r Reply
		var err error
		if jpeg && w.options.Wire == NetGearWire {
			r, err = e.SendJPEG(ctx, simJPEG, number)
		} else {
			r, err = e.SendArray(ctx, Array{DType: "uint8", Shape: []int{1, 100, 1}, Data: make([]byte, 100)}, number)
		}
		if e.NetGear.send.queue == nil {
			e.result(number, r, err)
			return err
		}
		e.queued(err)
		return err
	})
}

// queued notes the result of a call of an end with a queue.
func (e *simEnd) queued(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.accepted++
	}
	e.reported(err)
}

// reported notes the frames that a call has reported as lost. e.mu must be held.
func (e *simEnd) reported(err error) {
	var lost *LostError
	if errors.As(err, &lost) && !e.world.replies {
		e.lost += lost.Frames
	}
}

func (w *simWorld) flush(e *simEnd, timeout time.Duration) *simCall {
	return w.call(e, "Flush", timeout, func(ctx context.Context) error {
		err := e.Flush(ctx)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.reported(err)
		return err
	})
}

// receive receives some frames, one after the other.
func (w *simWorld) receive(e *simEnd, frames int, timeout time.Duration) *simCall {
	return w.call(e, "Recv", timeout, func(ctx context.Context) error {
		for range frames {
			f, err := e.Recv(ctx)
			if err != nil {
				return err
			}
			w.got(e, f)
		}
		return nil
	})
}

// got notes a frame that Recv has returned.
func (w *simWorld) got(e *simEnd, f *Frame) {
	defer f.Close()
	n := frameNumber(f.Message)
	if n < 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns = append(w.turns, e.number)
	frame := simArrival{number: n}
	if w.options.Pattern == PubSub {
		frame.receiver = e.number
	}
	w.received[frame]++
	from := n / simFrames
	if n < w.last[from] && w.serial && (w.options.Pattern == Pair || w.options.Pattern == PushPull && !w.net.interrupted()) {
		w.problems = append(w.problems, fmt.Sprintf("frame %d came after %d", n, w.last[from]))
	}
	w.last[from] = max(n, w.last[from])
}

// close closes an end, and checks how long that takes.
func (w *simWorld) close(e *simEnd) {
	if e.closed {
		return
	}
	e.closed = true
	began := time.Now()
	e.mu.Lock()
	e.closing = began
	e.mu.Unlock()
	o := e.link.opts
	limit := 2*time.Second + o.RequestTimeout
	if e.NetGear.send != nil && e.NetGear.send.queue != nil {
		tries := o.MaxRetries
		if tries < 0 {
			tries = defaultMaxRetries
		}
		limit += time.Duration(tries+1) * o.RequestTimeout
	}
	w.calls.Go(func() {
		err := e.Close()
		e.mu.Lock()
		limit += w.slow * time.Duration(len(e.events))
		e.mu.Unlock()
		if took := time.Since(began); took > limit {
			w.problem("Close took %v, and may take %v", took, limit)
		}
		var lost *LostError
		if err != nil && !errors.As(err, &lost) {
			w.problem("Close: %v", err)
		}
		e.mu.Lock()
		e.reported(err)
		e.ended = true
		e.mu.Unlock()
		w.mu.Lock()
		w.retries += e.Stats().Retries
		w.mu.Unlock()
	})
}

// ---- a peer that does not keep to the protocol ----

// rogue connects a socket to the end that listens, sends messages, and leaves
// after a while.
func (w *simWorld) rogue(messages int, frames bool, stays time.Duration) {
	c := transport.Config{Kind: w.options.Pattern.spec().send}
	if w.attach { // it stands for a receive end: whatever it sent would be an answer
		c.Kind, messages = w.options.Pattern.spec().recv, 0
	}
	s, _, err := w.net.openSocket(c, []string{simEndpoint}, func(transport.Event) {})
	if err != nil {
		panic(err)
	}
	s.(*simSocket).rogue = true
	w.calls.Go(func() {
		defer s.Shut(0)
		for range messages {
			if frames {
				attempt(func() error { return s.TrySend(rawHeader("[1, 100, 1]"), zmsg.More) })
				attempt(func() error { return s.TrySend(make([]byte, 100), zmsg.Last) })
			} else {
				attempt(func() error { return s.TrySend([]byte("no header"), zmsg.Last) })
			}
		}
		time.Sleep(stays)
	})
}

// ---- the checks ----

// check checks the bounds.
func (w *simWorld) check() {
	const frame = 4 << 10 // more than one takes
	for _, e := range w.recvs {
		if e.done() {
			continue
		}
		q := e.NetGear.recv.queue
		q.mu.Lock()
		frames, errs, bytes, early := 0, 0, q.bytes, q.early.Load()
		for i, it := range q.items {
			if it.err != nil {
				errs++
				if i > 0 && q.items[i-1].err != nil {
					w.problem("two errors in a row are queued")
				}
				continue
			}
			frames++
		}
		inWindow := int64(2*q.workers) * simDecoded
		q.mu.Unlock()
		limit := q.maxFrames
		if q.latest {
			limit += 2 * q.workers // as many may be decoded
		}
		if frames > limit || errs > limit+1 {
			w.problem("%d frames and %d errors are queued, and %d may be", frames, errs, limit)
		}
		if bytes > q.maxBytes+frame+inWindow || bytes < 0 {
			w.problem("%d bytes are queued, and %d may be", bytes, q.maxBytes)
		}
		if early < 0 || early > maxEarly*frame {
			w.problem("%d bytes are read ahead", early)
		}
	}
	for _, e := range w.senders {
		if q := e.NetGear.send.queue; q != nil {
			limit := e.link.opts.SendAhead + 1
			if e.link.opts.SendLatest {
				limit = 3 // one is sent, one waits, one waits for the marks of Flush
			}
			if frames, bytes := q.length(); frames < 0 || frames > limit || bytes < 0 || bytes > int64(limit)*frame {
				w.problem("%d frames of %d bytes are sent ahead, and %d may be", frames, bytes, limit)
			}
		}
	}
}

// simDecoded is more than a frame takes when it is decoded.
const simDecoded = 64 << 10

// checkEvents compares what OnEvent got with what occurred. An end that is being
// closed reports no losses.
func (e *simEnd) checkEvents() {
	e.mu.Lock()
	defer e.mu.Unlock()
	var got []simOccurrence
	for _, ev := range e.events {
		if ev.Kind == EventConnected || ev.Kind == EventLost {
			got = append(got, simOccurrence{kind: ev.Kind, peer: ev.Peer})
		}
	}
	want := e.occurred
	if e.world.slow > 0 && len(want) >= maxEvents {
		return // a slow OnEvent loses the oldest of so many
	}
	for i, o := range want {
		if len(got) > 0 && got[0].kind == o.kind && got[0].peer == o.peer {
			got = got[1:]
			continue
		}
		if e.closing.IsZero() || o.at.Before(e.closing) {
			e.world.problem("event %d is missing or comes late: %v of %q", i, o.kind, o.peer)
			return
		}
	}
	if len(got) > 0 {
		e.world.problem("OnEvent got %d events that did not occur then, the first is %v", len(got), got[0])
	}
	connected := map[string]bool{}
	for _, ev := range e.events {
		if ev.Kind == EventConnected || ev.Kind == EventLost {
			if connected[ev.Peer] == (ev.Kind == EventConnected) {
				e.world.problem("%v twice in a row: %s", ev.Kind, ev.Peer)
				return
			}
			connected[ev.Peer] = !connected[ev.Peer]
		}
	}
}

// checkFrames checks that each frame has one result.
func (w *simWorld) checkFrames() {
	var received, answered uint64
	for _, e := range w.all {
		s := e.Stats()
		if s.ReceiveMode {
			received += s.Frames
			if s.Frames != s.Delivered+s.Dropped+s.Discarded {
				w.problem("of %d frames %d were delivered, %d dropped and %d discarded", s.Frames, s.Delivered, s.Dropped, s.Discarded)
			}
			continue
		}
		answered += s.Frames
		if int(s.Frames) != e.answered && (e.NetGear.send.queue == nil || w.replies) {
			w.problem("the end counts %d frames, and has reported %d", s.Frames, e.answered)
		}
		if e.NetGear.send.queue != nil && e.accepted != int(s.Frames+s.Skipped)+e.lost {
			w.problem("%d frames were queued; %d were answered, %d lost, %d replaced", e.accepted, s.Frames, e.lost, s.Skipped)
		}
	}
	if answered > received && w.options.Pattern.spec().answers {
		w.problem("%d frames were answered and %d have arrived", answered, received)
	}
	if lost := w.net.lostFrames(); w.options.Pattern == PushPull && answered != received+lost {
		w.problem("%d frames were sent, %d have arrived, and the network has lost %d", answered, received, lost)
	}
	twice := 0
	for _, times := range w.received {
		twice += times - 1
	}
	if uint64(twice) > w.retries || twice > 0 && !w.options.Pattern.spec().answers {
		w.problem("%d frames came twice, and %d were sent again", twice, w.retries)
	}
}

// ---- the order of what happens ----

var (
	simTimes  = []time.Duration{0, 0, time.Millisecond, 7 * time.Millisecond, 60 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second, 20 * time.Second}
	simLimits = []time.Duration{0, time.Nanosecond, 5 * time.Millisecond, 100 * time.Millisecond, 2 * time.Second, 30 * time.Second}
	simDelays = []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 250 * time.Millisecond}

	drawTime    = rapid.SampledFrom(simTimes)
	drawLimit   = rapid.SampledFrom(simLimits)
	drawDelay   = rapid.SampledFrom(simDelays)
	drawSeed    = rapid.Uint64()
	drawPattern = rapid.SampledFrom([]Pattern{Pair, ReqRep, PubSub, PushPull})
	drawTimeout = rapid.SampledFrom([]time.Duration{50 * time.Millisecond, time.Second, 4 * time.Second})
	drawRetries = rapid.SampledFrom([]int{1, 2, 3, -1})
	drawFew     = rapid.IntRange(0, 3)
	drawBool    = rapid.Bool()
	drawAction  = rapid.SampledFrom(simActions)
	drawIndex   = rapid.IntRange(0, 11)
	drawStep    = rapid.Custom(func(t *rapid.T) simAction {
		return simAction{drawAction.Draw(t, "action"), drawIndex.Draw(t, "which"), drawLimit.Draw(t, "limit"), drawTime.Draw(t, "pause"), drawBool.Draw(t, "settle")}
	})
	drawSteps = rapid.SliceOfN(drawStep, 5, 60)
)

// simAction is one thing that happens.
type simAction struct {
	action string
	which  int           // of the senders, connections or calls
	limit  time.Duration // of a call
	pause  time.Duration // until the next step
	settle bool          // until nothing more happens at that time
}

// simActions are what can happen; those that are listed more often do.
var simActions = []string{
	"send", "send", "send", "send", "send", "send", "send JPEG", "send JPEG", "recv", "recv", "recv", "recv", "recv all",
	"cancel", "cut", "cut", "stall", "continue", "network down", "network up",
	"close sender", "close receiver", "open", "open", "flush", "wait connected", "rogue", "time",
}

// newSimWorld draws the options.
func newSimWorld(t *rapid.T, parts *simParts) *simWorld {
	pattern := drawPattern.Draw(t, "pattern")
	w := &simWorld{began: time.Now(), received: map[simArrival]int{}, responded: map[int]map[string]bool{}, last: map[int]int{}}
	w.net = newSimNet(parts, drawSeed.Draw(t, "seed"), drawDelay.Draw(t, "delay"), drawBool.Draw(t, "chaos"))
	w.options = Options{Pattern: pattern, RequestTimeout: drawTimeout.Draw(t, "timeout"), MaxRetries: drawRetries.Draw(t, "retries"), JPEGCompression: JPEGOff}
	w.options.QueueFrames = 1 + drawFew.Draw(t, "queue")
	if drawBool.Draw(t, "few bytes") {
		w.options.QueueBytes = 3000
	}
	w.options.Latest = drawFew.Draw(t, "latest") == 0
	if pattern == PushPull {
		w.options.Wire = AsyncWire
	}
	w.options.MulticlientMode = (pattern == ReqRep || pattern == PubSub) && drawFew.Draw(t, "multi-client") == 0
	w.net.immediate = w.multi() && pattern == ReqRep
	w.respond = pattern.spec().answers && drawBool.Draw(t, "respond")
	w.options.BidirectionalMode = w.respond && !w.multi()
	w.attach = !w.multi() && drawFew.Draw(t, "attach") == 0
	if drawBool.Draw(t, "keep waiting") {
		w.options.TerminatePolicy = KeepWaiting
	}
	if drawBool.Draw(t, "stall") {
		w.options.StallAfter = 300 * time.Millisecond
	}
	ahead := drawFew.Draw(t, "ahead")
	latest := drawFew.Draw(t, "send latest") == 0
	w.replies = drawBool.Draw(t, "on reply")
	w.serial = drawBool.Draw(t, "serial")
	if drawFew.Draw(t, "slow callback") == 0 {
		w.slow = 20 * time.Millisecond
	}
	w.ahead = func(o *Options) {
		if o.SendLatest = latest; !latest {
			o.SendAhead = ahead
		}
	}
	return w
}

// simulate runs one simulation.
func simulate(t *rapid.T, parts *simParts, totals *simTotals) {
	w := newSimWorld(t, parts)
	senders, receivers := 1, 1
	switch {
	case w.multi():
		receivers = len(simPorts)
	case !w.attach:
		senders = 1 + drawFew.Draw(t, "senders")/2
	}
	steps := drawSteps.Draw(t, "steps")
	buffers, messages := zmsg.Live()
	for i := range receivers {
		w.recvs = append(w.recvs, w.open(true, i))
	}
	for i := range senders {
		w.senders = append(w.senders, w.open(false, i+1))
	}
	for _, step := range steps {
		w.act(step)
		if step.pause > 0 {
			time.Sleep(step.pause)
		}
		if step.settle {
			synctest.Wait()
		}
		w.check()
	}
	w.recover()
	w.finish()
	if left, msgs := zmsg.Live(); left != buffers || msgs != messages {
		w.problem("%d buffers and %d messages are left", left-buffers, msgs-messages)
	}
	totals.add(w, len(steps))
	if len(w.problems) > 0 {
		t.Fatalf("%v", w.problems)
	}
}

// act makes one thing happen.
func (w *simWorld) act(step simAction) {
	e, r := w.senders[step.which%len(w.senders)], w.recvs[step.which%len(w.recvs)]
	switch step.action {
	case "send", "send JPEG":
		if !e.closed && !(w.serial && e.sending.running()) {
			e.sending = w.send(e, step.limit, step.action == "send JPEG")
		}
	case "recv":
		if !(w.serial && r.recving.running()) {
			r.recving = w.receive(r, 1, step.limit)
		}
	case "recv all":
		switch {
		case !w.serial:
			for range 4 {
				w.receive(r, 1, time.Nanosecond)
			}
		case !r.recving.running():
			r.recving = w.receive(r, 4, time.Nanosecond)
		}
	case "cancel":
		if len(w.pending) > 0 {
			c := w.pending[step.which%len(w.pending)]
			now := time.Now()
			c.canceled.CompareAndSwap(nil, &now)
			c.cancel()
		}
	case "cut":
		w.connection(step.which, w.net.cutConn)
	case "stall":
		w.connection(step.which, func(c *simConn) { w.net.stall(c, true) })
	case "continue":
		w.connection(step.which, func(c *simConn) { w.net.stall(c, false) })
	case "network down", "network up":
		w.net.mu.Lock()
		w.net.reachable = step.action == "network up"
		w.net.mu.Unlock()
	case "close sender":
		w.close(e)
	case "close receiver":
		w.close(r)
	case "open":
		w.reopen()
	case "flush":
		if !e.closed {
			w.flush(e, step.limit)
		}
	case "wait connected":
		if !e.closed {
			w.call(e, "WaitConnected", step.limit, func(ctx context.Context) error { return e.WaitConnected(ctx, 1) })
		}
	case "rogue":
		w.rogue(step.which%4, step.which%2 == 0, step.limit)
	}
	w.pending = slices.DeleteFunc(w.pending, func(c *simCall) bool { return !c.running() })
}

// connection does something to a connection, if there is one.
func (w *simWorld) connection(which int, do func(*simConn)) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if k := len(w.net.conns); k > 0 {
		do(w.net.conns[which%k])
	}
}

// done reports whether Close has returned.
func (e *simEnd) done() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ended
}

// reopen opens the ends again that were closed.
func (w *simWorld) reopen() {
	for i, e := range w.recvs {
		if e.done() {
			w.recvs[i] = w.open(true, i)
		}
	}
	for i, e := range w.senders {
		if e.done() {
			again := w.open(false, len(w.all)+1)
			w.senders[i] = again
		}
	}
}

// recover brings the network in order, and checks that frames pass.
func (w *simWorld) recover() {
	w.net.mu.Lock()
	w.net.reachable, w.net.chaos, w.net.slowest = true, false, min(w.net.slowest, time.Millisecond)
	for _, c := range slices.Clone(w.net.conns) {
		w.net.stall(c, false)
	}
	w.net.mu.Unlock()
	for _, e := range w.senders[1:] {
		w.close(e)
	}
	for _, e := range w.recvs {
		w.close(e) // it may have ended by a terminate message
	}
	time.Sleep(30 * time.Second)
	w.senders = w.senders[:1]
	w.reopen()
	stop := w.read()
	time.Sleep(20 * time.Second)
	e := w.senders[0]
	for tries := 1; ; tries++ { // a frame may still find what is left of the time before
		err := w.passes(e, time.Minute)
		if err == nil {
			break
		}
		if tries == 10 {
			w.problem("no frame passes: %v", err)
			break
		}
	}
	if err := w.passes(e, 100*time.Millisecond); err != nil {
		w.problem("a frame waits: %v", err)
	}
	if w.options.RequestTimeout >= time.Second {
		stop()
		w.full(e)
		stop = w.read()
		w.loss(e)
	}
	w.inARow(e)
	w.inTurn(e)
	w.next()
	stop()
}

// read receives frames until the function is called that it returns.
func (w *simWorld) read() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	for _, e := range w.recvs {
		reading.Go(func() {
			for {
				f, err := e.Recv(ctx)
				switch {
				case err == nil:
					w.got(e, f)
				case ctx.Err() != nil || errors.Is(err, ErrClosed) || errors.Is(err, io.EOF):
					return
				}
			}
		})
	}
	return func() {
		cancel()
		reading.Wait()
	}
}

// receivedFrames returns how many frames have arrived at the receivers.
func (w *simWorld) receivedFrames() (n uint64) {
	for _, e := range w.recvs {
		n += e.Stats().Frames
	}
	return n
}

// exchange sends a frame, and waits until it is answered if frames are.
func (w *simWorld) exchange(e *simEnd) *simCall {
	c := w.send(e, 0, false)
	if e.NetGear.send.queue == nil {
		return c
	}
	<-c.over
	return w.flush(e, 0)
}

// simSoon is far less than the time-outs of the orders for which it is checked, and
// more than it takes to connect again.
const simSoon = 500 * time.Millisecond

// full fills the queue of the receive end until a frame waits, and checks that it
// waits no longer than for room.
func (w *simWorld) full(e *simEnd) {
	if w.options.Latest || w.options.Pattern == PubSub || e.link.opts.SendLatest || len(w.problems) > 0 {
		return // none waits
	}
	var c *simCall
	for range 20 {
		c = w.exchange(e)
		if time.Sleep(10 * time.Millisecond); c.running() {
			break
		}
	}
	if !c.running() {
		w.problem("no frame waits for room")
	}
	defer w.read()()
	if time.Sleep(simSoon); c.running() {
		w.problem("a frame waits although there is room")
	}
}

// loss cuts the connection while a frame is on its way, or its answer, and checks
// that the frame is sent again and answered at once.
func (w *simWorld) loss(e *simEnd) {
	if !w.options.Pattern.spec().answers || len(w.problems) > 0 {
		return
	}
	limit := simSoon
	if w.multi() {
		limit += w.options.RequestTimeout / 4 // another client may have the frame; those that are present are awaited
	}
	for after := range 4 {
		c := w.exchange(e)
		time.Sleep(time.Duration(after) * time.Millisecond / 2)
		w.net.cutAll()
		if time.Sleep(limit); c.running() {
			w.problem("a frame waits for %v after its connection was lost", limit)
			return
		}
	}
}

// inTurn checks that a multi-client REQ end serves its clients in the order of
// their ports.
func (w *simWorld) inTurn(e *simEnd) {
	if !w.multi() || w.options.Pattern != ReqRep || w.options.Latest || len(w.problems) > 0 {
		return
	}
	time.Sleep(10 * time.Second) // clients that were late are served again
	<-w.exchange(e).over
	time.Sleep(10 * time.Millisecond)
	w.mu.Lock()
	w.turns = nil
	w.mu.Unlock()
	for range 2 * len(w.recvs) {
		<-w.exchange(e).over
		time.Sleep(10 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, at := range w.turns {
		if len(w.turns) < 2*len(w.recvs) || at != (w.turns[0]+i)%len(w.recvs) {
			w.problems = append(w.problems, fmt.Sprintf("frames went to the clients %v", w.turns))
			return
		}
	}
}

// inARow sends frames without a pause to a PULL end, and checks that all arrive.
func (w *simWorld) inARow(e *simEnd) {
	if w.options.Pattern != PushPull || len(w.problems) > 0 {
		return
	}
	lost := w.net.lostFrames()
	for range 10 {
		<-w.exchange(e).over
	}
	if w.options.TerminatePolicy == KeepWaiting {
		for w.close(e); !e.done(); {
			time.Sleep(time.Millisecond)
		}
		w.senders[0] = w.open(false, len(w.all)+1)
	}
	time.Sleep(time.Second)
	if now := w.net.lostFrames(); now != lost {
		w.problem("%d frames were lost on a connection that was not", now-lost)
	}
}

// next checks that the next sender is served soon after the last one has closed.
func (w *simWorld) next() {
	if w.attach || w.options.TerminatePolicy != KeepWaiting || len(w.problems) > 0 {
		return
	}
	for w.close(w.senders[0]); !w.senders[0].done(); {
		time.Sleep(time.Millisecond)
	}
	w.senders[0] = w.open(false, len(w.all)+1)
	if err := w.passes(w.senders[0], 1500*time.Millisecond); err != nil && w.options.RequestTimeout >= time.Second {
		w.problem("the next sender is not served: %v", err)
	}
}

// passes sends a frame, which must have its answer in time.
func (w *simWorld) passes(e *simEnd, limit time.Duration) error {
	before := e.Stats().Frames
	received := w.receivedFrames()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := e.WaitConnected(ctx, len(w.recvs)); err != nil {
		return err
	}
	if w.options.Pattern == PubSub {
		time.Sleep(5 * time.Millisecond)
	}
	<-w.send(e, limit, false).over
	if e.NetGear.send.queue != nil {
		<-w.flush(e, limit).over
	}
	time.Sleep(5 * time.Millisecond)
	want := received + 1
	if w.options.Pattern == PubSub {
		want = received + uint64(len(w.recvs))
	}
	if now := w.receivedFrames(); e.Stats().Frames == before || now < want {
		return fmt.Errorf("%d frames before and %d after at the send end; %d and %d at the receive end", before, e.Stats().Frames, received, now)
	}
	return nil
}

// finish closes everything, and makes the last checks.
func (w *simWorld) finish() {
	for _, e := range w.all {
		w.close(e)
	}
	ended := make(chan struct{})
	go func() {
		w.calls.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Hour):
		w.problem("a call does not end")
		fmt.Fprintln(os.Stderr, w.problems) // rapid reports that goroutines are left
		panic("a call does not end")
	}
	synctest.Wait()
	if w.net.open != 0 {
		w.problem("%d sockets are open", w.net.open)
	}
	for _, e := range w.all {
		e.checkEvents()
	}
	w.checkFrames()
}

// TestSimulatedEnds runs a receive end and its senders.
func TestSimulatedEnds(t *testing.T) {
	simChecks(t, 1000)
	parts, err := newSimParts("inproc://simulation")
	if err != nil {
		t.Fatal(err)
	}
	defer parts.close()
	simJPEG = testJPEG(t, 16, 16)
	var totals simTotals
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) { simulate(t, parts, &totals) })
	})
	totals.log(t)
}
