package pyjson

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"
)

func lines(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// ordered decodes a text to values that keep the order of keys.
func ordered(t testing.TB, raw []byte) any {
	t.Helper()
	if raw[0] != '{' {
		v, err := Decode(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		return v
	}
	o := Object{}
	err := Fields(raw, func(key string, value Raw) error {
		o = append(o, Member{strings.Clone(key), ordered(t, value)})
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return o
}

// VidGear's texts are unchanged after Decode and Encode.
func TestWireRoundTrip(t *testing.T) {
	for _, line := range lines(t, "testdata/wire.txt") {
		got, err := Encode(ordered(t, []byte(line)))
		if err != nil || string(got) != line {
			t.Errorf("got %s, %v\nwant %s", got, err, line)
		}
		got, err = appendRespaced(nil, []byte(strings.NewReplacer(", ", ",", ": ", " :\t").Replace(line)), 0)
		if err != nil || string(got) != line {
			t.Errorf("re-spaced: got %s, %v\nwant %s", got, err, line)
		}
	}
}

func TestAgainstPython(t *testing.T) {
	for _, line := range lines(t, "testdata/python.txt") {
		part := strings.Split(line, "\t")
		v := source(t, part[0], part[1])
		got, err := Encode(v)
		if err != nil || string(got) != part[2] {
			t.Errorf("%s %s: got %s, %v, want %s", part[0], part[1], got, err, part[2])
		}
		back, err := Decode([]byte(part[2]))
		if err != nil || !same(back, v) {
			t.Errorf("%s: decoded as %v, %v, want %v", part[2], back, err, v)
		}
	}
}

func source(t *testing.T, kind, text string) any {
	if kind == "int" {
		i, ok := new(big.Int).SetString(text, 0)
		if !ok {
			t.Fatal(text)
		}
		if i.IsInt64() {
			return i.Int64()
		}
		return i
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "float" {
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return string(b)
}

// same compares results of Decode: NaN equals NaN, and 0.0 differs from -0.0
// and from 0.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (math.Float64bits(a) == math.Float64bits(b) || a != a && b != b)
	case *big.Int:
		b, ok := b.(*big.Int)
		return ok && a.Cmp(b) == 0
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !same(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// normal rewrites a text of encoding/json with Python's spaces and escapes.
func normal(t testing.TB, v any) (string, error) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	out, err := appendRespaced(nil, text, 0)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return string(bytes.TrimSpace(out)), nil
}
