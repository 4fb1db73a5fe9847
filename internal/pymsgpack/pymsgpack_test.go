package pymsgpack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/pyjson"
)

// values are Go values, the bytes of Python's msgpack.packb(…,
// default=msgpack_numpy.encode) for the same values, and Decode's results (by
// default the value itself).
var values = []struct {
	name string
	v    any
	wire string
	read any
}{
	{"None", nil, "\xc0", nil},
	{"True", true, "\xc3", nil}, {"False", false, "\xc2", nil},
	{"0", 0, "\x00", int64(0)}, {"127", 127, "\x7f", int64(127)}, {"128", uint8(128), "\xcc\x80", int64(128)},
	{"65535", 65535, "\xcd\xff\xff", int64(65535)}, {"2**32", int64(1 << 32), "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", int64(1 << 32)},
	{"2**64-1", uint64(math.MaxUint64), "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", nil},
	{"2**63 as a big.Int", new(big.Int).SetUint64(1 << 63), "\xcf\x80\x00\x00\x00\x00\x00\x00\x00", uint64(1 << 63)},
	{"-1", -1, "\xff", int64(-1)}, {"-33", int8(-33), "\xd0\xdf", int64(-33)}, {"-129", -129, "\xd1\xff\x7f", int64(-129)},
	{"-2**63", int64(math.MinInt64), "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", int64(math.MinInt64)},
	{"1.5", 1.5, "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", nil}, {"a float32", float32(1.5), "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 1.5},
	{"text", "é", "\xa2\xc3\xa9", nil}, {"long text", strings.Repeat("x", 40), "\xd9\x28" + strings.Repeat("x", 40), nil},
	{"bytes", []byte{1, 2}, "\xc4\x02\x01\x02", nil},
	{"list", []any{1, "a", nil}, "\x93\x01\xa1a\xc0", []any{int64(1), "a", nil}}, {"typed list", []int{1, 2}, "\x92\x01\x02", []any{int64(1), int64(2)}},
	{"dict", map[string]any{"b": 1, "a": []any{}}, "\x82\xa1a\x90\xa1b\x01", map[string]any{"a": []any{}, "b": int64(1)}},
	{"dict with integer keys", map[int]string{10: "x", 2: "y"}, "\x82\x02\xa1y\x0a\xa1x", map[any]any{int64(2): "y", int64(10): "x"}},
	{"dict with mixed keys", map[any]any{"k": 1, 3: 2}, "\x82\x03\x02\xa1k\x01", map[any]any{"k": int64(1), int64(3): int64(2)}},
	{"ordered", pyjson.Object{{Key: "z", Value: 1}, {Key: "a", Value: 2}}, "\x82\xa1z\x01\xa1a\x02", map[string]any{"z": int64(1), "a": int64(2)}},
	{"struct", struct {
		N int    `json:"n"`
		S string `json:"s,omitempty"`
	}{N: 5}, "\x81\xa1n\x05", map[string]any{"n": int64(5)}},
	{"timestamp", time.Unix(1, 0), "\xd6\xff\x00\x00\x00\x01", nil},
	{"timestamp with nanoseconds", time.Unix(1, 5), "\xd7\xff\x00\x00\x00\x14\x00\x00\x00\x01", nil},
	{"timestamp before 1970", time.Unix(-1, 0), "\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", nil},
	{"ExtType", Ext{5, []byte{1, 2, 3}}, "\xc7\x03\x05\x01\x02\x03", nil},
	{"1+2j", 1 + 2i, "\x82\xc4\x07complex\xc3\xc4\x04data\xa6(1+2j)", nil},
	{"-1.5j", complex(0, -1.5), "\x82\xc4\x07complex\xc3\xc4\x04data\xa5-1.5j", nil},
	{"array", Array{"<u2", []int{1, 2}, []byte{1, 0, 2, 0}}, "\x85\xc4\x02nd\xc3\xc4\x04type\xa3<u2\xc4\x04kind\xc4\x00\xc4\x05shape\x92\x01\x02\xc4\x04data\xc4\x04\x01\x00\x02\x00", nil},
	{"array in a dict", map[string]any{"a": Array{"|b1", []int{1}, []byte{1}}}, "\x81\xa1a\x85\xc4\x02nd\xc3\xc4\x04type\xa3|b1\xc4\x04kind\xc4\x00\xc4\x05shape\x91\x01\xc4\x04data\xc4\x01\x01", nil},
}

func TestValues(t *testing.T) {
	for _, c := range values {
		raw, err := Encode(c.v)
		if err != nil || string(raw) != c.wire {
			t.Errorf("%s: wrote %q, %v; want %q", c.name, raw, err, c.wire)
		}
		want := c.read
		if want == nil {
			want = c.v
		}
		if got, err := Decode([]byte(c.wire)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read %#v, %v; want %#v", c.name, got, err, want)
		}
		for n := range len(c.wire) {
			if err := Check([]byte(c.wire[:n])); !errors.Is(err, ErrSyntax) {
				t.Errorf("%s cut off at %d: %v", c.name, n, err)
			}
		}
		if err := Check([]byte(c.wire + "\xc0")); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s and something more: %v", c.name, err)
		}
	}
}

// numpy's scalars, which only Python encodes.
func TestNumpyScalars(t *testing.T) {
	scalar := func(dtype, data string) string {
		return "\x83\xc4\x02nd\xc2\xc4\x04type\xa3" + dtype + "\xc4\x04data\xc4" + string(rune(len(data))) + data
	}
	for _, c := range []struct {
		wire string
		want any
	}{
		{scalar("|b1", "\x01"), true}, {scalar("|u1", "\x7f"), int64(127)}, {scalar("<i2", "\xfe\xff"), int64(-2)},
		{scalar(">i2", "\x01\x00"), int64(256)}, {scalar("<f4", "\x00\x00\xc0\x3f"), 1.5}, {scalar("<f2", "\x00\x3e"), 1.5},
		{scalar("<u8", "\x01\x00\x00\x00\x00\x00\x00\x00"), int64(1)}, {scalar("<c8", "\x00\x00\x80\x3f\x00\x00\x00\x40"), 1 + 2i},
	} {
		if got, err := Decode([]byte(c.wire)); err != nil || got != c.want {
			t.Errorf("%q: %#v, %v; want %#v", c.wire, got, err, c.want)
		}
	}
	for _, bad := range []string{
		scalar("|u1", "\x01\x02"), scalar("<i2", ""), scalar("<f1", "\x01"), scalar("<f0", ""), scalar("<f3", "abc"), scalar("<i3", "abc"), scalar("xxx", "")[:20], scalar("|O8", "\x01\x02"),
	} {
		if v, err := Decode([]byte(bad)); err == nil {
			if _, isArray := v.(Array); !isArray {
				t.Errorf("%q: %#v", bad, v)
			}
		}
	}
}

// Pickles and structured dtypes are refused at every level.
func TestRefusedArrays(t *testing.T) {
	object := "\x85\xc4\x02nd\xc3\xc4\x04type\x91\x92\xa0\xa3|O8\xc4\x04kind\xc4\x01O\xc4\x05shape\x91\x01\xc4\x04data\xc4\x03abc"
	structured := "\x85\xc4\x02nd\xc3\xc4\x04type\x91\x92\xa1x\xa3<f4\xc4\x04kind\xc4\x01V\xc4\x05shape\x91\x01\xc4\x04data\xc4\x04abcd"
	for wire, want := range map[string]error{object: ErrObjectArray, structured: ErrStructuredArray} {
		if _, _, err := ParseArray([]byte(wire)); !errors.Is(err, want) {
			t.Errorf("an array: %v, want %v", err, want)
		}
		if _, err := Decode([]byte("\x91" + wire)); !errors.Is(err, want) {
			t.Errorf("in a list: %v, want %v", err, want)
		}
	}
}

// An array is parsed without a copy.
func TestParseArrayCopiesNothing(t *testing.T) {
	pixels := bytes.Repeat([]byte{7}, 3*4*5)
	raw := append(AppendArrayHead(nil, "|u1", []int{3, 4, 5}, len(pixels)), pixels...)
	a, offset, err := ParseArray(raw)
	if err != nil || a.Type != "|u1" || !reflect.DeepEqual(a.Shape, []int{3, 4, 5}) || !bytes.Equal(a.Data, pixels) {
		t.Fatalf("%+v, %v", a, err)
	}
	if offset != len(raw)-len(pixels) || unsafe.SliceData(a.Data) != &raw[offset] {
		t.Error("the data was copied")
	}
	for _, bad := range []string{"", "\xc0", "\x80", "\x91\x01", string(raw[:len(raw)-1]), strings.Replace(string(raw), "\x93\x03", "\x93\xff", 1)} {
		if a, _, err := ParseArray([]byte(bad)); err == nil {
			t.Errorf("%q is an array: %v", bad, a)
		}
	}
}

// Lengths are checked against the number of bytes.
func TestBombs(t *testing.T) {
	for name, wire := range map[string]string{
		"long list": "\xdd\xff\xff\xff\xff", "long map": "\xdf\x7f\xff\xff\xff\x01\x01", "long text": "\xdb\xff\xff\xff\xffx",
		"long binary": "\xc6\xff\xff\xff\xff", "long extension": "\xc9\xff\xff\xff\xff\x01", "no such code": "\xc1",
		"deep": strings.Repeat("\x91", 1<<20) + "\xc0", "empty": "",
	} {
		if err := Check([]byte(wire)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check([]byte(strings.Repeat("\x91", 500) + "\xc0")); err != nil {
		t.Errorf("500 lists: %v", err)
	}
}

func TestUnencodable(t *testing.T) {
	circle := []any{nil}
	circle[0] = circle
	type knot struct{ Next *knot }
	self := &knot{}
	self.Next = self
	for name, v := range map[string]any{
		"a struct that points to itself": self, "2**20 values": make([]bool, 1<<20), "what is no msgpack": Raw("\xc1"),
		"a map as a key": map[any]any{struct{}{}: 1},
		"a function":     func() {}, "a channel": make(chan int), "2**64": new(big.Int).Lsh(big.NewInt(1), 64), "a circle": circle,
		"a function in a map": map[string]any{"f": func() {}},
	} {
		if raw, err := Encode(v); err == nil {
			t.Errorf("%s became %q", name, raw)
		}
	}
}

// Each value is scanned once, at any depth, also in maps that begin like
// numpy's.
func TestCheckWalksOnce(t *testing.T) {
	for name, open := range map[string]string{
		"lists": "\x91", "maps": "\x81\xa1k", "texts like numpy's": "\x81\xa2nd", "like numpy's": "\x81\xc4\x02nd",
		"numpy's, each within the last": "\x84\xc4\x02nd\xc2\xc4\x04type\xa3|u1\xc4\x04data\xc4\x01\x07\xa1k",
	} {
		const depth, inside = 500, 1000
		raw := []byte(strings.Repeat(open, depth) + "\xdc\x03\xe8" + strings.Repeat("\xc0", inside))
		s := newScanner(raw)
		numpy := 0
		s.found = func(span, numpyMap) error {
			numpy++
			return nil
		}
		if err := s.value(maxDepth); err != nil || s.pos != len(raw) {
			t.Fatalf("%s: %v", name, err)
		}
		want := depth + 1 + inside // and the keys and values beside the nested ones:
		switch open[0] {
		case 0x81:
			want += depth
		case 0x84:
			want += 7 * depth
		}
		if seen := maxValues - s.left; seen != want || numpy != 0 && numpy != depth {
			t.Errorf("%s: %d values were looked at, not %d", name, seen, want)
		}
		d := decoder{}
		if err := check(raw, d.foundNumpy); err != nil || len(d.numpy) > 1 {
			t.Errorf("%s: %d of numpy's maps are to be read, %v", name, len(d.numpy), err)
		}
	}
}

// A type's own methods are used at every level.
func TestStructs(t *testing.T) {
	type inner struct {
		M map[string]any `json:"m,omitempty"`
	}
	type embedded struct{ E int8 }
	at := time.Unix(1, 0)
	v := struct {
		F       float32         `json:"f"`
		C       complex64       `json:"c"`
		Sorted  map[string]int  `json:"sorted"`
		Inner   *inner          `json:"inner"`
		None    *inner          `json:"none"`
		Left    string          `json:"left,omitempty"`
		Not     int             `json:"-"`
		Raw     json.RawMessage `json:"raw"`
		Number  json.Number     `json:"number"`
		Address netip.Addr      `json:"address"`
		At      *time.Time      `json:"at"`
		Named   named           `json:"named"`
		Own     own             `json:"own"`
		hidden  int
		embedded
	}{
		F: 1.5, C: 2i, Sorted: map[string]int{"b": 2, "a": 1}, Inner: &inner{map[string]any{"y": float32(1), "x": 1i}},
		Raw: json.RawMessage(`[1, 2.0]`), Number: "7", Address: netip.MustParseAddr("::1"), At: &at, Named: named{1, 2}, embedded: embedded{3}, hidden: 1,
	}
	want := pyjson.Object{
		{Key: "f", Value: 1.5}, {Key: "c", Value: 2i}, {Key: "sorted", Value: map[string]any{"a": 1, "b": 2}},
		{Key: "inner", Value: map[string]any{"m": map[string]any{"x": 1i, "y": 1.0}}}, {Key: "none"}, {Key: "raw", Value: []any{1, 2.0}},
		{Key: "number", Value: 7}, {Key: "address", Value: "::1"}, {Key: "at", Value: at}, {Key: "named", Value: []byte{1, 2}}, {Key: "own", Value: Ext{1, []byte("own")}},
		{Key: "E", Value: 3},
	}
	got, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	if wire, err := Encode(want); err != nil || !bytes.Equal(got, wire) {
		t.Errorf("wrote %q, %v\n want %q", got, err, wire)
	}
	if again, err := Encode(&v); err != nil || !bytes.Equal(got, again) {
		t.Errorf("a pointer wrote %q, %v", again, err)
	}
	back := v
	back.F, back.C, back.Sorted, back.Inner, back.Raw, back.Number, back.Named, back.E = 0, 0, nil, nil, nil, "", nil, 0
	if err := unmarshal(got, &back); err != nil || back.F != 1.5 || back.C != 2i || len(back.Sorted) != 2 || back.Inner.M["x"] != 1i || string(back.Raw) != "[1, 2.0]" ||
		back.Number != "7" || back.Address != v.Address || back.Named[1] != 2 || back.Own.read != "own" || back.E != 3 {
		t.Errorf("read %+v, %v", back, err)
	}
}

type named []byte

// own has methods to encode and decode itself.
type own struct{ read string }

func (own) EncodeMsgpack(e *msgpack.Encoder) error {
	raw, err := Encode(Ext{1, []byte("own")})
	if err == nil {
		err = e.Encode(msgpack.RawMessage(raw))
	}
	return err
}

func (o *own) DecodeMsgpack(d *msgpack.Decoder) error {
	_, n, err := d.DecodeExtHeader()
	if err != nil {
		return err
	}
	b := make([]byte, n)
	err = d.ReadFull(b)
	o.read = string(b)
	return err
}

// badKeys is a type whose method panics if a key is a list.
type badKeys struct{ m map[any]any }

func (b *badKeys) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	b.m, err = d.DecodeUntypedMap()
	return err
}

func TestReadersThatPanic(t *testing.T) {
	var v struct{ A badKeys }
	value := map[string]any{"A": map[any]any{[1]int{1}: 1}}
	if err := Assign(value, &v, Conversions{JSON: pyjson.Encode}); err == nil || !strings.Contains(err.Error(), "unhashable") {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestUnmarshal(t *testing.T) {
	var v struct {
		N    int `json:"n"`
		List []string
	}
	raw, err := Encode(map[string]any{"n": 7, "List": []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := unmarshal(raw, &v); err != nil || v.N != 7 || len(v.List) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	var s string
	if err := unmarshal(raw, &s); err == nil {
		t.Errorf("a map became the text %q", s)
	}
}

// FuzzDecode reads values. What can be read can be written, and reads as the
// same. The lengths of a shape are the numbers that Decode reads.
func FuzzDecode(f *testing.F) {
	for _, c := range values {
		f.Add([]byte(c.wire))
	}
	for _, lengths := range []string{"\xcc\x80\xd1\x00\x02\xd0\x05", "\xcc\x80\xd1\x00\x02\xd0\xff", "\xcf\x00\x00\x00\x00\x80\x00\x00\x00\xd3\x00\x00\x00\x00\x7f\xff\xff\xff\x00"} {
		f.Add([]byte("\x84\xc4\x02nd\xc3\xc4\x04type\xa3|u1\xc4\x05shape\x93" + lengths + "\xc4\x04data\xc4\x00"))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		alloctest.AtMost(t, "a check", 4*len(raw)+4096, func() {
			Check(raw)
			CheckNumpy(raw, func(Array) error { return nil })
		})
		check(raw, func(_ span, m numpyMap) error {
			lengths, err := shape(m.shape)
			if err != nil {
				return nil
			}
			if numbers, err := Decode(m.shape); err != nil || fmt.Sprint(numbers) != fmt.Sprint(lengths) {
				t.Errorf("the shape %v is read as %v, %v", numbers, lengths, err)
			}
			return nil
		})
		var v any
		var err error
		alloctest.AtMost(t, "Decode", perByte*len(raw)+4096, func() { v, err = Decode(raw) })
		if err != nil {
			return
		}
		again, err := Encode(v)
		if err != nil {
			t.Fatalf("%#v was read and cannot be written: %v", v, err)
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("%#v was written and cannot be read: %v", v, err)
		}
		if !reflect.DeepEqual(stable(v), stable(back)) {
			t.Fatalf("%#v came back as %#v", v, back)
		}
		alloctest.AtMost(t, "Assign", 4*perByte*len(raw)+16384, func() {
			var object struct {
				A map[string]any
				B []map[any]any
				C *int
			}
			for _, into := range []any{&object, new(map[any]any), new([]map[any]any), new(map[string]string)} {
				Assign(v, into, Conversions{JSON: pyjson.Encode})
			}
		})
	})
}

// perByte is how many bytes of memory a byte may need: a map of one pair has
// three bytes on the wire and some 400 in memory.
const perByte = 200

// stable replaces NaN, so that a value is equal to itself.
func stable(v any) any {
	switch v := v.(type) {
	case float64:
		return math.Float64bits(v)
	case complex128:
		return fmt.Sprint(v)
	case time.Time:
		return v.UnixNano()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = stable(v[i])
		}
		return list
	case map[string]any:
		return stableMap(v)
	case map[any]any:
		return stableMap(v)
	case Array:
		return [3]any{v.Type, slices.Clone(v.Shape), string(v.Data)} // no shape is an empty one
	case Ext:
		return [2]any{v.Type, string(v.Data)}
	}
	return v
}

// stableMap returns a map's pairs as sorted texts: a key may be NaN.
func stableMap[K comparable](m map[K]any) any {
	pairs := []string{}
	for k, v := range m {
		pairs = append(pairs, fmt.Sprintf("%T %#v: %#v", k, stable(k), stable(v)))
	}
	slices.Sort(pairs)
	return pairs
}

// unmarshal parses raw into what v points to.
func unmarshal(raw []byte, v any) error {
	value, err := Decode(raw)
	if err != nil {
		return err
	}
	return Assign(value, v, Conversions{JSON: pyjson.Encode})
}
