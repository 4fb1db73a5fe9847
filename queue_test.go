package netgear

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// A full queue makes the sender wait and loses nothing.
func TestBackPressure(t *testing.T) {
	for name, o := range map[string]Options{
		"frames": {QueueFrames: 3},
		"bytes":  {QueueBytes: 20000, JPEGCompression: JPEGOff},
	} {
		t.Run(name, func(t *testing.T) {
			recv, send := openPair(t, o)
			ctx := testContext(t)
			const frames = 30
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for i := range frames {
					if _, err := send.SendArray(ctx, testArray(i, "uint8", 50, 50, 3), i); err != nil {
						t.Error(err)
					}
				}
			}()
			await(t, "the queue to fill", func() bool {
				recv.recv.queue.mu.Lock()
				defer recv.recv.queue.mu.Unlock()
				return recv.recv.queue.full
			})
			if q := recv.Stats().Queue; q != 3 {
				t.Errorf("%d frames are queued", q)
			}
			for i := range frames {
				f, err := recv.Recv(ctx)
				if err != nil || f.Message.Value() != int64(i) {
					t.Fatalf("frame %d: %v, %v", i, f.Message, err)
				}
				f.Close()
			}
			<-sent
		})
	}
}

// Latest returns the newest frame and counts the skipped ones.
func TestLatest(t *testing.T) {
	for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
		recv, send := openPair(t, Options{Latest: true, JPEGCompression: c})
		ctx := testContext(t)
		const frames = 40
		for i := range frames {
			if _, err := send.SendArray(ctx, testArray(i, "uint8", 50, 50, 3), i); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "the last frame", func() bool { return recv.Stats().Dropped == frames-1 })
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if f.Message.Value() != int64(frames-1) {
			t.Errorf("got frame %v", f.Message)
		}
		f.Close()
		if s := recv.Stats(); s.Dropped != frames-1 || s.Delivered != 1 || s.Queue != 0 {
			t.Errorf("%+v", s)
		}
		send.Close()
		if _, err := recv.Recv(ctx); err != io.EOF {
			t.Errorf("after the goodbye: %v", err)
		}
	}
}

// decodingQueue returns a queue of an application that reads no pixels any
// more. A worker still decodes the first frame; the second is undecoded.
func decodingQueue(t *testing.T) (q *recvQueue, first, second *Frame) {
	t.Helper()
	use := &useHistory{}
	for range usesKept {
		use.note(false)
	}
	q = newRecvQueue(&link{settings: *defaultSettings(), ctx: testContext(t)}, use)
	frames := [2]*Frame{}
	for i := range frames {
		f, err := NewJPEGFrame(testJPEG(t, 16, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		q.push(f)
		frames[i] = f
	}
	q.items[0].state = decoding
	return q, frames[0], frames[1]
}

// A frame behind one that turns out to be damaged is returned, also if the
// application has ceased to read pixels meanwhile, so that none is decoded.
func TestFrameBehindADamagedOne(t *testing.T) {
	q, damaged, next := decodingQueue(t)
	<-q.ready
	type result struct {
		f   *Frame
		err error
	}
	got := make(chan result, 1)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	go func() {
		f, err := q.pop(ctx)
		got <- result{f, err}
	}()
	await(t, "Recv to wait", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.waiting == 1
	})
	q.mu.Lock()
	q.finishDecode(damaged, turbojpeg.ErrCorrupt)
	q.mu.Unlock()
	if r := <-got; r.f != next {
		t.Errorf("%v, %v", r.f, r.err)
	}
}

// A frame that turns out to be damaged after Close counts once.
func TestDamagedFrameAfterDiscard(t *testing.T) {
	for err, want := range map[error]uint64{nil: 2, turbojpeg.ErrStopped: 2, turbojpeg.ErrCorrupt: 1} {
		q, first, _ := decodingQueue(t)
		q.discard(ErrClosed)
		q.report(first, true, err)
		q.mu.Lock()
		q.finishDecode(first, err)
		q.mu.Unlock()
		counts := &q.link.counters
		_, malformed := counts.malformed.stats()
		if discarded := counts.discarded.Load(); discarded != want || discarded+malformed != 2 {
			t.Errorf("%v: %d discarded, %d malformed", err, discarded, malformed)
		}
	}
}

// A queue that stays full is logged once, and again when it is full again.
func TestFullQueueIsLogged(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			logged := newLines()
			recv, send := openPair(t, Options{Pattern: pattern, QueueFrames: 1, MaxRetries: -1}, func(r, s *Options) {
				r.RequestTimeout, r.Logger = 20*time.Millisecond, slog.New(logged)
			})
			ctx := testContext(t)
			const full = "the queue is full"
			for round := range 2 {
				before := logged.with(full)
				if _, err := send.SendArray(ctx, testArray(0, "uint8", 5, 5), nil); err != nil {
					t.Fatal(err)
				}
				await(t, "the log line", func() bool { return logged.with(full) > before })
				warned := time.Now()
				f, err := recv.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				await(t, "the next line, of which there is one a second", func() bool { return round == 1 || time.Since(warned) > time.Second })
			}
		})
	}
}

// Where the receive end's queue is full, both ends name that as the cause.
func TestFullQueueIsNamed(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			logged, refusals := newLines(), make(chan error, 100)
			recv, send := openPair(t, Options{Pattern: pattern, QueueFrames: 1}, func(r, s *Options) {
				r.Logger, r.OnEvent = slog.New(logged), func(e Event) {
					if e.Kind == EventRefused {
						refusals <- e.Err
					}
				}
			})
			ctx, frame := testContext(t), testArray(0, "uint8", 5, 5)
			if _, err := send.SendArray(ctx, frame, nil); err != nil {
				t.Fatal(err)
			}
			for range manyFruitless + 1 {
				short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
				_, err := send.SendArray(short, frame, nil)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "application take") {
					t.Errorf("send: %v", err)
				}
			}
			if pattern == Pair {
				if err := <-refusals; !errors.Is(err, errQueueFull) {
					t.Errorf("refused: %v", err)
				}
				return
			}
			await(t, "connections to be lost", func() bool { return recv.Stats().Lost >= manyFruitless })
			if logged.with("before anything came") != 0 {
				t.Error("connections of senders that gave up are logged as fruitless")
			}
		})
	}
}

// With Latest a frame replaces those before it, but not the errors between them.
// Errors alone must not fill the queue of an application that takes nothing.
func TestErrorsDoNotPileUp(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"a frame replaces another": func(*Options) {},
		"for its bytes":            func(o *Options) { o.QueueBytes = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{ReceiveMode: true, Latest: true}
			change(&o)
			l, err := newLink(o)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close(0)
			q := newRecvQueue(l, new(useHistory))
			defer q.discard(ErrClosed)
			for range 10 {
				q.pushError(ErrPeerGone)
				f, err := NewFrame(testArray(0, "uint8", 4, 4), nil)
				if err != nil {
					t.Fatal(err)
				}
				q.push(f)
			}
			var errs int
			for _, it := range q.items {
				if it.err != nil {
					errs++
				}
			}
			if errs > 1 || len(q.items) > 2 {
				t.Errorf("%d errors in a queue of %d", errs, len(q.items))
			}
		})
	}
}

// latestQueue returns the queue of a receive end with Latest whose application
// reads no pixels, and a function that pushes a frame of a port.
func latestQueue(t *testing.T, o Options) (q *recvQueue, push func(port string)) {
	t.Helper()
	use := &useHistory{}
	for range usesKept {
		use.note(false)
	}
	o.ReceiveMode, o.Pattern, o.MultiserverMode, o.Latest = true, ReqRep, true, true
	q = newRecvQueue(&link{settings: newSettings(o), ctx: testContext(t), perPort: newPerPortStats(false)}, use)
	return q, func(port string) {
		t.Helper()
		f, err := NewJPEGFrame(testJPEG(t, 16, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Port = port
		q.push(f)
	}
}

// With Latest each sender of Ports has a place, also where QueueFrames is as small
// and others have an error, or a frame that is being decoded, in the queue.
func TestLatestKeepsPlacesForSenders(t *testing.T) {
	for name, before := range map[string]func(q *recvQueue, push func(string)){
		"an error": func(q *recvQueue, _ func(string)) { q.pushError(ErrPeerGone) },
		"a frame that is being decoded": func(q *recvQueue, push func(string)) {
			push("1")
			q.items[0].state = decoding
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, push := latestQueue(t, Options{Ports: []string{"1", "2"}, QueueFrames: 1})
			before(q, push)
			push("2")
			push("1")
			var ports []string
			for _, it := range q.items {
				if it.replaceable() {
					ports = append(ports, it.frame.Port)
				}
			}
			if !slices.Equal(ports, []string{"2", "1"}) {
				t.Errorf("the frames that wait are of %v", ports)
			}
			for i := range q.items {
				q.items[i].state = decoded
			}
			q.discard(ErrClosed)
		})
	}
}

// With Latest and a slow application each sender has its turn, however fast
// another one sends.
func TestLatestServesSendersInTurn(t *testing.T) {
	q, push := latestQueue(t, Options{Ports: []string{"1", "2", "3"}})
	got := ""
	for range 9 {
		for _, port := range []string{"1", "2", "1", "3", "1", "1"} {
			push(port)
		}
		f, err := q.pop(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		got += f.Port
		f.Close()
	}
	if got != "123123123" {
		t.Errorf("the senders of the frames are %s", got)
	}
	q.discard(ErrClosed)
}

// Each of many senders has a place, and the number of places is bounded where
// senders invent their ports.
func TestLatestHasAPlaceForEachSender(t *testing.T) {
	var ports []string
	for n := range 200 {
		ports = append(ports, strconv.Itoa(10000+n))
	}
	for name, c := range map[string]struct {
		options Options
		want    int
	}{
		"listed":   {Options{Ports: ports}, 200},
		"invented": {Options{Ports: []string{"1"}}, defaultQueueFrames},
		"set":      {Options{Ports: []string{"1"}, QueueFrames: 150}, 150},
	} {
		q, push := latestQueue(t, c.options)
		for range 2 {
			for _, port := range ports {
				push(port)
			}
		}
		if len(q.items) != c.want || q.items[len(q.items)-1].frame.Port != ports[199] {
			t.Errorf("%s: %d frames wait, want %d", name, len(q.items), c.want)
		}
		q.discard(ErrClosed)
	}
}

// No frame overtakes an error that came before it.
func TestLatestKeepsErrorsInOrder(t *testing.T) {
	q, push := latestQueue(t, Options{Ports: []string{"1", "2"}})
	push("1")
	q.pushError(ErrTimeout)
	push("1")
	push("2")
	push("1")
	var got []string
	for len(q.items) > 0 {
		f, err := q.pop(testContext(t))
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, f.Port)
		f.Close()
	}
	if want := []string{ErrTimeout.Error(), "1", "2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Frames are decoded ahead as far as QueueBytes has room for their pixels, and the
// first one in any case: JPEGs of a few bytes may have many.
func TestQueueBytesBoundDecoding(t *testing.T) {
	jpeg := testJPEG(t, 64, 64)
	const pixels = 64 * 64 * 3
	for _, c := range []struct {
		room  int64 // of QueueBytes, beside the JPEGs
		ahead int   // frames that are decoded
	}{{-1, 1}, {1, 1}, {2*pixels - 1, 1}, {2 * pixels, 2}, {3*pixels + 1, 3}, {9 * pixels, 4}} {
		use := &useHistory{policy: DecodeAhead}
		q := newRecvQueue(&link{settings: newSettings(Options{ReceiveMode: true}), ctx: testContext(t)}, use)
		q.workers, q.started, q.maxBytes = 2, true, 1<<30 // this test does what the workers do
		for range 6 {
			f, err := NewJPEGFrame(jpeg, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			q.push(f)
		}
		q.maxBytes = q.bytes + c.room
		decodeAll := func() (n int) {
			for it := q.nextUndecoded(); it != nil; it = q.nextUndecoded() {
				it.state = decoded
				it.bytes += it.frame.decodingBytes()
				q.bytes += it.frame.decodingBytes()
				n++
			}
			return n
		}
		if n := decodeAll(); n != c.ahead {
			t.Errorf("with room for %d bytes %d frames of %d are decoded, not %d", c.room, n, pixels, c.ahead)
		}
		for len(q.items) > 0 { // each that is taken makes room for others
			if _, ok, _ := q.take(); !ok {
				t.Fatalf("with room for %d bytes the first frame is not decoded", c.room)
			}
			decodeAll()
			if len(q.items) > 1 && q.items[1].state == decoded && q.bytes > q.maxBytes {
				t.Errorf("with room for %d bytes the queue has %d more", c.room, q.bytes-q.maxBytes)
			}
		}
	}
}

// All workers end when the application has taken the last frame, also where the room
// in the queue was for one at a time.
func TestQueueWorkersEnd(t *testing.T) {
	jpeg := testJPEG(t, 64, 64)
	for range 40 {
		q := newRecvQueue(&link{settings: newSettings(Options{ReceiveMode: true}), ctx: testContext(t)}, &useHistory{policy: DecodeAhead})
		q.workers, q.maxBytes, q.maxFrames = 4, 1, 100
		for range 6 {
			f, err := NewJPEGFrame(jpeg, nil)
			if err != nil {
				t.Fatal(err)
			}
			q.push(f)
		}
		q.finish(io.EOF)
		for f, err := q.pop(testContext(t)); err == nil; f, err = q.pop(testContext(t)) {
			f.Close()
		}
		peertest.Ends(t, testTimeout, "the last worker", q.gone.Wait)
	}
}
