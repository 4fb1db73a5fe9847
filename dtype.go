package netgear

import (
	"fmt"
	"math"
	"strings"
)

// dtype is a numpy element type as the wire names it.
type dtype struct {
	name string // numpy's name without byte order: "uint16"
	size int    // bytes per element, 0 where this library does not know
	unit int    // bytes that are swapped as one: half of size for complex numbers
	swap bool   // the data is big-endian
}

// dtypes are numpy's fixed-size types by name, and the letter numpy's array
// protocol has for each kind (numpy.dtype.str).
var dtypes = map[string]dtype{
	"bool": {size: 1, unit: 1}, "uint8": {size: 1, unit: 1}, "int8": {size: 1, unit: 1},
	"uint16": {size: 2, unit: 2}, "int16": {size: 2, unit: 2}, "float16": {size: 2, unit: 2},
	"uint32": {size: 4, unit: 4}, "int32": {size: 4, unit: 4}, "float32": {size: 4, unit: 4},
	"uint64": {size: 8, unit: 8}, "int64": {size: 8, unit: 8}, "float64": {size: 8, unit: 8},
	"complex64": {size: 8, unit: 4}, "complex128": {size: 16, unit: 8},
	"float128": {size: 16, unit: 16}, "complex256": {size: 32, unit: 16},
}

// dtypeNames are numpy's other names of these types, and dtypeCodes those that may
// have a byte order in front ("<u2", ">H"), as numpy 2 has them on 64-bit Linux.
var dtypeNames = byAlias(map[string]string{
	"bool": "bool_", "uint8": "ubyte", "int8": "byte", "uint16": "ushort", "int16": "short", "float16": "half",
	"uint32": "uintc", "int32": "intc", "float32": "single",
	"uint64": "ulong ulonglong uintp uint", "int64": "long longlong intp int_ int", "float64": "double float",
	"complex64": "csingle", "complex128": "cdouble complex", "float128": "longdouble", "complex256": "clongdouble",
})

var dtypeCodes = byAlias(map[string]string{
	"bool": "b1 ?", "uint8": "u1 B", "int8": "i1 b", "uint16": "u2 H", "int16": "i2 h", "float16": "f2 e",
	"uint32": "u4 I", "int32": "i4 i", "float32": "f4 f",
	"uint64": "u8 L Q P N", "int64": "i8 l q p n", "float64": "f8 d",
	"complex64": "c8 F", "complex128": "c16 D", "float128": "f16 g", "complex256": "c32 G",
})

func byAlias(aliases map[string]string) map[string]string {
	names := map[string]string{}
	for name, list := range aliases {
		for _, alias := range strings.Fields(list) {
			names[alias] = name
		}
	}
	return names
}

// parseDType reads a dtype as numpy writes it, or by any other name that numpy has
// for it: "uint8", "u1", ">u2", "|b1". Types that this library does not know pass
// with size 0; only object arrays are refused, because their bytes are another
// process's memory addresses.
func parseDType(s string) (dtype, error) {
	if d, ok := dtypes[s]; ok {
		d.name = s
		return d, nil
	}
	if s == "" {
		return dtype{}, fmt.Errorf("%w: no dtype", ErrFrame)
	}
	order, code := splitOrder(s)
	if strings.Contains(s, "'O'") || isObject(code) || order == "" && (s == "object" || s == "object_") {
		return dtype{}, fmt.Errorf("%w: dtype %q cannot cross a network: %w", ErrFrame, s, ErrObjectArray)
	}
	name, known := dtypeCodes[code]
	if !known && order == "" {
		name, known = dtypeNames[code]
	}
	if !known {
		return dtype{name: s}, nil
	}
	d := dtypes[name]
	d.name, d.swap = name, order == ">" && d.unit > 1
	return d, nil
}

// splitOrder takes the byte order off a dtype.
func splitOrder(s string) (order, code string) {
	if s != "" && strings.ContainsRune("<>|=", rune(s[0])) {
		return s[:1], s[1:]
	}
	return "", s
}

func isObject(code string) bool { return code == "O" || code == "O4" || code == "O8" }

// swapBytes turns each unit of src around into dst, which has its length.
func swapBytes(dst, src []byte, unit int) {
	for i := 0; i+unit <= len(src); i += unit {
		for j := range unit {
			dst[i+j] = src[i+unit-1-j]
		}
	}
}

// elements is the product of a shape, refused where it is negative or too large
// to be true. An array without dimensions has one element.
func elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt/d {
			return 0, fmt.Errorf("%w: shape %v", ErrFrame, shape)
		}
		n *= d
	}
	return n, nil
}

// checkArray holds shape and dtype against the number of bytes there are.
func checkArray(d dtype, shape []int, have int) error {
	n, err := elements(shape)
	if err != nil {
		return err
	}
	switch {
	case d.size > 0 && n > math.MaxInt/d.size:
		return fmt.Errorf("%w: shape %v", ErrFrame, shape)
	case d.size > 0 && n*d.size != have:
		return fmt.Errorf("%w: %d bytes, but shape %v of %s takes %d", ErrFrame, have, shape, d.name, n*d.size)
	case d.size == 0 && (n == 0) != (have == 0), d.size == 0 && n > 0 && have%n != 0:
		return fmt.Errorf("%w: %d bytes do not divide into shape %v of %s", ErrFrame, have, shape, d.name)
	}
	return nil
}
