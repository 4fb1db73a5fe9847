package netgear

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// relayed is what a frame is to arrive with after SendFrame got a message.
type relayed struct {
	name    string
	message any
	want    any
	stamped func(before, after, own *Stamp) bool // own is what the relay would give the frame
}

var relayedMessages = []relayed{
	{"nil", nil, map[string]any{"n": int64(7)}, sameStamp},
	{"none", Message{}, nil, sameStamp},
	{"another", "other", "other", sameStamp},
	{"a stamp without a number", StampedMessage{At: time.Unix(5, 0), Message: "other"}, "other", func(_, after, own *Stamp) bool {
		return after.Seq == own.Seq && after.Sender == own.Sender && after.Time.Equal(time.Unix(5, 0))
	}},
	{"a stamp alone", StampedMessage{At: time.Unix(6, 0), Seq: 99}, nil, func(_, after, own *Stamp) bool {
		return after.Seq == 99 && after.Sender == own.Sender && after.Time.Equal(time.Unix(6, 0))
	}},
	{"the stamp of another sender", StampedMessage{At: time.Unix(6, 0), Seq: 7, Sender: 8}, nil, func(_, after, _ *Stamp) bool {
		return after.Seq == 7 && after.Sender == 8
	}},
}

func sameStamp(before, after, _ *Stamp) bool {
	return before.Seq == after.Seq && before.Sender != 0 && before.Sender == after.Sender && before.Time.Equal(after.Time)
}

// SendFrame sends a frame on with its message and its stamp unless the call has
// others, on all wires and in all patterns. It decodes only for a wire without
// JPEG, and JPEGs stay the same bytes.
func TestSendFrameForwards(t *testing.T) {
	for from := range wirePatterns {
		for to, patterns := range wirePatterns {
			for _, pattern := range patterns {
				t.Run(fmt.Sprintf("%v/%v/%v", from, to, pattern), func(t *testing.T) {
					recv, send := openPair(t, Options{Wire: from, Pattern: ReqRep, Stamp: true, Decode: DecodeOnUse})
					last, relay := openPair(t, Options{Wire: to, Pattern: pattern, Stamp: true, HighWaterMark: 10})
					if pattern == PubSub {
						awaitSubscription(t, last, relay)
					}
					for _, c := range relayedMessages {
						own := &Stamp{Seq: relay.send.seq + 1, Sender: relay.send.sender}
						f := throughRelay(t, send, recv, relay, c.message)
						g := mustRecv(t, last, testContext(t))
						if c.name == "nil" && f.Message.IsNone() || fmt.Sprint(g.Message.Value()) != fmt.Sprint(c.want) || !c.stamped(f.Stamp, g.Stamp, own) {
							t.Errorf("%s: %v with %v became %v with %v", c.name, f.Message, f.Stamp, g.Message, g.Stamp)
						}
						decodes := to == AsyncWire && f.decodes()
						if isDecoded(f) != (decodes || !f.decodes()) || to != AsyncWire && !bytes.Equal(f.JPEG(), g.JPEG()) {
							t.Errorf("%s: decoded %v, or another JPEG", c.name, isDecoded(f))
						}
						if !bytes.Equal(frameBytes(f), frameBytes(g)) {
							t.Errorf("%s: other pixels", c.name)
						}
						f.Close()
						g.Close()
					}
				})
			}
		}
	}
}

// throughRelay sends a frame to recv, and from there on by relay.
func throughRelay(t *testing.T, send, recv, relay *NetGear, message any) *Frame {
	t.Helper()
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(1, "uint8", 16, 24, 3), map[string]any{"n": 7}); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, ctx)
	if _, err := relay.SendFrame(ctx, f, message); err != nil {
		t.Fatal(err)
	}
	return f
}

// Without Options.Stamp a frame's stamp is not sent, and without a stamp none is
// invented by the relay's sender.
func TestSendFrameWithoutStamp(t *testing.T) {
	for _, stamps := range []bool{true, false} {
		recv, send := openPair(t, Options{Stamp: stamps})
		last, relay := openPair(t, Options{})
		f := throughRelay(t, send, recv, relay, nil)
		g := mustRecv(t, last, testContext(t))
		if g.Message.String() != `{"n": 7}` || g.Stamp != nil {
			t.Errorf("%v %v", g.Message, g.Stamp)
		}
		f.Close()
		g.Close()
	}
}

// A JPEG that is written again without its fault is sent in memory of its own,
// so the frame is not shared.
func TestSendFrameOfAFaultyJPEGSharesNothing(t *testing.T) {
	for _, o := range []Options{{Pattern: PubSub}, {SendAhead: 2}} {
		ahead := o.SendAhead
		o.SendAhead = 0
		last, relay := openPair(t, o, func(_, s *Options) { s.SendAhead = ahead })
		if o.Pattern == PubSub {
			awaitSubscription(t, last, relay)
		}
		f, err := NewJPEGFrame(jpegFile(t, "small-rst-2-bytes.jpg"), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := testContext(t)
		if _, err := relay.SendFrame(ctx, f, nil); err != nil {
			t.Fatal(err)
		}
		if n := f.frames.Load(); n != 1 {
			t.Errorf("%d shares of the frame", n)
		}
		g := mustRecv(t, last, ctx)
		if bytes.Equal(g.JPEG(), f.JPEG()) {
			t.Error("the faulty JPEG arrived")
		}
		g.Close()
		f.Close()
	}
}

// Of JPEGs that are sent on without having been decoded, JPEGCheck selects which
// are checked. One that was checked is not checked again.
func TestSendFrameChecks(t *testing.T) {
	good, faulty, damaged := jpegFile(t, "ok-small.jpg"), jpegFile(t, "small-rst-2-bytes.jpg"), jpegFile(t, "cut-90.jpg")
	for _, c := range []struct {
		check  Toggle
		jpegs  [][]byte
		mended []int // those that are sent without their fault
		failed []int // those that are not sent
	}{
		{ToggleOn, [][]byte{good, faulty, good, damaged, good}, []int{1}, []int{3}},
		{ToggleOff, [][]byte{faulty, damaged, good}, nil, nil},
		// The first is checked. After it a fault is only found by chance.
		{ToggleDefault, [][]byte{good, faulty, good}, nil, nil},
		{ToggleDefault, [][]byte{faulty, good, faulty}, []int{0, 2}, nil},
		{ToggleDefault, [][]byte{damaged, good, faulty}, []int{2}, []int{0}},
		// One that is incomplete is always found, and then the next ones.
		{ToggleDefault, [][]byte{good, damaged, faulty}, []int{2}, []int{1}},
	} {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Decode: DecodeOnUse})
		peer := newBare(t, zmq4.PAIR, recv)
		last, relay := openPair(t, Options{Decode: DecodeOnUse, JPEGCheck: c.check})
		ctx := testContext(t)
		var mended, failed []int
		for i, jpeg := range c.jpegs {
			peer.send([]byte(jpegHeader), jpeg)
			peer.recv(testTimeout)
			f := mustRecv(t, recv, ctx)
			for range 2 {
				if _, err := relay.SendFrame(ctx, f, nil); err != nil {
					failed = append(failed, i)
					break
				}
				g := mustRecv(t, last, ctx)
				if !bytes.Equal(g.JPEG(), jpeg) {
					mended = append(mended, i)
				}
				g.Close()
			}
			f.Close()
		}
		twice := func(of []int) (all []int) {
			for _, i := range of {
				all = append(all, i, i)
			}
			return all
		}
		if fmt.Sprint(mended) != fmt.Sprint(twice(c.mended)) || fmt.Sprint(failed) != fmt.Sprint(c.failed) {
			t.Errorf("%v: mended %v, failed %v, want %v and %v", c.check, mended, failed, c.mended, c.failed)
		}
		if n := decodings(recv); n != 0 {
			t.Errorf("%v: %d decodings", c.check, n)
		}
		recv.Close()
		last.Close()
		relay.Close()
	}
}

// The sample of checked JPEGs is one in 64, and after a fault all are checked
// for a while.
func TestSampleOfChecks(t *testing.T) {
	s := &frameSource{}
	jpeg := jpegFile(t, "ok-small.jpg")
	checked := 0
	for range 10 * checkedOneIn {
		if s.doubts(jpeg) {
			checked++
		}
	}
	if checked != 10 {
		t.Errorf("%d checked", checked)
	}
	(&frameMemory{source: s}).noteChecked(false)
	for i := range suspectFor {
		if !s.doubts(jpeg) {
			t.Fatalf("the %dth after a fault is not checked", i)
		}
		m := &frameMemory{source: s}
		m.noteChecked(true)
		m.noteChecked(true) // counts once
	}
	if s.sentOn.Store(1); s.doubts(jpeg) {
		t.Error("a thousand JPEGs without a fault are not enough")
	}
}

// More open frames than Options.OpenFrames are logged, once, with the stack of
// the call of Recv.
func TestOpenFrames(t *testing.T) {
	var text bytes.Buffer
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff}, func(r, _ *Options) {
		r.OpenFrames, r.Logger = 3, slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	ctx := testContext(t)
	var held []*Frame
	for i := range 6 {
		if _, err := send.SendArray(ctx, testArray(i, "uint8", 8, 8), nil); err != nil {
			t.Fatal(err)
		}
		held = append(held, mustRecv(t, recv, ctx))
		if n := recv.Stats().Open; n != i+1 {
			t.Errorf("%d open after %d frames", n, i+1)
		}
		if logged := strings.Count(text.String(), "TestOpenFrames"); (logged > 0) != (i >= 3) || strings.Count(text.String(), "OpenFrames;") > 1 {
			t.Errorf("after frame %d the log has %q", i, &text)
		}
	}
	for i, f := range held {
		f.Retain().Close()
		f.Close()
		if n := recv.Stats().Open; n != len(held)-i-1 {
			t.Errorf("%d open after %d were closed", n, i+1)
		}
	}
}

// The garbage collector frees frames that were dropped without a view, retained
// ones as well.
func TestCollectedFrames(t *testing.T) {
	recv, send := openPair(t, Options{Decode: DecodeAhead})
	ctx := testContext(t)
	drop := func(use func(f *Frame)) {
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 300, 300, 3), nil); err != nil {
			t.Fatal(err)
		}
		use(mustRecv(t, recv, ctx))
	}
	drop(func(*Frame) {})
	drop(func(f *Frame) { f.Retain() })
	drop(func(f *Frame) { f.Retain(); f.Close() })
	drop(func(f *Frame) { f.Retain().Close() })
	await(t, "the dropped frames to be freed", func() bool {
		runtime.GC()
		buffers, messages := zmsg.Live()
		return buffers == 0 && messages == 0 && recv.Stats().Open == 0
	})
}
