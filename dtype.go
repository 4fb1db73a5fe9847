package netgear

import (
	"fmt"
	"math"
	"strconv"
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

var dtypeKinds = map[byte]string{'b': "bool", 'u': "uint", 'i': "int", 'f': "float", 'c': "complex"}

// parseDType reads a dtype as numpy writes it: "uint8", ">u2", "|b1". Types
// that this library does not know pass with size 0; only object arrays are
// refused, because their bytes are another process's memory addresses.
func parseDType(s string) (dtype, error) {
	if d, ok := dtypes[s]; ok {
		d.name = s
		return d, nil
	}
	if s == "" {
		return dtype{}, fmt.Errorf("%w: no dtype", ErrFrame)
	}
	if s == "object" || strings.Contains(s, "'O'") || strings.HasSuffix(s, "O") && len(s) <= 3 {
		return dtype{}, fmt.Errorf("%w: dtype %q cannot cross a network: %w", ErrFrame, s, ErrObjectArray)
	}
	order, code := s[0], s[1:]
	if !strings.ContainsRune("<>|=", rune(order)) {
		return dtype{name: s}, nil
	}
	if code == "" {
		return dtype{name: s}, nil
	}
	bytes, err := strconv.Atoi(code[1:])
	kind, known := dtypeKinds[code[0]]
	if err != nil || !known {
		return dtype{name: s}, nil
	}
	name := kind + strconv.Itoa(bytes*8)
	if kind == "bool" {
		name = kind
	}
	d, ok := dtypes[name]
	if !ok || d.size != bytes {
		return dtype{name: s}, nil
	}
	d.name, d.swap = name, order == '>' && d.unit > 1
	return d, nil
}

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
