package record

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/alloctest"
)

// FuzzMeta reads what is recorded of a frame besides its picture. What can be
// read is written as it reads.
func FuzzMeta(f *testing.F) {
	m, err := netgear.NewFrame(netgear.Array{DType: "uint8", Shape: []int{1}, Data: []byte{1}}, map[string]any{"a": "<{\\&"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add((&meta{Message: m.Message, Stamp: &netgear.Stamp{Seq: 1<<64 - 1, Time: at(5)}, Received: at(6), Port: "55", Colorspace: "RGB"}).encode())
	f.Add((&meta{Stamp: &netgear.Stamp{Seq: 1, Time: at(5), Sender: 1<<53 - 1}}).encode())
	f.Add((&meta{DType: "uint16", Shape: []int{2, 3}}).encode())
	m.Close()
	for _, text := range []string{
		`{}`, `null`, `{"message": NaN, "jpeg": true}`, `{"msgpack": "gaFhAQ=="}`, `{"stamp": {"seq": -1}}`, `{"stamp": {"seq": 1}}`, `{"stamp": {"seq": 1, "sender": -1}}`, `{"stamp": {"seq": 1, "sender": null}}`,
		`{"received": "9999-12-31T23:59:59.999999999+23:59"}`, `{"shape": [1, -1], "dtype": "x"}`, `{"port": "\ud800"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var m *meta
		var err error
		alloctest.AtMost(t, "the text of a frame", 128*len(text)+1<<16, func() { m, err = decodeMeta(text) })
		if err != nil {
			return
		}
		if m.DType == "" {
			m.Shape = nil
		}
		first := m.encode()
		if first == nil {
			return
		}
		again, err := decodeMeta(first)
		if err != nil {
			t.Fatalf("%q: written as %q: %v", text, first, err)
		}
		if second := again.encode(); !bytes.Equal(second, first) {
			t.Errorf("%q: written as %q, and then as %q", text, first, second)
		}
	})
}

// FuzzRecorded records frames and plays them: all that a sender chooses is as it
// was.
func FuzzRecorded(f *testing.F) {
	f.Add("gate", "5555", []byte(`{"a": 1}`), uint64(1), int64(1764547200250000), uint8(3), []byte{1, 2, 3, 4, 5, 6})
	f.Add("", "", []byte(``), uint64(0), int64(0), uint8(0), []byte{})
	f.Add("ä\n\x00<b>", "\xff", []byte(`NaN`), uint64(1<<64-1), int64(-1e17), uint8(1), []byte{9})
	f.Add("x", "y", []byte(`"\ud800"`), uint64(7), int64(1e17), uint8(4), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	dir := f.TempDir()
	f.Add("", "\u0618", []byte{0xde}, uint64(59), int64(0), uint8(0), []byte{1, 2})
	f.Add("old", "", []byte(``), uint64(1), int64(-1e17), uint8(0), []byte{1})
	f.Fuzz(func(t *testing.T, name, port string, message []byte, seq uint64, micros int64, width uint8, data []byte) {
		m, err := netgear.MessageFromJSON(message)
		if err != nil {
			m = netgear.Message{}
		}
		if len(data) == 0 || micros > 1e17 || micros < -1e17 { // as a stamp is received
			return
		}
		g := given{name: name, port: port, message: m, at: at(1), stamp: &netgear.Stamp{Seq: seq, Time: time.UnixMicro(micros), Sender: seq >> 11}}
		g.array = netgear.Array{DType: "uint8", Shape: []int{len(data)}, Data: data}
		if width > 0 && len(data)%int(width) == 0 && len(data) > 0 {
			g.array.Shape = []int{len(data) / int(width), int(width)}
		}
		if width == 255 {
			g.jpeg, g.array = picture(len(data), 16, 8), netgear.Array{}
		}
		path := filepath.Join(dir, "x.mkv")
		defer os.Remove(path)
		r := create(t, Options{Path: path})
		if err := g.write(t, r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		p := open(t, path)
		frames, err := readAll(t, p)
		if err != nil || len(frames) != 1 {
			t.Fatalf("%d frames, %v", len(frames), err)
		}
		got := frames[0]
		if !bytes.Equal(got.JPEG, g.jpeg) || !bytes.Equal(got.Array.Data, g.array.Data) || g.jpeg == nil && !reflect.DeepEqual(got.Array.Shape, g.array.Shape) {
			t.Errorf("%v became %v", g.array, got.Array)
		}
		captured := g.stamp.Time
		if captured.UTC().Year() < 0 {
			captured = time.Time{} // has no text
		}
		if got.Stamp == nil || got.Stamp.Seq != seq || got.Stamp.Sender != seq>>11 || !got.Stamp.Time.Equal(captured) {
			t.Errorf("%v became %v", g.stamp, got.Stamp)
		}
		want, _ := json.Marshal(port)
		var valid string
		_ = json.Unmarshal(want, &valid) // JSON has no bytes that are no text
		if got.Port != valid || got.Message.String() != m.String() {
			t.Errorf("port %q, message %v became %q, %v", port, m, got.Port, got.Message)
		}
	})
}
