package pymsgpack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// Decode parses a value as msgpack_numpy would. It returns nil, bool, int64
// (uint64 if larger), float64, string, []byte, []any, map[string]any
// (map[any]any if a key is no text), time.Time, complex128, Array or Ext.
// numpy's scalars become Go numbers. A binary key becomes a string, and so does
// one that cannot be a Go map key. The result does not alias raw.
func Decode(raw []byte) (any, error) {
	d := decoder{raw: raw, r: bytes.NewReader(raw)}
	if err := check(raw, d.foundNumpy); err != nil {
		return nil, err
	}
	d.Decoder = msgpack.NewDecoder(d.r)
	return d.value()
}

// decoder parses raw, which Check has accepted.
type decoder struct {
	*msgpack.Decoder
	raw   []byte
	r     *bytes.Reader // the Decoder's source, which it does not buffer
	numpy []span        // msgpack_numpy's maps that follow, in order
}

// foundNumpy stores one of msgpack_numpy's maps, and drops those inside it,
// which are not decoded.
func (d *decoder) foundNumpy(s span, _ numpyMap) error {
	for len(d.numpy) > 0 && d.numpy[len(d.numpy)-1].start > s.start {
		d.numpy = d.numpy[:len(d.numpy)-1]
	}
	d.numpy = append(d.numpy, s)
	return nil
}

// pos returns the offset in raw of the next value.
func (d *decoder) pos() int { return len(d.raw) - d.r.Len() }

func (d *decoder) value() (any, error) {
	h, err := readHead(d.raw[d.pos():])
	if err != nil {
		return nil, err
	}
	switch h.kind {
	case text:
		return d.DecodeString()
	case binaryText:
		return d.DecodeBytes()
	case list:
		return d.list(h.length)
	case dict:
		if len(d.numpy) > 0 && d.numpy[0].start == d.pos() {
			return d.numpyValue()
		}
		return d.dict(h.length)
	case extension:
		return d.ext()
	}
	v, err := d.DecodeInterfaceLoose()
	if n, ok := v.(uint64); ok && n <= math.MaxInt64 {
		return int64(n), err
	}
	return v, err
}

// numpyValue parses the next map, which is one of msgpack_numpy's.
func (d *decoder) numpyValue() (any, error) {
	s := d.numpy[0]
	d.numpy = d.numpy[1:]
	if _, err := d.r.Seek(int64(s.end), io.SeekStart); err != nil {
		return nil, err
	}
	m, err := readNumpy(d.raw[s.start:s.end])
	if err != nil {
		return nil, err
	}
	v, err := m.value()
	if a, ok := v.(Array); ok {
		a.Data = bytes.Clone(a.Data)
		v = a
	}
	return v, err
}

func (d *decoder) list(n int) (any, error) {
	if _, err := d.DecodeArrayLen(); err != nil {
		return nil, err
	}
	values := make([]any, n)
	for i := range values {
		var err error
		if values[i], err = d.value(); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (d *decoder) dict(n int) (any, error) {
	if _, err := d.DecodeMapLen(); err != nil {
		return nil, err
	}
	texts, mixed := map[string]any(nil), map[any]any(nil)
	for range n {
		key, err := d.key()
		if err != nil {
			return nil, err
		}
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		name, isText := key.(string)
		if !isText && mixed == nil {
			mixed = make(map[any]any, n)
			for k, v := range texts {
				mixed[k] = v
			}
		}
		if mixed != nil {
			mixed[key] = value
			continue
		}
		if texts == nil {
			texts = make(map[string]any, n)
		}
		texts[name] = value
	}
	switch {
	case mixed != nil:
		return mixed, nil
	case texts == nil:
		return map[string]any{}, nil
	}
	return texts, nil
}

func (d *decoder) key() (any, error) {
	key, err := d.value()
	if b, ok := key.([]byte); ok {
		return string(b), err
	}
	if key != nil && !reflect.TypeOf(key).Comparable() {
		return fmt.Sprint(key), err
	}
	return key, err
}

// number returns a numpy scalar as a Go number. If Go has no such type, it
// returns an Array without dimensions.
func number(a Array) (any, error) {
	if len(a.Type) < 3 {
		return nil, fmt.Errorf("%w: dtype %q", ErrSyntax, a.Type)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if a.Type[0] == '>' {
		order = binary.BigEndian
	}
	b, name := a.Data, a.Type[1:]
	if strings.ContainsRune("biufc", rune(name[0])) && name[1:] != strconv.Itoa(len(b)) {
		return nil, fmt.Errorf("%w: a %s of %d bytes", ErrSyntax, a.Type, len(b))
	}
	switch name {
	case "b1":
		return b[0] != 0, nil
	case "i1", "i2", "i4", "i8":
		shift := 64 - 8*len(b)
		return int64(unsigned(order, b)<<shift) >> shift, nil
	case "u1", "u2", "u4", "u8":
		n := unsigned(order, b)
		if n > math.MaxInt64 {
			return n, nil
		}
		return int64(n), nil
	case "f2", "f4", "f8":
		return float(order, b), nil
	case "c8", "c16":
		half := len(b) / 2
		return complex(float(order, b[:half]), float(order, b[half:])), nil
	}
	return Array{Type: a.Type, Shape: []int{}, Data: b}, nil
}

// unsigned and float parse a number whose size was checked.
func unsigned(order binary.ByteOrder, b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(order.Uint16(b))
	case 4:
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

func float(order binary.ByteOrder, b []byte) float64 {
	switch len(b) {
	case 2:
		return half(order.Uint16(b))
	case 4:
		return float64(math.Float32frombits(order.Uint32(b)))
	}
	return math.Float64frombits(order.Uint64(b))
}

// half converts IEEE 754's binary16.
func half(bits uint16) float64 {
	sign, exponent, fraction := 1.0, int(bits>>10&31), float64(bits&1023)
	if bits>>15 == 1 {
		sign = -1
	}
	switch {
	case exponent == 31 && fraction != 0:
		return math.NaN()
	case exponent == 31:
		return math.Inf(int(sign))
	case exponent == 0:
		return sign * math.Ldexp(fraction, -24)
	}
	return sign * math.Ldexp(1+fraction/1024, exponent-15)
}

func (d *decoder) ext() (any, error) {
	id, n, err := d.DecodeExtHeader()
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	if err := d.ReadFull(data); err != nil {
		return nil, err
	}
	if id == -1 {
		if t, ok := timestamp(data); ok {
			return t, nil
		}
	}
	return Ext{Type: id, Data: data}, nil
}
