package netgear

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// FuzzOptionDictionary reads option dictionaries. What can be read can be
// written, and reads as the same.
func FuzzOptionDictionary(f *testing.F) {
	for _, text := range slices.Concat(secretDictionaries, []string{
		`{}`, `{"receive_mode": true, "address": "10.0.0.4", "port": ["1", 2], "pattern": 2, "go": {"attach": "bind"}}`,
		`{"port": "5454", "jpeg_compression": false, "jpeg_compression_fastdct": false, "max_retries": 0, "request_timeout": 10}`,
		`{"secure_mode": 2, "custom_cert_location": "/keys", "go": {"allow_addresses": ["10.0.0.0/8"], "request_timeout": "500ms"}}`,
		`{"timeout": 2.5, "go": {"wire": "NetGear_Async", "jpeg_strips": 2, "jpeg_check": "off", "decode": "ahead", "queue_bytes": 5000000000}}`,
		`{"logging": true, "go": {"reading": {"Reduce": 2, "Region": {"Max": {"X": 8, "Y": 8}}}, "terminate_policy": "keep waiting"}}`,
		`{"go": {"adapt": {"MaxAge": "500ms", "MinScale": 0.25}}}`, `{"go": {"adapt": 5}}`, `{"go": null}`, `{"flag": 1}`,
	}) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var o, read Options
		var err error
		alloctest.AtMost(t, "an option dictionary", 64*len(raw)+1<<20, func() { o = Options{}; err = o.UnmarshalJSON(raw) })
		if err != nil {
			if !errors.Is(err, ErrOption) {
				t.Errorf("%q: %v is no ErrOption", raw, err)
			}
			return
		}
		if err := o.Validate(); err != nil && !errors.Is(err, ErrOption) {
			t.Errorf("%q: checked: %v", raw, err)
		}
		o.SSHTunnelPwd = Secret{}
		again, err := o.MarshalJSON()
		if err != nil {
			if !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), "may contain a password") {
				t.Errorf("%q: written: %v", raw, err)
			}
			return
		}
		if err := read.UnmarshalJSON(again); err != nil || !reflect.DeepEqual(read, o) {
			t.Errorf("%q: written as %s: %v\n got %+v\nwant %+v", raw, again, err, read, o)
		}
	})
}

// sameEnum reads a text into an enum of any type. The text of what was read
// reads as the same.
func sameEnum[T interface {
	comparable
	encoding.TextMarshaler
}, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, text string) {
	t.Helper()
	var v, again, zero T
	if err := P(&v).UnmarshalText([]byte(text)); err != nil {
		if !errors.Is(err, ErrOption) || v != zero || len(err.Error()) > 500 {
			t.Errorf("%q: %v, %v", text, v, err)
		}
		return
	}
	written, err := v.MarshalText()
	if err == nil {
		err = P(&again).UnmarshalText(written)
	}
	if err != nil || again != v {
		t.Errorf("%q: %#v is written as %q, which is %#v, %v", text, v, written, again, err)
	}
}

// FuzzEnumTexts reads the texts of every enum.
func FuzzEnumTexts(f *testing.F) {
	for _, text := range []string{"", "on", "ToggleOff", "BIND", " NetGear_Async ", "imagezmq", "keep waiting", "2", "IronHouse", "REQ/REP", "push/pull", "ahead", "lost", "GRAY", "default", "off", "bgr", "-1", "+1", "1e0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sameEnum[Toggle](t, text)
		sameEnum[Attachment](t, text)
		sameEnum[Wire](t, text)
		sameEnum[TerminatePolicy](t, text)
		sameEnum[SecureMode](t, text)
		sameEnum[Pattern](t, text)
		sameEnum[DecodePolicy](t, text)
		sameEnum[EventKind](t, text)
		sameEnum[Colorspace](t, text)
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range [][]byte{quoted, []byte(text)} {
			var p Pattern
			var m SecureMode
			for _, err := range []error{json.Unmarshal(raw, &p), json.Unmarshal(raw, &m)} {
				if err != nil && json.Valid(raw) && !errors.Is(err, ErrOption) {
					t.Errorf("%s: %v", raw, err)
				}
			}
		}
	})
}

// FuzzStamp takes stamps out of messages of both encodings. A stamp that is put
// into a message again is the same.
func FuzzStamp(f *testing.F) {
	for _, text := range []string{
		`{"seq": 17, "t": 1764547200.25, "message": {"a": 1}}`, `{"seq": 1, "t": -5, "message": null}`, `{"seq": 18446744073709551615, "t": 0, "message": []}`,
		`{"seq": 17, "t": 1764547200.25, "sender": 9007199254740991, "message": {"a": 1}}`, `{"seq": 1, "t": 1, "sender": 9007199254740992, "message": 1}`,
		`{"seq": 1, "t": 1, "sender": 0, "message": 1}`, `{"seq": 1, "t": 1, "sender": null, "message": 1}`, `{"seq": 1, "t": 1, "sender": 1, "sender": 2, "message": 1}`,
		"\x84\xa3seq\x11\xa1t\xcb\x41\xda\x4b\x40\x00\x10\x00\x00\xa6sender\xcf\x00\x1f\xff\xff\xff\xff\xff\xff\xa7message\xa1x",
		`{"seq": -1, "t": 1, "message": 1}`, `{"seq": 1, "t": NaN, "message": 1}`, `{"seq": 1, "t": 1e300, "message": 1}`, `{"seq": 1, "t": 1}`,
		"\x83\xa3seq\x11\xa1t\xcb\x41\xda\x4b\x40\x00\x10\x00\x00\xa7message\xa1x", "\x83\xa3seq\xcc\x80\xa1t\x01\xa7message\xc4\x01x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, w := range []wire{jsonWire{}, asyncWire{}} {
			m, err := MessageFromJSON(raw)
			if w == wire(asyncWire{}) {
				m, err = MessageFromMsgpack(raw)
			}
			if err != nil {
				continue
			}
			inner, s := unstamp(m)
			if s == nil {
				if !bytes.Equal(inner.raw, m.raw) {
					t.Errorf("%q has no stamp, but became %q", raw, inner.raw)
				}
				continue
			}
			again, err := w.encodeMessage(stamped(StampedMessage{At: s.Time, Seq: s.Seq, Sender: s.Sender, Message: inner, unnamed: s.Sender == 0}))
			if err != nil {
				continue // such as bytes in JSON
			}
			second, back := unstamp(again)
			// Behind 2255 a float64 has not all microseconds.
			precise := math.Abs(float64(s.Time.Unix())) < 9e9
			if back == nil || back.Seq != s.Seq || back.Sender != s.Sender || precise && !back.Time.Equal(s.Time) || back.Time.Sub(s.Time).Abs() > time.Millisecond {
				t.Fatalf("%q: %+v became %+v", raw, s, back)
			}
			third, err := w.encodeMessage(second)
			if err != nil || !bytes.Equal(third.raw, second.raw) {
				t.Errorf("%q: the message %q became %q, %v", raw, second.raw, third.raw, err)
			}
		}
	})
}

// FuzzInOrder restores the order of frames with any stamps: two bytes of the
// input are a number and a time, which a peer chooses. With several senders, a
// part of the time is the sender. Each frame is yielded
// once, at most window of them are held, and one that a sender names is passed
// over only if a later one of it arrived window frames before.
func FuzzInOrder(f *testing.F) {
	f.Add([]byte{1, 1, 3, 3, 2, 2, 4, 4}, uint8(2), uint8(1))
	f.Add([]byte{5, 1, 4, 1, 255, 200, 1, 201, 2, 202, 0, 0, 1, 1}, uint8(3), uint8(3))
	f.Add([]byte{254, 9, 255, 9, 0, 9, 253, 9, 1, 10}, uint8(1), uint8(2))
	f.Add(bytes.Repeat([]byte{2, 1, 1, 2}, 9), uint8(0), uint8(255))
	f.Add([]byte{2, 1, 1, 2, 2, 2, 4, 1, 5, 1, 3, 2, 3, 1}, uint8(4), uint8(3))
	f.Fuzz(func(t *testing.T, raw []byte, window, senders uint8) {
		senders = max(senders, 1)
		window %= 20
		came, yielded := map[*Frame]int{}, map[*Frame]int{}
		position, first := map[*Frame]int{}, map[Stamp]*Frame{} // the latter without the time
		numbers := func(n byte) uint64 {
			if n >= 250 {
				return math.MaxUint64 - uint64(255-n) // the last ones
			}
			return uint64(n)
		}
		frames := func(yield func(*Frame, error) bool) {
			for ; len(raw) >= 2; raw = raw[2:] {
				f := &Frame{Stamp: &Stamp{Seq: numbers(raw[0]), Time: time.Unix(int64(raw[1]), 0), Sender: uint64(raw[1]) % uint64(senders)}}
				came[f]++
				position[f] = len(came)
				if of := (Stamp{Seq: f.Stamp.Seq, Sender: f.Stamp.Sender}); first[of] == nil {
					first[of] = f
				}
				if !yield(f, nil) {
					return
				}
				if held := len(came) - len(yielded); held > int(window) {
					t.Fatalf("%d frames are held, at most %d", held, window)
				}
			}
		}
		var passed []*Frame
		top := map[uint64]uint64{}
		for f := range InOrder(frames, int(window)) {
			yielded[f]++
			s := f.Stamp
			if first[Stamp{Seq: s.Seq, Sender: s.Sender}] != f {
				continue // one that comes again is yielded at once
			}
			if s.Seq < top[s.Sender] {
				passed = append(passed, f)
			}
			top[s.Sender] = max(top[s.Sender], s.Seq)
		}
		if !maps.Equal(came, yielded) {
			t.Errorf("%d frames came, %d were yielded", len(came), len(yielded))
		}
		for _, f := range passed {
			s := f.Stamp
			if s.Sender == 0 || s.Seq == 0 || senders > maxOrdered || top[s.Sender] == math.MaxUint64 {
				continue // it may be of another run; none has the number; forgotten; the numbers begin again
			}
			long := false
			for g, at := range position {
				long = long || g.Stamp.Sender == s.Sender && g.Stamp.Seq > s.Seq && position[f]-at >= int(window)
			}
			if !long {
				t.Errorf("frame %d of %d was passed over, at %d", s.Seq, s.Sender, position[f])
			}
		}
	})
}

// FuzzInOrderDisplaced displaces the frames of one stream by less than the
// window: they are yielded in order.
func FuzzInOrderDisplaced(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 3}, uint8(3))
	f.Add(bytes.Repeat([]byte{7, 0}, 20), uint8(8))
	f.Fuzz(func(t *testing.T, swaps []byte, window uint8) {
		window %= 20
		stamps := make([]*Frame, len(swaps)) // each is exchanged once with a later one
		for i := range stamps {
			stamps[i] = &Frame{Stamp: &Stamp{Seq: uint64(i + 1), Time: time.Unix(int64(i), 0)}}
		}
		for i := 0; i < len(swaps); i++ {
			if by := int(swaps[i]) % (int(window) + 1); i+by < len(stamps) {
				stamps[i], stamps[i+by] = stamps[i+by], stamps[i]
				i += by
			}
		}
		next := uint64(1)
		for f := range InOrder(func(yield func(*Frame, error) bool) {
			for _, f := range stamps {
				if !yield(f, nil) {
					return
				}
			}
		}, int(window)) {
			if f.Stamp.Seq != next {
				t.Fatalf("%d is yielded instead of %d", f.Stamp.Seq, next)
			}
			next++
		}
	})
}

// FuzzImageZMQAnswer reads replies of imagezmq: any bytes, which are written
// again as they came.
func FuzzImageZMQAnswer(f *testing.F) {
	for _, raw := range []string{"", "OK", "hub ! rejected", `{"a": 1}`, "\xff\x00", "ä\u2028", "\\", `"`} {
		f.Add([]byte(raw))
	}
	w := imagezmqWire{}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a answer
		var err error
		alloctest.AtMost(t, "a reply", 64*len(raw)+1<<14, func() { a, err = w.parseAnswer(raw, true) })
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		switch v := a.data.Value().(type) {
		case string:
			got = []byte(v)
		case []byte:
			got = v
		}
		if !bytes.Equal(got, raw) || len(raw) > 0 && !bytes.Equal(w.appendAnswer(nil, &a), raw) {
			t.Errorf("%q is %q, written as %q", raw, got, w.appendAnswer(nil, &a))
		}
		if plain, err := w.parseAnswer(raw, false); err != nil || plain.text != string(raw) {
			t.Errorf("%q is the text %q, %v", raw, plain.text, err)
		}
	})
}

// FuzzStatsJSON reads Stats from JSON, as a monitor does. What can be read can
// be written, and reads as the same.
func FuzzStatsJSON(f *testing.F) {
	var l latencies
	for i := range 20 {
		l.add(time.Millisecond<<i, time.Now())
	}
	s := Stats{Frames: 3, Latency: l.stats(time.Now()), Ports: map[string]PortStats{"5555": {Frames: 3}}}
	for _, v := range []any{Stats{}, s} {
		raw, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var first, second Stats
		if json.Unmarshal(raw, &first) != nil {
			return
		}
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if err := json.Unmarshal(written, &second); err != nil {
			t.Fatalf("%s: written as %s: %v", raw, written, err)
		}
		if again, err := json.Marshal(second); err != nil || !bytes.Equal(again, written) {
			t.Errorf("%s changed into %s, %v", written, again, err)
		}
	})
}
