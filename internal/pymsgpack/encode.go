package pymsgpack

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/vidgear-go/netgear/internal/pyjson"
)

// Encode writes v as Python's msgpack.packb(v, default=msgpack_numpy.encode)
// would: integers in their shortest form, floats as doubles, []byte as binary,
// complex numbers and arrays as msgpack_numpy's maps, time.Time as a timestamp.
// Maps are written in the order of their keys; structs by their json tags.
func Encode(v any) ([]byte, error) {
	var w bytes.Buffer
	e := encoder{msgpack.NewEncoder(&w)}
	e.UseCompactInts(true)
	e.SetCustomStructTag("json")
	if err := e.value(v, maxDepth); err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}

type encoder struct{ *msgpack.Encoder }

var errDepth = fmt.Errorf("nested deeper than %d (or without end)", maxDepth)

func (e encoder) value(v any, depth int) error {
	if depth == 0 {
		return errDepth
	}
	switch v := v.(type) {
	case nil:
		return e.EncodeNil()
	case []byte:
		return e.EncodeBytes(v)
	case Raw:
		return e.Encode(msgpack.RawMessage(v))
	case Array:
		return e.raw(append(AppendArrayHead(nil, v.Type, v.Shape, len(v.Data)), v.Data...))
	case Ext:
		return e.ext(v)
	case time.Time:
		return e.EncodeTime(v)
	case *big.Int:
		return e.big(v)
	case pyjson.Object:
		return e.object(v, depth)
	case msgpack.CustomEncoder:
		if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
			return e.EncodeNil()
		}
		return v.EncodeMsgpack(e.Encoder)
	}
	return e.reflected(reflect.ValueOf(v), depth)
}

func (e encoder) raw(b []byte) error { return e.Encode(msgpack.RawMessage(b)) }

func (e encoder) ext(x Ext) error {
	if err := e.EncodeExtHeader(x.Type, len(x.Data)); err != nil {
		return err
	}
	_, err := e.Writer().Write(x.Data)
	return err
}

func (e encoder) big(n *big.Int) error {
	switch {
	case n == nil:
		return e.EncodeNil()
	case n.IsInt64():
		return e.EncodeInt(n.Int64())
	case n.IsUint64():
		return e.EncodeUint(n.Uint64())
	}
	return fmt.Errorf("msgpack has no integer beyond 64 bits: %v", n)
}

func (e encoder) object(o pyjson.Object, depth int) error {
	if err := e.EncodeMapLen(len(o)); err != nil {
		return err
	}
	for _, m := range o {
		if err := errors.Join(e.EncodeString(m.Key), e.value(m.Value, depth-1)); err != nil {
			return err
		}
	}
	return nil
}

func (e encoder) reflected(rv reflect.Value, depth int) error {
	switch rv.Kind() {
	case reflect.Bool:
		return e.EncodeBool(rv.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return e.EncodeInt(rv.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return e.EncodeUint(rv.Uint())
	case reflect.Float32, reflect.Float64:
		return e.EncodeFloat64(rv.Float())
	case reflect.Complex64, reflect.Complex128:
		return e.complex(rv.Complex())
	case reflect.String:
		return e.EncodeString(rv.String())
	case reflect.Slice, reflect.Array:
		return e.list(rv, depth)
	case reflect.Map:
		return e.dict(rv, depth)
	case reflect.Pointer, reflect.Interface:
		if rv.IsNil() {
			return e.EncodeNil()
		}
		return e.value(rv.Elem().Interface(), depth-1)
	case reflect.Struct:
		return e.EncodeValue(rv)
	}
	return fmt.Errorf("msgpack has nothing for %v", rv.Type())
}

func (e encoder) list(rv reflect.Value, depth int) error {
	if rv.Kind() == reflect.Slice && rv.IsNil() {
		return e.EncodeNil()
	}
	if err := e.EncodeArrayLen(rv.Len()); err != nil {
		return err
	}
	for i := range rv.Len() {
		if err := e.value(rv.Index(i).Interface(), depth-1); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func (e encoder) dict(rv reflect.Value, depth int) error {
	if rv.IsNil() {
		return e.EncodeNil()
	}
	keys := rv.MapKeys()
	slices.SortFunc(keys, compareKeys)
	if err := e.EncodeMapLen(len(keys)); err != nil {
		return err
	}
	for _, k := range keys {
		if err := e.value(k.Interface(), depth-1); err != nil {
			return err
		}
		if err := e.value(rv.MapIndex(k).Interface(), depth-1); err != nil {
			return fmt.Errorf("%v: %w", k, err)
		}
	}
	return nil
}

// compareKeys puts numbers first, in order, then the rest by their text.
func compareKeys(a, b reflect.Value) int {
	for a.Kind() == reflect.Interface {
		a = a.Elem()
	}
	for b.Kind() == reflect.Interface {
		b = b.Elem()
	}
	switch {
	case a.CanInt() && b.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanUint() && b.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	case a.Kind() != b.Kind():
		return cmp.Compare(a.Kind(), b.Kind())
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// complex is {b"complex": true, b"data": repr(c)}.
func (e encoder) complex(c complex128) error {
	return errors.Join(
		e.EncodeMapLen(2),
		e.EncodeBytes([]byte("complex")), e.EncodeBool(true),
		e.EncodeBytes([]byte("data")), e.EncodeString(reprComplex(c)),
	)
}

// reprComplex is Python's repr of a complex number: "2j", "(1.5-2j)".
func reprComplex(c complex128) string {
	im := reprFloat(imag(c))
	if real(c) == 0 && !math.Signbit(real(c)) {
		return im + "j"
	}
	if !strings.HasPrefix(im, "-") {
		im = "+" + im
	}
	return "(" + reprFloat(real(c)) + im + "j)"
}

// reprFloat is a part of it: as repr of a float, without a trailing ".0".
func reprFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	raw, _ := pyjson.Encode(f) // finite floats always encode
	return strings.TrimSuffix(string(raw), ".0")
}
