package netgear

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

func rawHeader(shape string) []byte {
	return []byte(`{"terminate_flag": false, "compression": false, "message": null, "pattern": "0", "dtype": "uint8", "shape": ` + shape + `}`)
}

const jpegHeader = `{"terminate_flag": false, "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "message": null, "pattern": "0", "dtype": "", "shape": ""}`

// badMessages returns messages of a peer that are no frames.
func badMessages(t testing.TB) map[string][][]byte {
	jpeg := testJPEG(t, 64, 48)
	huge := bytes.Clone(jpeg)
	at := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[at+5:], []byte{0xff, 0xdc, 0xff, 0xdc}) // height and width of 65500
	parts := func(p ...[]byte) [][]byte { return p }
	b := func(s string) []byte { return []byte(s) }
	return map[string][][]byte{
		"empty":               parts(nil),
		"two empty parts":     parts(nil, nil),
		"no JSON":             parts(b("hello"), b("x")),
		"no object":           parts(b("[1]"), b("x")),
		"cut JSON":            parts(b(`{"terminate_flag": fal`), b("x")),
		"one part":            parts(rawHeader("[1, 1]")),
		"three parts":         parts(rawHeader("[1, 1]"), b("x"), b("y")),
		"a hundred parts":     append(make([][]byte, 99), b("z")),
		"short pixels":        parts(rawHeader("[4, 4, 3]"), make([]byte, 47)),
		"long pixels":         parts(rawHeader("[4, 4, 3]"), make([]byte, 49)),
		"huge shape":          parts(rawHeader("[2147483647, 2147483647, 2147483647]"), b("x")),
		"overflowing shape":   parts(rawHeader("[4294967296, 4294967296, 16]"), b("x")),
		"negative shape":      parts(rawHeader("[-1, -1]"), b("x")),
		"shape is a text":     parts(rawHeader(`"4x4"`), b("x")),
		"shape is nested":     parts(rawHeader(`[[4], 4]`), b("x")),
		"terminate is a text": parts(b(`{"terminate_flag": "yes"}`), b("x")),
		"dtype is a number":   parts(b(`{"terminate_flag": false, "compression": false, "dtype": 7, "shape": [1]}`), b("x")),
		"object dtype":        parts(b(`{"terminate_flag": false, "compression": false, "dtype": "object", "shape": [1]}`), make([]byte, 8)),
		"no dtype":            parts(b(`{"terminate_flag": false, "compression": false, "shape": [1]}`), b("x")),
		"compression is true": parts(b(`{"terminate_flag": false, "compression": true}`), b("x")),
		"no terminate flag":   parts(b(`{"compression": false, "dtype": "uint8", "shape": [1]}`), b("x")),
		"unknown colorspace":  parts(bytes.Replace(b(jpegHeader), b("BGR"), b("YUV"), 1), jpeg),
		"no JPEG":             parts(b(jpegHeader), b("no JPEG")),
		"empty JPEG":          parts(b(jpegHeader), nil),
		"cut JPEG":            parts(b(jpegHeader), jpeg[:len(jpeg)/2]),
		"a JPEG that lies":    parts(b(jpegHeader), huge),
		"CMYK of YCbCr":       parts(bytes.Replace(b(jpegHeader), b("BGR"), b("CMYK"), 1), jpeg),
	}
}

func testJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	s := newSettings(Options{})
	enc, err := turbojpeg.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	p, err := s.arrayPayload(testArray(0, "uint8", h, w, 3))
	if err != nil {
		t.Fatal(err)
	}
	buf, err := s.encodeJPEG(&p, enc)
	if err != nil {
		t.Fatal(err)
	}
	defer buf.Release()
	return bytes.Clone(buf.Bytes())
}

// A bad message never ends the loop. It is counted, answered if the pattern
// requires an answer, and dropped. The frame after it arrives.
func TestBadMessages(t *testing.T) {
	kinds := map[Pattern]zmq4.Type{Pair: zmq4.PAIR, ReqRep: zmq4.REQ, PubSub: zmq4.PUB}
	for _, pattern := range allPatterns {
		recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: pattern, HighWaterMark: 1000, MaxFrameBytes: 64 << 20})
		peer := newBare(t, kinds[pattern], recv)
		ctx := testContext(t)
		awaitPeers(t, recv, 1)
		if pattern == PubSub {
			// Until the subscription exists.
			await(t, "the subscription", func() bool {
				peer.send(rawHeader("[1, 1]"), []byte("x"))
				return recv.Stats().Frames > 0
			})
		}
		for name, parts := range badMessages(t) {
			t.Run(fmt.Sprintf("%v/%s", pattern, name), func(t *testing.T) {
				before := recv.Stats().Malformed
				peer.send(parts...)
				if pattern != PubSub {
					if got := peer.recv(testTimeout); len(got) != 1 || !strings.Contains(string(got[0]), "rejected") {
						t.Fatalf("answered %q", got)
					}
				}
				await(t, "the bad message to be counted", func() bool { return recv.Stats().Malformed == before+1 })
				peer.send(rawHeader("[1, 2]"), []byte(name)[:2])
				if pattern != PubSub && peer.recv(testTimeout) == nil {
					t.Fatal("no answer to a good frame")
				}
				for {
					f, err := recv.Recv(ctx)
					if err != nil {
						t.Fatal(err)
					}
					good := string(frameBytes(f)) == name[:2]
					f.Close()
					if good {
						break
					}
				}
			})
		}
	}
}

// A part larger than the limit ends its sender's connection before memory is
// allocated for it. Other senders continue.
func TestOversizedPart(t *testing.T) {
	recv, send := openPair(t, Options{JPEGCompression: JPEGOff, Pattern: ReqRep, RequestTimeout: 200 * time.Millisecond, MaxRetries: 2},
		func(r, s *Options) { r.MaxFrameBytes = 1 << 16 })
	ctx := testContext(t)
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 1<<17), nil); !errors.Is(err, ErrPeerGone) {
		t.Errorf("a frame of twice the limit: %v", err)
	}
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 1<<15), nil); err != nil {
		t.Errorf("a frame of half the limit: %v", err)
	}
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if s := recv.Stats(); s.Frames != 1 || s.Lost == 0 {
		t.Errorf("%+v", s)
	}
}

// An answer that cannot be read still shows that the frame arrived.
func TestBadAnswers(t *testing.T) {
	for name, parts := range map[string][][]byte{
		"text":          {[]byte("Data received on device: AB12CD34 !")},
		"empty":         {nil},
		"no array":      {[]byte(`{"return_type": "ndarray", "compression": false, "array_dtype": "uint8", "array_shape": [4], "data": null}`)},
		"short array":   {[]byte(`{"return_type": "ndarray", "compression": false, "array_dtype": "uint8", "array_shape": [4], "data": null}`), []byte("x")},
		"broken JPEG":   {[]byte(`{"return_type": "ndarray", "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "data": null}`), []byte("x")},
		"type is a map": {[]byte(`{"return_type": {}, "data": 1}`)},
		"three parts":   {[]byte(`{"return_type": "int", "data": 1}`), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			peer := newBare(t, zmq4.PAIR, nil)
			send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port(), BidirectionalMode: true})
			ctx := testContext(t)
			done := make(chan error, 1)
			go func() {
				_, err := send.SendArray(ctx, testArray(0, "uint8", 4, 4), nil)
				done <- err
			}()
			peer.recv(testTimeout)
			peer.send(parts...)
			if err := <-done; err != nil {
				t.Errorf("the frame arrived, but Send says %v", err)
			}
			if n := send.Stats().Malformed; n != 1 && name != "three parts" {
				t.Errorf("%d malformed answers", n)
			}
		})
	}
}

// A Pair peer that answers twice, or before a frame was sent, does not misalign
// answers and frames.
func TestUnaskedAnswers(t *testing.T) {
	peer := newBare(t, zmq4.PAIR, nil)
	send := mustNew(t, Options{Address: "127.0.0.1", Port: peer.port(), BidirectionalMode: true})
	ctx := testContext(t)
	for i := range 20 {
		got := make(chan Reply, 1)
		go func() {
			r, err := send.SendArray(ctx, testArray(0, "uint8", 400, 400), nil)
			if err != nil {
				t.Error(err)
			}
			got <- r
		}()
		peer.recv(testTimeout)
		peer.send(fmt.Appendf(nil, `{"return_type": "int", "data": %d}`, i))
		if r := <-got; r.Data.Value() != int64(i) {
			t.Fatalf("frame %d got answer %v", i, r.Data)
		}
		peer.send([]byte(`{"return_type": "int", "data": -1}`))
		await(t, "the unasked answer to be there", func() bool {
			// The send end is idle, so the test may use its socket.
			events, err := send.send.conn.ProcessCommands()
			return err == nil && events&zmq4.POLLIN != 0
		})
	}
}

// A peer that sends HTTP, or nothing at all, does not disturb the others.
func TestGarbageOnThePort(t *testing.T) {
	recv, send := openPair(t, Options{})
	ctx := testContext(t)
	awaitPeers(t, recv, 1)
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f", "", string(make([]byte, 1000))} {
		c := dial(t, recv)
		io.WriteString(c, text)
		c.Close()
	}
	if _, err := send.SendArray(ctx, testArray(0, "uint8", 9, 9), nil); err != nil {
		t.Fatal(err)
	}
	f, err := recv.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	await(t, "the strangers to be counted", func() bool { return recv.Stats().Refused == 4 })
	if s := recv.Stats(); s.Connected != 1 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// ---- fuzzing: seeds are the captured messages and the bad ones ----

// addHeaders adds the first parts of captured messages, and of bad ones.
func addHeaders(f *testing.F, glob string, more map[string][][]byte) {
	for _, c := range captures(f, glob) {
		for i := range c.Messages {
			f.Add(c.parts(i)[0])
		}
	}
	for _, parts := range more {
		f.Add(parts[0])
	}
	for _, text := range twice {
		f.Add([]byte(text))
	}
}

// twice are headers and answers in which a key comes twice. In Python the last
// value counts.
var twice = []string{
	`{"terminate_flag": true, "terminate_flag": false, "port": "1", "port": 2, "dtype": "uint8", "dtype": "int8", "shape": [1], "shape": [2, 3], "message": 1, "message": 2}`,
	`{"terminate_flag": false, "compression": {"dct": true, "ups": true, "colorspace": "RGB"}, "compression": {"dct": false}}`,
	`{"terminate_flag": false, "compression": {"dct": true}, "compression": false, "dtype": "uint8", "shape": [1]}`,
	`{"terminate_flag": false, "compression": { }, "dtype": "uint8", "shape": [1]}`,
	`{"return_type": "ndarray", "compression": {"dct": true}, "compression": null, "array_dtype": "uint8", "array_shape": [1], "return_type": "int", "data": 1, "data": 2}`,
	`{"msg": "a", "msg": 1}`, `{"msg": "a", "dtype": "int8", "shape": [1], "msg": "b", "shape": [2]}`,
}

// asPythonReads returns a JSON object without keys that come twice: Python
// keeps the last value.
func asPythonReads(raw []byte) ([]byte, bool) {
	v, err := pyjson.Decode(raw)
	if err != nil {
		return nil, false // such as an integer beyond Python's limit
	}
	once, err := pyjson.Encode(v)
	return once, err == nil
}

// sameCoding compares codings. A JPEG's has no dtype and no shape.
func sameCoding(a, b coding) bool {
	if a.jpeg || b.jpeg {
		return a.jpeg == b.jpeg && a.fastDCT == b.fastDCT && a.fastUpsample == b.fastUpsample && a.colorspace == b.colorspace
	}
	return a.dtype == b.dtype && slices.Equal(a.shape, b.shape)
}

// sameJSON compares JSON texts by their values. No text is null.
func sameJSON(a, b []byte) bool {
	first, second := Message{raw: a}.Value(), Message{raw: b}.Value()
	if first == nil || second == nil {
		return first == nil && second == nil
	}
	x, err := pyjson.Encode(first)
	y, err2 := pyjson.Encode(second)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// checkMessage checks how much memory the values of a message take.
func checkMessage(t *testing.T, m Message, length int) {
	t.Helper()
	alloctest.AtMost(t, "reading a message", 1000*length+65536, func() {
		m.Value()
		_ = m.String()
		var into struct{ A, B any }
		m.Decode(&into)
		m.Decode(new(map[string]any))
		m.Decode(new([]float64))
	})
}

// FuzzHeader reads NetGear's headers. What can be read can be written, and reads
// as the same. Of a key that comes twice the last value counts, as in Python.
func FuzzHeader(f *testing.F) {
	addHeaders(f, "*end-*.json", badMessages(f))
	for _, text := range []string{"p", `\u0070`, `\u00e4`, `\u20ac`} { // ports of 64 characters, and of one more
		for n := range 2 {
			f.Add([]byte(`{"terminate_flag": false, "compression": false, "port": "` + strings.Repeat(text, maxPortText+n) + `", "message": null, "pattern": "0", "dtype": "uint8", "shape": [1, 1]}`))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h header
		var err error
		alloctest.AtMost(t, "a header", 16*len(raw)+8192, func() { h, err = asJSON.parseHeader(raw, nil) })
		if err != nil {
			if !errors.Is(err, errWire) {
				t.Errorf("%v is not a malformed message", err)
			}
			return
		}
		checkMessage(t, h.message, len(raw))
		if text, err := portText(h.port); len(text) > maxPortText || err != nil && !errors.Is(err, errWire) {
			t.Errorf("%s: the port is %q, %v", raw, text, err)
		}
		same := func(g header) bool {
			return g.terminate == h.terminate && sameCoding(g.coding, h.coding) && sameJSON(g.message.raw, h.message.raw) && sameJSON(g.port, h.port)
		}
		if once, ok := asPythonReads(raw); ok {
			if g, err := asJSON.parseHeader(once, nil); err != nil || !same(g) {
				t.Errorf("%s is %+v, but with each key once it is %+v, %v", raw, h, g, err)
			}
		}
		if !plainText(h.dtype) {
			return // such a dtype can be received, but not sent
		}
		again := asJSON.appendHeader(nil, h)
		if h.terminate {
			again = asJSON.appendTerminate(nil, h.port)
			h = header{terminate: true, port: h.port}
		}
		if g, err := asJSON.parseHeader(again, nil); err != nil || !same(g) || g.pattern != h.pattern {
			t.Errorf("%s changed into %s: %+v, %v", raw, again, g, err)
		}
	})
}

func plainText(s string) bool {
	raw, err := pyjson.Encode(s)
	return err == nil && string(raw) == `"`+s+`"`
}

// FuzzAnswer reads NetGear's answers. What can be read can be written, and
// reads as the same.
func FuzzAnswer(f *testing.F) {
	addHeaders(f, "*end-*.json", map[string][][]byte{
		"rejected": {asJSON.appendAnswer(nil, &answer{port: pyjson.Raw("1"), device: "goAB", returnType: "NoneType", rejected: `too "large"`})},
	})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a answer
		var err error
		alloctest.AtMost(t, "an answer", 16*len(raw)+8192, func() { a, err = asJSON.parseAnswer(raw, true) })
		if plain, err := asJSON.parseAnswer(raw, false); err != nil || plain.text != string(raw) {
			t.Errorf("%q is the text %q, %v", raw, plain.text, err)
		}
		if err != nil {
			if !errors.Is(err, errWire) {
				t.Errorf("%v is not a malformed message", err)
			}
			return
		}
		checkMessage(t, a.data, len(raw))
		same := func(b answer) bool {
			return b.returnType == a.returnType && b.rejected == a.rejected && b.device == a.device && b.array == a.array &&
				(!a.array || sameCoding(b.coding, a.coding)) && sameJSON(b.data.raw, a.data.raw) && sameJSON(b.port, a.port)
		}
		if once, ok := asPythonReads(raw); ok {
			if b, err := asJSON.parseAnswer(once, true); err != nil || !same(b) {
				t.Errorf("%s is %+v, but with each key once it is %+v, %v", raw, a, b, err)
			}
		}
		if !plainText(a.returnType) || !plainText(a.dtype) || !plainText(a.device) {
			return
		}
		again := asJSON.appendAnswer(nil, &a)
		if b, err := asJSON.parseAnswer(again, true); err != nil || !same(b) {
			t.Errorf("%s changed into %s: %+v, %v", raw, again, b, err)
		}
	})
}

// mustDecode decodes a JPEG that passed its check: an error has a name, and
// nothing is written behind the picture.
func mustDecode(t *testing.T, dec *turbojpeg.Decoder, fr *frameMemory, jpeg []byte) {
	t.Helper()
	const guard = 64
	out := bytes.Repeat([]byte{0xAA}, fr.size()+guard)
	err := dec.DecodeInto(out[:fr.size()], jpeg, fr.shape[1]*fr.channels(), fr.coding.colorspace, turbojpeg.DecodeOptions{})
	if err != nil && !errors.Is(err, turbojpeg.ErrCorrupt) && !errors.Is(err, turbojpeg.ErrShape) && !errors.Is(err, turbojpeg.ErrLimit) {
		t.Errorf("decoded: %v", err)
	}
	if !bytes.Equal(out[fr.size():], bytes.Repeat([]byte{0xAA}, guard)) {
		t.Fatal("wrote behind the picture")
	}
}

// FuzzFrame checks whole frames, header and pixels: no panic, and no more
// memory than the limit.
func FuzzFrame(f *testing.F) {
	for _, c := range captures(f, "*end-*.json") {
		for i := range c.Messages {
			if p := c.parts(i); len(p) == 2 {
				f.Add(p[0], p[1])
			}
		}
	}
	for _, parts := range badMessages(f) {
		if len(parts) == 2 {
			f.Add(parts[0], parts[1])
		}
	}
	dec, err := turbojpeg.NewDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(dec.Close)
	const limit = 1 << 20
	f.Fuzz(func(t *testing.T, head, pixels []byte) {
		h, err := asJSON.parseHeader(head, nil)
		if err != nil || h.terminate {
			return
		}
		fr := &frameMemory{coding: h.coding}
		alloctest.AtMost(t, "a frame's check", 256*len(h.dtype)+1<<17, func() {
			fr = &frameMemory{coding: h.coding}
			err = fr.check(jsonWire{}, pixels, limit)
		})
		if err != nil {
			if !errors.Is(err, ErrFrame) && !errors.Is(err, errWire) && !errors.Is(err, turbojpeg.ErrCorrupt) && !errors.Is(err, turbojpeg.ErrLimit) {
				t.Errorf("%v is not a malformed message", err)
			}
			return
		}
		if h.jpeg && fr.size() > limit {
			t.Fatalf("%d bytes pass a limit of %d", fr.size(), limit)
		}
		if h.jpeg {
			mustDecode(t, dec, fr, pixels)
		} else if fr.dtype.Size > 0 && fr.size() != len(pixels) {
			t.Fatalf("%v of %s passes with %d bytes", fr.shape, fr.dtype.Name, len(pixels))
		}
	})
}

// Requests that arrive faster than they can be answered one by one are all
// answered: no answer is dropped at a high-water mark.
func TestNoAnswerIsDropped(t *testing.T) {
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, Latest: true})
	peer := newBare(t, zmq4.DEALER, recv)
	const frames = 500
	for range frames {
		peer.send(nil, rawHeader("[1, 1]"), []byte("x"))
	}
	for i := range frames {
		if peer.recv(testTimeout) == nil {
			t.Fatalf("answer %d never came", i)
		}
	}
}
