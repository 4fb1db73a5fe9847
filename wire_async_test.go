package netgear

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/pymsgpack"
	"github.com/vidgear-go/netgear/internal/transport"
)

// Every recorded message of NetGear_Async can be read, and what was read is
// written as the same bytes again. None of them is passed on unchanged.
func TestCapturedAsyncMessages(t *testing.T) {
	n := 0
	for name, c := range captures(t, "async-*.json") {
		for i, m := range c.Messages {
			parts := c.parts(i)
			var again [][]byte
			if strings.HasPrefix(name, "async-send-") == (m.From == "vidgear") {
				again = rewriteFrame(t, parts)
			} else {
				again = rewriteAnswer(t, parts, strings.Contains(name, "-bi-"))
			}
			if !reflect.DeepEqual(again, parts) {
				t.Errorf("%s %d:\n wrote %q\n  want %q", name, i, again, parts)
			}
			n++
		}
	}
	if n < 60 {
		t.Errorf("only %d messages were looked at", n)
	}
}

// capturedData is what the recording's ends sent beside the frames, and what its
// receive ends returned (testdata/captures/capture.py).
var capturedData = map[string][]any{
	"async-send-bi-0": {"data", map[string]any{"k": int64(1)}}, "async-send-bi-1": {"data", map[string]any{"k": int64(1)}},
	"async-recv-bi-0": {"d", "d", "d", "d"}, "async-recv-bi-1": {"d", "d", "d", "d"},
}

var capturedReturns = map[string][]any{
	"async-send-bi-0": {"r", "r"}, "async-send-bi-1": {"r", "r"},
	"async-recv-bi-0": {nil, "s", map[string]any{"k": []any{int64(1)}}, nil},
	"async-recv-bi-1": {nil, "s", map[string]any{"k": []any{int64(1)}}, nil},
}

// What was recorded has the values that the ends were given. The receive end's
// own record of what it was shown agrees.
func TestCapturedAsyncValues(t *testing.T) {
	for name, c := range captures(t, "async-*-bi-*.json") {
		var data, returns []any
		for i, m := range c.Messages {
			parts := c.parts(i)
			if strings.HasPrefix(name, "async-send-") == (m.From == "vidgear") {
				if h, err := (asyncWire{}).parseHeader(parts[0], nil); err != nil {
					t.Error(err)
				} else if !h.terminate {
					data = append(data, h.message.Value())
				}
			} else if a, err := (asyncWire{}).parseAnswer(parts[0], true); err != nil {
				t.Error(err)
			} else if a.returnType != "" {
				returns = append(returns, a.data.Value())
			}
		}
		if !reflect.DeepEqual(data, capturedData[name]) || !reflect.DeepEqual(returns, capturedReturns[name]) {
			t.Errorf("%s: %#v was sent, %#v returned", name, data, returns)
		}
		for i, shown := range c.About.Recv {
			if want := fmt.Sprintf("('%v', ((16, 24, 3), 'uint8'))", data[i]); shown != want {
				t.Errorf("%s: VidGear was shown %s, not %s", name, shown, want)
			}
		}
	}
}

func rewriteFrame(t *testing.T, parts [][]byte) [][]byte {
	w := asyncWire{}
	h, err := w.parseHeader(parts[0], nil)
	if err != nil {
		t.Error(err)
	}
	if h.terminate {
		return [][]byte{w.appendTerminate(nil, nil)}
	}
	h.message = rewriteMessage(t, h.message)
	return [][]byte{w.appendHeader(nil, h), rewriteArray(t, parts[1])}
}

// rewriteMessage decodes a message and encodes it again.
func rewriteMessage(t *testing.T, m Message) Message {
	again, err := asyncWire{}.encodeMessage(m.Value())
	if err != nil {
		t.Error(err)
	}
	return again
}

func rewriteAnswer(t *testing.T, parts [][]byte, bidirectional bool) [][]byte {
	w := asyncWire{}
	if id, ok := bytes.CutPrefix(parts[0], []byte("\x81\xaaterminated\xd9*Client-`")); ok {
		return [][]byte{w.terminateReply(string(id[:8]), false)}
	}
	if bytes.HasSuffix(parts[0], []byte("terminated\xa2ok")) {
		return parts // the recorder's own words
	}
	if !bidirectional {
		words := strings.Fields(string(parts[0]))
		return [][]byte{[]byte(w.received(words[len(words)-2]))}
	}
	a, err := w.parseAnswer(parts[0], true)
	if err != nil {
		t.Error(err)
	}
	a.data = rewriteMessage(t, a.data)
	if name := w.typeName(a.data); !a.array && name != a.returnType {
		t.Errorf("the type of %q is %s, not %s", parts[0], name, a.returnType)
	}
	again := [][]byte{w.appendAnswer(nil, &a)}
	if a.array {
		again = append(again, rewriteArray(t, parts[1]))
	}
	return again
}

func rewriteArray(t *testing.T, part []byte) []byte {
	var c coding
	pixels := pixelsOf(t, asyncWire{}, &c, part)
	d, err := numpy.Parse(c.dtype)
	if err != nil {
		t.Error(err)
	}
	// By way of the name that applications see.
	if c.dtype, err = (asyncWire{}).dtype(d.Name); err != nil {
		t.Error(err)
	}
	return append(asyncWire{}.appendArrayHead(nil, c, len(pixels)), pixels...)
}

// asyncMessages are values of every msgpack type, and what they come back as
// where that is something else.
var asyncMessages = []struct{ sent, got any }{
	{nil, nil}, {true, nil}, {false, nil}, {0, int64(0)}, {-1, int64(-1)}, {int64(math.MinInt64), nil}, {uint64(math.MaxUint64), nil},
	{1.5, nil}, {math.Inf(-1), nil}, {"text", nil}, {strings.Repeat("é", 300), nil}, {[]byte{0, 255}, nil},
	{[]any{int64(1), "a", nil, []any{}}, nil}, {map[string]any{"k": []any{int64(1)}}, nil}, {map[any]any{int64(1): "x", "k": int64(2)}, nil},
	{map[int]bool{3: true}, map[any]any{int64(3): true}}, {2 - 1.5i, nil}, {Ext{7, []byte{1}}, nil},
	{[]any{Array{"float32", []int{1, 2}, []byte{0, 0, 128, 63, 0, 0, 0, 64}}}, nil},
	{Tuple{int64(1), "b"}, []any{int64(1), "b"}}, {struct {
		N int `json:"n"`
	}{5}, map[string]any{"n": int64(5)}},
}

// Every msgpack type rides with a frame and on its answer.
func TestAsyncMessages(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep} {
		recv, send := openPair(t, Options{Wire: AsyncWire, Pattern: pattern, BidirectionalMode: true})
		ctx := testContext(t)
		for _, c := range asyncMessages {
			want := c.got
			if want == nil {
				want = c.sent
			}
			if err := recv.SetReturnData(c.sent); err != nil {
				t.Fatalf("%#v: %v", c.sent, err)
			}
			reply, err := send.SendArray(ctx, testArray(0, "uint8", 4, 5), c.sent)
			if err != nil {
				t.Fatalf("%#v: %v", c.sent, err)
			}
			f := mustRecv(t, recv, ctx)
			if got := f.Message.Value(); !reflect.DeepEqual(got, want) {
				t.Errorf("%#v arrived as %#v", c.sent, got)
			}
			if got := reply.Data.Value(); !reflect.DeepEqual(got, want) {
				t.Errorf("%#v was returned as %#v", c.sent, got)
			}
			f.Close()
		}
		now := time.Now()
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 5), now); err != nil {
			t.Fatal(err)
		}
		f := mustRecv(t, recv, ctx)
		if got, ok := f.Message.Value().(time.Time); !ok || !got.Equal(now) {
			t.Errorf("%v arrived as %v", now, f.Message)
		}
		f.Close()
	}
}

// packed is a message as it arrives.
func packed(t *testing.T, raw string) Message {
	t.Helper()
	return packedIn(t, packedHeader(raw))
}

func packedHeader(raw string) []byte {
	return []byte("\x83\xa9terminate\xc2\xa7bi_mode\xc2\xa4data" + raw)
}

func packedIn(t *testing.T, head []byte) Message {
	t.Helper()
	h, err := asyncWire{}.parseHeader(head, nil)
	if err != nil {
		t.Fatalf("%.100q: %v", head, err)
	}
	return h.message
}

// msgpack_numpy's keys are ordinary keys if they are texts, or if a key that
// msgpack_numpy writes is missing, as Python reads them.
func TestAsyncMessagesThatAreNoNumpy(t *testing.T) {
	for raw, want := range map[string]map[string]any{
		"\x81\xa7complex\xc3":                                          {"complex": true},
		"\x82\xa7complex\xc3\xa4data\xa6(1+2j)":                        {"complex": true, "data": "(1+2j)"},
		"\x81\xa2nd\xc3":                                               {"nd": true},
		"\x82\xa2nd\xc3\xa4kind\xc4\x01O":                              {"nd": true, "kind": []byte("O")},
		"\x81\xc4\x02nd\xc3":                                           {"nd": true},
		"\x81\xc4\x07complex\xc3":                                      {"complex": true},
		"\x82\xc4\x07complex\xc3\xa4data\xa21j":                        {"complex": true, "data": "1j"},
		"\x82\xc4\x02nd\xc3\xc4\x04data\xc4\x01a":                      {"nd": true, "data": []byte("a")},
		"\x83\xc4\x02nd\xc3\xc4\x04kind\xc4\x01V\xc4\x04data\xc4\x01a": {"nd": true, "kind": []byte("V"), "data": []byte("a")},
	} {
		m := packed(t, raw)
		if got := m.Value(); !reflect.DeepEqual(got, any(want)) || (asyncWire{}).typeName(m) != "dict" {
			t.Errorf("%q: a %s, %#v", raw, asyncWire{}.typeName(m), got)
		}
	}
}

// A message uses little memory in the receive goroutine, and not much more than
// its values when it is decoded.
func TestAsyncMessagesTakeLittleMemory(t *testing.T) {
	for name, c := range map[string]struct{ head, each string }{
		"maps":                {"", "\x81\x01\x01"},
		"lists":               {"", "\x90"},
		"numbers":             {"", "\xc0"},
		"keys that are lists": {"", "\x81\x91\x01\x01"},
		"numpy's numbers":     {"", "\x83\xc4\x02nd\xc2\xc4\x04type\xa3|u1\xc4\x04data\xc4\x01\x07"},
		"maps within maps":    {strings.Repeat("\x81\xa2nd", 500), "\x81\x01\x01"},
	} {
		n := 200_000 / len(c.each)
		raw := string(binary.BigEndian.AppendUint32([]byte(c.head+"\xdd"), uint32(n))) + "\x92\xa7complex\xa2nd" + strings.Repeat(c.each, n-1)
		head := packedHeader(raw)
		alloctest.AtMost(t, name+", arriving", len(raw), func() { packedIn(t, head) })
		m := packedIn(t, head)
		stamped := packed(t, "\x83\xa3seq"+raw+"\xa1t\x01\xa7message\xc0")
		alloctest.AtMost(t, name+", as a stamp", 4096, func() {
			if _, s := unstamp(stamped); s != nil {
				t.Errorf("%s: a stamp", name)
			}
		})
		alloctest.AtMost(t, name+", as a value", 200*len(raw), func() {
			if m.Value() == nil {
				t.Errorf("%s: no value", name)
			}
		})
	}
}

type asyncInto struct {
	Any    any            `json:"any"`
	Map    map[string]any `json:"map"`
	Ints   map[int]string `json:"ints"`
	Mask   Array          `json:"mask"`
	At     *time.Time     `json:"at"`
	C      complex64      `json:"c"`
	Bytes  []byte         `json:"bytes"`
	Ext    Ext            `json:"ext"`
	Small  uint8          `json:"small"`
	Floats [2]float32     `json:"floats"`
}

// Decode puts every msgpack value into what has room for it, at any depth.
func TestAsyncMessageDecode(t *testing.T) {
	mask := Array{"uint8", []int{1, 2}, []byte{7, 8}}
	at := time.Unix(5, 0)
	sent := map[string]any{
		"any": []any{map[any]any{int64(1): Ext{5, []byte{1}}, "k": mask}}, "map": map[any]any{int64(2): mask, "x": 2i},
		"ints": map[int]string{3: "three"}, "mask": mask, "at": at, "c": 1 + 2i, "bytes": []byte{9}, "ext": Ext{-7, []byte{2}},
		"small": 200, "floats": []any{1, 2.5}, "unknown": 1,
	}
	m, err := asyncWire{}.encodeMessage(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got asyncInto
	want := asyncInto{
		Any: sent["any"], Map: map[string]any{"2": mask, "x": 2i}, Ints: map[int]string{3: "three"}, Mask: mask, At: &at,
		C: 1 + 2i, Bytes: []byte{9}, Ext: Ext{-7, []byte{2}}, Small: 200, Floats: [2]float32{1, 2.5},
	}
	if err := m.Decode(&got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	var whole map[string]any
	if err := m.Decode(&whole); err != nil || !reflect.DeepEqual(any(whole), m.Value()) {
		t.Errorf("%#v, %v; want %#v", whole, err, m.Value())
	}
	for raw, into := range map[string]any{
		"\xcd\x01\x00": new(uint8), "\xff": new(uint), "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00": new(int), "\x91\xa1a": new([]int),
		"\x81\xa5small\xcd\x01\x00": new(asyncInto), "\xa1x": new(map[string]any), "\x81\xa1x\x01": new(string),
	} {
		if err := packed(t, raw).Decode(into); !errors.Is(err, ErrMessage) {
			t.Errorf("%q into a %T: %v", raw, into, err)
		}
	}
}

// Python packs a tuple that is a key as a list, for which Go has no map.
func TestAsyncMessageWithATupleAsKey(t *testing.T) {
	for raw, into := range map[string]any{
		"\x81\x92\x01\x02\x03": new(map[any]any), "\x91\x81\x92\x01\x02\x03": new([]map[any]any), "\x81\xa1A\x81\x92\x01\x02\x03": new(struct{ A map[any]any }),
	} {
		if err := packed(t, raw).Decode(into); err != nil || !strings.Contains(fmt.Sprintf("%v", into), "[1 2]:3") {
			t.Errorf("%q: %v, %v", raw, into, err)
		}
	}
}

// Arrays of every dtype go both ways; big-endian ones are turned around.
func TestAsyncDTypes(t *testing.T) {
	recv, send := openPair(t, Options{Wire: AsyncWire, BidirectionalMode: true})
	ctx := testContext(t)
	for _, name := range numpy.Names() {
		for _, shape := range [][]int{{16, 24, 3}, {7, 5}, {3}, {2, 3, 4, 5}, {1, 1}} {
			a := testArray(1, name, shape...)
			if err := recv.SetReturnData(a); err != nil {
				t.Fatal(err)
			}
			reply, err := send.SendArray(ctx, a, nil)
			if err != nil {
				t.Fatal(err)
			}
			f := mustRecv(t, recv, ctx)
			if got := frameArray(f); !reflect.DeepEqual(got, a) {
				t.Errorf("%s %v arrived as %s %v, same data: %v", name, shape, got.DType, got.Shape, bytes.Equal(got.Data, a.Data))
			}
			if len(f.data) > 0 && !aligned(f.data, f.dtype.Unit) {
				t.Errorf("%s %v: elements where they cannot be read", name, shape)
			}
			if reply.Array == nil || !reflect.DeepEqual(*reply.Array, a) || reply.PythonType != "ndarray" {
				t.Errorf("%s %v was returned as %+v", name, shape, reply)
			}
			f.Close()
		}
	}
	if _, err := send.SendArray(ctx, Array{DType: ">u2", Shape: []int{1, 2}, Data: []byte{1, 0, 2, 0}}, nil); err != nil {
		t.Fatal(err)
	}
	f := mustRecv(t, recv, ctx)
	if f.DType() != "uint16" || !bytes.Equal(frameBytes(f), []byte{0, 1, 0, 2}) {
		t.Errorf(">u2 arrived as %s % x", f.DType(), frameBytes(f))
	}
	f.Close()
	for _, dtype := range []string{"object", "|O", "what"} {
		if _, err := send.SendArray(ctx, Array{DType: dtype, Shape: []int{2}, Data: make([]byte, 16)}, nil); !errors.Is(err, ErrFrame) {
			t.Errorf("dtype %s: %v", dtype, err)
		}
	}
	if _, err := send.SendJPEG(ctx, []byte{0xff, 0xd8}, nil); !errors.Is(err, ErrFrame) {
		t.Errorf("a JPEG: %v", err)
	}
}

// asyncFrame is a whole message as a sender of frames makes it.
func asyncFrame(bidirectional bool, data any) [][]byte {
	m, err := asyncWire{}.encodeMessage(data)
	if err != nil {
		panic(err)
	}
	head := asyncWire{}.appendHeader(nil, header{message: m, bidirectional: bidirectional})
	return [][]byte{head, append(asyncWire{}.appendArrayHead(nil, coding{dtype: "|u1", shape: []int{1, 2}}, 2), 1, 2)}
}

// badAsyncMessages are refused for what is wrong with them, answered and
// counted.
func badAsyncMessages() map[string][][]byte {
	good := asyncFrame(false, nil)
	array := func(dtype, kind string) []byte {
		return []byte("\x85\xc4\x02nd\xc3\xc4\x04type" + dtype + "\xc4\x04kind" + kind + "\xc4\x05shape\x91\x01\xc4\x04data\xc4\x04abcd")
	}
	return map[string][][]byte{
		"pickle":                  {good[0], array("\x91\x92\xa0\xa3|O8", "\xc4\x01O")},
		"pickle in the data":      {append([]byte("\x83\xa9terminate\xc2\xa7bi_mode\xc2\xa4data"), array("\xa2|O", "\xc4\x01O")...), good[1]},
		"object dtype, no kind":   {good[0], array("\xa2|O", "\xc4\x00")},
		"structured":              {good[0], array("\x91\x92\xa1x\xa3<f4", "\xc4\x01V")},
		"structured in the data":  {packedHeader(string(array("\x91\x92\xa1x\xa3<f4", "\xc4\x01V"))), good[1]},
		"not the bytes it claims": {good[0], array("\xa3<u2", "\xc4\x00")},
		"no array":                {good[0], []byte("\x80")},
		"JSON":                    {[]byte(`{"terminate_flag": false}`), good[1]},
		"not msgpack":             {{0xc1}, good[1]},
		"nothing":                 {{}, good[1]},
		"one part":                {good[0]},
		"three parts":             {good[0], good[1], good[1]},
		"endless lists":           {bytes.Repeat([]byte{0x91}, 1<<20), good[1]},
		"a long list":             {packedHeader("\xdd\xff\xff\xff\xff"), good[1]},
		"too many values":         {packedHeader("\xdd\x00\x0f\x42\x41" + strings.Repeat("\xc0", 1_000_001)), good[1]},
		"long data":               {good[0], []byte("\x85\xc4\x02nd\xc3\xc4\x04type\xa3|u1\xc4\x04kind\xc4\x00\xc4\x05shape\x91\x01\xc4\x04data\xc6\xff\xff\xff\xff")},
	}
}

// badAsyncReasons are the logged reasons of the messages that have a reason of
// their own.
var badAsyncReasons = map[string]error{
	"pickle": ErrObjectArray, "pickle in the data": ErrObjectArray, "object dtype, no kind": ErrObjectArray,
	"structured": ErrStructuredArray, "structured in the data": ErrStructuredArray,
}

func TestBadAsyncMessages(t *testing.T) {
	for name, parts := range badAsyncMessages() {
		logged := loggedErrors{make(chan error, 1)}
		recv := mustNew(t, Options{ReceiveMode: true, Wire: AsyncWire, Pattern: ReqRep, Address: "127.0.0.1", Port: "0", Logger: slog.New(logged)})
		peer := newBare(t, zmq4.REQ, recv)
		peer.send(parts...)
		if got := peer.recv(testTimeout); len(got) != 1 || !strings.Contains(string(got[0]), "rejected") {
			t.Errorf("%s: answered %q", name, got)
		}
		peer.send(asyncFrame(false, name)...)
		peer.recv(testTimeout)
		f := mustRecv(t, recv, testContext(t))
		if f.Message.Value() != name || !bytes.Equal(frameBytes(f), []byte{1, 2}) {
			t.Errorf("%s: then came %v", name, f.Message)
		}
		f.Close()
		if s := recv.Stats(); s.Malformed != 1 {
			t.Errorf("%s: %+v", name, s)
		}
		err := logged.wait(t)
		if want := badAsyncReasons[name]; want != nil && (!errors.Is(err, want) || !strings.Contains(err.Error(), want.Error())) {
			t.Errorf("%s: logged as %v", name, err)
		}
		for _, other := range []error{ErrObjectArray, ErrStructuredArray} {
			if other != badAsyncReasons[name] && errors.Is(err, other) {
				t.Errorf("%s: logged as %v", name, err)
			}
		}
	}
}

// loggedErrors is a slog.Handler that keeps the first "err" of what is logged.
type loggedErrors struct{ first chan error }

// wait returns that error.
func (l loggedErrors) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-l.first:
		return err
	case <-time.After(testTimeout):
		t.Error("nothing was logged")
		return nil
	}
}

func (loggedErrors) Enabled(context.Context, slog.Level) bool { return true }
func (l loggedErrors) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l loggedErrors) WithGroup(string) slog.Handler          { return l }

func (l loggedErrors) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Key == "err" {
			select {
			case l.first <- err:
			default:
			}
		}
		return true
	})
	return nil
}

// Nor are they sent, on either wire.
func TestRefusedArraysAreNotSent(t *testing.T) {
	_, send := openPair(t, Options{Wire: AsyncWire})
	_, plain := openPair(t, Options{})
	ctx := testContext(t)
	for dtype, want := range map[string]error{"object": ErrObjectArray, "|O": ErrObjectArray, "[('x', '<f4')]": ErrStructuredArray} {
		a := Array{DType: dtype, Shape: []int{1}, Data: make([]byte, 8)}
		if _, err := send.SendArray(ctx, a, nil); !errors.Is(err, want) || !errors.Is(err, ErrFrame) {
			t.Errorf("%s as a frame: %v", dtype, err)
		}
		if _, err := send.SendArray(ctx, testArray(0, "uint8", 4, 5), []any{a}); !errors.Is(err, want) || !errors.Is(err, ErrMessage) {
			t.Errorf("%s in a message: %v", dtype, err)
		}
		if _, err := plain.SendArray(ctx, a, nil); want == ErrObjectArray && (!errors.Is(err, want) || !errors.Is(err, ErrFrame)) {
			t.Errorf("%s as a frame of NetGear: %v", dtype, err)
		}
	}
}

// A pickle in an answer is not read either; the frame has arrived.
func TestPickleReturned(t *testing.T) {
	pickle := badAsyncMessages()["pickle"][1]
	for name, answer := range map[string][][]byte{
		"as data":  {append([]byte("\x82\xabreturn_type\xa4dict\xabreturn_data"), pickle...)},
		"as array": {[]byte("\x82\xabreturn_type\xa7ndarray\xabreturn_data\xc0"), pickle},
	} {
		peer := newBare(t, zmq4.REP, nil)
		logged := loggedErrors{make(chan error, 1)}
		send := mustNew(t, Options{Wire: AsyncWire, Pattern: ReqRep, BidirectionalMode: true, Address: "127.0.0.1", Port: peer.port(), Logger: slog.New(logged)})
		done := make(chan struct{})
		go func() {
			defer close(done)
			peer.recv(testTimeout)
			peer.send(answer...)
			peer.recv(testTimeout) // the terminate message
			peer.send(asyncWire{}.terminateReply("AB12CD34", false))
		}()
		reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 5), nil)
		if err != nil || reply.Array != nil || !reply.Data.IsNone() {
			t.Errorf("%s: %+v, %v", name, reply, err)
		}
		if err := logged.wait(t); !errors.Is(err, ErrObjectArray) {
			t.Errorf("%s: logged as %v", name, err)
		}
		send.Close()
		<-done
	}
}

// Where bidirectional mode is on at one end only, each sender gets the kind of
// answer it waits for.
func TestAsyncModesThatDiffer(t *testing.T) {
	for _, at := range []string{"sender", "receiver"} {
		recv, send := openPair(t, Options{Wire: AsyncWire}, func(r, s *Options) {
			r.BidirectionalMode, s.BidirectionalMode = at == "receiver", at == "sender"
		})
		if at == "receiver" {
			if err := recv.SetReturnData("lost"); err != nil {
				t.Fatal(err)
			}
		}
		reply, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 5), "m")
		if err != nil || !reply.Data.IsNone() {
			t.Errorf("on at the %s: %+v, %v", at, reply, err)
		}
		if s := send.Stats(); s.Malformed != 0 {
			t.Errorf("on at the %s: %+v", at, s)
		}
	}
}

// A silent stream is reported once per time-out, in every pattern, and goes on.
func TestAsyncTimeout(t *testing.T) {
	for _, pattern := range []Pattern{Pair, ReqRep, PubSub, PushPull} {
		recv, send := openPair(t, Options{Wire: AsyncWire, Pattern: pattern}, func(r, s *Options) { r.SubscriberTimeout = 100 * time.Millisecond })
		ctx := testContext(t)
		for range 2 {
			if _, err := recv.Recv(ctx); !errors.Is(err, ErrTimeout) {
				t.Fatalf("%v: %v", pattern, err)
			}
		}
		if pattern == PubSub {
			continue // whose frame may be lost
		}
		go send.SendArray(ctx, testArray(0, "uint8", 4, 5), "late")
		for f, err := range recv.Frames(ctx) {
			if err == nil {
				f.Close()
				break
			}
			if !errors.Is(err, ErrTimeout) {
				t.Fatalf("%v: %v", pattern, err)
			}
		}
	}
}

// ---- PUSH/PULL ----

// Several workers share a stream without losing a frame; after them the stamps
// restore the order.
func TestWorkersShareAStream(t *testing.T) {
	const frames, workers = 60, 3
	source := mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, Attach: AttachBind, Address: "127.0.0.1", Port: "0", Stamp: true})
	collector := mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, ReceiveMode: true, Address: "127.0.0.1", Port: "0", Stamp: true, TerminatePolicy: KeepWaiting})
	ctx := testContext(t)
	work := func() {
		in := mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: source.Port(), Stamp: true})
		out := mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, Address: "127.0.0.1", Port: collector.Port(), Stamp: true})
		done := 0
		for f, err := range in.Frames(ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := out.SendFrame(ctx, f, StampedMessage{At: f.Stamp.Time, Seq: f.Stamp.Seq, Sender: f.Stamp.Sender, Message: f.Message}); err != nil {
				t.Error(err)
			}
			f.Close()
			done++
		}
		out.Close()
		if done == 0 {
			t.Error("a worker had nothing to do")
		}
	}
	done := make(chan struct{})
	for range workers {
		go func() {
			work()
			done <- struct{}{}
		}()
	}
	awaitPeers(t, source, workers)
	go func() {
		err := sendAll(ctx, source, numbered(frames))
		if err != nil {
			t.Error(err)
		}
		source.Close()
	}()
	next := int64(0)
	for f, err := range InOrder(collector.Frames(ctx), frames) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Message.Value() != next || f.Stamp.Seq != uint64(next)+1 {
			t.Errorf("frame %v came where %d belongs", f.Message, next)
		}
		f.Close()
		if next++; next == frames {
			break
		}
	}
	for range workers {
		<-done
	}
	if s := collector.Stats(); s.Missed != 0 || s.Frames != frames {
		t.Errorf("%+v", s)
	}
}

// sendAll sends frame after frame, each with its message.
func sendAll(ctx context.Context, send *NetGear, frames iter.Seq2[Array, any]) error {
	for a, message := range frames {
		if _, err := send.SendArray(ctx, a, message); err != nil {
			return err
		}
	}
	return nil
}

// numbered are frames whose message is their number.
func numbered(n int) iter.Seq2[Array, any] {
	return func(yield func(Array, any) bool) {
		for i := range n {
			if !yield(testArray(i, "uint8", 30, 40, 3), i) {
				return
			}
		}
	}
}

// A PUSH end waits for a receiver for its frames, and returns an error if there
// is none. It makes its sender wait when the receiver is slow, so nothing is
// lost.
func TestPushWaits(t *testing.T) {
	recv, send := openPair(t, Options{Wire: AsyncWire, Pattern: PushPull, QueueFrames: 2})
	ctx := testContext(t)
	const frames = 300
	sent := make(chan error, 1)
	go func() { sent <- sendAll(ctx, send, numbered(frames)) }()
	for i := range int64(frames) {
		f := mustRecv(t, recv, ctx)
		if f.Message.Value() != i {
			t.Fatalf("frame %v came where %d belongs", f.Message, i)
		}
		f.Close()
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	alone := mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, Address: "127.0.0.1", Port: mustNew(t, Options{Wire: AsyncWire, ReceiveMode: true, Address: "127.0.0.1", Port: "0"}).Port(), RequestTimeout: 20 * time.Millisecond, MaxRetries: 2})
	if _, err := alone.SendArray(ctx, testArray(0, "uint8", 4, 5), nil); !errors.Is(err, ErrPeerGone) {
		t.Errorf("with nobody there: %v", err)
	}
	brief, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := alone.SendArray(brief, testArray(0, "uint8", 4, 5), nil); err == nil {
		t.Error("sent to nobody")
	}
}

// A receiver may pause for longer than TCP's time for an acknowledgment.
func TestPushWaitsForASlowReceiver(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the pause")
	}
	t.Parallel()
	const frames = 12
	recv, send := openPair(t, Options{Wire: AsyncWire, Pattern: PushPull, QueueFrames: 1})
	ctx := testContext(t)
	sent := make(chan error, 1)
	go func() {
		sent <- sendAll(ctx, send, func(yield func(Array, any) bool) {
			for i := range frames { // more than the system's buffers hold
				if !yield(testArray(i, "uint8", 1080, 1920, 3), i) {
					return
				}
			}
		})
	}()
	for i := range int64(frames) {
		f := mustRecv(t, recv, ctx)
		if f.Message.Value() != i {
			t.Fatalf("frame %v came where %d belongs", f.Message, i)
		}
		f.Close()
		if i == 2 {
			time.Sleep(2 * transport.AckTimeout) // the pause itself; nothing waits for it
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if s := recv.Stats(); s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

// A worker that is busy when the stream ends gets the terminate message
// nevertheless.
func TestPushTerminatesAll(t *testing.T) {
	for range 10 {
		send := mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, Attach: AttachBind, Address: "127.0.0.1", Port: "0"})
		var workers []*NetGear
		for range 3 {
			workers = append(workers, mustNew(t, Options{Wire: AsyncWire, Pattern: PushPull, ReceiveMode: true, Attach: AttachConnect, Address: "127.0.0.1", Port: send.Port(), QueueFrames: 1}))
		}
		awaitPeers(t, send, 3)
		ctx := testContext(t)
		sent := make(chan struct{})
		go func() {
			if err := sendAll(ctx, send, numbered(30)); err != nil {
				t.Error(err)
			}
			send.Close()
			close(sent)
		}()
		total := make(chan int)
		for i, w := range workers {
			go func() {
				n := 0
				defer func() { total <- n }()
				for f, err := range w.Frames(ctx) {
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(i) * 5 * time.Millisecond) // the work
					f.Close()
					n++
				}
				w.Close()
			}()
		}
		sum := 0
		for range workers {
			sum += <-total
		}
		<-sent
		if sum != 30 {
			t.Errorf("%d frames came", sum)
		}
	}
}

// What Send has reported as sent is not lost by Close.
func TestPushClosesBehindItsFrames(t *testing.T) {
	for range 20 {
		recv, send := openPair(t, Options{Wire: AsyncWire, Pattern: PushPull})
		ctx := testContext(t)
		if err := sendAll(ctx, send, numbered(5)); err != nil {
			t.Fatal(err)
		}
		send.Close()
		var got []int64
		for {
			f, err := recv.Recv(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f.Message.Value().(int64))
			f.Close()
		}
		if !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
			t.Fatalf("arrived: %v", got)
		}
	}
}

func TestInOrder(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		window    int
		come, are []int // stamps; 0 is an error, negative a frame without a stamp
	}{
		"in order":             {2, []int{1, 2, 3}, []int{1, 2, 3}},
		"swapped":              {2, []int{2, 1, 3}, []int{1, 2, 3}},
		"reversed":             {3, []int{4, 3, 2, 1}, []int{1, 2, 3, 4}},
		"one is missing":       {2, []int{1, 3, 4, 5, 6}, []int{1, 3, 4, 5, 6}},
		"the first is missing": {2, []int{2, 3}, []int{2, 3}},
		"too late":             {1, []int{2, 3, 4, 1, 5}, []int{2, 3, 4, 1, 5}},
		"twice":                {2, []int{2, 2, 1, 1}, []int{2, 1, 2, 1}},
		"errors pass":          {2, []int{2, 0, 1}, []int{0, 1, 2}},
		"no stamps":            {2, []int{-1, 2, -1, 1}, []int{-1, -1, 1, 2}},
	} {
		var got []int
		frames := func(yield func(*Frame, error) bool) {
			for _, seq := range c.come {
				var f *Frame
				var err error
				switch {
				case seq == 0:
					err = broken
				case seq < 0:
					f = &Frame{}
				default:
					f = &Frame{Stamp: &Stamp{Seq: uint64(seq)}}
				}
				if !yield(f, err) {
					return
				}
			}
		}
		for f, err := range InOrder(frames, c.window) {
			switch {
			case err != nil:
				got = append(got, 0)
			case f.Stamp == nil:
				got = append(got, -1)
			default:
				got = append(got, int(f.Stamp.Seq))
			}
		}
		if !slices.Equal(got, c.are) {
			t.Errorf("%s: %v became %v, not %v", name, c.come, got, c.are)
		}
	}
}

// A sender that restarts begins again with 1.
func TestInOrderAfterARestart(t *testing.T) {
	for name, c := range map[string]struct {
		window    int
		come, are []int // 100 times the run, and the stamp
	}{
		"at once":               {2, []int{101, 102, 103, 202, 201, 203}, []int{101, 102, 103, 201, 202, 203}},
		"while one is missing":  {2, []int{101, 103, 202, 201, 203}, []int{101, 103, 201, 202, 203}},
		"one comes after it":    {2, []int{101, 103, 202, 102, 201}, []int{101, 103, 102, 201, 202}},
		"newer ones come, too":  {1, []int{101, 102, 201, 104, 103, 203, 202, 204}, []int{101, 102, 201, 104, 103, 202, 203, 204}},
		"the first are missing": {1, []int{101, 102, 103, 203, 202, 204, 205}, []int{101, 102, 103, 202, 203, 204, 205}},
		"twice":                 {2, []int{101, 102, 202, 201, 302, 301}, []int{101, 102, 201, 202, 301, 302}},
	} {
		var got []int
		frames := func(yield func(*Frame, error) bool) {
			for _, n := range c.come {
				if !yield(&Frame{Stamp: &Stamp{Seq: uint64(n % 100), Time: time.Unix(int64(n), 0)}}, nil) {
					return
				}
			}
		}
		for f := range InOrder(frames, c.window) {
			got = append(got, int(f.Stamp.Time.Unix()))
		}
		if !slices.Equal(got, c.are) {
			t.Errorf("%s: %v became %v, not %v", name, c.come, got, c.are)
		}
	}
}

// Each sender has an order of its own, and all share the window: also one that
// has ended while a frame of it was missing. A sender that is opened again is
// another one.
func TestInOrderOfSenders(t *testing.T) {
	many, inOrder := []int{102}, []int{}
	for i := range maxOrdered {
		many = append(many, 100*(i+2)+1)
	}
	inOrder = append(append(inOrder, many[1:maxOrdered]...), 102, many[maxOrdered], 101)
	for name, c := range map[string]struct {
		window    int
		come, are []int // 100 times the sender, and the number
	}{
		"side by side":              {2, []int{101, 201, 102, 202, 301, 203, 103}, []int{101, 201, 102, 202, 301, 203, 103}},
		"swapped":                   {3, []int{102, 201, 203, 101, 202, 103}, []int{201, 101, 102, 202, 203, 103}},
		"one is missing":            {2, []int{101, 103, 201, 202, 203, 104}, []int{101, 201, 202, 103, 203, 104}},
		"both miss one":             {2, []int{101, 103, 201, 203, 104, 204}, []int{101, 201, 103, 104, 203, 204}},
		"they share the window":     {3, []int{102, 202, 302, 402}, []int{102, 202, 302, 402}},
		"another waits since then":  {4, []int{102, 201, 104, 101, 202, 203, 204, 103}, []int{201, 101, 102, 202, 203, 204, 103, 104}},
		"one more is given up":      {4, []int{102, 201, 202, 104, 105, 203, 103}, []int{201, 202, 102, 203, 103, 104, 105}},
		"opened again":              {9, []int{101, 103, 201, 202, 102}, []int{101, 201, 202, 102, 103}},
		"late":                      {1, []int{101, 103, 201, 202, 102, 104}, []int{101, 201, 103, 202, 102, 104}},
		"more than are remembered":  {1000, append(many, 101), inOrder},
		"without a name, and named": {2, []int{2, 101, 1, 102}, []int{101, 1, 2, 102}},
	} {
		var got []int
		frames := func(yield func(*Frame, error) bool) {
			for i, n := range c.come {
				// The times say nothing of the order.
				if !yield(&Frame{Stamp: &Stamp{Seq: uint64(n % 100), Sender: uint64(n / 100), Time: time.Unix(int64(1000-i), 0)}}, nil) {
					return
				}
			}
		}
		for f := range InOrder(frames, c.window) {
			got = append(got, int(100*f.Stamp.Sender+f.Stamp.Seq))
		}
		if !slices.Equal(got, c.are) {
			t.Errorf("%s: %v became %v, not %v", name, c.come, got, c.are)
		}
	}
}

// The frames of several senders that are in order, or nearly so, take no memory
// of InOrder.
func TestInOrderAllocatesNothing(t *testing.T) {
	const senders, rounds = 5, 2000
	var frames [senders * 2]*Frame // each is used again when it has been yielded
	for i := range frames {
		frames[i] = &Frame{Stamp: &Stamp{Sender: uint64(i%senders + 1)}}
	}
	all := func(n int) func() {
		return func() {
			yielded := 0
			for range InOrder(func(yield func(*Frame, error) bool) {
				for round := range uint64(n) {
					for i, f := range frames { // the second half come before the first
						f.Stamp.Seq = 2*round + 2 - uint64(i/senders)
						if !yield(f, nil) {
							return
						}
					}
				}
			}, 8) {
				yielded++
			}
			if yielded != n*len(frames) {
				t.Errorf("%d of %d frames", yielded, n*len(frames))
			}
		}
	}
	few, many := testing.AllocsPerRun(3, all(10)), testing.AllocsPerRun(3, all(rounds))
	if many > few+rounds/10 {
		t.Errorf("%v allocations for %d rounds, %v for 10", many, rounds, few)
	}
	t.Logf("%v allocations for %d frames, %v for %d", many, rounds*len(frames), few, 10*len(frames))
}

// The order is restored again soon after the sender's clock was set, whether or
// not the sender has restarted, and each frame is yielded once.
func TestInOrderWhileTheClockIsSet(t *testing.T) {
	const window, frames, set = 4, 100, 50
	for name, c := range map[string]struct {
		first time.Duration // the time of the frames before the clock is set, less that of later ones
		again bool          // the sender restarts meanwhile
		soon  int           // frames after that, until the order is restored
	}{
		"ahead":                           {-time.Hour, false, 0},
		"back":                            {time.Hour, false, 0},
		"ahead, restarted":                {-time.Hour, true, 0},
		"back, restarted":                 {time.Hour, true, 3 * window},
		"back by 10 s, restarted":         {10 * time.Second, true, 3 * window},
		"back, after a frame, restarted":  {time.Hour, true, 3 * window},
		"ahead, after a frame, restarted": {-time.Hour, true, 3 * window},
	} {
		t.Run(name, func(t *testing.T) {
			var come []Stamp
			begun := time.Unix(1764547200, 0)
			for i := range frames {
				at := begun.Add(time.Duration(i) * 40 * time.Millisecond)
				seq := uint64(i + 1)
				changed := set
				if strings.Contains(name, "after a frame") {
					changed++
				}
				if i < changed {
					at = at.Add(c.first)
				}
				if i >= set && c.again {
					seq -= set
				}
				come = append(come, Stamp{Seq: seq, Time: at})
			}
			// Two workers: every other frame comes after the next one but two.
			for i := 1; i+3 < frames; i += 4 {
				s := come[i]
				copy(come[i:], come[i+1:i+4])
				come[i+3] = s
			}
			var got []Stamp
			for f := range InOrder(func(yield func(*Frame, error) bool) {
				for i := range come {
					if !yield(&Frame{Stamp: &come[i]}, nil) {
						return
					}
				}
			}, window) {
				got = append(got, *f.Stamp)
			}
			if len(got) != frames {
				t.Fatalf("%d frames of %d", len(got), frames)
			}
			seen := map[Stamp]bool{}
			for i, s := range got {
				if seen[s] {
					t.Errorf("%v was yielded twice", s)
				}
				seen[s] = true
				if i > 0 && s.Seq != got[i-1].Seq+1 && !(s.Seq == 1 && c.again) && (i < set-window || i >= set+window+c.soon) {
					t.Errorf("frame %d has number %d after %d", i, s.Seq, got[i-1].Seq)
				}
			}
		})
	}
}

// ---- fuzzing ----

// FuzzAsyncFrame checks whole frames of NetGear_Async.
func FuzzAsyncFrame(f *testing.F) {
	for _, c := range captures(f, "async-*.json") {
		for i := range c.Messages {
			if p := c.parts(i); len(p) == 2 {
				f.Add(p[0], p[1])
			} else {
				f.Add(p[0], []byte{})
			}
		}
	}
	for _, parts := range badAsyncMessages() {
		if len(parts) == 2 && len(parts[0]) < 1000 {
			f.Add(parts[0], parts[1])
		}
	}
	w := asyncWire{}
	f.Fuzz(func(t *testing.T, head, part []byte) {
		var h header
		var err error
		alloctest.AtMost(t, "arriving", 4*(len(head)+len(part))+8192, func() {
			h, err = w.parseHeader(head, nil)
			w.parseAnswer(head, true)
			new(frameMemory).check(w, part, 1<<20)
		})
		if err == nil {
			alloctest.AtMost(t, "read", 1000*len(head)+65536, func() {
				h.message.Value()
				_ = h.message.String()
				var into struct{ A, B any }
				h.message.Decode(&into)
				h.message.Decode(new(map[any]any))
			})
			again := w.appendHeader(nil, h)
			if g, err := w.parseHeader(again, nil); err != nil || g.terminate != h.terminate || g.bidirectional != h.bidirectional || !bytes.Equal(g.message.raw, h.message.raw) {
				t.Fatalf("%q was read, and written as %q: %+v, %v", head, again, g, err)
			}
		} else if !errors.Is(err, errWire) {
			t.Errorf("%v is not a malformed message", err)
		}
		if a, err := w.parseAnswer(head, true); err == nil && len(a.returnType) < 256 && len(a.rejected) < 256 {
			again := w.appendAnswer(nil, &a)
			if b, err := w.parseAnswer(again, true); err != nil || b.returnType != a.returnType || b.array != a.array ||
				!a.array && (b.rejected != a.rejected || !bytes.Equal(b.data.raw, a.data.raw)) {
				t.Errorf("the answer %q was read, and written as %q: %+v, %v", head, again, b, err)
			}
		} else if err != nil && !errors.Is(err, errWire) {
			t.Errorf("%v is not a malformed message", err)
		}
		fr := &frameMemory{}
		if err := fr.check(w, part, 1<<20); err != nil {
			return
		}
		if fr.dtype.Size > 0 && fr.size() != fr.length || fr.from+fr.length > len(part) {
			t.Fatalf("%v of %s passes with %d bytes", fr.shape, fr.dtype.Name, fr.length)
		}
		if a, _, err := pymsgpack.ParseArray(part); err != nil || len(a.Data) != fr.length {
			t.Fatalf("%+v, %v", a, err)
		}
	})
}
