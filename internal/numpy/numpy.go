// Package numpy parses numpy's names of element types (dtypes), and checks
// shapes against the bytes of an array. It uses values only. An error describes
// what is wrong with the array, and wraps ErrObjectArray or ErrStructuredArray
// if that is the reason.
package numpy

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

var (
	// ErrObjectArray is returned for an array of Python objects. It would be
	// sent as a pickle, which can run code on the receiver, or as addresses in
	// the sender's memory.
	ErrObjectArray = errors.New("an array of Python objects (a pickle) is refused")
	// ErrStructuredArray is returned for an array whose elements have fields.
	ErrStructuredArray = errors.New("an array with a structured dtype is refused")
)

// MaxDims is numpy's limit for the number of dimensions.
const MaxDims = 64

// DType is one of numpy's element types.
type DType struct {
	Name      string // numpy's name without byte order: "uint16"
	Size      int    // bytes per element, 0 if unknown
	Unit      int    // bytes that are swapped as one: half of Size if complex
	BigEndian bool   // the elements are big-endian and have a byte order
}

// Uint8 is the element type of pictures.
var Uint8 = DType{Name: "uint8", Size: 1, Unit: 1}

// fixedType is a type whose size does not depend on its name, with numpy 2's
// other names for it on 64-bit Linux.
type fixedType struct {
	DType
	// codes may follow a byte order: "<u2", ">H". The first one is that of
	// numpy's array protocol (numpy.dtype.str).
	codes   string
	aliases string
	rare    bool // not on every platform, so never suggested
}

// fixedTypes are in the order in which they are suggested, the likeliest first.
var fixedTypes = []fixedType{
	{Uint8, "u1 B", "ubyte", false},
	{DType{Name: "float32", Size: 4, Unit: 4}, "f4 f", "single", false},
	{DType{Name: "uint16", Size: 2, Unit: 2}, "u2 H", "ushort", false},
	{DType{Name: "int32", Size: 4, Unit: 4}, "i4 i", "intc", false},
	{DType{Name: "float64", Size: 8, Unit: 8}, "f8 d", "double float", false},
	{DType{Name: "int16", Size: 2, Unit: 2}, "i2 h", "short", false},
	{DType{Name: "int64", Size: 8, Unit: 8}, "i8 l q p n", "long longlong intp int_ int", false},
	{DType{Name: "uint32", Size: 4, Unit: 4}, "u4 I", "uintc", false},
	{DType{Name: "int8", Size: 1, Unit: 1}, "i1 b", "byte", false},
	{DType{Name: "uint64", Size: 8, Unit: 8}, "u8 L Q P N", "ulong ulonglong uintp uint", false},
	{DType{Name: "bool", Size: 1, Unit: 1}, "b1 ?", "bool_", false},
	{DType{Name: "float16", Size: 2, Unit: 2}, "f2 e", "half", false},
	{DType{Name: "complex64", Size: 8, Unit: 4}, "c8 F", "csingle", false},
	{DType{Name: "complex128", Size: 16, Unit: 8}, "c16 D", "cdouble complex", false},
	{DType{Name: "float128", Size: 16, Unit: 16}, "f16 g", "longdouble", true},
	{DType{Name: "complex256", Size: 32, Unit: 16}, "c32 G", "clongdouble", true},
}

// byName has the fixed types by name and alias, byCode those by code.
var (
	byName = index(func(t *fixedType) string { return t.Name + " " + t.aliases })
	byCode = index(func(t *fixedType) string { return t.codes })
)

func index(keys func(*fixedType) string) map[string]*fixedType {
	found := map[string]*fixedType{}
	for i := range fixedTypes {
		for key := range strings.FieldsSeq(keys(&fixedTypes[i])) {
			found[key] = &fixedTypes[i]
		}
	}
	return found
}

// Names returns numpy's full names of the types whose size is fixed, the
// likeliest first.
func Names() []string {
	names := make([]string, len(fixedTypes))
	for i := range fixedTypes {
		names[i] = fixedTypes[i].Name
	}
	return names
}

// Parse parses a dtype in any of numpy's spellings: "uint8", "u1", ">u2",
// "|b1". It accepts types of unknown size with Size 0. It returns an error only
// for object arrays, because their bytes are addresses in another process.
func Parse(s string) (DType, error) {
	if t, ok := byName[s]; ok {
		return t.DType, nil
	}
	if s == "" {
		return DType{}, errors.New("no dtype")
	}
	order, code := splitOrder(s)
	if strings.Contains(s, "'O'") || isObject(code) || order == "" && (s == "object" || s == "object_") {
		return DType{}, fmt.Errorf("dtype %.60q cannot cross a network: %w", s, ErrObjectArray)
	}
	t, ok := byCode[code]
	if !ok {
		return DType{Name: s}, nil
	}
	d := t.DType
	d.BigEndian = order == ">" && d.Unit > 1
	return d, nil
}

// splitOrder separates the byte order from the rest of a dtype.
func splitOrder(s string) (order, code string) {
	if s != "" && strings.ContainsRune("<>|=", rune(s[0])) {
		return s[:1], s[1:]
	}
	return "", s
}

func isObject(code string) bool { return code == "O" || code == "O4" || code == "O8" }

// ArrayProtocol returns the name of a type of fixed size in numpy's array
// protocol (numpy.dtype.str), in little-endian order: "|u1", "<f4". It returns
// false for other types.
func ArrayProtocol(name string) (string, bool) {
	t, ok := byName[name]
	if !ok {
		return "", false
	}
	order := "<"
	if t.Size == 1 {
		order = "|"
	}
	return order + t.code(), true
}

// code returns the array protocol's code, without byte order.
func (t *fixedType) code() string {
	code, _, _ := strings.Cut(t.codes, " ")
	return code
}

// SwapBytes writes src to dst with the bytes of each unit reversed. dst must be
// as long as src.
func SwapBytes(dst, src []byte, unit int) {
	for i := 0; i+unit <= len(src); i += unit {
		for j := range unit {
			dst[i+j] = src[i+unit-1-j]
		}
	}
}

// Elements returns the product of a shape. A negative length or an overflow is
// an error. An array without dimensions has one element.
func Elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt/d {
			return 0, fmt.Errorf("shape %v", shape)
		}
		n *= d
	}
	return n, nil
}

// Check returns an error unless an array of d with this shape has size bytes.
// If d's size is unknown, the number of elements must divide size.
func (d DType) Check(shape []int, size int) error {
	n, err := Elements(shape)
	if err != nil {
		return err
	}
	switch {
	case d.Size > 0 && n > math.MaxInt/d.Size:
		return fmt.Errorf("shape %v", shape)
	case d.Size > 0 && n*d.Size != size:
		return fmt.Errorf("%d bytes, but shape %v of %s takes %d", size, shape, d.Name, n*d.Size)
	case d.Size == 0 && (n == 0) != (size == 0), d.Size == 0 && n > 0 && size%n != 0:
		return fmt.Errorf("%d bytes do not divide into shape %v of %s", size, shape, d.Name)
	}
	return nil
}
