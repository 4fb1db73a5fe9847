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

// Decode reads a value as msgpack_numpy would: nil, bool, int64 (uint64 where it
// does not fit), float64, string, []byte, []any, map[string]any (map[any]any
// where a key is no text), time.Time, complex128, Array, Ext. numpy's scalars
// become Go's numbers. A binary key becomes a string, and so does one that Go has
// no map for. What it returns looks nowhere into raw.
func Decode(raw []byte) (any, error) {
	if err := Check(raw); err != nil {
		return nil, err
	}
	d := decoder{raw: raw, r: bytes.NewReader(raw)}
	d.Decoder = msgpack.NewDecoder(d.r)
	return d.value()
}

// decoder reads through raw, which has been checked.
type decoder struct {
	*msgpack.Decoder
	raw []byte
	r   *bytes.Reader // what Decoder reads; it buffers nothing of its own
}

// rest is what has not been read yet.
func (d *decoder) rest() []byte { return d.raw[len(d.raw)-d.r.Len():] }

func (d *decoder) value() (any, error) {
	h, err := readHead(d.rest())
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
	if v, is, err := d.numpy(); is {
		return v, err
	}
	if _, err := d.DecodeMapLen(); err != nil {
		return nil, err
	}
	texts, mixed := make(map[string]any, n), map[any]any(nil)
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
		} else {
			texts[name] = value
		}
	}
	if mixed != nil {
		return mixed, nil
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

// numpy reads the map that comes next if it is one of msgpack_numpy's.
func (d *decoder) numpy() (v any, is bool, err error) {
	raw, rest, err := next(d.rest())
	if err != nil || !bytes.Contains(raw[:min(len(raw), 16)], []byte("nd")) && !bytes.Contains(raw[:min(len(raw), 16)], []byte("complex")) {
		return nil, false, err
	}
	m, err := readNumpy(raw)
	if err == nil && !m.hasND && !m.complex {
		return nil, false, nil
	}
	if _, seekErr := d.r.Seek(-int64(len(rest)), io.SeekEnd); err == nil {
		err = seekErr
	}
	if err != nil {
		return nil, true, err
	}
	switch {
	case m.complex && !m.hasND:
		v, err = parseComplex(m)
	case m.isND && m.hasType && m.hasShape && m.hasData:
		m.array.Data = bytes.Clone(m.array.Data)
		v = m.array
	case !m.isND && m.hasType && m.hasData:
		v, err = number(m.array)
	default:
		err = fmt.Errorf("%w: not a value as msgpack_numpy writes it", ErrSyntax)
	}
	return v, true, err
}

func parseComplex(m numpyMap) (any, error) {
	c, err := strconv.ParseComplex(strings.ReplaceAll(m.text, "j", "i"), 128)
	if err != nil {
		return nil, fmt.Errorf("%w: %.40q is no complex number", ErrSyntax, m.text)
	}
	return c, nil
}

// number is a numpy scalar as one of Go's numbers. Of types that Go does not
// have it stays an Array without dimensions.
func number(a Array) (any, error) {
	if len(a.Type) < 3 {
		return nil, fmt.Errorf("%w: dtype %q", ErrSyntax, a.Type)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if a.Type[0] == '>' {
		order = binary.BigEndian
	}
	b := a.Data
	switch name := a.Type[1:]; {
	case strings.ContainsRune("biufc", rune(name[0])) && name[1:] != strconv.Itoa(len(b)):
		return nil, fmt.Errorf("%w: a %s of %d bytes", ErrSyntax, a.Type, len(b))
	case name == "b1":
		return b[0] != 0, nil
	case name[0] == 'i' && len(b) <= 8:
		shift := 64 - 8*len(b)
		return int64(unsigned(order, b)<<shift) >> shift, nil
	case name[0] == 'u' && len(b) <= 8:
		n := unsigned(order, b)
		if n > math.MaxInt64 {
			return n, nil
		}
		return int64(n), nil
	case name[0] == 'f' && len(b) <= 8:
		return float(order, b), nil
	case name == "c8", name == "c16":
		half := len(b) / 2
		return complex(float(order, b[:half]), float(order, b[half:])), nil
	}
	return Array{Type: a.Type, Shape: []int{}, Data: bytes.Clone(b)}, nil
}

// unsigned and float read what number has found to be of a size they know.
func unsigned(order binary.ByteOrder, b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(order.Uint16(b))
	case 4:
		return uint64(order.Uint32(b))
	case 8:
		return order.Uint64(b)
	}
	return 0
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

// half is IEEE 754's binary16.
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

// Unmarshal reads a value into what v points to, structs by their json tags, as
// github.com/vmihailenco/msgpack does. A *any gets what Decode gives.
func Unmarshal(raw []byte, v any) error {
	if p, ok := v.(*any); ok {
		value, err := Decode(raw)
		*p = value
		return err
	}
	if err := Check(raw); err != nil {
		return err
	}
	d := msgpack.NewDecoder(bytes.NewReader(raw))
	d.SetCustomStructTag("json")
	d.UseLooseInterfaceDecoding(true)
	return d.Decode(v)
}
