package pymsgpack

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/vidgear-go/netgear/internal/numpy"
)

// Array is an array as msgpack_numpy writes it: a map with binary keys,
//
//	{b"nd": true, b"type": "|u1", b"kind": b"", b"shape": [rows, columns, channels], b"data": …}
//
// type is numpy's dtype.str.
type Array struct {
	Type  string
	Shape []int
	Data  []byte // in C order
}

// maxRepr is longer than any repr of a Python complex number, in bytes.
const maxRepr = 100

// AppendArrayHead writes the part of an array before its memory, which has size
// bytes and is the last part.
func AppendArrayHead(dst []byte, dtype string, shape []int, size int) []byte {
	w := bytes.NewBuffer(dst)
	enc := msgpack.NewEncoder(w)
	// Writing to a Buffer returns no errors.
	enc.EncodeMapLen(5)
	enc.EncodeBytes([]byte("nd"))
	enc.EncodeBool(true)
	enc.EncodeBytes([]byte("type"))
	enc.EncodeString(dtype)
	enc.EncodeBytes([]byte("kind"))
	enc.EncodeBytes([]byte{})
	enc.EncodeBytes([]byte("shape"))
	enc.EncodeArrayLen(len(shape))
	for _, d := range shape {
		enc.EncodeUint(uint64(d))
	}
	enc.EncodeBytes([]byte("data"))
	enc.EncodeBytesLen(size)
	return w.Bytes()
}

// numpyMap holds a map's values for msgpack_numpy's keys. They are binary, and
// alias the map.
type numpyMap struct{ nd, complex, dtype, kind, shape, data Raw }

// set stores a pair.
func (m *numpyMap) set(key, value Raw) {
	if !isBinary(key) {
		return
	}
	name, _ := bytesOf(key)
	switch string(name) {
	case "nd":
		m.nd = value
	case "complex":
		m.complex = value
	case "type":
		m.dtype = value
	case "kind":
		m.kind = value
	case "shape":
		m.shape = value
	case "data":
		m.data = value
	}
}

// is reports whether msgpack_numpy treats the map as one of its own. If a field
// is missing, it stays a map.
func (m *numpyMap) is() bool {
	switch {
	case m.data == nil:
		return false
	case m.nd == nil:
		return m.complex != nil
	case !m.isArray():
		return m.dtype != nil
	}
	return m.isKind('O') || m.dtype != nil && m.shape != nil
}

// isArray reports whether the map is an array, not a number.
func (m *numpyMap) isArray() bool {
	on, _ := Bool(m.nd)
	return on
}

func (m *numpyMap) isKind(letter byte) bool {
	k, ok := bytesOf(m.kind)
	return ok && len(k) == 1 && k[0] == letter
}

// value returns the value that the map represents. An Array aliases the map.
func (m *numpyMap) value() (any, error) {
	if m.nd == nil {
		return m.complexNumber()
	}
	a, err := m.array()
	if err != nil || m.isArray() {
		return a, err
	}
	return number(a)
}

// array returns the map as an array. A number has no dimensions.
func (m *numpyMap) array() (a Array, err error) {
	var ok bool
	h, _ := readHead(m.dtype)
	switch {
	case m.isArray() && m.isKind('O'):
		return a, ErrObjectArray
	case m.isArray() && m.isKind('V'), h.kind == list:
		return a, ErrStructuredArray
	}
	if a.Type, ok = Text(m.dtype); !ok {
		return a, fmt.Errorf("%w: the dtype is not a text", ErrSyntax)
	}
	if a.Data, ok = bytesOf(m.data); !ok {
		return a, fmt.Errorf("%w: the data is not binary", ErrSyntax)
	}
	if m.isArray() {
		a.Shape, err = shape(m.shape)
	}
	return a, err
}

// complexNumber parses Python's repr of a complex number.
func (m *numpyMap) complexNumber() (any, error) {
	repr, _ := bytesOf(m.data)
	if len(repr) > maxRepr {
		return nil, fmt.Errorf("%w: a complex number of %d digits", ErrSyntax, len(repr))
	}
	c, err := strconv.ParseComplex(strings.ReplaceAll(string(repr), "j", "i"), 128)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no complex number", ErrSyntax, repr)
	}
	return c, nil
}

// readNumpy stores all pairs of a map.
func readNumpy(raw Raw) (m numpyMap, err error) {
	err = pairs(raw, func(key, value Raw) error {
		m.set(key, value)
		return nil
	})
	return m, err
}

// ParseArray parses an array. Its Data aliases raw, from offset on.
func ParseArray(raw []byte) (a Array, offset int, err error) {
	m, err := readNumpy(raw)
	if err == nil && !(m.is() && m.isArray()) {
		err = fmt.Errorf("%w: not an array as msgpack_numpy writes it", ErrSyntax)
	}
	if err == nil {
		a, err = m.array()
	}
	if err != nil || len(a.Data) == 0 {
		return a, 0, err
	}
	start, data := unsafe.Pointer(unsafe.SliceData(raw)), unsafe.Pointer(unsafe.SliceData(a.Data))
	return a, int(uintptr(data) - uintptr(start)), nil
}

func shape(raw Raw) ([]int, error) {
	h, err := readHead(raw)
	if err != nil || h.kind != list || h.length > numpy.MaxDims {
		return nil, fmt.Errorf("%w: the shape is not a list of at most %d lengths", ErrSyntax, numpy.MaxDims)
	}
	lengths := make([]int, h.length)
	s := newScanner(raw)
	s.pos = h.size
	for i := range lengths {
		one, err := s.take(0)
		if err != nil {
			return nil, err
		}
		var ok bool
		if lengths[i], ok = length(one); !ok {
			return nil, fmt.Errorf("%w: a length in the shape is %.20q", ErrSyntax, []byte(one))
		}
	}
	return lengths, nil
}
