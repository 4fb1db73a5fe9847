package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/color"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// Every recorded frame of imagezmq can be read, and what was read is written as
// the same bytes again. A message of None becomes imagezmq's NoName.
func TestCapturedImageZMQHeaders(t *testing.T) {
	n := 0
	for name, c := range captures(t, "imagezmq-*.json") {
		for i := range c.Messages {
			parts := c.parts(i)
			if len(parts) == 1 {
				continue // a reply
			}
			n++
			h, err := imagezmqWire{}.parseHeader(parts[0], nil)
			if err != nil {
				t.Errorf("%s %d: %v", name, i, err)
				continue
			}
			want := bytes.Replace(parts[0], []byte(`"msg": null`), []byte(`"msg": "NoName"`), 1)
			if again := (imagezmqWire{}).appendHeader(nil, h); !bytes.Equal(again, want) {
				t.Errorf("%s %d:\n wrote %s\n  want %s", name, i, again, want)
			}
			f := &frameMemory{coding: h.coding}
			if err := f.check(imagezmqWire{}, parts[1], defaultMaxFrameBytes); err != nil {
				t.Errorf("%s %d: %v", name, i, err)
			}
		}
	}
	if n < 90 {
		t.Errorf("only %d messages were looked at", n)
	}
}

// A send end of this library, with the input of imagezmq's, sends the same
// bytes, and returns the same replies.
func TestSendEndSendsWhatImageZMQSent(t *testing.T) {
	for name, c := range captures(t, "imagezmq-sender-*.json") {
		t.Run(name, func(t *testing.T) {
			kind := map[Pattern]zmq4.Type{ReqRep: zmq4.REP, PubSub: zmq4.SUB}[c.About.Pattern]
			peer := newBare(t, kind, nil)
			send := mustNew(t, Options{
				Wire: ImageZMQWire, Pattern: c.About.Pattern, Attach: AttachConnect, Address: "127.0.0.1", Port: peer.port(),
				JPEGCompression: JPEGOff, BidirectionalMode: c.About.Pattern == ReqRep, HighWaterMark: 100,
			})
			awaitPeers(t, send, 1)
			if c.About.Pattern == PubSub {
				peer.warm(send)
			}
			for i := 0; i < len(c.Messages); i++ {
				want := c.parts(i)
				reply, failed := sendCaptured(t, send, want)
				got := peer.recv(testTimeout)
				if want[0] = bytes.Replace(want[0], []byte(`"msg": null`), []byte(`"msg": "NoName"`), 1); len(got) != 2 || !bytes.Equal(got[0], want[0]) || !bytes.Equal(got[1], want[1]) {
					t.Errorf("message %d:\n  got %.200q\n want %.200q", i, got, want)
				}
				var back []byte
				if c.About.Pattern == ReqRep {
					i++
					back = c.parts(i)[0]
					peer.send(back)
				}
				if err := <-failed; err != nil {
					t.Fatal(err)
				}
				if r := <-reply; back != nil && fmt.Sprint(r.Data.Value()) != fmt.Sprint(replyValue(back)) {
					t.Errorf("reply %q became %v", back, r.Data)
				}
			}
		})
	}
}

// replyValue returns what Reply.Data of a reply is: a text if it can be one.
func replyValue(reply []byte) any {
	if bytes.ContainsRune(reply, 0xfffd) || reply != nil && strings.ToValidUTF8(string(reply), "") != string(reply) {
		return reply
	}
	return string(reply)
}

// sendCaptured sends the frame of a recording.
func sendCaptured(t *testing.T, send *NetGear, parts [][]byte) (chan Reply, chan error) {
	t.Helper()
	h, err := imagezmqWire{}.parseHeader(parts[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, failed := make(chan Reply, 1), make(chan error, 1)
	ctx := testContext(t)
	go func() {
		var r Reply
		var err error
		if h.jpeg {
			r, err = send.SendJPEG(ctx, parts[1], h.message)
		} else {
			p := payload{array: Array{Data: parts[1]}, coding: h.coding}
			r, err = send.send.send(ctx, &p, h.message)
		}
		reply <- r
		failed <- err
	}()
	return reply, failed
}

// A receive end replies as an ImageHub: OK, or what the application returns.
func TestReceiveEndRepliesWhatImageZMQReplied(t *testing.T) {
	for name, c := range captures(t, "imagezmq-hub-*.json") {
		t.Run(name, func(t *testing.T) {
			o := Options{
				Wire: ImageZMQWire, ReceiveMode: true, Pattern: c.About.Pattern, Attach: AttachBind, Address: "127.0.0.1", Port: "0",
				BidirectionalMode: name == "imagezmq-hub-replies",
			}
			recv := mustNew(t, o)
			peer := newBare(t, map[Pattern]zmq4.Type{ReqRep: zmq4.REQ, PubSub: zmq4.XPUB}[o.Pattern], recv)
			if o.Pattern == PubSub {
				peer.recv(testTimeout) // the subscription
			}
			for i := 0; i < len(c.Messages); i++ {
				sent := c.parts(i)
				var want [][]byte
				if o.Pattern == ReqRep {
					i++
					want = c.parts(i)
				}
				if o.BidirectionalMode {
					if err := recv.SetReturnData(replyValue(want[0])); err != nil {
						t.Fatal(err)
					}
				}
				peer.send(sent...)
				checkAnswer(t, recv, peer, want)
				f := mustRecv(t, recv, testContext(t))
				if got := f.raw(); !bytes.Equal(got, sent[1]) || !strings.HasPrefix(fmt.Sprint(f.Message.Value()), "camera ") {
					t.Errorf("frame %d arrived changed, with %v", i, f.Message)
				}
				f.Close()
			}
		})
	}
}

// The JPEG of a header without a colorspace decodes as OpenCV decodes it: a gray
// one to [rows, columns], any other to blue, green, red.
func TestImageZMQColors(t *testing.T) {
	recv, send := openPair(t, Options{Wire: ImageZMQWire, JPEGCompression: "RGB"})
	for _, c := range []struct {
		pixel []byte
		shape []int
		want  color.RGBA
	}{{[]byte{255, 0, 0}, []int{16, 16, 3}, color.RGBA{R: 254, A: 255}}, {[]byte{200}, []int{16, 16}, color.RGBA{R: 200, G: 200, B: 200, A: 255}}} {
		a := Array{DType: "uint8", Shape: c.shape, Data: bytes.Repeat(c.pixel, 256)}
		if _, err := send.SendArray(testContext(t), a, "x"); err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, testContext(t))
		got, err := f.Array()
		if err != nil || fmt.Sprint(got.Shape) != fmt.Sprint(c.shape) {
			t.Fatalf("%v, %v", got.Shape, err)
		}
		if red := got.Data[len(c.pixel)-1]; math.Abs(float64(red)-float64(c.want.R)) > 3 {
			t.Errorf("red is %d", red)
		}
		f.Close()
	}
}

// Return data becomes the reply: texts and bytes as they are, any other data as
// JSON, arrays not at all. Data that Respond returns is the reply to its frame.
func TestImageZMQReplies(t *testing.T) {
	for _, c := range []struct {
		data  any
		reply any
	}{
		{nil, "OK"}, {"", ""}, {"go on", "go on"}, {"ünï", "ünï"}, {[]byte{0xff, 0}, []byte{0xff, 0}}, {[]byte("text"), "text"},
		{7, "7"}, {map[string]any{"n": []int{1}}, `{"n": [1]}`}, {Tuple{1, "a"}, `[1, "a"]`}, {true, "true"},
	} {
		recv, send := openPair(t, Options{Wire: ImageZMQWire, Pattern: ReqRep, BidirectionalMode: true})
		if err := recv.SetReturnData(c.data); err != nil {
			t.Fatal(err)
		}
		reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil)
		if got := reply.Data.Value(); err != nil || fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", c.reply, c.reply) || reply.PythonType != "bytes" {
			t.Errorf("%v became %v (%s), %v", c.data, reply.Data, reply.PythonType, err)
		}
		if err := recv.SetReturnData(testArray(0, "uint8", 4, 4)); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), "imagezmq") {
			t.Errorf("an array: %v", err)
		}
	}
	recv, send := openPair(t, Options{Wire: ImageZMQWire, Pattern: ReqRep, BidirectionalMode: true}, func(r, _ *Options) {
		r.Respond = func(_ context.Context, f *Frame) (any, error) { return "saw " + f.Message.Value().(string), nil }
	})
	if reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), "front door"); err != nil || reply.Data.Value() != "saw front door" {
		t.Errorf("%v, %v", reply.Data, err)
	}
	mustRecv(t, recv, testContext(t)).Close()
}

// In multi-server mode a short text as message is the sender's name. Any other
// message leaves the frame without one.
func TestImageZMQSenders(t *testing.T) {
	recv, send := openPair(t, Options{Wire: ImageZMQWire, Pattern: ReqRep}, func(r, _ *Options) { r.MultiserverMode = true })
	for message, port := range map[any]string{
		"front door": "front door", "Tür": "Tür", "": "", 7: "", nil: "NoName",
		strings.Repeat("x", maxPortText): strings.Repeat("x", maxPortText), strings.Repeat("x", maxPortText+1): "",
	} {
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), message); err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, testContext(t))
		if f.Port != port || message != nil && fmt.Sprint(f.Message.Value()) != fmt.Sprint(message) {
			t.Errorf("%v came from %q with %v", message, f.Port, f.Message)
		}
		f.Close()
	}
	if s := recv.Stats(); s.Ports["front door"].Frames != 1 || s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

// badImageZMQMessages returns messages of a peer that are no frames of imagezmq,
// by the reason that is counted.
func badImageZMQMessages(t testing.TB) map[string]map[string][][]byte {
	b := func(s string) []byte { return []byte(s) }
	p := func(parts ...[]byte) [][]byte { return parts }
	jpeg := testJPEG(t, 64, 48)
	lies := bytes.Clone(jpeg)
	copy(lies[bytes.Index(lies, []byte{0xff, 0xc0})+5:], []byte{0xff, 0xdc, 0xff, 0xdc})
	return map[string]map[string][][]byte{
		"header": {
			"empty": p(nil), "no JSON": p(b("hello"), b("x")), "no object": p(b("[1]"), b("x")), "no msg": p(b("{}"), jpeg),
			"one part": p(b(`{"msg": "a"}`)), "three parts": p(b(`{"msg": "a"}`), jpeg, jpeg),
			"dtype alone": p(b(`{"msg": "a", "dtype": "uint8"}`), b("x")), "shape alone": p(b(`{"msg": "a", "shape": [1]}`), b("x")),
			"negative shape":   p(b(`{"msg": "a", "dtype": "uint8", "shape": [-1]}`), b("x")),
			"dtype is no text": p(b(`{"msg": "a", "dtype": 7, "shape": [1]}`), b("x")),
			"deep":             p(b(`{"msg": `+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"}"), jpeg),
			"long":             p(b(`{"msg": "`+strings.Repeat("x", maxHeader)+`"}`), jpeg),
		},
		"array": {
			"short pixels": p(b(`{"msg": "a", "dtype": "uint8", "shape": [4, 4, 3]}`), make([]byte, 47)),
			"huge shape":   p(b(`{"msg": "a", "dtype": "uint8", "shape": [2147483647, 2147483647, 2147483647]}`), b("x")),
			"objects":      p(b(`{"msg": "a", "dtype": "object", "shape": [1]}`), make([]byte, 8)),
		},
		"jpeg": {
			"no JPEG": p(b(`{"msg": "a"}`), b("no JPEG")), "empty JPEG": p(b(`{"msg": "a"}`), nil),
			"cut JPEG": p(b(`{"msg": "a"}`), jpeg[:len(jpeg)/2]),
		},
		"limit": {"a JPEG that lies": p(b(`{"msg": "a"}`), lies)},
		"wire":  {"NetGear": p(rawHeader("[1, 1]"), b("x")), "NetGear_Async": p(b("\x82\xa9terminate\xc2\xa7bi_mode\xc2"), b("x"))},
	}
}

// A bad message is counted by its reason and answered, and the next frame
// arrives.
func TestBadImageZMQMessages(t *testing.T) {
	recv := mustNew(t, Options{Wire: ImageZMQWire, ReceiveMode: true, Pattern: ReqRep, Address: "127.0.0.1", Port: "0", MaxFrameBytes: 64 << 20, Decode: DecodeAhead})
	peer := newBare(t, zmq4.REQ, recv)
	want := map[string]uint64{}
	for reason, messages := range badImageZMQMessages(t) {
		for name, parts := range messages {
			peer.send(parts...)
			if got := peer.recv(testTimeout); len(got) != 1 || name != "cut JPEG" && !strings.Contains(string(got[0]), "rejected") {
				t.Fatalf("%s: answered %q", name, got)
			}
			want[reason]++
			await(t, name+" to be counted", func() bool { return fmt.Sprint(reasons(recv)) == fmt.Sprint(want) })
		}
	}
	peer.send([]byte(`{"msg": "a", "dtype": "uint8", "shape": [1]}`), []byte("x"))
	if got := peer.recv(testTimeout); len(got) != 1 || string(got[0]) != "OK" {
		t.Errorf("%q", got)
	}
	mustRecv(t, recv, testContext(t)).Close()
}

// reasons returns the counts of Stats.MalformedBy that are not 0.
func reasons(n *NetGear) map[string]uint64 {
	by := n.Stats().MalformedBy
	counts := map[string]uint64{"header": by.Header, "wire": by.Wire, "message": by.Message, "array": by.Array, "jpeg": by.JPEG, "limit": by.Limit, "answer": by.Answer, "other": by.Other}
	for reason, n := range counts {
		if n == 0 {
			delete(counts, reason)
		}
	}
	return counts
}

// What imagezmq does not have is an error that names the option.
func TestImageZMQOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o     Options
		field string
	}{
		"PUSH/PULL":                  {Options{Pattern: PushPull}, "Pattern"},
		"multi-server send end":      {Options{Pattern: ReqRep, MultiserverMode: true}, "MultiserverMode"},
		"multi-client send end":      {Options{Pattern: PubSub, MulticlientMode: true}, "MulticlientMode"},
		"multi-client receive end":   {Options{Pattern: ReqRep, ReceiveMode: true, MulticlientMode: true}, "MulticlientMode"},
		"PUB/SUB with replies":       {Options{Pattern: PubSub, BidirectionalMode: true}, "BidirectionalMode"},
		"a publisher in a tunnel":    {Options{Pattern: PubSub, SSHTunnelMode: "u@h"}, "SSHTunnelMode"},
		"a subscriber of everything": {Options{Pattern: PubSub, ReceiveMode: true, Address: "*"}, "Address"},
	} {
		c.o.Wire = ImageZMQWire
		var wrong *OptionError
		if err := c.o.Validate(); !errors.As(err, &wrong) || wrong.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, o := range []Options{{}, {Pattern: ReqRep}, {Pattern: PubSub, Address: "*"}, {Pattern: PubSub, ReceiveMode: true, MultiserverMode: true, Ports: []string{"1", "2"}}} {
		if o.Wire = ImageZMQWire; o.Validate() != nil {
			t.Errorf("%+v: %v", o, o.Validate())
		}
	}
}

// An end that listens keeps a cut-off connection longer, for the sake of peers
// that would wait for ever.
func TestImageZMQSilenceLimit(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want time.Duration
	}{
		{Options{Wire: ImageZMQWire, Pattern: ReqRep, ReceiveMode: true}, imagezmqSilenceLimit}, {Options{Wire: ImageZMQWire, Pattern: ReqRep}, 0},
		{Options{Wire: ImageZMQWire, Pattern: PubSub}, imagezmqSilenceLimit}, {Options{Wire: ImageZMQWire, Pattern: PubSub, ReceiveMode: true}, 0},
		{Options{Pattern: ReqRep, ReceiveMode: true}, 0},
	} {
		if got := c.o.socketConfig(nil).SilenceLimit; got != c.want {
			t.Errorf("%v, %v, receives %v: %v", c.o.Wire, c.o.Pattern, c.o.ReceiveMode, got)
		}
	}
}

// FuzzImageZMQFrame checks whole frames of imagezmq.
func FuzzImageZMQFrame(f *testing.F) {
	for _, c := range captures(f, "imagezmq-*.json") {
		for i := range c.Messages {
			if p := c.parts(i); len(p) == 2 {
				f.Add(p[0], p[1])
			} else {
				f.Add(p[0], []byte{})
			}
		}
	}
	for _, messages := range badImageZMQMessages(f) {
		for _, p := range messages {
			if len(p) == 2 && len(p[0]) < 1000 {
				f.Add(p[0], p[1])
			}
		}
	}
	for _, text := range twice {
		f.Add([]byte(text), []byte{1})
	}
	dec, err := turbojpeg.NewDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(dec.Close)
	w := imagezmqWire{}
	f.Fuzz(func(t *testing.T, head, part []byte) {
		var h header
		var err error
		fr := &frameMemory{}
		alloctest.AtMost(t, "a frame", 16*len(head)+16384, func() {
			if h, err = w.parseHeader(head, nil); err == nil {
				fr.coding = h.coding
				err = fr.check(w, part, 1<<20)
			} else if !errors.Is(err, errWire) {
				t.Errorf("%v is not a malformed message", err)
			}
		})
		if a, err := w.parseAnswer(head, true); err != nil || !bytes.Equal(w.appendAnswer(nil, &a), head) && len(head) > 0 {
			t.Errorf("the reply %q is returned as %q, %v", head, w.appendAnswer(nil, &a), err)
		}
		same := func(g header) bool {
			return sameCoding(g.coding, h.coding) && (h.message.IsNone() || sameJSON(g.message.raw, h.message.raw) && sameJSON(g.port, h.port))
		}
		if once, ok := asPythonReads(head); ok && h.message.raw != nil && !errors.Is(err, errWire) {
			if g, err := w.parseHeader(once, nil); err != nil || !same(g) {
				t.Errorf("%s is %+v, but with each key once it is %+v, %v", head, h, g, err)
			}
		}
		if err != nil {
			return
		}
		if again := w.appendHeader(nil, h); !plainText(h.dtype) {
			return // such a dtype can be received, but not sent
		} else if g, err := w.parseHeader(again, nil); err != nil || !same(g) {
			t.Fatalf("%s: written again as %s: %+v, %v", head, again, g, err)
		}
		switch {
		case h.jpeg && fr.size() > 1<<20:
			t.Fatalf("%d bytes pass the limit", fr.size())
		case h.jpeg:
			mustDecode(t, dec, fr, part)
		case fr.dtype.Size > 0 && fr.size() != len(part):
			t.Fatalf("%v of %s passes with %d bytes", fr.shape, fr.dtype.Name, len(part))
		}
	})
}
