//lint:file-ignore SA5008,U1000 tags and fields that encoding/json ignores are what is tested

package pyjson

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEncode(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "null"},
		{[]any{1, "a", nil, true, 2.0}, `[1, "a", null, true, 2.0]`},
		{map[string]any{"b": nan, "a": []float64{inf, -inf}}, `{"a": [Infinity, -Infinity], "b": NaN}`},
		{map[int]float64{10: 1, 9: 2}, `{"10": 1.0, "9": 2.0}`},
		{Object{{"z", 1}, {"a", Object{}}, {"z", nil}}, `{"z": 1, "a": {}, "z": null}`},
		{Object(nil), "{}"},
		{[]Object{nil}, "[{}]"},
		{float32(0.1), "0.1"}, {float32(16777216), "16777216.0"}, {float32(1e16), "1e+16"}, {float32(nan), "NaN"},
		{float32(math.SmallestNonzeroFloat32), "1e-45"},
		{"<&>\u2028\x7f\xff", `"<&>\u2028\u007f\ufffd"`},
		{[]byte{1, 2, 3}, `"AQID"`}, {[]byte(nil), "null"}, {[]byte{}, `""`}, {[3]byte{1, 2, 3}, "[1, 2, 3]"},
		{[]int(nil), "null"}, {map[string]int(nil), "null"}, {[]int{}, "[]"}, {map[string]int{}, "{}"},
		{uint64(math.MaxUint64), "18446744073709551615"},
		{new(big.Int).Lsh(big.NewInt(1), 70), "1180591620717411303424"},
		{*big.NewInt(-7), "-7"}, {(*big.Int)(nil), "null"}, {[]*big.Int{big.NewInt(1), nil}, "[1, null]"},
		{struct{ I big.Int }{*big.NewInt(5)}, `{"I": 5}`},
		{json.Number("1.50"), "1.50"}, {json.Number(""), "0"},
		{json.RawMessage(`{"a":[1,"☃"]}`), `{"a": [1, "\u2603"]}`}, {json.RawMessage(nil), "null"},
		{Raw(`{"a":[1,"☃"]}`), `{"a":[1,"☃"]}`}, {Raw(" NaN"), " NaN"}, {Raw(nil), "null"}, {[]Raw{Raw("1"), nil}, "[1, null]"},
		{time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), `"2020-01-02T03:04:05Z"`},
		{net.IPv4(1, 2, 3, 4), `"1.2.3.4"`},
		{map[netip.Addr]int{netip.MustParseAddr("::1"): 1}, `{"::1": 1}`},
	} {
		got, err := Encode(c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("%#v: got %s, %v, want %s", c.v, got, err, c.want)
		}
	}
}

func TestAppend(t *testing.T) {
	got, err := Append([]byte("x"), []int{1})
	if err != nil || string(got) != "x[1]" {
		t.Errorf("got %s, %v", got, err)
	}
	got, err = Append([]byte("x"), []any{1, make(chan int)})
	if err == nil || string(got) != "x" {
		t.Errorf("got %s, %v", got, err)
	}
}

// Raw and Object are written correctly inside values that encoding/json writes.
func TestMarshalJSON(t *testing.T) {
	got, err := json.Marshal([]any{Raw(`{"a": 1}`), Raw(nil), Object{{"z", 1}, {"a", 2.0}}})
	if want := `[{"a":1},null,{"z":1,"a":2.0}]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

type failingText struct{}

func (failingText) MarshalText() ([]byte, error) { return nil, errors.New("told to fail") }

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("told to fail") }

type broken struct{}

func (broken) MarshalJSON() ([]byte, error) { return []byte(`{"a":`), nil }

type linked struct {
	Next *linked `json:",omitempty"`
}

func TestEncodeErrors(t *testing.T) {
	cycle := map[string]any{}
	cycle["again"] = cycle
	type pointer *pointer
	var self pointer
	self = &self
	for _, c := range []struct {
		v    any
		want []string
	}{
		{make(chan int), []string{"chan int"}},
		{func() {}, []string{"func()"}},
		{1i, []string{"complex128"}},
		{struct {
			Items []map[string]any `json:"items"`
		}{[]map[string]any{nil, {"k": 1i}}}, []string{"complex128", `.items[1]["k"]`}},
		{Object{{"a", func() {}}}, []string{"func()", `["a"]`}},
		{map[float64]int{1: 1}, []string{"map[float64]int", "key of type float64"}},
		{map[any]any{"a": 1}, []string{"key of type interface"}},
		{cycle, []string{"map[string]interface {}", `["again"]["again"]`, "…", "cycle"}},
		{self, []string{"cycle"}},
		{[]failing{{}}, []string{"failing", "[0]", "told to fail"}},
		{[]failingText{{}}, []string{"failingText", "[0]", "told to fail"}},
		{map[failingText]int{{}: 1}, []string{"told to fail"}},
		{[]broken{{}}, []string{"broken", "[0]", "byte 5"}},
		{[]Raw{Raw("{")}, []string{"Raw", "[0]", "byte 1"}},
		{json.Number("1x"), []string{"Number"}}, {json.Number("+1"), []string{"Number"}},
		{new(big.Int).Lsh(big.NewInt(1), 15000), []string{"big.Int", "4300"}},
		{*new(big.Int).Lsh(big.NewInt(1), 1<<20), []string{"big.Int", "4300"}},
	} {
		got, err := Encode(c.v)
		var ee *EncodeError
		if !errors.As(err, &ee) || got != nil {
			t.Errorf("%T: got %.80s, %v, want an EncodeError", c.v, got, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%v does not say %s", err, w)
			}
		}
	}
}

func TestEncodeDepth(t *testing.T) {
	list := &linked{}
	for range maxDepth - 1 {
		list = &linked{list}
	}
	text, err := Encode(list)
	if err != nil || !Valid(text) {
		t.Errorf("%d levels: %v", maxDepth, err)
	}
	if _, err := Encode(&linked{list}); !errors.Is(err, errTooDeep) {
		t.Errorf("%d levels: %v", maxDepth+1, err)
	}
	raw := json.RawMessage(strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth))
	if _, err := Encode([]any{raw}); !errors.Is(err, ErrSyntax) {
		t.Errorf("a deep Marshaler one level in: %v", err)
	}
	if _, err := Encode([]any{Raw(raw)}); !errors.Is(err, ErrSyntax) {
		t.Errorf("a deep Raw one level in: %v", err)
	}
}

type (
	valueJSON   struct{ n int }
	pointerJSON struct{ n int }
	valueText   struct{ n int }
	pointerText struct{ n int }
	byteText    uint8
	named       string
	inner       struct{ A, B int }
	Outer       struct{ B, C int }
	deeper      struct {
		Outer
		D int
	}
	ints []int
)

func (valueJSON) MarshalJSON() ([]byte, error)    { return []byte(`{"v":[1,"<é>"]}`), nil }
func (*pointerJSON) MarshalJSON() ([]byte, error) { return []byte(`{"p":1}`), nil }
func (valueText) MarshalText() ([]byte, error)    { return []byte("v<é>"), nil }
func (*pointerText) MarshalText() ([]byte, error) { return []byte("p"), nil }
func (byteText) MarshalText() ([]byte, error)     { return []byte("b"), nil }
func (v valueJSON) IsZero() bool                  { return v.n == 7 }

func ptr[T any](v T) *T { return &v }

// structs are values that Encode must write as encoding/json does, but for
// spacing and escapes. They hold no floats with an integral value, which the
// two write differently.
func structs() []any {
	return []any{
		struct {
			A int `json:"a"`
			B int `json:"-"`
			C int `json:"-,"`
			D int `json:",omitempty"`
			E int `json:"e,omitempty"`
			f int
			G int `json:"bad\"name"`
			H int `json:"ünï/☃"`
			I int `json:"a b!"`
		}{f: 1},
		struct {
			A string    `json:",string"`
			B int       `json:",string"`
			C bool      `json:",string"`
			D float64   `json:",string"`
			E *int      `json:",string"`
			F *string   `json:",string"`
			G []int     `json:",string"`
			H any       `json:",string"`
			I named     `json:",string"`
			J valueJSON `json:",string"`
			K *float32  `json:",string"`
			L byteText  `json:",string"`
			M uint8     `json:",string,omitempty"`
		}{A: "q\"", E: ptr(3), H: 1, I: "n", D: 1.5},
		struct {
			A []int          `json:",omitempty"`
			B map[string]int `json:",omitempty"`
			C *int           `json:",omitempty"`
			D any            `json:",omitempty"`
			E [0]int         `json:",omitempty"`
			F [1]int         `json:",omitempty"`
			G inner          `json:",omitempty"`
			H string         `json:",omitempty"`
			I bool           `json:",omitempty"`
			J float64        `json:",omitempty"`
			K valueJSON      `json:",omitempty"`
			L time.Time      `json:",omitempty"`
		}{},
		struct {
			A inner       `json:",omitzero"`
			B time.Time   `json:",omitzero"`
			C []int       `json:",omitzero"`
			D valueJSON   `json:",omitzero"`
			E valueJSON   `json:",omitzero"`
			F *valueJSON  `json:",omitzero"`
			G any         `json:",omitzero"`
			H [2]int      `json:",omitzero"`
			I *time.Time  `json:",omitzero"`
			J pointerJSON `json:",omitzero"`
		}{C: []int{}, D: valueJSON{7}, I: &time.Time{}},
		struct {
			inner
			Outer
		}{inner{1, 2}, Outer{3, 4}}, // B cancels out
		struct {
			inner
			*Outer
			B int
		}{inner{1, 2}, nil, 5},
		struct {
			*inner
			Outer `json:"named"`
		}{&inner{1, 2}, Outer{3, 4}},
		struct {
			deeper
			inner
		}{},
		struct {
			deeper
			Outer
		}{},
		struct {
			inner
			X int `json:"B"`
		}{},
		struct {
			X int `json:"Y"`
			Y int
		}{1, 2},
		reflect.New(reflect.StructOf([]reflect.StructField{ // created here, as vet reports a repeated name
			{Name: "X", Type: reflect.TypeFor[int](), Tag: `json:"Z"`},
			{Name: "Y", Type: reflect.TypeFor[int](), Tag: `json:"Z"`},
			{Name: "V", Type: reflect.TypeFor[int]()},
		})).Elem().Interface(),
		struct {
			ints
			named
			Ints ints
		}{},
		struct {
			A inner
			B *inner
			C any
			D []any
			E map[named]*inner
		}{C: inner{}, D: []any{&inner{}, nil, 1}, E: map[named]*inner{"x": nil, "a": {}}},
		struct {
			A valueJSON
			B *valueJSON
			C pointerJSON
			D *pointerJSON
			E valueText
			F *valueText
			G pointerText
			H *pointerText
			I []valueJSON
			J map[string]pointerJSON
			K []pointerJSON
			L [1]pointerText
			M json.Marshaler
			N any
			O []byteText
		}{D: &pointerJSON{}, H: &pointerText{}, K: make([]pointerJSON, 1), J: map[string]pointerJSON{"a": {}}, O: []byteText{1}},
		map[valueText]int{{}: 1},
		map[*pointerText]int{nil: 1, {}: 2},
		map[int8]string{-1: "a", 3: "b", 20: "c"},
		map[uint16]bool{1: true, 300: false},
		map[byteText]int{1: 1},
		[]named{"a", "ß"},
		[]any{int8(1), int16(2), int32(3), int64(4), uint(5), uint8(6), uint16(7), uint32(8), uintptr(9), float32(1.25), 0.1},
		[2][]byte{{1}, nil},
		&[]*[]int{{1}, nil},
		[]time.Duration{1},
		errors.New("an error has no exported fields"),
		reflect.Value{},
	}
}

func TestEncodeAsEncodingJSON(t *testing.T) {
	for i, v := range structs() {
		// Both the value and its address, since only an address has a pointer's
		// methods.
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		for _, v := range []any{v, p.Interface()} {
			want, err := normal(t, v)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Encode(v)
			if err != nil || string(got) != want {
				t.Errorf("%d %T: got\n%s, %v, want\n%s", i, v, got, err, want)
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	v := Object{{"terminate_flag", false}, {"compression", false}, {"message", nil}, {"pattern", "0"}, {"dtype", "uint8"},
		{"shape", []int{1080, 1920, 3}}}
	b.ReportAllocs()
	var buf []byte
	for range b.N {
		buf, _ = Append(buf[:0], v)
	}
}
