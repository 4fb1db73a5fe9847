package netgear

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"iter"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"
)

// A frame that the application creates behaves like a received one.
func TestNewFrame(t *testing.T) {
	a := testArray(3, "uint8", 6, 8, 3)
	want := bytes.Clone(a.Data)
	f, err := NewFrame(a, map[string]any{"n": 7})
	if err != nil {
		t.Fatal(err)
	}
	clear(a.Data) // it was copied
	if f.DType() != "uint8" || !slices.Equal(f.Shape(), []int{6, 8, 3}) || !bytes.Equal(frameBytes(f), want) || f.JPEG() != nil || f.Message.String() != `{"n": 7}` {
		t.Errorf("%+v", f)
	}
	img, err := f.Image()
	if err != nil || img.Bounds() != image.Rect(0, 0, 8, 6) {
		t.Fatalf("%v, %v", img, err)
	}
	if r, g, b, _ := img.At(0, 0).RGBA(); byte(r>>8) != want[2] || byte(g>>8) != want[1] || byte(b>>8) != want[0] {
		t.Error("the picture is not in blue, green, red")
	}
	for wire := range wirePatterns {
		recv, send := openPair(t, Options{Wire: wire, Pattern: ReqRep})
		if _, err := send.SendFrame(testContext(t), f, f.Message); err != nil {
			t.Fatal(err)
		}
		got := mustRecv(t, recv, testContext(t))
		if !reflect.DeepEqual(frameArray(got), frameArray(f)) || !reflect.DeepEqual(got.Message.Value(), f.Message.Value()) {
			t.Errorf("%v: %v arrived", wire, got)
		}
		got.Close()
	}
	f.Close()
	if frameBytes(f) != nil || f.Close() != nil {
		t.Error("it is not closed")
	}
}

func TestNewFrameOfEachDType(t *testing.T) {
	for _, c := range []struct {
		dtype, name string
		data, want  []byte
	}{{">u2", "uint16", []byte{1, 2, 3, 4}, []byte{2, 1, 4, 3}}, {"f4", "float32", []byte{1, 2, 3, 4}, []byte{1, 2, 3, 4}}, {"bool", "bool", []byte{1, 0}, []byte{1, 0}}} {
		f, err := NewFrame(Array{DType: c.dtype, Shape: []int{len(c.want) / sizeOfDType(t, c.dtype)}, Data: c.data}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.DType() != c.name || !bytes.Equal(frameBytes(f), c.want) || !f.Message.IsNone() {
			t.Errorf("%s: %s %v", c.dtype, f.DType(), frameBytes(f))
		}
		f.Close()
	}
	for name, a := range map[string]Array{"objects": {DType: "object", Shape: []int{1}, Data: make([]byte, 8)}, "too short": {DType: "uint8", Shape: []int{3}, Data: []byte{1}}} {
		if f, err := NewFrame(a, nil); f != nil || !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}

func sizeOfDType(t *testing.T, dtype string) int {
	d, _, err := spell(jsonWire{}, &Array{DType: dtype, Shape: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	return d.Size
}

// A JPEG is decoded as a receive end does it, and sent on as it is.
func TestNewJPEGFrame(t *testing.T) {
	jpeg := testJPEG(t, 64, 48)
	recv, send := openPair(t, Options{})
	if _, err := send.SendJPEG(testContext(t), jpeg, nil); err != nil {
		t.Fatal(err)
	}
	want := mustRecv(t, recv, testContext(t))
	defer want.Close()
	own := bytes.Clone(jpeg)
	f, err := NewJPEGFrame(own, "text")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clear(own)
	if !reflect.DeepEqual(frameArray(f), frameArray(want)) || !bytes.Equal(f.JPEG(), jpeg) || f.Colorspace() != "BGR" || f.Message.Value() != "text" {
		t.Errorf("%v %v %s", f.Shape(), f.Message, f.Colorspace())
	}
	if _, err := f.Image(); err != nil {
		t.Error(err)
	}
	if _, err := send.SendFrame(testContext(t), f, nil); err != nil {
		t.Fatal(err)
	}
	got := mustRecv(t, recv, testContext(t))
	defer got.Close()
	if !bytes.Equal(got.JPEG(), jpeg) {
		t.Error("it was encoded again")
	}
	for name, bad := range map[string][]byte{"text": []byte("no JPEG"), "half": jpeg[:len(jpeg)/2]} {
		if f, err := NewJPEGFrame(bad, nil); f != nil || !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}

// InOrder sorts frames that the application made.
func TestNewFramesInOrder(t *testing.T) {
	at := time.Now()
	var frames iter.Seq2[*Frame, error] = func(yield func(*Frame, error) bool) {
		for _, seq := range []uint64{2, 1, 3} {
			f, err := NewFrame(testArray(0, "uint8", 2, 2), StampedMessage{At: at, Seq: seq, Message: seq})
			if !yield(f, err) {
				return
			}
		}
	}
	var got []any
	for f, err := range InOrder(frames, 3) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Message.Value())
		f.Close()
	}
	if !reflect.DeepEqual(got, []any{int64(1), int64(2), int64(3)}) {
		t.Errorf("%v", got)
	}
}

// The message has the form of the first wire that can encode it.
func TestNewFrameMessages(t *testing.T) {
	a := testArray(0, "uint8", 2, 2)
	for _, v := range []any{nil, "text", []any{int64(1), 2.5}, map[string]any{"picture": a}, Message{raw: []byte("7")}} {
		f, err := NewFrame(a, v)
		if err != nil {
			t.Fatal(err)
		}
		want := v
		if m, ok := v.(Message); ok {
			want = m.Value()
		}
		if !reflect.DeepEqual(f.Message.Value(), want) {
			t.Errorf("%v became %v", v, f.Message.Value())
		}
		f.Close()
	}
}

// A Message is a field like any other, in JSON and in msgpack.
func TestMessageFields(t *testing.T) {
	type holder struct {
		N     int     `json:"n"`
		Inner Message `json:"inner"`
	}
	var h holder
	if err := json.Unmarshal([]byte(`{"n": 1, "inner": {"b":[1,2.0,"x"]}}`), &h); err != nil || h.Inner.String() != `{"b": [1, 2.0, "x"]}` {
		t.Errorf("%v, %v", h.Inner, err)
	}
	text, err := json.Marshal(h)
	if err != nil || string(text) != `{"n":1,"inner":{"b":[1,2.0,"x"]}}` {
		t.Errorf("%s, %v", text, err)
	}
	whole, err := MessageFromJSON([]byte(`{"n": 2, "inner": [NaN]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := whole.Decode(&h); err != nil || h.N != 2 || !math.IsNaN(h.Inner.Value().([]any)[0].(float64)) {
		t.Errorf("%+v, %v", h, err)
	}
	before := h.Inner.String()
	if err := h.Inner.UnmarshalJSON([]byte("{")); !errors.Is(err, ErrMessage) || h.Inner.String() != before {
		t.Errorf("%v, %v", h.Inner, err)
	}

	a := testArray(1, "uint8", 2, 3)
	packed, err := asyncWire{}.encodeMessage(map[string]any{"n": 3, "inner": map[string]any{"a": a, "x": Ext{Type: 5, Data: []byte{1}}}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": a, "x": Ext{Type: 5, Data: []byte{1}}}
	if err := packed.Decode(&h); err != nil || h.N != 3 || !reflect.DeepEqual(h.Inner.Value(), want) {
		t.Errorf("%+v, %v", h, err)
	}
	again, err := asyncWire{}.encodeMessage([]any{h.Inner, &h.Inner, (*Message)(nil), Message{}, Message{raw: []byte("7")}, &a, &Ext{Type: 5}})
	if err != nil || !reflect.DeepEqual(again.Value(), []any{want, want, nil, nil, int64(7), a, Ext{Type: 5, Data: []byte{}}}) {
		t.Errorf("%v, %v", again.Value(), err)
	}
	none, err := asyncWire{}.encodeMessage(map[string]any{"inner": nil})
	if err == nil {
		err = none.Decode(&h)
	}
	if err != nil || !h.Inner.IsNone() {
		t.Errorf("%v, %v", h.Inner, err)
	}
}

// TestMessageFromMsgpack stores a message of NetGear_Async's wire and reads it
// again, with an array, bytes and a time in it.
func TestMessageFromMsgpack(t *testing.T) {
	at := time.Unix(1764547200, 250).UTC()
	value := map[string]any{"raw": []byte{0, 1}, "at": at, "box": Array{DType: "uint8", Shape: []int{2}, Data: []byte{3, 4}}}
	sent, err := (asyncWire{}).encodeMessage(value)
	if err != nil {
		t.Fatal(err)
	}
	read, err := MessageFromMsgpack(sent.Msgpack())
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := read.Value().(map[string]any); !ok || !reflect.DeepEqual(got["box"], value["box"]) || !bytes.Equal(got["raw"].([]byte), []byte{0, 1}) || !got["at"].(time.Time).Equal(at) {
		t.Errorf("%v, not %v", read.Value(), value)
	}
	if got := (Message{raw: []byte("1")}).Msgpack(); got != nil {
		t.Errorf("a message of JSON is msgpack: %x", got)
	}
}
