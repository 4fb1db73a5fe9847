package pymsgpack

import (
	"encoding/binary"
	"fmt"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Check returns an error unless raw is exactly one msgpack value, within the
// limits of depth and number.
func Check(raw []byte) error { return check(raw, nil) }

// CheckNumpy is Check, and also checks msgpack_numpy's maps in raw. It calls
// array for each array. It scans raw once and creates no values.
func CheckNumpy(raw []byte, array func(Array) error) error {
	return check(raw, func(_ span, m numpyMap) error {
		v, err := m.value()
		if a, ok := v.(Array); ok && err == nil {
			err = array(a)
		}
		return err
	})
}

func check(raw []byte, found func(span, numpyMap) error) error {
	s := newScanner(raw)
	s.found = found
	err := s.value(maxDepth)
	if err == nil && s.pos != len(raw) {
		err = fmt.Errorf("%w: %d bytes after the value", ErrSyntax, len(raw)-s.pos)
	}
	return err
}

// kind is a value's kind, which its first byte encodes.
type kind int8

const (
	scalar kind = iota // nil, bool, number
	text
	binaryText
	list
	dict
	extension
)

// head is a value's first bytes, parsed.
type head struct {
	kind kind
	size int // bytes of the head itself
	// length is in bytes for a text, binary or extension, in elements for a
	// list, and in pairs for a dict. For a scalar it is the bytes after the
	// head.
	length int
}

// codes are the types from 0xc0 to 0xdf of the msgpack specification.
var codes = [32]struct {
	kind   kind
	bytes  int // of the length
	length int // if it is fixed
}{
	0x04: {binaryText, 1, 0}, 0x05: {binaryText, 2, 0}, 0x06: {binaryText, 4, 0}, // bin 8, 16, 32
	0x07: {extension, 1, 0}, 0x08: {extension, 2, 0}, 0x09: {extension, 4, 0}, // ext 8, 16, 32
	0x0a: {scalar, 0, 4}, 0x0b: {scalar, 0, 8}, // float 32, 64
	0x0c: {scalar, 0, 1}, 0x0d: {scalar, 0, 2}, 0x0e: {scalar, 0, 4}, 0x0f: {scalar, 0, 8}, // uint 8 to 64
	0x10: {scalar, 0, 1}, 0x11: {scalar, 0, 2}, 0x12: {scalar, 0, 4}, 0x13: {scalar, 0, 8}, // int 8 to 64
	0x14: {extension, 0, 1}, 0x15: {extension, 0, 2}, 0x16: {extension, 0, 4}, 0x17: {extension, 0, 8}, 0x18: {extension, 0, 16}, // fixext
	0x19: {text, 1, 0}, 0x1a: {text, 2, 0}, 0x1b: {text, 4, 0}, // str 8, 16, 32
	0x1c: {list, 2, 0}, 0x1d: {list, 4, 0}, // array 16, 32
	0x1e: {dict, 2, 0}, 0x1f: {dict, 4, 0}, // map 16, 32
}

// readHead parses the head of the value at the start of b. A length that
// exceeds b is an error.
func readHead(b []byte) (head, error) {
	if len(b) == 0 {
		return head{}, fmt.Errorf("%w: it ends too early", ErrSyntax)
	}
	c := b[0]
	h := head{size: 1}
	switch {
	case msgpcode.IsFixedNum(c):
	case msgpcode.IsFixedMap(c):
		h.kind, h.length = dict, int(c&msgpcode.FixedMapMask)
	case msgpcode.IsFixedArray(c):
		h.kind, h.length = list, int(c&msgpcode.FixedArrayMask)
	case msgpcode.IsFixedString(c):
		h.kind, h.length = text, int(c&msgpcode.FixedStrMask)
	case c == 0xc1:
		return h, fmt.Errorf("%w: the code 0xc1 does not exist", ErrSyntax)
	default:
		row := codes[c-0xc0]
		h.kind, h.length, h.size = row.kind, row.length, 1+row.bytes
		if len(b) < h.size {
			return h, fmt.Errorf("%w: it ends too early", ErrSyntax)
		}
		claimed := uint64(row.length)
		for _, digit := range b[1:h.size] {
			claimed = claimed<<8 | uint64(digit)
		}
		if claimed > uint64(len(b)) { // which also keeps it an int where that has 32 bits
			return h, fmt.Errorf("%w: a length of %d, with %d bytes left", ErrSyntax, claimed, max(0, len(b)-h.size))
		}
		h.length = int(claimed)
		if h.kind == extension {
			h.size++ // the type
		}
	}
	// Each element has at least one byte, each pair two.
	least := h.length
	if h.kind == dict {
		least *= 2
	}
	if least > len(b)-h.size {
		return h, fmt.Errorf("%w: a length of %d, with %d bytes left", ErrSyntax, h.length, max(0, len(b)-h.size))
	}
	return h, nil
}

// span is a range of raw.
type span struct{ start, end int }

// scanner scans a value once, whatever its content.
type scanner struct {
	raw  []byte
	pos  int
	left int // how many more values are allowed
	keys int // how many keys contain pos
	// found, unless nil, is called for each of msgpack_numpy's maps, for nested
	// ones first.
	found func(where span, m numpyMap) error
}

func newScanner(raw []byte) *scanner { return &scanner{raw: raw, left: maxValues} }

// value skips the value at pos.
func (s *scanner) value(depth int) error {
	start := s.pos
	h, err := readHead(s.raw[start:])
	if err != nil {
		return err
	}
	if s.left--; s.left < 0 {
		return fmt.Errorf("%w: more than %d values", ErrSyntax, maxValues)
	}
	s.pos += h.size
	switch {
	case h.kind != list && h.kind != dict:
		s.pos += h.length
		return nil
	case depth == 0:
		return fmt.Errorf("%w: nested deeper than %d", ErrSyntax, maxDepth)
	case h.kind == dict:
		return s.dict(start, h.length, depth-1)
	}
	for range h.length {
		if err := s.value(depth - 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) dict(start, n, depth int) error {
	var m numpyMap
	for range n {
		s.keys++
		key, err := s.take(depth)
		if err != nil {
			return err
		}
		s.keys--
		value, err := s.take(depth)
		if err != nil {
			return err
		}
		m.set(key, value)
	}
	is := m.is()
	if s.keys > 0 && (!is || m.isArray()) {
		return fmt.Errorf("%w: a map in a key, which Python cannot hash", ErrSyntax)
	}
	if s.found == nil || !is {
		return nil
	}
	return s.found(span{start, s.pos}, m)
}

// take skips a value and returns it.
func (s *scanner) take(depth int) (Raw, error) {
	start := s.pos
	err := s.value(depth)
	return s.raw[start:s.pos:s.pos], err
}

// pairs calls fn for each pair of the map raw, in order. Key and value alias
// raw. Nothing may follow the map.
func pairs(raw Raw, fn func(key, value Raw) error) error {
	h, err := readHead(raw)
	if err != nil {
		return err
	}
	if h.kind != dict {
		return fmt.Errorf("%w: not a map", ErrSyntax)
	}
	s := newScanner(raw)
	s.pos = h.size
	for range h.length {
		s.keys++
		key, err := s.take(maxDepth)
		if err != nil {
			return err
		}
		s.keys--
		value, err := s.take(maxDepth)
		if err != nil {
			return err
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	if s.pos < len(raw) {
		return fmt.Errorf("%w: %d bytes after the map", ErrSyntax, len(raw)-s.pos)
	}
	return nil
}

// Fields calls fn for each pair of the map raw whose key is a text, in order.
// It skips other keys, also binary ones: in Python b"key" is not "key". Key and
// value alias raw. Nothing may follow the map.
func Fields(raw Raw, fn func(key []byte, value Raw) error) error {
	return pairs(raw, func(key, value Raw) error {
		if h, err := readHead(key); err != nil || h.kind != text {
			return err
		}
		name, _ := bytesOf(key)
		return fn(name, value)
	})
}

// bytesOf returns the bytes of a text or binary, which alias raw.
func bytesOf(raw Raw) ([]byte, bool) {
	h, err := readHead(raw)
	if err != nil || h.kind != text && h.kind != binaryText {
		return nil, false
	}
	return raw[h.size : h.size+h.length], true
}

func isBinary(raw Raw) bool {
	return len(raw) > 0 && (raw[0] == msgpcode.Bin8 || raw[0] == msgpcode.Bin16 || raw[0] == msgpcode.Bin32)
}

// Text returns the text of raw, which may be binary.
func Text(raw Raw) (string, bool) {
	b, ok := bytesOf(raw)
	return string(b), ok
}

// Bool returns the bool of raw.
func Bool(raw Raw) (on, ok bool) {
	if len(raw) != 1 {
		return false, false
	}
	return raw[0] == msgpcode.True, raw[0] == msgpcode.True || raw[0] == msgpcode.False
}

// Truth returns Python's truth value of nil, a bool or a number. ok is false
// for other values.
func Truth(raw Raw) (on, ok bool) {
	if h, err := readHead(raw); err != nil || h.kind != scalar {
		return false, false
	}
	v, err := Decode(raw)
	if err != nil {
		return false, false
	}
	switch v := v.(type) {
	case nil:
		return false, true
	case bool:
		return v, true
	case int64:
		return v != 0, true
	case uint64:
		return v != 0, true
	case float64:
		return v != 0, true
	}
	return false, false
}

// Empty reports whether raw is nil, or the empty text that NetGear_Async sends
// instead.
func Empty(raw Raw) bool {
	return len(raw) == 0 || len(raw) == 1 && (raw[0] == msgpcode.Nil || raw[0] == msgpcode.FixedStrLow)
}

// length parses an integer that is not negative, for a shape.
func length(raw Raw) (int, bool) {
	if len(raw) == 1 && raw[0] <= msgpcode.PosFixedNumHigh {
		return int(raw[0]), true
	}
	if len(raw) < 2 || raw[0] < msgpcode.Uint8 || raw[0] > msgpcode.Int64 {
		return 0, false
	}
	var wide [8]byte
	copy(wide[8-(len(raw)-1):], raw[1:])
	n := binary.BigEndian.Uint64(wide[:])
	if raw[0] >= msgpcode.Int8 && raw[1] >= 0x80 || n > 1<<31-1 {
		return 0, false
	}
	return int(n), true
}

// TypeName returns Python's name for the type of raw.
func TypeName(raw Raw) string {
	h, err := readHead(raw)
	switch {
	case err != nil || raw[0] == msgpcode.Nil:
		return "NoneType"
	case h.kind == text:
		return "str"
	case h.kind == binaryText:
		return "bytes"
	case h.kind == list:
		return "list"
	case h.kind == dict:
		return dictName(raw)
	case h.kind == extension:
		return "ExtType"
	case raw[0] == msgpcode.True || raw[0] == msgpcode.False:
		return "bool"
	case raw[0] == msgpcode.Float || raw[0] == msgpcode.Double:
		return "float"
	}
	return "int"
}

func dictName(raw Raw) string {
	m, err := readNumpy(raw)
	switch {
	case err != nil || !m.is():
		return "dict"
	case m.nd == nil:
		return "complex"
	case m.isArray():
		return "ndarray"
	}
	return "dict"
}
