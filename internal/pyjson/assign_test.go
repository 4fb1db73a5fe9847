package pyjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"
)

type reading struct {
	Name    string             `json:"name"`
	Value   float64            `json:"value"`
	Small   float32            `json:"small"`
	Maybe   *float64           `json:"maybe"`
	List    []float64          `json:"list"`
	Pair    [2]float64         `json:"pair"`
	ByName  map[string]float64 `json:"by_name"`
	ByID    map[int]float64    `json:"by_id"`
	Any     any                `json:"any"`
	Nested  *reading           `json:"nested"`
	Quoted  float64            `json:"quoted,string"`
	Count   int                `json:"count,string"`
	Raw     Raw                `json:"raw"`
	Message json.RawMessage    `json:"message"`
	At      time.Time          `json:"at"`
	Data    []byte             `json:"data"`
	Big     *big.Int           `json:"big"`
	Outer
}

func TestUnmarshalNaN(t *testing.T) {
	text := ` {"NAME": "NaN", "value": NaN, "small": -Infinity, "maybe": Infinity, "list": [1, NaN], "pair": [NaN, 2, NaN],
		"by_name": {"NaN": NaN, "\u2603": 1}, "by_id": {"7": NaN}, "any": [NaN, 1, {"k": [1180591620717411303424]}],
		"nested": {"value": Infinity, "B": 3}, "quoted": "NaN", "count": "7", "raw": {"a":[NaN]}, "message": [NaN ],
		"at": "2020-01-02T03:04:05Z", "data": "AQID", "big": 1180591620717411303424, "B": 1, "C": 2, "unknown": NaN} `
	var r reading
	if err := Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v %v %v %v %v %v %v %v %v %v %v %v %s %s %v %v %v %v", r.Name, r.Value, r.Small, *r.Maybe, r.List, r.Pair,
		r.ByName, r.ByID, r.Any, r.Nested.Value, r.Quoted, r.Count, r.Raw, r.Message, r.At.Unix(), r.Data, r.Big, r.Outer)
	want := "NaN NaN -Inf +Inf [1 NaN] [NaN 2] map[NaN:NaN ☃:1] map[7:NaN] [NaN 1 map[k:[1.1805916207174113e+21]]] +Inf NaN 7 " +
		`{"a":[NaN]} [NaN ] 1577934245 [1 2 3] 1180591620717411303424 {1 2}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r.Nested.B != 3 {
		t.Errorf("got %v", r.Nested.Outer)
	}
}

func TestUnmarshalPlain(t *testing.T) {
	var a any
	var m map[string]any
	var l []any
	var n json.Number
	var raw Raw
	typed := struct{ A any }{}
	kept := map[string]any{"old": true}
	for _, c := range []struct {
		text string
		p    any
		want any
	}{
		{"2", &a, int64(2)},
		{"1180591620717411303424", &a, bigInt("1180591620717411303424")},
		{"NaN", &a, math.NaN()},
		{"null", &a, nil},
		{`{"t": 1700000000000000001}`, &m, map[string]any{"t": int64(1700000000000000001)}},
		{`{"a": 1}`, &kept, map[string]any{"old": true, "a": int64(1)}},
		{"null", &m, map[string]any(nil)},
		{"[1, NaN]", &l, []any{int64(1), math.NaN()}},
		{"[]", &l, []any{}},
		{"null", &l, []any(nil)},
		{"1180591620717411303424", &n, json.Number("1180591620717411303424")},
		{" [ NaN ] ", &raw, Raw("[ NaN ]")},
		{" [ 1 ] ", &raw, Raw("[ 1 ]")},
		{`{"a": 2}`, &typed, struct{ A any }{2.0}},
	} {
		err := Unmarshal([]byte(c.text), c.p)
		got := reflect.ValueOf(c.p).Elem().Interface()
		if err != nil || !reflect.DeepEqual(got, c.want) && !same(got, c.want) {
			t.Errorf("%s: got %#v, %v, want %#v", c.text, got, err, c.want)
		}
	}
}

func TestUnmarshalErrors(t *testing.T) {
	var typeError *json.UnmarshalTypeError
	for text, p := range map[string]any{
		"NaN":                    new(int),
		"Infinity":               new(string),
		"[NaN]":                  new(map[string]float64),
		"[[NaN]]":                new([]float64),
		`{"a": NaN}`:             new([]any),
		`{"a": -Infinity}`:       new(map[string]int),
		`{"A": {"B": NaN}}`:      new(struct{ A struct{ B bool } }),
		`{"count": NaN}`:         new(reading),
		`{"quoted": [NaN]}`:      new(reading),
		`{"x": 1, "big": [NaN]}`: new(error),
		`{"A": 1.5, "B": NaN}`: new(struct {
			A int
			B float64
		}),
		`"a"`:          new(int),
		`{"x": NaN}`:   new(map[int]float64),
		`{"300": NaN}`: new(map[int8]float64),
	} {
		if err := Unmarshal([]byte(text), p); !errors.As(err, &typeError) {
			t.Errorf("%s into %T: got %v", text, p, err)
		}
	}
	var invalid *json.InvalidUnmarshalError
	for _, p := range []any{nil, 1, (*int)(nil), (*any)(nil), (*map[string]any)(nil), []int{}} {
		for _, text := range []string{"1", "NaN", "{}"} {
			if err := Unmarshal([]byte(text), p); !errors.As(err, &invalid) {
				t.Errorf("%s into %T: got %v", text, p, err)
			}
		}
	}
	hidden := struct{ *inner }{}
	if err := Unmarshal([]byte(`{"A": 1, "C": NaN}`), &hidden); err == nil {
		t.Error("set a pointer to an unexported struct")
	}
}

// The path for NaN must have encoding/json's results. A word inside a string is
// enough to select it.
func TestUnmarshalAsEncodingJSON(t *testing.T) {
	type all struct {
		inner
		*Outer
		Force  string
		Ptr    **int
		Slice  []inner
		Array  [3]int
		Map    map[string]*inner
		IntMap map[int8]string
		Key    map[named]int
		Any    any
		Filled any
		S      string  `json:",string"`
		I      int     `json:",string"`
		F      float64 `json:",string"`
		P      *int    `json:",string"`
		Bytes  []byte
		Time   time.Time
		Err    error
		Bool   bool
		Deep   struct{ X, Y []map[string]any }
	}
	fresh := func() *all {
		return &all{
			Slice: []inner{{1, 2}, {3, 4}, {5, 6}}, Array: [3]int{1, 2, 3}, Map: map[string]*inner{"old": {}, "a": {7, 7}},
			Filled: &inner{8, 8}, I: 5, P: ptr(6), Ptr: ptr(ptr(4)), Bool: true,
		}
	}
	for _, part := range []string{
		`"A": 1, "b": 2, "C": 3`, `"ptr": 5`, `"ptr": null`, `"Ptr": "x"`, `"slice": [{"A": 9}, {}]`, `"slice": []`, `"slice": null`,
		`"slice": [{"A": 1}, {"B": "NaN"}]`, `"slice": [{"NaN": 1}, {"A": 2}]`, `"slice": {"A": 1}`, `"array": [9]`,
		`"array": [9, 8, 7, 6, "NaN"]`, `"array": "x"`, `"map": {"a": {"A": 1, "NaN": 0}, "b": null}`, `"map": {"a": {"A": 1}}`,
		`"intmap": {"1": "NaN"}`, `"intmap": {"1": "x", "-128": "y"}`, `"intmap": {"300": "NaN"}`, `"intmap": {"x": "NaN"}`,
		`"key": {"a": 1, "\u2603": 2}`, `"any": [1, "NaN", {"a": 12345678901234567890}]`, `"any": {"NaN": null}`, `"any": null`,
		`"filled": {"A": 1, "NaN": 2}`, `"filled": null`, `"filled": 3`, `"s": "\"x\""`, `"s": "\"NaN\""`, `"s": "x"`, `"s": null`,
		`"i": "12"`, `"i": 12`, `"i": null`, `"i": "null"`, `"i": "x"`, `"i": [1]`, `"f": "1.5"`, `"p": "1"`, `"p": null`,
		`"bytes": "AQID"`, `"bytes": [1, 2]`, `"time": "2020-01-02T03:04:05Z"`, `"time": 3`, `"err": null`, `"err": 1`, `"bool": 1`,
		`"deep": {"x": [{"NaN": 1}], "Y": [null, {}]}`, `"inner": {"A": 1}`, `"Outer": {"B": 5}`, `"A": 1, "A": 2, "a": 3`,
	} {
		text := []byte(`{"force": "NaN", ` + part + `}`)
		got, want := fresh(), fresh()
		wantErr := json.Unmarshal(text, want)
		gotErr := Unmarshal(text, got)
		if (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s: got %v, want %v", text, gotErr, wantErr)
		}
		if gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v, want\n%+v", text, got, want)
		}
	}
}

func TestUnmarshalDoesNotAlias(t *testing.T) {
	text := []byte(`{"name": "n", "raw": [NaN], "by_name": {"a": NaN}}`)
	var r reading
	if err := Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	clear(text)
	if r.Name != "n" || string(r.Raw) != "[NaN]" || !math.IsNaN(r.ByName["a"]) {
		t.Errorf("got %+v", r)
	}
}
