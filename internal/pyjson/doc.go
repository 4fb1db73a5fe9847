// Package pyjson reads and writes JSON exactly as CPython's json module does by
// default.
//
// It differs from encoding/json where Python does: ", " and ": " as separators,
// ASCII only output, bare NaN, Infinity and -Infinity, integers of any size (up
// to 4300 digits, CPython's own limit), and floats as repr writes them (2.0,
// 1e+16). Go types are converted by encoding/json's rules.
package pyjson

import "encoding/json"

const (
	// maxDepth limits nesting, for reading and writing. CPython's limit is
	// similar.
	maxDepth = 1000
	// maxDigits limits the digits of one integer, as CPython does since 3.11,
	// because parsing takes quadratic time.
	maxDigits = 4300
)

// Raw is the text of one JSON value.
//
// Encode writes a valid Raw unchanged, and a nil or empty Raw as null.
type Raw []byte

// MarshalJSON returns the text, for encoding/json, which refuses NaN and the
// infinities.
func (r Raw) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

// UnmarshalJSON stores a copy of the text.
func (r *Raw) UnmarshalJSON(text []byte) error {
	*r = append(Raw(nil), text...)
	return nil
}

// Member is one key of an Object with its value.
type Member struct {
	Key   string
	Value any
}

// Object is a JSON object that keeps the order of its keys. A nil Object is
// written as {}.
type Object []Member

// MarshalJSON returns the JSON of an Object, for encoding/json.
func (o Object) MarshalJSON() ([]byte, error) { return Encode(o) }

var (
	_ json.Marshaler   = Raw(nil)
	_ json.Unmarshaler = (*Raw)(nil)
	_ json.Marshaler   = Object(nil)
)
