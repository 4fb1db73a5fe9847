package pyjson

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
)

func bigInt(s string) *big.Int {
	i, _ := new(big.Int).SetString(s, 10)
	return i
}

// Each text with the result of CPython's json.loads.
func TestDecode(t *testing.T) {
	for text, want := range map[string]any{
		"null": nil, "true": true, "false": false,
		"2": int64(2), "2.0": 2.0, "-0": int64(0), "-0.0": math.Copysign(0, -1), "0e5": 0.0, "1E5": 1e5, "1e+2": 100.0,
		"9223372036854775807":    int64(math.MaxInt64),
		"-9223372036854775808":   int64(math.MinInt64),
		"9223372036854775808":    bigInt("9223372036854775808"),
		"-9223372036854775809":   bigInt("-9223372036854775809"),
		"1E400":                  math.Inf(1),
		"-1E400":                 math.Inf(-1),
		"NaN":                    math.NaN(),
		"Infinity":               math.Inf(1),
		"-Infinity":              math.Inf(-1),
		`""`:                     "",
		`"\"\\\/\b\f\n\r\t"`:     "\"\\/\b\f\n\r\t",
		`"\u2603\u00E9\u00e9"`:   "☃éé",
		`"\ud83d\ude00"`:         "😀",
		`"\ud83d"`:               "\ufffd",
		`"\ude00\ud83d"`:         "\ufffd\ufffd",
		`"\ud83dx"`:              "\ufffdx",
		`"\ud83d\u0041"`:         "\ufffdA",
		`"\ud83d\ud83d\ude00"`:   "\ufffd😀",
		`"\u0000"`:               "\x00",
		"\"\x7f☃\"":              "\x7f☃",
		" \t\r\n[ 1 , 2 ] \r\n":  []any{int64(1), int64(2)},
		"[]":                     []any{},
		"[ ]":                    []any{},
		"{ }":                    map[string]any{},
		`{"a" : 1 ,"a": [{}]}`:   map[string]any{"a": []any{map[string]any{}}},
		`{"k": {"\u0031": 2.0}}`: map[string]any{"k": map[string]any{"1": 2.0}},
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth): deep(maxDepth),
		"-" + strings.Repeat("9", maxDigits):                          bigInt("-" + strings.Repeat("9", maxDigits)),
		strings.Repeat("9", maxDigits+1) + ".0":                       math.Inf(1),
	} {
		got, err := Decode([]byte(text))
		if err != nil || !same(got, want) || !Valid([]byte(text)) {
			t.Errorf("%.80s: got %.80v (%T), %v, want %.80v", text, got, got, err, want)
		}
	}
}

func deep(n int) any {
	v := []any{}
	for range n - 1 {
		v = []any{v}
	}
	return v
}

func TestDecodeErrors(t *testing.T) {
	for text, offset := range map[string]int{
		"": 0, "  ": 2, "-NaN": 0, "-": 0, "--1": 0, "+1": 0, ".5": 0, "1.": 2, "1.e5": 2, "1e": 2, "1e+": 3, "01": 1, "-01": 2,
		"0x10": 1, "1_000": 1, "nul": 0, "nan": 0, "None": 0, "True": 0, "'a'": 0, "Infinit": 0, "-Infinit": 0, "nullx": 4,
		"1 2": 2, "[1,]": 3, "[1 2]": 3, "[": 1, "[1": 2, "[,]": 1, "]": 0, "[}": 1,
		"{": 1, `{"a"`: 4, `{"a" 1}`: 5, `{"a":}`: 5, `{"a":1`: 6, `{"a":1,}`: 7, `{1:2}`: 1, `{,}`: 1, `{"a":1 "b":2}`: 7,
		`"`: 1, `"a`: 2, `"\`: 1, `"\x"`: 1, `"\u12"`: 1, `"\u123g"`: 1, `"\u+123"`: 1, "\"a\nb\"": 2, "\"\x00\"": 1, "\"\x1f\"": 1,
		"\ufeff1": 0, "\"\xff\"": 1, "[\"\xed\xa0\x80\"]": 2, "\x00": 0, "1\x00": 1, "\v1": 0, "\u00a01": 0, "/**/1": 0,
		strings.Repeat("[", maxDepth+1):     maxDepth,
		strings.Repeat(`{"":`, maxDepth+1):  4 * maxDepth,
		strings.Repeat("9", maxDigits+1):    0,
		" -" + strings.Repeat("9", 1000000): 1,
	} {
		_, err := Decode([]byte(text))
		var se *SyntaxError
		if !errors.Is(err, ErrSyntax) || !errors.As(err, &se) || se.Offset != offset {
			t.Errorf("%.80q: got %v, want a SyntaxError at %d", text, err, offset)
		}
		if Valid([]byte(text)) {
			t.Errorf("%.80q is valid", text)
		}
		var v any
		if err := Unmarshal([]byte(text), &v); !errors.Is(err, ErrSyntax) {
			t.Errorf("Unmarshal %.80q: %v", text, err)
		}
	}
}

func TestDecodeDoesNotAlias(t *testing.T) {
	text := []byte(`{"key": ["value", "\n"]}`)
	v, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if !same(v, map[string]any{"key": []any{"value", "\n"}}) {
		t.Errorf("got %v", v)
	}
}

const header = `{"port": "6134", "terminate_flag": false, "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, ` +
	`"message": {"a": [1, "\u2603", NaN]}, "pattern": "1", "dtype": "uint8", "shape": [16, 24, 3]}`

func TestFields(t *testing.T) {
	var got []string
	err := Fields([]byte(" {\"a\": 1 , \"\\u2603\" : [1,2]\n,\"a\":{}} "), func(key string, value Raw) error {
		got = append(got, strings.Clone(key)+"="+string(value))
		return nil
	})
	if want := "a=1|☃=[1,2]|a={}"; err != nil || strings.Join(got, "|") != want {
		t.Errorf("got %q, %v, want %s", got, err, want)
	}
	stop := errors.New("stop")
	if err := Fields([]byte(header), func(string, Raw) error { return stop }); err != stop {
		t.Errorf("got %v, want the callback's error", err)
	}
	for _, text := range []string{"", "[]", "1", "{", `{"a":1}x`, `{"a":1,}`, "{\"a\":\"\xff\"}", `{"a":[1,]}`} {
		if err := Fields([]byte(text), func(string, Raw) error { return nil }); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// A Raw that is appended to must not write over the rest of the text.
func TestFieldsCapacity(t *testing.T) {
	text := []byte(`{"a": 1, "b": 2}`)
	_ = Fields(text, func(_ string, value Raw) error {
		_ = append(value, "xxxx"...)
		return nil
	})
	if string(text) != `{"a": 1, "b": 2}` {
		t.Errorf("the text became %s", text)
	}
}

func TestFieldsAllocs(t *testing.T) {
	text, n := []byte(header), 0
	allocs := testing.AllocsPerRun(100, func() {
		_ = Fields(text, func(key string, value Raw) error {
			n += len(key) + len(value)
			return nil
		})
	})
	if allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkFields(b *testing.B) {
	text, n := []byte(header), 0
	b.ReportAllocs()
	for range b.N {
		_ = Fields(text, func(key string, value Raw) error {
			n += len(key) + len(value)
			return nil
		})
	}
}
