package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

var allPatterns = []Pattern{Pair, ReqRep, PubSub}

// The matrix: wire × pattern × protocol × attachment × compression. Every frame
// arrives, in order, with its message; raw pixels to the bit, JPEG pixels as
// the codec alone would give them.
func TestMatrix(t *testing.T) {
	wires := map[Wire][]Pattern{NetGearWire: allPatterns, AsyncWire: {Pair, ReqRep, PubSub, PushPull}}
	compressions := map[Wire][]Colorspace{NetGearWire: {JPEGOff, JPEGDefault, JPEGGray, "RGB", "BGRA", "CMYK"}, AsyncWire: {JPEGOff}}
	for wire, patterns := range wires {
		for _, link := range []struct {
			name string
			set  func(*Options)
		}{
			{"tcp", func(*Options) {}},
			{"ipv6", func(o *Options) { o.Address = "::1" }},
			{"ipc", func(o *Options) { o.Protocol = "ipc" }},
			{"tcp-swapped", func(o *Options) { o.Attach = swapped(o.ReceiveMode) }},
		} {
			for _, pattern := range patterns {
				for _, c := range compressions[wire] {
					name := fmt.Sprintf("%v/%v/%s/jpeg=%s", wire, pattern, link.name, c)
					t.Run(name, func(t *testing.T) {
						o := Options{Wire: wire, Pattern: pattern, JPEGCompression: c, HighWaterMark: 100}
						recv, send := openPair(t, o, func(r, s *Options) { link.set(r); link.set(s) })
						if pattern == PubSub {
							awaitSubscription(t, recv, send)
						}
						exchange(t, recv, send, c)
					})
				}
			}
		}
	}
}

// swapped attaches each end the other way round.
func swapped(receive bool) Attachment {
	if receive {
		return AttachConnect
	}
	return AttachBind
}

// awaitSubscription sends until the newest of its frames comes through. Then
// none is left on the way, and the next one finds the pipe empty: with a
// high-water mark of 1 it would be dropped behind another.
func awaitSubscription(t *testing.T, recv, send *NetGear) {
	t.Helper()
	ctx := testContext(t)
	for i := int64(0); ; i++ {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 1, 1), i); err != nil {
			t.Fatal(err)
		}
		for {
			brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			f, err := recv.Recv(brief)
			cancel()
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			newest := f.Message.Value() == i
			f.Close()
			if newest {
				return
			}
		}
	}
}

func mustRecv(t *testing.T, recv *NetGear, ctx context.Context) *Frame {
	t.Helper()
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func exchange(t *testing.T, recv, send *NetGear, c Colorspace) {
	const frames = 5
	ctx := testContext(t)
	channels := 3
	if cs, err := turbojpeg.ParseColorspace(string(c)); err == nil {
		channels = cs.Channels()
	}
	shape := []int{33, 47, channels}
	if channels == 1 {
		shape = shape[:2]
	}
	var sending sync.WaitGroup
	sending.Add(1)
	go func() {
		defer sending.Done()
		for i := range frames {
			a := testArray(i, "uint8", shape...)
			if _, err := send.SendArray(ctx, a, map[string]any{"i": i}); err != nil {
				t.Error(err)
			}
			clear(a.Data) // the promise: it may be reused
		}
	}()
	for i := range frames {
		f := mustRecv(t, recv, ctx)
		want := testArray(i, "uint8", shape...)
		if c != JPEGOff {
			want.Data = throughCodec(t, &send.link.settings, want)
		}
		if got := f.Array(); got.DType != "uint8" || !slices.Equal(got.Shape, shape) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("frame %d arrived changed: %s %v", i, got.DType, got.Shape)
		}
		if got := f.Message.String(); got != fmt.Sprintf(`{"i": %d}`, i) {
			t.Errorf("frame %d came with message %s", i, got)
		}
		f.Close()
	}
	sending.Wait()
	send.Close()
	if _, err := recv.Recv(ctx); err != io.EOF {
		t.Errorf("after the goodbye: %v", err)
	}
	if _, err := recv.Recv(ctx); err != io.EOF {
		t.Errorf("and again: %v", err)
	}
}

// throughCodec is what a JPEG of the array decodes to.
func throughCodec(t *testing.T, n *settings, a Array) []byte {
	t.Helper()
	p, err := n.arrayPayload(a)
	if err != nil {
		t.Fatal(err)
	}
	enc, _ := turbojpeg.NewEncoder()
	defer enc.Close()
	dec, _ := turbojpeg.NewDecoder()
	defer dec.Close()
	buf, err := n.encodeJPEG(&p, enc)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Release()
	out := make([]byte, len(a.Data))
	if err := dec.DecodeInto(out, buf.Bytes(), a.Shape[1]*p.coding.colorspace.Channels(), p.coding.colorspace, n.decodeOptions()); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every dtype of the captures, and shapes that Python tells apart, arrive as
// they were, with JPEG on: what a JPEG cannot hold goes raw.
func TestDTypesAndShapes(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	for _, name := range numpy.Names() {
		for _, shape := range [][]int{{4, 6}, {4, 6, 1}, {4, 6, 3}, {4, 6, 5}, {24}, {2, 3, 4, 5}, {}} {
			t.Run(fmt.Sprint(name, shape), func(t *testing.T) {
				a := testArray(3, name, shape...)
				if _, err := send.SendArray(ctx, a, nil); err != nil {
					t.Fatal(err)
				}
				f, err := recv.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				lossy := name == "uint8" && (len(shape) == 2 || len(shape) == 3 && shape[2] == 3)
				if f.DType() != name || !slices.Equal(f.Shape(), shape) || !lossy && !bytes.Equal(f.Bytes(), a.Data) {
					t.Errorf("arrived as %s %v", f.DType(), f.Shape())
				}
				if lossy != (f.JPEG() != nil) {
					t.Errorf("went as JPEG: %v", !lossy)
				}
			})
		}
	}
}

func TestBigEndianIsSwapped(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	for code, want := range map[string]struct {
		name string
		data []byte
	}{
		">u2": {"uint16", []byte{2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15}},
		">f4": {"float32", []byte{4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13}},
		">f8": {"float64", []byte{8, 7, 6, 5, 4, 3, 2, 1, 16, 15, 14, 13, 12, 11, 10, 9}},
		">c8": {"complex64", []byte{4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13}},
		"<u2": {"uint16", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		"|b1": {"bool", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		"<U2": {"<U2", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
	} {
		data := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		d, _ := numpy.Parse(code)
		shape := []int{16 / max(d.Size, 8)}
		if d.Size > 0 {
			shape[0] = 16 / d.Size
		}
		if _, err := send.SendArray(ctx, Array{DType: code, Shape: shape, Data: data}, nil); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if f.DType() != want.name || !bytes.Equal(f.Bytes(), want.data) {
			t.Errorf("%s arrived as %s % x", code, f.DType(), f.Bytes())
		}
		f.Close()
	}
}

func TestMessages(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	ctx := testContext(t)
	type camera struct {
		Name string   `json:"name"`
		FPS  *float64 `json:"fps,omitempty"`
	}
	inf := math.Inf(-1)
	for _, c := range []struct {
		send any
		text string
	}{
		{nil, "null"}, {"hi ☃ 𝄞", `"hi \u2603 \ud834\udd1e"`}, {7, "7"}, {uint64(math.MaxUint64), "18446744073709551615"},
		{2.0, "2.0"}, {1e300, "1e+300"}, {math.NaN(), "NaN"}, {inf, "-Infinity"}, {true, "true"}, {false, "false"},
		{[]any{1, "a", nil}, `[1, "a", null]`}, {map[string]int{"b": 1, "a": 2}, `{"a": 2, "b": 1}`}, {"", `""`}, {[]int{}, "[]"},
		{camera{Name: "door", FPS: &inf}, `{"name": "door", "fps": -Infinity}`}, {map[int]int{3: 4}, `{"3": 4}`},
	} {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), c.send); err != nil {
			t.Fatal(err)
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Message.String(); got != c.text {
			t.Errorf("%v arrived as %s, not %s", c.send, got, c.text)
		}
		// A message sent on is the same message.
		if again, err := asJSON.encodeMessage(f.Message); err != nil || again.String() != c.text {
			t.Errorf("%s sent on as %s, %v", c.text, again, err)
		}
		if f.Message.IsNone() != (c.send == nil) {
			t.Errorf("%s: IsNone is %v", c.text, f.Message.IsNone())
		}
		f.Close()
	}
	var back camera
	if err := (Message{raw: []byte(`{"name": "door", "fps": -Infinity}`)}).Decode(&back); err != nil || *back.FPS != inf {
		t.Errorf("decoded %+v, %v", back, err)
	}
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), make(chan int)); !errors.Is(err, ErrMessage) {
		t.Errorf("a channel as message: %v", err)
	}
}

func TestFramesThatCannotBeSent(t *testing.T) {
	_, send := openPair(t, Options{})
	ctx := testContext(t)
	for name, a := range map[string]Array{
		"nothing":          {},
		"empty":            {DType: "uint8", Shape: []int{0, 5}},
		"short":            {DType: "uint8", Shape: []int{2, 3}, Data: make([]byte, 5)},
		"long":             {DType: "uint16", Shape: []int{2, 3}, Data: make([]byte, 13)},
		"negative":         {DType: "uint8", Shape: []int{-2, -3}, Data: make([]byte, 6)},
		"overflow":         {DType: "uint8", Shape: []int{1 << 32, 1 << 32, 4}, Data: make([]byte, 6)},
		"objects":          {DType: "object", Shape: []int{1}, Data: make([]byte, 8)},
		"object code":      {DType: "|O", Shape: []int{1}, Data: make([]byte, 8)},
		"a quote in dtype": {DType: `<U"`, Shape: []int{1}, Data: make([]byte, 8)},
		"65 dimensions":    {DType: "uint8", Shape: slices.Repeat([]int{1}, 65), Data: make([]byte, 1)},
	} {
		if _, err := send.SendArray(ctx, a, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := send.SendJPEG(ctx, []byte("no JPEG"), nil); !errors.Is(err, ErrFrame) {
		t.Errorf("no JPEG: %v", err)
	}
}

// A JPEG passes through unchanged, from SendJPEG over Frame.JPEG and SendFrame.
func TestJPEGAsItIs(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	further, relay := openPair(t, Options{})
	ctx := testContext(t)
	enc, _ := turbojpeg.NewEncoder()
	defer enc.Close()
	a := testArray(1, "uint8", 48, 64, 3)
	s := newSettings(Options{})
	p, _ := s.arrayPayload(a)
	buf, err := s.encodeJPEG(&p, enc)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Release()
	go func() {
		if _, err := send.SendJPEG(ctx, buf.Bytes(), "m"); err != nil {
			t.Error(err)
		}
		if _, err := send.SendArray(ctx, a, nil); err != nil {
			t.Error(err)
		}
	}()
	for i, want := range [][]byte{buf.Bytes(), nil} {
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.JPEG(), want) {
			t.Errorf("frame %d came with another JPEG", i)
		}
		if _, err := relay.SendFrame(ctx, f, f.Message); err != nil {
			t.Fatal(err)
		}
		g, err := further.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(g.JPEG(), want) || !bytes.Equal(g.Bytes(), f.Bytes()) || g.Message.String() != f.Message.String() {
			t.Errorf("frame %d changed on its way through a relay", i)
		}
		f.Close()
		g.Close()
		if _, err := relay.SendFrame(ctx, f, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("a closed frame sent on: %v", err)
		}
	}
}

// A frame that the application has dropped is freed by the garbage collector, but
// not while it is being sent on.
func TestDroppedFrameStaysWhileItIsSent(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: ReqRep})
	ctx := testContext(t)
	go send.SendArray(ctx, testArray(1, "uint8", 48, 64, 3), nil)
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	frame := weak.Make(f)
	far := newBare(t, zmq4.REP, nil)
	relay := mustNew(t, Options{Pattern: ReqRep, Address: "127.0.0.1", Port: far.port()})
	sent := make(chan error)
	go func() {
		_, err := relay.SendFrame(ctx, f, nil) // the last that is heard of f
		sent <- err
	}()
	parts := far.recv(patience) // and no answer yet
	runtime.GC()
	if frame.Value() == nil {
		t.Error("the frame was given up while it was being sent")
	}
	far.send([]byte("received"))
	if err := <-sent; err != nil || len(parts) != 2 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}

func TestFrameAfterClose(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 16, 16, 3), nil); err != nil {
		t.Fatal(err)
	}
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	recv.Close()
	if len(f.Bytes()) != 16*16*3 || len(f.JPEG()) == 0 {
		t.Error("the frame did not outlive its receive end")
	}
	f.Close()
	f.Close()
	if f.Bytes() != nil || f.JPEG() != nil {
		t.Error("a closed frame hands out memory")
	}
	if _, err := f.Image(); !errors.Is(err, ErrFrame) {
		t.Errorf("Image of a closed frame: %v", err)
	}
}

// ---- bidirectional, multi-server, multi-client ----

func TestBidirectional(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		for _, c := range []Colorspace{JPEGOff, JPEGDefault} {
			t.Run(fmt.Sprintf("%v/jpeg=%s", pattern, c), func(t *testing.T) {
				recv, send := openPair(t, Options{Pattern: pattern, JPEGCompression: c, BidirectionalMode: true})
				ctx := testContext(t)
				round := func() Reply {
					t.Helper()
					r, err := send.SendArray(ctx, testArray(0, "uint8", 8, 8, 3), nil)
					if err != nil {
						t.Fatal(err)
					}
					f, err := recv.Recv(ctx)
					if err != nil {
						t.Fatal(err)
					}
					f.Close()
					return r
				}
				if r := round(); r.PythonType != "NoneType" || !r.Data.IsNone() {
					t.Errorf("before SetReturnData: %+v", r)
				}
				for _, data := range []any{"s", 7, 1.5, true, []int{1}, map[string]int{"a": 1}, Tuple{1, 2}, nil} {
					if err := recv.SetReturnData(data); err != nil {
						t.Fatal(err)
					}
					want, _ := asJSON.encodeMessage(data)
					if r := round(); r.Data.String() != want.String() || r.Array != nil {
						t.Errorf("%v came back as %+v", data, r)
					}
				}
				a := testArray(5, "uint8", 24, 16, 3)
				for range 2 {
					if err := recv.SetReturnData(a); err != nil {
						t.Fatal(err)
					}
				}
				want := a.Data
				if c != JPEGOff {
					want = throughCodec(t, &recv.link.settings, a)
				}
				for range 3 {
					if r := round(); r.PythonType != "ndarray" || r.Array == nil || !bytes.Equal(r.Array.Data, want) || !slices.Equal(r.Array.Shape, a.Shape) {
						t.Errorf("the array came back as %s %v", r.PythonType, r.Array)
					}
				}
			})
		}
	}
}

func TestReturnNeedsItsMode(t *testing.T) {
	recv, send := openPair(t, Options{})
	if err := recv.SetReturnData(1); !errors.Is(err, ErrMode) {
		t.Errorf("plain mode: %v", err)
	}
	if err := send.SetReturnData(1); !errors.Is(err, ErrMode) {
		t.Errorf("send end: %v", err)
	}
}

func TestMultiserver(t *testing.T) {
	for _, pattern := range []Pattern{ReqRep, PubSub} {
		t.Run(pattern.String(), func(t *testing.T) {
			ports := []string{"0", "0", "0"}
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Ports: ports, Pattern: pattern, MultiserverMode: true, HighWaterMark: 100})
			ctx := testContext(t)
			var senders []*NetGear
			for i, ep := range recv.Endpoints() {
				ports[i] = ep[strings.LastIndexByte(ep, ':')+1:]
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
			// The end comes with the last goodbye.
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

// ---- ends ----

func TestWrongMode(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	if _, err := recv.SendArray(ctx, testArray(0, "uint8", 2, 2), nil); !errors.Is(err, ErrMode) {
		t.Errorf("sending at a receive end: %v", err)
	}
	if _, err := send.Recv(ctx); !errors.Is(err, ErrMode) {
		t.Errorf("receiving at a send end: %v", err)
	}
	for _, err := range send.Frames(ctx) {
		if !errors.Is(err, ErrMode) {
			t.Errorf("frames of a send end: %v", err)
		}
	}
}

// Every blocking call ends with its context, whatever it waits for.
func TestContextEndsEveryWait(t *testing.T) {
	for _, pattern := range allPatterns {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		if _, err := recv.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: Recv: %v", pattern, err)
		}
		cancel()
		if _, err := recv.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: Recv with a context that has ended: %v", pattern, err)
		}
	}
	for _, pattern := range []Pattern{Pair, ReqRep} {
		nobody := newBare(t, zmq4.PUSH, nil) // takes the connection and says nothing that helps
		for name, o := range map[string]Options{
			"no peer":       {Address: "127.0.0.1", Port: "1", Pattern: pattern},
			"another kind":  {Address: "127.0.0.1", Port: nobody.port(), Pattern: pattern},
			"bound, nobody": {Address: "127.0.0.1", Port: "0", Attach: AttachBind, Pattern: pattern},
		} {
			send := mustNew(t, o)
			for range 2 { // the first leaves an exchange half done
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
				if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v, %s: Send: %v", pattern, name, err)
				}
				cancel()
			}
		}
	}
}

// A caller's turn to send ends with its context too.
func TestContextEndsTheWaitForATurn(t *testing.T) {
	send := mustNew(t, Options{Address: "127.0.0.1", Port: "1"})
	first := make(chan error, 1)
	go func() {
		_, err := send.SendArray(context.Background(), testArray(0, "uint8", 2, 2), nil)
		first <- err
	}()
	await(t, "the first Send to take its turn", func() bool { return len(send.send.sendMu) == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 2, 2), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second: %v", err)
	}
	send.Close()
	if err := <-first; !errors.Is(err, ErrClosed) {
		t.Errorf("the first, after Close: %v", err)
	}
}

// Close from another goroutine ends what waits, and is idempotent.
func TestCloseEndsEveryWait(t *testing.T) {
	for _, pattern := range allPatterns {
		t.Run("Recv/"+pattern.String(), func(t *testing.T) {
			recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
			done := make(chan error, 3)
			for range 3 {
				go func() {
					_, err := recv.Recv(context.Background())
					done <- err
				}()
			}
			await(t, "the callers to wait", func() bool {
				recv.recv.queue.mu.Lock()
				defer recv.recv.queue.mu.Unlock()
				return recv.recv.queue.waiting == 3
			})
			var closers sync.WaitGroup
			for range 3 {
				closers.Add(1)
				go func() {
					defer closers.Done()
					recv.Close()
				}()
			}
			closers.Wait()
			for range 3 {
				if err := <-done; !errors.Is(err, ErrClosed) {
					t.Errorf("got %v", err)
				}
			}
			for range recv.Frames(context.Background()) {
				t.Error("a closed end has frames")
			}
		})
		t.Run("Send/"+pattern.String(), func(t *testing.T) {
			send := mustNew(t, Options{Address: "127.0.0.1", Port: "1", Pattern: pattern})
			done := make(chan error, 1)
			go func() {
				var err error
				for err == nil { // PubSub sends into the void until it is closed
					_, err = send.SendArray(context.Background(), testArray(0, "uint8", 200, 200), nil)
				}
				done <- err
			}()
			if pattern != PubSub {
				await(t, "the sender to take its turn", func() bool { return len(send.send.sendMu) == 1 })
			}
			send.Close()
			send.Close()
			if err := <-done; !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Close frees the port at once, with other ends open that keep the context.
func TestPortIsFreeAfterClose(t *testing.T) {
	mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	first := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	port := portOf(first)
	first.Close()
	for i := range 200 {
		n, err := New(Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: allPatterns[i%3]})
		if err != nil {
			t.Fatalf("cycle %d: %v", i, err)
		}
		n.Close()
	}
}

// A thousand rounds of opening, sending, receiving and closing at random, from
// many goroutines: no race, no libzmq assertion, nothing left behind.
func TestEndsInEveryOrder(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	for i := range rounds {
		pattern := allPatterns[i%3]
		recv, send := openPair(t, Options{Pattern: pattern, RequestTimeout: 50 * time.Millisecond, Latest: i%2 == 0})
		ctx, cancel := context.WithCancel(context.Background())
		var busy sync.WaitGroup
		spawn := func(f func() error) {
			busy.Add(1)
			go func() {
				defer busy.Done()
				for j := 0; f() == nil && j < 200; j++ {
				}
			}()
		}
		for range 4 {
			spawn(func() error {
				_, err := send.SendArray(ctx, testArray(i, "uint8", 31, 17, 3), i)
				return err
			})
		}
		for range 2 {
			spawn(func() error {
				f, err := recv.Recv(ctx)
				if err == nil {
					f.Close()
				}
				return err
			})
		}
		ends := []func(){cancel, func() { recv.Close() }, func() { send.Close() }}
		for k := range 3 {
			time.Sleep(time.Duration(i%7) * 100 * time.Microsecond) // any moment will do
			ends[(i+k)%3]()
		}
		busy.Wait()
	}
}

// What was queued before the goodbye is handed out; VidGear throws it away.
func TestNothingQueuedIsLostAtTheGoodbye(t *testing.T) {
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
			send = mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv)})
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

// ---- the queue ----

// A full queue holds the sender back and loses nothing.
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

// Latest hands out the newest frame and counts what it passed over.
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

// ---- peers that are not there, or come late, or go ----

func TestLateStart(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		probe := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
		port := portOf(probe)
		probe.Close()
		send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: pattern})
		ctx := testContext(t)
		sent := make(chan error, 1)
		go func() {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), "early")
			sent <- err
		}()
		await(t, "the sender to take its turn", func() bool { return len(send.send.sendMu) == 1 })
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern})
		f, err := recv.Recv(ctx)
		if err != nil || f.Message.Value() != "early" {
			t.Fatalf("%v: %v", pattern, err)
		}
		f.Close()
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

// The receive end restarts in mid-stream, again and again; the sender's
// application notices nothing and no frame is lost.
func TestReceiverRestarts(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			recv, send := openPair(t, Options{Pattern: pattern, RequestTimeout: 300 * time.Millisecond, MaxRetries: -1, QueueFrames: 1})
			port := portOf(recv)
			ctx := testContext(t)
			const frames = 60
			go func() {
				for i := range frames {
					if _, err := send.SendArray(ctx, testArray(i, "uint8", 20, 20), i); err != nil {
						t.Error(err)
					}
				}
				send.Close()
			}()
			next := int64(0)
			for {
				f, err := recv.Recv(ctx)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				i := f.Message.Value().(int64)
				f.Close()
				if i > next {
					t.Fatalf("frame %d came when %d was due", i, next)
				}
				next = i + 1
				if i%20 == 10 {
					// Frames that were answered and queued go with the old one: that is
					// what "answered before the application has seen them" means.
					next = 0
					recv.Close()
					recv = mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern, QueueFrames: 1})
					g, err := recv.Recv(ctx)
					if err != nil {
						t.Fatal(err)
					}
					next = g.Message.Value().(int64) + 1
					g.Close()
				}
			}
			if next != frames {
				t.Errorf("ended at frame %d", next)
			}
		})
	}
}

func TestRetriesRunOutAndComeBack(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		probe := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern})
		port := portOf(probe)
		probe.Close()
		send := mustNew(t, Options{Address: "127.0.0.1", Port: port, Pattern: pattern, RequestTimeout: 40 * time.Millisecond, MaxRetries: 2})
		ctx := testContext(t)
		for range 2 {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil)
			if !errors.Is(err, ErrPeerGone) || errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), port) {
				t.Errorf("%v: %v", pattern, err)
			}
		}
		if got := send.Stats().Retries; got != 2 {
			t.Errorf("%v: %d retries", pattern, got)
		}
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: port, Pattern: pattern})
		sent := false
		for !sent {
			_, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil)
			if err != nil && !errors.Is(err, ErrPeerGone) {
				t.Fatal(err)
			}
			sent = err == nil
		}
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

func TestReceiverWithoutSender(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", RequestTimeout: 10 * time.Millisecond, MaxRetries: 2})
	ctx := testContext(t)
	for range 2 {
		if _, err := recv.Recv(ctx); !errors.Is(err, ErrPeerGone) {
			t.Fatal(err)
		}
	}
	// It went on listening all the while, on the same port.
	send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv)})
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := recv.Recv(ctx)
		if errors.Is(err, ErrPeerGone) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		return
	}
}

// A peer that is connected and silent is not gone.
func TestSilentPeerIsNotGone(t *testing.T) {
	recv, send := openPair(t, Options{RequestTimeout: 10 * time.Millisecond, MaxRetries: 1}, func(r, s *Options) { s.RequestTimeout = time.Second })
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := recv.Recv(ctx)
		if err == nil {
			f.Close()
			break
		}
		if !errors.Is(err, ErrPeerGone) { // before the connection was there
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := recv.Recv(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after ten times the patience: %v", err)
	}
}

func TestSubscriberTimeout(t *testing.T) {
	recv, send := openPair(t, Options{Pattern: PubSub}, func(r, s *Options) { r.SubscriberTimeout = 20 * time.Millisecond })
	ctx := testContext(t)
	for range 2 {
		if _, err := recv.Recv(ctx); !errors.Is(err, ErrTimeout) {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil && recv.Stats().Frames == 0 {
			send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil)
			time.Sleep(time.Millisecond)
		}
	}()
	for {
		f, err := recv.Recv(ctx)
		if err == nil {
			f.Close()
			break
		}
		if !errors.Is(err, ErrTimeout) {
			t.Fatal(err)
		}
	}
	<-done
}

// Two ends with different patterns: an error that says so, from either.
func TestPatternMismatch(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: PubSub})
	send := mustNew(t, Options{Address: "127.0.0.1", Port: portOf(recv), Pattern: ReqRep, RequestTimeout: 300 * time.Millisecond})
	_, err := send.SendArray(testContext(t), testArray(0, "uint8", 9, 9), nil)
	if !errors.Is(err, ErrMismatch) || !errors.Is(err, ErrPeerGone) || !strings.Contains(err.Error(), "pattern") {
		t.Errorf("send end: %v", err)
	}
	await(t, "the receive end to notice", recv.link.mismatched)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := recv.Recv(ctx); !errors.Is(err, ErrMismatch) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("receive end: %v", err)
	}
	if recv.Stats().Refused == 0 {
		t.Error("no refusal was counted")
	}
}

func TestAddresses(t *testing.T) {
	taken := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	ipc, _ := openPair(t, Options{Protocol: "ipc"})
	path := strings.TrimPrefix(ipc.Endpoints()[0], "ipc://")
	path, ipcPort := path[:strings.LastIndexByte(path, ':')], path[strings.LastIndexByte(path, ':')+1:]
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"in use":             {Options{ReceiveMode: true, Address: "127.0.0.1", Port: portOf(taken)}, "another program listens there"},
		"ipc in use":         {Options{ReceiveMode: true, Protocol: "ipc", Address: path, Port: ipcPort}, "another program listens there"},
		"not ours":           {Options{ReceiveMode: true, Address: "192.0.2.44"}, "not an address of this machine"},
		"unknown host":       {Options{Address: "no-such-host.invalid"}, "no-such-host.invalid"},
		"no such folder":     {Options{ReceiveMode: true, Protocol: "ipc", Address: "/no/such/folder/x"}, "folder"},
		"too long for a ipc": {Options{ReceiveMode: true, Protocol: "ipc", Address: "/" + strings.Repeat("x", 200)}, "too long"},
	} {
		_, err := New(c.o)
		if !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStats(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff})
	ctx := testContext(t)
	for i := range 10 {
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 10, 10), nil); err != nil {
			t.Fatal(err)
		}
	}
	awaitPeers(t, send, 1)
	// A frame is answered before it is counted.
	await(t, "the last frame to be counted", func() bool { s := recv.Stats(); return s.Frames == 10 && s.Queue == 10 })
	for range 4 {
		f, err := recv.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if s := recv.Stats(); s.Frames != 10 || s.Delivered != 4 || s.Queue != 6 || s.QueueBytes != 6*(100+frameOverhead) || s.Connected != 1 || s.Bytes != send.Stats().Bytes {
		t.Errorf("receive end: %+v", s)
	}
	if s := send.Stats(); s.Frames != 10 || s.Retries != 0 {
		t.Errorf("send end: %+v", s)
	}
	recv.Close()
	if s := recv.Stats(); s.Discarded != 6 || s.Connected != 0 {
		t.Errorf("after Close: %+v", s)
	}
	await(t, "the send end to see its peer go", func() bool { s := send.Stats(); return s.Connected == 0 && s.Lost == 1 })
}
