package pyjson

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

func seeds(f *testing.F) {
	for _, line := range lines(f, "testdata/wire.txt") {
		f.Add([]byte(line))
	}
	for _, s := range []string{header, `"\ud83d\ude00\ud83d"`, "[1E400, -0, -0.0, 1e-7]", "[NaN,-Infinity]", `{"a":1,"a":{"":[]}} x`} {
		f.Add([]byte(s))
	}
}

func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var v any
		var err error
		alloctest.AtMost(t, "Decode", 256*len(raw)+1<<14, func() { v, err = Decode(raw) })
		if (err == nil) != Valid(raw) {
			t.Fatalf("Decode says %v, Valid says %v", err, Valid(raw))
		}
		agree(t, raw, v, err)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		text, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(text)
		if err != nil || !same(back, v) {
			t.Fatalf("%s: decoded again as %v, %v, first as %v", text, back, err, v)
		}
		into := struct{ A []float64 }{}
		_ = Unmarshal(raw, &into)
		spaced, err := appendRespaced(nil, raw, 0)
		if err != nil || !Valid(spaced) {
			t.Fatalf("re-spaced as %s, %v", spaced, err)
		}
	})
}

// agree compares with encoding/json for texts that both accept: all of its
// texts but those that are not UTF-8, too deep or too long.
func agree(t *testing.T, raw []byte, v any, err error) {
	var want any
	wantErr := json.Unmarshal(raw, &want)
	switch {
	case wantErr == nil && err == nil:
		if !same(asFloats(v), asFloats(want)) {
			t.Fatalf("got %v, want %v", v, want)
		}
	case wantErr == nil && !tolerated(err):
		t.Fatalf("encoding/json reads it, Decode says %v", err)
	case wantErr != nil && err == nil && plain(raw) && json.Valid(raw) && !hasInfinity(v):
		t.Fatalf("Decode reads it, encoding/json says %v", wantErr)
	case wantErr != nil && err == nil && plain(raw) && !json.Valid(raw):
		t.Fatalf("Decode reads it, encoding/json says %v", wantErr)
	}
}

func tolerated(err error) bool {
	for _, s := range []string{"UTF-8", "nested deeper", "integer of more"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// hasInfinity reports whether a value has a number that is out of range for
// encoding/json.
func hasInfinity(v any) bool {
	switch v := v.(type) {
	case float64:
		return math.IsInf(v, 0)
	case *big.Int:
		return hasInfinity(floats(v))
	case []any:
		if slices.ContainsFunc(v, hasInfinity) {
			return true
		}
	case map[string]any:
		for _, e := range v {
			if hasInfinity(e) {
				return true
			}
		}
	}
	return false
}

// asFloats copies a value with all its numbers as floats. Python reads -0 as an
// integer without a sign, encoding/json as a float with one. So the sign of
// zeros is dropped.
func asFloats(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = asFloats(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = asFloats(e)
		}
		return out
	case float64:
		return v + 0
	}
	return floats(v)
}

func FuzzFields(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, calls := map[string]any{}, 0
		err := Fields(raw, func(key string, value Raw) error {
			calls++
			v, err := Decode(value)
			if err != nil {
				t.Fatalf("Fields gave %q, Decode says %v", value, err)
			}
			got[strings.Clone(key)] = v
			return nil
		})
		want, wantErr := Decode(raw)
		if m, ok := want.(map[string]any); ok && (err != nil || !same(got, m)) || !ok && err == nil {
			t.Fatalf("got %v, %v, want %v, %v", got, err, want, wantErr)
		}
		if calls > len(raw)/4 {
			t.Fatalf("%d fields in %d bytes", calls, len(raw))
		}
	})
}

// assigned has fields of every kind that Unmarshal assigns.
type assigned struct {
	A []float64
	B map[string]int16
	C *string `json:"c"`
	D uint8
	E [2]bool
	F struct{ G, H json.Number }
	I []byte
	J map[int]string
	K float32 `json:",omitempty"`
	L bool    `json:",string"`
}

// FuzzUnmarshal assigns texts to Go values. Where encoding/json assigns a text,
// Unmarshal has the same result.
func FuzzUnmarshal(f *testing.F) {
	seeds(f)
	for _, s := range []string{
		`{"A": [1, 2.5, -0, 1e3], "B": {"x": 1, "y": -5}, "c": "text", "D": 255, "E": [true, false, true], "F": {"G": 1, "h": 2.50}, "I": "QUI=", "J": {"7": "a"}, "K": 1.1, "L": "true"}`,
		`{"A": null, "B": null, "C": null, "D": null, "E": null, "F": null, "I": null, "J": null}`, `{"a": [], "D": 256}`, `{"B": {"x": 1.0}}`, `{"E": [true]}`, `{"A": [NaN]}`, `{"J": {"x": "a"}}`,
		`{"A": [1], "a": [2, 3], "A": [4]}`, `{"c": "\ud83d\ude00\ud83d"}`, `{"I": [1, 2]}`, `{"F": {"G": "1"}}`, `{"D": 1e1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, want assigned
		var err error
		alloctest.AtMost(t, "assigning", 256*len(raw)+1<<14, func() { got = assigned{}; err = Unmarshal(raw, &got) })
		wantErr := json.Unmarshal(raw, &want)
		switch {
		case wantErr != nil: // Python's JSON has more
		case err != nil && !tolerated(err):
			t.Fatalf("%s: encoding/json assigns it, Unmarshal says %v", raw, err)
		case err == nil && !reflect.DeepEqual(got, want):
			t.Fatalf("%s: assigned as %+v, by encoding/json as %+v", raw, got, want)
		}
	})
}
