package pyjson

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// appendFloat writes f as Python's repr does, with the shortest digits that
// parse as the same value of that size.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	if exp := exponentOf(dst[start:]); exp < -4 || exp >= 16 {
		return dst
	}
	dst = strconv.AppendFloat(dst[:start], f, 'f', -1, bits)
	if slices.Contains(dst[start:], '.') {
		return dst
	}
	return append(dst, ".0"...)
}

// exponentOf parses the exponent of a number in the form 1.5e+30.
func exponentOf(text []byte) int {
	i := len(text) - 1
	for text[i] != 'e' {
		i--
	}
	exp, _ := strconv.Atoi(string(text[i+1:]))
	return exp
}

const hexDigits = "0123456789abcdef"

// appendString writes s in double quotes, ASCII only. Bytes that are not UTF-8
// become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			dst = appendASCII(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			dst = appendEscape(appendEscape(dst, high), low)
		} else {
			dst = appendEscape(dst, r)
		}
		i += n
	}
	return append(dst, '"')
}

func appendASCII(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if c < ' ' || c == 0x7f { // Python escapes DEL as well
		return appendEscape(dst, rune(c))
	}
	return append(dst, c)
}

// appendEscape writes one 16-bit unit as \uXXXX.
func appendEscape(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendRespaced writes a JSON text with Python's separators and escapes.
// Numbers keep their text. depth is the number of levels around it.
func appendRespaced(dst, raw []byte, depth int) ([]byte, error) {
	s, err := open(raw)
	if err != nil {
		return dst, err
	}
	r := respacer{scanner: s, dst: dst}
	if err := r.copyValue(depth); err != nil {
		return dst, err
	}
	return r.dst, r.end()
}

type respacer struct {
	scanner
	dst []byte
}

func (r *respacer) copyValue(depth int) error {
	start := r.pos
	switch r.peek() {
	case '"':
		text, escaped, err := r.str()
		if err != nil {
			return err
		}
		r.dst = appendString(r.dst, goString(text, escaped))
	case '{':
		return r.copyObject(depth)
	case '[':
		return r.copyArray(depth)
	default:
		if err := r.value(depth); err != nil {
			return err
		}
		r.dst = append(r.dst, r.data[start:r.pos]...)
	}
	return nil
}

func (r *respacer) copyObject(depth int) error {
	r.dst = append(r.dst, '{')
	first := true
	err := r.object(depth, func(k scannedKey) error {
		r.dst = appendComma(r.dst, &first)
		r.dst = appendString(r.dst, goString(k.text, k.escaped))
		r.dst = append(r.dst, ": "...)
		return r.copyValue(depth + 1)
	})
	r.dst = append(r.dst, '}')
	return err
}

func (r *respacer) copyArray(depth int) error {
	r.dst = append(r.dst, '[')
	first := true
	err := r.array(depth, func() error {
		r.dst = appendComma(r.dst, &first)
		return r.copyValue(depth + 1)
	})
	r.dst = append(r.dst, ']')
	return err
}

// appendComma writes the separator before every element but the first.
func appendComma(dst []byte, first *bool) []byte {
	if *first {
		*first = false
		return dst
	}
	return append(dst, ", "...)
}
