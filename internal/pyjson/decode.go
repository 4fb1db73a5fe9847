package pyjson

import (
	"math"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Valid reports whether Python's json.loads would accept raw.
func Valid(raw []byte) bool { return check(raw, 0) == nil }

// check parses a text that is nested in depth levels.
func check(raw []byte, depth int) error {
	s, err := open(raw)
	if err != nil {
		return err
	}
	if err := s.value(depth); err != nil {
		return err
	}
	return s.end()
}

// Decode parses one JSON value as Python's json.loads does. It returns nil,
// bool, int64, *big.Int for an integer beyond int64, float64, string, []any or
// map[string]any. NaN and the infinities are float64, and too large a float is
// an infinity. A number is an integer if it has neither a fraction nor an
// exponent. The last of several equal keys wins. Half of a surrogate pair,
// which Python would keep, becomes U+FFFD. The result does not alias raw.
func Decode(raw []byte) (any, error) {
	s, err := open(raw)
	if err != nil {
		return nil, err
	}
	v, err := s.decode(0)
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Fields calls fn for each member of the JSON object raw, in order. It reports
// each of several equal keys, of which Python keeps the last. It stops at fn's
// first error and returns it. Members before a syntax error are reported before
// the error is found.
//
// Both key and value alias raw.
func Fields(raw []byte, fn func(key string, value Raw) error) error {
	s, err := open(raw)
	if err != nil {
		return err
	}
	if s.peek() != '{' {
		return s.fail("expected an object")
	}
	err = s.object(0, func(k scannedKey) error {
		start := s.pos
		if err := s.value(1); err != nil {
			return err
		}
		return fn(k.alias(), Raw(s.data[start:s.pos:s.pos]))
	})
	if err != nil {
		return err
	}
	return s.end()
}

// alias returns the key, without a copy unless it has escapes.
func (k scannedKey) alias() string {
	if k.escaped {
		return unescape(k.text)
	}
	return unsafe.String(unsafe.SliceData(k.text), len(k.text))
}

// decode parses the value at pos.
func (s *scanner) decode(depth int) (any, error) {
	switch c := s.peek(); {
	case c == '"':
		text, escaped, err := s.str()
		if err != nil {
			return nil, err
		}
		return goString(text, escaped), nil
	case c == '{':
		return s.decodeObject(depth)
	case c == '[':
		return s.decodeArray(depth)
	case c == '-' || isDigit(c):
		text, float, err := s.number()
		if err != nil {
			return nil, err
		}
		return goNumber(string(text), float), nil
	default:
		return s.decodeLiteral()
	}
}

func (s *scanner) decodeObject(depth int) (any, error) {
	m := map[string]any{}
	err := s.object(depth, func(k scannedKey) error {
		v, err := s.decode(depth + 1)
		m[goString(k.text, k.escaped)] = v
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (s *scanner) decodeArray(depth int) (any, error) {
	list := []any{}
	err := s.array(depth, func() error {
		v, err := s.decode(depth + 1)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (s *scanner) decodeLiteral() (any, error) {
	w, err := s.literal()
	if err != nil {
		return nil, err
	}
	switch w {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	}
	return nil, nil
}

// goNumber converts a number that the scanner has accepted to int64, *big.Int
// or float64.
func goNumber(text string, float bool) any {
	if float {
		f, _ := strconv.ParseFloat(text, 64) // out of range is an infinity, as in Python; "-Infinity" is accepted too
		return f
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	i, _ := new(big.Int).SetString(text, 10)
	return i
}

func goString(text []byte, escaped bool) string {
	if escaped {
		return unescape(text)
	}
	return string(text)
}

// unescape resolves the escapes of a string that the scanner has accepted.
func unescape(text []byte) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		c := text[i]
		if c != '\\' {
			out = append(out, c)
			i++
			continue
		}
		if text[i+1] == 'u' {
			r, n := unescapeRune(text[i:])
			out = utf8.AppendRune(out, r) // half of a surrogate pair becomes U+FFFD here
			i += n
			continue
		}
		out = append(out, unescapeByte(text[i+1]))
		i += 2
	}
	return string(out)
}

// unescapeRune parses one \uXXXX, or two that are a surrogate pair, and returns
// their length in bytes.
func unescapeRune(text []byte) (r rune, n int) {
	r, _ = hex4(text[2:])
	if utf16.IsSurrogate(r) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		low, _ := hex4(text[8:])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return r, 6
}

func unescapeByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // the quote, the backslash and the slash stand for themselves
}
