package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// recorder keeps the events of an end.
type recorder struct {
	mu      sync.Mutex
	kinds   []EventKind
	changed chan struct{} // closed at the next event; nil while nothing waits for it
}

func (r *recorder) add(s Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds = append(r.kinds, s.Kind)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// next returns the events so far, and a channel that is closed at the next one.
func (r *recorder) next() ([]EventKind, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return slices.Clone(r.kinds), r.changed
}

func (r *recorder) seen() []EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.kinds)
}

func (r *recorder) await(t *testing.T, want ...EventKind) {
	t.Helper()
	for late := time.After(testTimeout); ; {
		got, changed := r.next()
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("events were %v, not %v", got, want)
		}
	}
}

// Each event comes once, in order.
func TestEvents(t *testing.T) {
	var at recorder
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", TerminatePolicy: KeepWaiting, OnEvent: at.add, StallAfter: 30 * time.Millisecond})
	at.await(t, EventStalled)
	for range 2 {
		at.mu.Lock()
		at.kinds = nil
		at.mu.Unlock()
		send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port()})
		at.await(t, EventConnected)
		ctx := testContext(t)
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil); err != nil {
			t.Fatal(err)
		}
		at.await(t, EventConnected, EventResumed, EventStalled)
		send.Close()
		at.await(t, EventConnected, EventResumed, EventStalled, EventTerminated, EventLost)
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	recv.Close()
	if got := at.seen(); len(got) != 5 {
		t.Errorf("Close was told of as %v", got)
	}
}

func TestStatesOfALonelySendEnd(t *testing.T) {
	var at recorder
	send := mustNew(t, Options{Address: "127.0.0.1", Port: "1", RequestTimeout: 20 * time.Millisecond, OnEvent: at.add})
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrPeerGone) {
		t.Fatal(err)
	}
	at.await(t, EventReconnecting, EventReconnecting)
	var refused recorder
	other := newBare(t, zmq4.SUB, nil)
	req := mustNew(t, Options{Address: "127.0.0.1", Port: other.port(), Pattern: ReqRep, OnEvent: refused.add})
	await(t, "the refusal", func() bool { return slices.Contains(refused.seen(), EventRefused) })
	req.Close()
}

// The application may use the end from its callback.
func TestEventCallbackMayCallBack(t *testing.T) {
	var recv *NetGear
	ready := make(chan struct{})
	got := make(chan Stats, 10)
	recv = mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", OnEvent: func(Event) {
		<-ready
		got <- recv.Stats()
	}})
	close(ready)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port()})
	<-got
	send.Close()
	<-got
}

// Numbers and times of stamps arrive, gaps are counted, and Python gets a
// dictionary. Without the option the wire is unchanged.
func TestStamps(t *testing.T) {
	recv, send := openPair(t, Options{Stamp: true})
	ctx := testContext(t)
	before := time.Now().Add(-time.Millisecond)
	captured := time.Date(2020, 5, 17, 12, 0, 0, 250e6, time.UTC)
	for i, message := range []any{nil, "m", map[string]int{"seq": 1}, StampedMessage{At: captured, Message: 7}, math.NaN()} {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), message); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if f.Stamp == nil || f.Stamp.Seq != uint64(i+1) || f.Stamp.Sender == 0 || f.Stamp.Sender != send.send.sender {
			t.Fatalf("stamp %+v", f.Stamp)
		}
		if c, ok := message.(StampedMessage); ok {
			message = c.Message
			if !f.Stamp.Time.Equal(captured) {
				t.Errorf("captured at %v", f.Stamp.Time)
			}
		} else if f.Stamp.Time.Before(before) || f.Stamp.Time.After(time.Now().Add(time.Millisecond)) {
			t.Errorf("stamped at %v", f.Stamp.Time)
		}
		if want, _ := asJSON.encodeMessage(message); f.Message.String() != want.String() {
			t.Errorf("message %s", f.Message)
		}
		f.Close()
	}
	if s := recv.Stats(); s.Latency.Frames != 5 || s.Missed != 0 || s.Latency.Max < 24*time.Hour || s.Latency.Last > time.Minute {
		t.Errorf("%+v", s)
	}
}

// The spaces that a peer sends around a stamped message are not kept with it.
func TestSpacesAroundAStampedMessage(t *testing.T) {
	const spaces = 1 << 20
	text := `{"seq": 1, "t": 2, "message": "m"` + strings.Repeat(" ", spaces) + "}"
	if inner, stamp := unstamp(Message{raw: []byte(text)}); stamp == nil || inner.String() != `"m"` || cap(inner.raw) >= spaces {
		t.Errorf("%v, %d bytes are kept", stamp, cap(inner.raw))
	}
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Stamp: true})
	newBare(t, zmq4.PAIR, recv).send([]byte(`{"terminate_flag": false, "compression": false, "message": `+text+`, "dtype": "uint8", "shape": [1]}`), []byte("x"))
	await(t, "the frame", func() bool { return recv.Stats().Queue == 1 })
	if s := recv.Stats(); s.QueueBytes >= spaces {
		t.Errorf("%d bytes in the queue", s.QueueBytes)
	}
}

func TestStampsOnTheWire(t *testing.T) {
	for _, on := range []bool{true, false} {
		peer := newBare(t, zmq4.PAIR, nil)
		send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port(), Stamp: on})
		at := StampedMessage{At: time.Unix(1764547200, 250e6), Message: "m"}
		done := make(chan error, 1)
		go func() {
			_, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), at)
			done <- err
		}()
		head := string(peer.recv(testTimeout)[0])
		want := `"message": "m"`
		if on {
			want = fmt.Sprintf(`"message": {"seq": 1, "t": 1764547200.25, "sender": %d, "message": "m"}`, send.send.sender)
		}
		if !strings.Contains(head, want) {
			t.Errorf("header %s", head)
		}
		peer.send([]byte("ok"))
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Frames that were sent, according to their numbers, are counted as missed. A
// restart of the sender is not.
func TestMissedFramesAreCounted(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, MultiserverMode: true, Stamp: true})
	peer := newBare(t, zmq4.REQ, recv)
	ctx := testContext(t)
	for _, c := range []struct {
		port string
		seq  int
	}{{"1", 5}, {"1", 6}, {"1", 9}, {"2", 1}, {"1", 10}, {"2", 4}, {"1", 1}, {"1", 2}} {
		peer.send(fmt.Appendf(nil, `{"port": "%s", "terminate_flag": false, "compression": false, "message": {"seq": %d, "t": 1.5, "message": null}, "dtype": "uint8", "shape": [1]}`, c.port, c.seq), []byte("x"))
		peer.recv(testTimeout)
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	s := recv.Stats()
	if s.Missed != 4 || s.Ports["1"].Missed != 2 || s.Ports["2"].Missed != 2 || s.Ports["1"].Frames != 6 || s.Ports["2"].Frames != 2 {
		t.Errorf("%+v", s)
	}
	// A message that resembles a stamp and is none stays a message.
	for _, m := range []string{`{"seq": 1, "t": 1}`, `{"seq": -1, "t": 1, "message": 1}`, `{"seq": 1, "t": NaN, "message": 1}`, `{"seq": 1, "t": 1, "message": 1, "x": 1}`, `[1]`, `null`} {
		if left, stamp := unstamp(Message{raw: []byte(m)}); stamp != nil || left.String() != m {
			t.Errorf("%s was taken for a stamp", m)
		}
	}
}

// Respond's result for a frame is in the answer to that frame.
func TestRespond(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			t.Run(fmt.Sprintf("%v/jpeg=%s", pattern, c), func(t *testing.T) {
				recv, send := openPair(t, Options{Pattern: pattern, BidirectionalMode: true, JPEGCompression: c}, func(r, s *Options) {
					r.Respond = func(_ context.Context, f *Frame) (any, error) {
						if f.Message.Value() == "picture" {
							return f, nil
						}
						if f.Message.Value() == "nonsense" {
							return make(chan int), nil
						}
						return map[string]any{"sum": int(frameBytes(f)[0]) + int(frameBytes(f)[1]), "m": f.Message}, nil
					}
				})
				ctx := testContext(t)
				for i := range 10 {
					a := Array{DType: "uint16", Shape: []int{1, 1}, Data: []byte{byte(i), 100}}
					r, err := send.SendArray(ctx, a, i)
					if err != nil {
						t.Fatal(err)
					}
					if want := fmt.Sprintf(`{"m": %d, "sum": %d}`, i, 100+i); r.Data.String() != want {
						t.Errorf("answer %s, not %s", r.Data, want)
					}
				}
				picture := testArray(0, "uint8", 20, 30, 3)
				r, err := send.SendArray(ctx, picture, "picture")
				if err != nil || r.Array == nil || !slices.Equal(r.Array.Shape, picture.Shape) {
					t.Errorf("%+v, %v", r, err)
				}
				if r, err := send.SendArray(ctx, picture, "nonsense"); err != nil || r.PythonType != "NoneType" {
					t.Errorf("%+v, %v", r, err)
				}
				send.Close()
				n := 0
				for f, err := range recv.Frames(ctx) {
					if err != nil {
						t.Fatal(err)
					}
					if len(frameBytes(f)) == 0 {
						t.Error("no pixels")
					}
					f.Close()
					n++
				}
				if n != 12 {
					t.Errorf("%d frames", n)
				}
			})
		}
	}
}

// A client that disconnects with a frame does not delay the others for the
// whole time-out. One that disconnects while another has the frame has no
// effect.
func TestMulticlientLoss(t *testing.T) {
	gone := newBare(t, zmq4.REP, nil)
	asked, hold := make(chan struct{}, 2), make(chan struct{})
	other := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, MulticlientMode: true, Respond: func(context.Context, *Frame) (any, error) {
		asked <- struct{}{}
		<-hold
		return nil, nil
	}})
	const timeout = 8 * time.Second
	send := mustNew(t, Options{Address: "127.0.0.1", Ports: []string{gone.port(), other.Port()}, Pattern: ReqRep, MulticlientMode: true, RequestTimeout: timeout, JPEGCompression: JPEGOff})
	ctx := testContext(t)
	awaitPeers(t, send, 2)
	begin, done := startStopwatch(), make(chan string)
	sendOne := func() {
		r, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
		if err != nil {
			t.Error(err)
		}
		done <- r.Port
	}
	go sendOne()
	// libzmq selects the client. If it is the other one, the next is this one.
	had := false
	await(t, "a client to get the frame", func() bool {
		had = gone.recv(20*time.Millisecond) != nil
		return had || len(asked) > 0
	})
	if !had {
		hold <- struct{}{}
		<-done
		begin = startStopwatch()
		go sendOne()
		had = gone.recv(testTimeout) != nil
	}
	if !had {
		t.Fatal("the first client never got a frame")
	}
	gone.Close()
	close(hold)
	if port := <-done; port != other.Port() {
		t.Errorf("client %q answered", port)
	}
	endsWithin(t, "the frame to the other client", begin, timeout/2)
	if s := send.Stats(); s.Retries != 1 {
		t.Errorf("sent again %d times", s.Retries)
	}
}

// While another client works on the frame, a loss does not send it again.
func TestMulticlientLossOfAnother(t *testing.T) {
	idle := newBare(t, zmq4.REP, nil)
	var frames atomic.Int64
	var once sync.Once
	busy, lost := make(chan struct{}, 2), make(chan struct{})
	slow := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, MulticlientMode: true, Respond: func(context.Context, *Frame) (any, error) {
		frames.Add(1)
		busy <- struct{}{}
		select {
		case <-lost: // the other one
			time.Sleep(50 * time.Millisecond) // a frame that was sent again would come meanwhile
		case <-time.After(testTimeout):
		}
		return nil, nil
	}})
	send := mustNew(t, Options{Address: "127.0.0.1", Ports: []string{idle.port(), slow.Port()}, Pattern: ReqRep, MulticlientMode: true, RequestTimeout: 2 * testTimeout, JPEGCompression: JPEGOff, OnEvent: func(e Event) {
		if e.Kind == EventLost {
			once.Do(func() { close(lost) })
		}
	}})
	awaitPeers(t, send, 2)
	go func() {
		// The idle one answers what comes its way, until the slow one has a frame.
		for len(busy) == 0 {
			if idle.recv(10*time.Millisecond) != nil {
				idle.send([]byte(`{"port":"1","return_type":"NoneType","data":null}`))
			}
		}
		idle.Close()
	}()
	for range 2 {
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
			t.Fatal(err)
		}
		if frames.Load() > 0 {
			break
		}
	}
	if s := send.Stats(); s.Retries != 0 || frames.Load() != 1 {
		t.Errorf("%d frames at the slow client, sent again %d times", frames.Load(), s.Retries)
	}
}

// Multi-client: frames go to the connected clients in turn, and replies name
// their port. A client that dies does not affect the others, and no start waits
// for it.
func TestMulticlient(t *testing.T) {
	for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
		var clients []*NetGear
		var ports []string
		for i := range 3 {
			r := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, MulticlientMode: true, JPEGCompression: c})
			if err := r.SetReturnData(i); err != nil {
				t.Fatal(err)
			}
			clients = append(clients, r)
			ports = append(ports, r.Port())
		}
		send := mustNew(t, Options{Address: "127.0.0.1", Ports: append(ports, "1"), Pattern: ReqRep, MulticlientMode: true, RequestTimeout: time.Second, JPEGCompression: c})
		ctx := testContext(t)
		awaitPeers(t, send, 3)
		answered := map[string]int{}
		round := func(n int) {
			t.Helper()
			for range n {
				r, err := send.SendArray(ctx, testArray(0, "uint8", 8, 8, 3), nil)
				if err != nil {
					t.Fatal(err)
				}
				if i := slices.Index(ports, r.Port); i < 0 || r.Data.Value() != int64(i) {
					t.Errorf("client %q answered %v", r.Port, r.Data)
				}
				answered[r.Port]++
			}
		}
		round(9)
		for _, p := range ports[:3] {
			if answered[p] != 3 {
				t.Errorf("the clients got %v", answered)
				break
			}
		}
		clients[0].Close()
		await(t, "the loss to be noticed", func() bool { return send.Stats().Connected == 2 })
		before := send.Stats().Retries
		round(8)
		if s := send.Stats(); s.Retries > before+1 || // one, if the frame went out as its client left
			s.Ports[ports[1]].Frames != uint64(answered[ports[1]]) {
			t.Errorf("%+v", s)
		}
		send.Close()
		for _, r := range clients[1:] {
			for {
				f, err := r.Recv(ctx)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
		}
	}
}

// One of many senders that dies without a terminate message leaves the others
// running.
func TestMultiserverOutlivesADeadSender(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Ports: []string{"0", "0"}, Pattern: ReqRep, MultiserverMode: true})
	port := func(i int) string { return recv.Ports()[i] }
	alive := mustNew(t, Options{Address: "127.0.0.1", Port: port(0), Pattern: ReqRep, MultiserverMode: true})
	dead := newBare(t, zmq4.REQ, nil)
	if err := dead.Connect(recv.Endpoints()[1]); err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	dead.send(fmt.Appendf(nil, `{"port": "%s", "terminate_flag": false, "compression": false, "message": null, "dtype": "uint8", "shape": [1]}`, port(1)), []byte("x"))
	if dead.recv(testTimeout) == nil {
		t.Fatal("no answer")
	}
	dead.Disconnect(recv.Endpoints()[1])
	for i := range 20 {
		if _, err := alive.SendArray(ctx, testArray(0, "uint8", 4, 4), i); err != nil {
			t.Fatal(err)
		}
	}
	for range 21 {
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// Latest in multi-server mode keeps the newest frame of each sender: one does
// not replace another's.
func TestLatestOfEachSender(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, MultiserverMode: true, Latest: true})
	peer := newBare(t, zmq4.REQ, recv)
	for i := range 30 {
		peer.send(fmt.Appendf(nil, `{"port": "%d", "terminate_flag": false, "compression": false, "message": %d, "dtype": "uint8", "shape": [1]}`, i%3, i), []byte("x"))
		if peer.recv(testTimeout) == nil {
			t.Fatal("no answer")
		}
	}
	await(t, "the last frame", func() bool { return recv.Stats().Dropped == 27 })
	for i := range 3 {
		f, err := recv.Recv(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if f.Port != fmt.Sprint(i) || f.Message.Value() != int64(27+i) {
			t.Errorf("frame %v of %s", f.Message, f.Port)
		}
		f.Close()
	}
	if s := recv.Stats(); s.Dropped != 27 || s.Delivered != 3 {
		t.Errorf("%+v", s)
	}
}

// A scripted run of three senders: every count is what was sent, for the end and
// for each port.
func TestStatsOfEachSender(t *testing.T) {
	for _, pattern := range []Pattern{ReqRep, PubSub} {
		t.Run(pattern.String(), func(t *testing.T) { scriptedSenders(t, pattern) })
	}
}

func scriptedSenders(t *testing.T, pattern Pattern) {
	kind := map[Pattern]zmq4.Type{ReqRep: zmq4.REQ, PubSub: zmq4.XPUB}[pattern] // it reports subscriptions
	o := Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, MultiserverMode: true, Stamp: true, QueueFrames: 1000}
	if pattern == PubSub {
		o.QueueFrames = 12
	} else {
		o.Latest = true
	}
	recv := mustNew(t, o)
	pixels := strings.Repeat("x", 100)
	want := map[string]PortStats{}
	var total PortStats
	messages, malformed := uint64(0), uint64(0)
	say := func(b *bare, port string, seq int, parts ...string) {
		head := fmt.Sprintf(`{"port": "%s", "terminate_flag": false, "compression": false, "message": {"seq": %d, "t": 1764547200.5, "message": null}, "dtype": "uint8", "shape": [100]}`, port, seq)
		all := [][]byte{[]byte(head)}
		for _, p := range parts {
			all = append(all, []byte(p))
		}
		p := want[port]
		if len(parts) == 1 && len(parts[0]) == len(pixels) {
			size := uint64(len(head) + len(pixels))
			p.Frames, p.Bytes = p.Frames+1, p.Bytes+size
			total.Frames, total.Bytes = total.Frames+1, total.Bytes+size
		} else {
			p.Malformed++
			malformed++
		}
		want[port] = p
		messages++
		b.send(all...)
		if pattern == ReqRep && b.recv(testTimeout) == nil {
			t.Fatal("no answer")
		}
		await(t, "the message", func() bool { s := recv.Stats(); return s.Frames+s.Malformed == messages })
	}
	for i, port := range []string{"11", "12", "13"} {
		b := newBare(t, kind, recv)
		awaitPeers(t, recv, i+1)
		if pattern == PubSub {
			if b.recv(testTimeout) == nil {
				t.Fatal("no subscription")
			}
		}
		for k := range 4 * (i + 1) { // 4, 8 and 12 frames, the sender's number
			say(b, port, 1+k*(i+1), pixels) // of which i are missing between two
		}
		for range i {
			say(b, port, 0, "too long")
		}
		b.send([]byte("{"))
		malformed++
		messages++
		if pattern == ReqRep && b.recv(testTimeout) == nil {
			t.Fatal("no answer")
		}
		p := want[port]
		p.Missed = uint64(i * (4*(i+1) - 1))
		total.Missed += p.Missed
		// Latest keeps one of each sender; the lossy queue the first twelve of all.
		p.Queue = 1
		if pattern == PubSub {
			p.Queue = []int{4, 8, 0}[i]
		}
		p.Dropped = p.Frames - uint64(p.Queue)
		total.Dropped, total.Queue = total.Dropped+p.Dropped, total.Queue+p.Queue
		want[port] = p
	}
	await(t, "the last message", func() bool { return recv.Stats().Malformed == malformed })
	s := recv.Stats()
	if s.Frames != total.Frames || s.Bytes != total.Bytes || s.Dropped != total.Dropped || s.Malformed != malformed || s.Missed != total.Missed || s.Queue != total.Queue ||
		s.QueueBytes < int64((len(pixels)+frameOverhead)*s.Queue) || s.QueueBytes > int64((len(pixels)+frameOverhead+100)*s.Queue) || s.Latency.Frames != total.Frames || s.Connected != 3 || s.Lost+s.Refused+s.Retries+s.Unsent+s.Discarded+s.Delivered != 0 {
		t.Errorf("the end: %+v", s)
	}
	for port, p := range s.Ports {
		w := want[port]
		if p.Latency.Frames != w.Frames || p.Latency.Last <= 0 || p.Latency.Max < p.Latency.Mean || p.Last.IsZero() {
			t.Errorf("port %s: %+v", port, p)
		}
		p.Latency, p.Last = LatencyStats{}, time.Time{}
		if p != w {
			t.Errorf("port %s: %+v, not %+v", port, p, w)
		}
	}
	if len(s.Ports) != 3 {
		t.Errorf("%d ports", len(s.Ports))
	}
	ctx := testContext(t)
	for range total.Queue {
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if s := recv.Stats(); s.Queue != 0 || s.QueueBytes != 0 || s.Delivered != uint64(total.Queue) || s.Ports["11"].Queue != 0 {
		t.Errorf("after all were received: %+v", s)
	}
}

func TestMultiserver(t *testing.T) {
	for _, pattern := range []Pattern{ReqRep, PubSub} {
		t.Run(pattern.String(), func(t *testing.T) {
			ports := []string{"0", "0", "0"}
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Ports: ports, Pattern: pattern, MultiserverMode: true, HighWaterMark: 100})
			ctx := testContext(t)
			var senders []*NetGear
			ports = recv.Ports()
			for i := range ports {
				senders = append(senders, mustNew(t, Options{Address: "127.0.0.1", Port: ports[i], Pattern: pattern, MultiserverMode: true, HighWaterMark: 100}))
			}
			for _, s := range senders {
				if pattern == PubSub {
					awaitSubscription(t, recv, s)
				}
			}
			for i, s := range senders {
				if _, err := s.SendArray(ctx, testArray(i, "uint8", 9, 9), i); err != nil {
					t.Fatal(err)
				}
				f := mustRecv(t, recv, ctx)
				if f.Port != ports[i] || f.Message.Value() != int64(i) {
					t.Errorf("frame of %s came from %q with %v", ports[i], f.Port, f.Message)
				}
				f.Close()
			}
			// The stream ends with the last terminate message.
			for _, s := range senders[:2] {
				s.Close()
			}
			if _, err := senders[2].SendArray(ctx, testArray(0, "uint8", 9, 9), "last"); err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, ctx)
			if f.Message.Value() != "last" {
				t.Errorf("got %v", f.Message)
			}
			f.Close()
			senders[2].Close()
			if _, err := recv.Recv(ctx); err != io.EOF {
				t.Errorf("after the last goodbye: %v", err)
			}
		})
	}
}
