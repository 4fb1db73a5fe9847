package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

var allPatterns = []Pattern{Pair, ReqRep, PubSub}

// wirePatterns holds the patterns of each wire.
var wirePatterns = map[Wire][]Pattern{NetGearWire: allPatterns, AsyncWire: {Pair, ReqRep, PubSub, PushPull}, ImageZMQWire: {ReqRep, PubSub}}

// The matrix: wire × pattern × protocol × attachment × compression. Every frame
// arrives, in order, with its message. Raw pixels are identical, and JPEG
// pixels are those of the codec alone.
func TestMatrix(t *testing.T) {
	compressions := map[Wire][]Colorspace{
		NetGearWire: {JPEGOff, JPEGDefault, JPEGGray, "RGB", "BGRA", "CMYK"}, AsyncWire: {JPEGOff},
		ImageZMQWire: {JPEGOff, JPEGDefault, JPEGGray}, // the header does not name the colorspace
	}
	for wire, patterns := range wirePatterns {
		for _, link := range []struct {
			name string
			set  func(*Options)
		}{
			{"tcp", func(*Options) {}},
			{"ipv6", func(o *Options) { o.Address = "::1" }},
			{"ipc", func(o *Options) { o.Protocol = "ipc" }},
			{"tcp-swapped", func(o *Options) { o.Attach = swapped(o.ReceiveMode) }},
			{"tcp-on-use", func(o *Options) { o.Decode = DecodeOnUse }},
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

// awaitSubscription sends until the newest of its frames arrives. Then none is
// in transfer, and the next one finds the pipe empty. With a high-water mark of
// 1 it would be dropped behind another.
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
	sending.Go(func() {
		for i := range frames {
			a := testArray(i, "uint8", shape...)
			if _, err := send.SendArray(ctx, a, map[string]any{"i": i}); err != nil {
				t.Error(err)
			}
			clear(a.Data) // the promise: it may be reused
		}
	})
	for i := range frames {
		f := mustRecv(t, recv, ctx)
		want := testArray(i, "uint8", shape...)
		if c != JPEGOff {
			want.Data = throughCodec(t, &send.link.settings, want)
		}
		if got := frameArray(f); got.DType != "uint8" || !slices.Equal(got.Shape, shape) || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("frame %d arrived changed: %s %v", i, got.DType, got.Shape)
		}
		if got := f.Message.String(); got != fmt.Sprintf(`{"i": %d}`, i) {
			t.Errorf("frame %d came with message %s", i, got)
		}
		f.Close()
	}
	sending.Wait()
	send.Close()
	if recv.link.opts.Wire == ImageZMQWire {
		return // it has no terminate message
	}
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

// ---- bidirectional, multi-server, multi-client ----

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

// Close frees the port at once, with other ends open that keep the context.
func TestPortIsFreeAfterClose(t *testing.T) {
	mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	first := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	port := first.Port()
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
// many goroutines: no race, no libzmq assertion, and nothing left open.
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
			busy.Go(func() {
				for j := 0; f() == nil && j < 200; j++ {
				}
			})
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

// ---- the queue ----

// ---- peers that are not there, or come late, or go ----

func TestAddresses(t *testing.T) {
	taken := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	ipc, _ := openPair(t, Options{Protocol: "ipc"})
	path := strings.TrimPrefix(ipc.Endpoints()[0], "ipc://")
	path, ipcPort := strings.TrimSuffix(path, ":"+ipc.Port()), ipc.Port()
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"in use":             {Options{ReceiveMode: true, Address: "127.0.0.1", Port: taken.Port()}, "another program listens there: stop it or choose another port; the port of a program that was just killed becomes free a moment later"},
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
	awaitPeers(t, recv, 1)
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
