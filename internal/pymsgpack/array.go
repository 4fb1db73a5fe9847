package pymsgpack

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Array is an array as msgpack_numpy writes it: a map with binary keys,
//
//	{b"nd": true, b"type": "|u1", b"kind": b"", b"shape": [rows, columns, channels], b"data": …}
//
// type being numpy's dtype.str.
type Array struct {
	Type  string
	Shape []int
	Data  []byte // in C order
}

// maxDims is numpy's own limit of dimensions.
const maxDims = 64

// AppendArrayHead writes everything of an array that comes before its memory,
// which has size bytes and is the array's last.
func AppendArrayHead(dst []byte, dtype string, shape []int, size int) []byte {
	w := bytes.NewBuffer(dst)
	enc := msgpack.NewEncoder(w)
	// A Buffer takes everything: there are no errors to look at.
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

// numpyMap is what the keys of one of msgpack_numpy's maps held.
type numpyMap struct {
	nd, complex          bool
	array                Array
	hasType, hasShape    bool
	hasData, hasND, isND bool
	text                 string // the data, where it is a text
}

// readNumpy reads a map as msgpack_numpy's decoder would. What it returns looks
// into raw.
func readNumpy(raw Raw) (m numpyMap, err error) {
	pickle, structured := false, false
	err = Fields(raw, func(key []byte, v Raw) error {
		switch string(key) {
		case "nd":
			m.hasND = true
			m.isND, _ = Bool(v)
		case "complex":
			m.complex = true
		case "type":
			m.array.Type, m.hasType = Text(v)
			structured = structured || !m.hasType
		case "kind":
			k, _ := bytesOf(v)
			pickle = pickle || string(k) == "O"
			structured = structured || string(k) == "V"
		case "shape":
			var err error
			m.array.Shape, err = shape(v)
			m.hasShape = true
			return err
		case "data":
			m.array.Data, m.hasData = bytesOf(v)
			if v[0] != msgpcode.Bin8 && v[0] != msgpcode.Bin16 && v[0] != msgpcode.Bin32 {
				m.text, _ = Text(v)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return m, err
	case pickle:
		return m, ErrPickle
	case structured:
		return m, ErrStructured
	}
	return m, nil
}

// ParseArray reads an array. Its Data looks into raw, from offset on.
func ParseArray(raw []byte) (a Array, offset int, err error) {
	m, err := readNumpy(raw)
	if err == nil && !(m.isND && m.hasType && m.hasShape && m.hasData) {
		err = fmt.Errorf("%w: not an array as msgpack_numpy writes it", ErrSyntax)
	}
	if err != nil || len(m.array.Data) == 0 {
		return m.array, 0, err
	}
	start, data := unsafe.Pointer(unsafe.SliceData(raw)), unsafe.Pointer(unsafe.SliceData(m.array.Data))
	return m.array, int(uintptr(data) - uintptr(start)), nil
}

func shape(raw Raw) ([]int, error) {
	h, err := readHead(raw)
	if err != nil || h.kind != list || h.length > maxDims {
		return nil, fmt.Errorf("%w: the shape is not a list of lengths", ErrSyntax)
	}
	lengths := make([]int, h.length)
	rest := []byte(raw[h.size:])
	for i := range lengths {
		var one Raw
		if one, rest, err = next(rest); err != nil {
			return nil, err
		}
		var ok bool
		if lengths[i], ok = length(one); !ok {
			return nil, fmt.Errorf("%w: the shape is not a list of lengths", ErrSyntax)
		}
	}
	return lengths, nil
}
