//go:build !nogocv

package interop

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// value is one value in both languages.
type value struct {
	name   string
	python string // JSON as Python's json.dumps writes it
	kind   string // Python's name of its type
	value  any    // as Message.Value returns it
	falsy  bool   // a VidGear receive end shows no message for it
}

var values = []value{
	{"none", "null", "NoneType", nil, true},
	{"text", `"hello"`, "str", "hello", false},
	{"text empty", `""`, "str", "", true},
	{"text beyond ASCII", `"h\u00e9llo \u4e16\u754c \ud83d\ude00"`, "str", "héllo 世界 😀", false},
	{"text with controls", `"\"\\/\b\f\n\r\t\u0000\u007f\u2028<&>"`, "str", "\"\\/\b\f\n\r\t\x00\x7f\u2028<&>", false},
	{"text big", `"` + strings.Repeat("0123456789", 100_000) + `"`, "str", strings.Repeat("0123456789", 100_000), false},
	{"int", "42", "int", int64(42), false},
	{"int zero", "0", "int", int64(0), true},
	{"int negative", "-7", "int", int64(-7), false},
	{"int least of 64 bits", "-9223372036854775808", "int", int64(math.MinInt64), false},
	{"int 2**70", "1180591620717411303424", "int", new(big.Int).Lsh(big.NewInt(1), 70), false},
	{"int -2**70", "-1180591620717411303424", "int", new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 70)), false},
	{"float", "2.5", "float", 2.5, false},
	{"float whole", "2.0", "float", 2.0, false},
	{"float negative zero", "-0.0", "float", math.Copysign(0, -1), true},
	{"float big", "1e+300", "float", 1e300, false},
	{"float small", "5e-324", "float", 5e-324, false},
	{"float of many digits", "0.30000000000000004", "float", 0.30000000000000004, false},
	{"NaN", "NaN", "float", math.NaN(), false},
	{"Infinity", "Infinity", "float", math.Inf(1), false},
	{"-Infinity", "-Infinity", "float", math.Inf(-1), false},
	{"true", "true", "bool", true, false},
	{"false", "false", "bool", false, true},
	{"list", `[1, "two", 3.0, null, [true]]`, "list", []any{int64(1), "two", 3.0, nil, []any{true}}, false},
	{"list empty", "[]", "list", []any{}, true},
	{"dict", `{"a": 1, "b": {"c": [1, 2, {"d": null}], "\u00e4": -1.5}}`, "dict",
		map[string]any{"a": int64(1), "b": map[string]any{"c": []any{int64(1), int64(2), map[string]any{"d": nil}}, "ä": -1.5}}, false},
	{"dict empty", "{}", "dict", map[string]any{}, true},
}

// forPython returns the value in peer.py's form.
func (v value) forPython() string {
	if v.kind == "tuple" {
		return `{"$tuple": ` + v.python + "}"
	}
	return v.python
}

// forGo returns the value as a Go program passes it.
func (v value) forGo() any {
	if list, ok := v.value.([]any); ok && v.kind == "tuple" {
		return netgear.Tuple(list)
	}
	return v.value
}

// arrived checks the value at a Go end.
func (v value) arrived(t *testing.T, m netgear.Message) {
	t.Helper()
	equal(t, v.name+" as text", m.String(), v.python)
	got := m.Value()
	if f, ok := v.value.(float64); ok && math.IsNaN(f) { // equals nothing
		got, ok := got.(float64)
		equal(t, v.name, ok && math.IsNaN(got), true)
		return
	}
	if !reflect.DeepEqual(got, v.value) {
		t.Fatalf("%s: got %.300v, want %.300v", v.name, got, v.value)
	}
	if math.Signbit(toFloat(got)) != math.Signbit(toFloat(v.value)) {
		t.Fatalf("%s: the sign is lost", v.name)
	}
}

func toFloat(v any) float64 { f, _ := v.(float64); return f }

var tuple = value{"tuple", `[1, "a", [2, 3]]`, "tuple", []any{int64(1), "a", []any{int64(2), int64(3)}}, false}

var allValues = append(values, tuple)

// small is a frame for tests of the data with it.
func small() netgear.Array { return synthetic("uint8", []int{16, 24, 3}, 0) }

// shown fails unless a VidGear receive end has shown the value with a frame, if
// it shows it.
func (v value) shown(t *testing.T, e event) {
	t.Helper()
	got, shown := e["message"]
	equal(t, v.name+": shown as a message", shown, !v.falsy)
	if shown {
		equal(t, v.name, got, v.python)
	}
}

// TestMessages sends any JSON value with a frame. VidGear's receive end shows
// it in bidirectional mode only; the wire has it in every mode.
func TestMessages(t *testing.T) {
	t.Parallel()
	eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
		o.BidirectionalMode = true
		t.Run("go-to-python", func(t *testing.T) {
			t.Parallel()
			p, o := startReceiver(t, o)
			sender := open(t, o)
			for _, v := range allValues {
				send(t, sender, small(), v.forGo())
				e := p.expect("frame")
				equal(t, v.name+": the frame", e.picture(), picture(small()))
				v.shown(t, e)
			}
			sender.Close()
			p.end("terminated")
		})
		for mode, bidirectional := range map[string]bool{"plain": false, "bidirectional": true} {
			t.Run("python-to-go/"+mode, func(t *testing.T) {
				t.Parallel()
				o := o
				o.BidirectionalMode = bidirectional
				receiver, o := openReceiver(t, o)
				p := startSender(t, o, "--wait-ready", "--n", fmt.Sprint(len(allValues)), "--size", "24x16")
				list := make([]string, 0, len(allValues))
				for _, v := range allValues {
					list = append(list, v.forPython())
				}
				p.Tell("messages [" + strings.Join(list, ", ") + "]")
				p.Tell("go")
				for _, v := range allValues {
					f := receive(t, receiver)
					v.arrived(t, f.Message)
					equal(t, v.name+": IsNone", f.Message.IsNone(), v.value == nil)
					f.Close()
				}
				receiveEnd(t, receiver)
				p.end("count")
			})
		}
	})
}

// TestMessagesPubSub is the same without answers, where a frame may be lost.
// VidGear's receive end shows messages in multi-server mode there.
func TestMessagesPubSub(t *testing.T) {
	t.Parallel()
	o := netgear.Options{Pattern: netgear.PubSub, Address: address(t, "tcp"), JPEGCompression: netgear.JPEGOff, MultiserverMode: true, Ports: []string{"0"}}
	t.Run("go-to-python", func(t *testing.T) {
		t.Parallel()
		p, o := startReceiver(t, o)
		o.Port, o.Ports = o.Ports[0], nil
		sender := open(t, o)
		for i, v := range allValues {
			// The pictures distinguish a frame from those before it, which were
			// sent more than once.
			e := publishUntilThere(t, sender, p, number(i), v.forGo())
			v.shown(t, e)
		}
		sender.Close()
		p.end("terminated")
	})
	for mode, multiserver := range map[string]bool{"plain": false, "multi-server": true} {
		t.Run("python-to-go/"+mode, func(t *testing.T) {
			t.Parallel()
			o := o
			if o.MultiserverMode = multiserver; !multiserver {
				o.Ports = nil
			}
			receiver, o := openReceiver(t, o)
			if multiserver {
				o.Port, o.Ports = o.Ports[0], nil
			}
			list, missing := []string{}, map[string]value{}
			for _, v := range allValues {
				list, missing[v.python] = append(list, v.forPython()), v
			}
			p := startSender(t, o, "--wait-ready", "--fps", "50", "--n", "100000", "--size", "24x16")
			for range 20 { // lost frames are sent again
				p.Tell("messages [" + strings.Join(list, ", ") + "]")
			}
			p.Tell("go")
			for len(missing) > 0 {
				f := receive(t, receiver)
				v, due := missing[f.Message.String()]
				if due {
					v.arrived(t, f.Message)
					equal(t, v.name+": IsNone", f.Message.IsNone(), v.value == nil)
					delete(missing, v.python)
				}
				f.Close()
			}
			p.Tell("close")
			p.end("closed")
		})
	}
}

// publishUntilThere repeats a frame until the peer has it, and returns the
// event.
func publishUntilThere(t *testing.T, sender *netgear.NetGear, p *peer, a netgear.Array, message any) event {
	t.Helper()
	want := picture(a)
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); {
		send(t, sender, a, message)
		for e, ok := p.poll(time.Second / 4); ok; e, ok = p.poll(0) {
			if e.picture() == want {
				return e
			}
		}
	}
	p.Fail("the frame does not arrive")
	return nil
}

// TestReturnData returns data with the answers: any JSON value and arrays.
func TestReturnData(t *testing.T) {
	t.Parallel()
	for _, c := range []compression{raw, jpegDefault, jpegGray} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachPattern(t, lockstep, func(t *testing.T, o netgear.Options) {
				o.JPEGCompression, o.BidirectionalMode = c.jpeg, true
				t.Run("go-to-python", func(t *testing.T) {
					t.Parallel()
					returnToPython(t, o, c)
				})
				t.Run("python-to-go", func(t *testing.T) {
					t.Parallel()
					returnToGo(t, o, c)
				})
			})
		})
	}
}

// returnToPython returns data from a Go receive end to a VidGear send end. The
// data is part of the answers once it is set, so the sender must wait for that:
// it sends one frame at each `go 1`.
func returnToPython(t *testing.T, o netgear.Options, c compression) {
	want := c.pictures(t)
	receiver, o := openReceiver(t, o)
	p := startSender(t, o, "--source", "npy-dir", c.clip().dir, "--n", "1000", "--wait-ready")
	answer := func(data any) event {
		t.Helper()
		if err := receiver.SetReturnData(data); err != nil {
			t.Fatal(err)
		}
		p.Tell("go 1")
		receive(t, receiver).Close()
		return p.expect("frame")
	}
	for _, v := range allValues {
		equal(t, v.name, answer(v.forGo())["reply"], v.python)
	}
	for i := range 3 {
		equal(t, "array", answer(c.clip().array(i)).inner("reply").picture(), want[i])
	}
	if err := receiver.SetReturnMat(c.clip().mats[3]); err != nil {
		t.Fatal(err)
	}
	for range 2 { // until it is replaced
		p.Tell("go 1")
		receive(t, receiver).Close()
		equal(t, "Mat", p.expect("frame").inner("reply").picture(), want[3])
	}
	equal(t, "None again", answer(nil)["reply"], "null")
	p.Tell("close")
	p.end("closed")
	receiveEnd(t, receiver)
}

// returnToGo returns data from a VidGear receive end to a Go send end.
func returnToGo(t *testing.T, o netgear.Options, c compression) {
	want := c.pictures(t)
	p, o := startReceiver(t, o)
	sender := open(t, o)
	answer := func(data string) netgear.Reply {
		t.Helper()
		p.Tell("return " + data)
		p.until("return")
		return send(t, sender, c.clip().mats[0], nil)
	}
	for _, v := range allValues {
		reply := answer(v.forPython())
		equal(t, v.name+": type", reply.PythonType, v.kind)
		equal(t, v.name+": comes with an array", reply.Array != nil, false)
		v.arrived(t, reply.Data)
	}
	for i := range 3 {
		file, _ := json.Marshal(c.clip().npy(i)) // texts always encode
		reply := answer(fmt.Sprintf(`{"$npy": %s}`, file))
		equal(t, "array: type", reply.PythonType, "ndarray")
		if reply.Array == nil {
			t.Fatal("no array came")
		}
		equal(t, "array", picture(*reply.Array), want[i])
	}
	sender.Close()
	p.end("terminated")
}
