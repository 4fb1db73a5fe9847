package pyjson

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
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
		v, err := Decode(raw)
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
		for _, e := range v {
			if hasInfinity(e) {
				return true
			}
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
		got := map[string]any{}
		err := Fields(raw, func(key string, value Raw) error {
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
	})
}
