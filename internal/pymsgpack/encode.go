package pymsgpack

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
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
// would: integers in their shortest form, floats as doubles, bytes as binary,
// complex numbers and arrays as msgpack_numpy's maps, time.Time as a timestamp.
// Maps are written in the order of their keys, structs by encoding/json's rules
// and tags, without the option "string". A type may implement
// msgpack.CustomEncoder, msgpack.Marshaler, json.Marshaler or
// encoding.TextMarshaler.
func Encode(v any) ([]byte, error) { return EncodeWith(v, nil) }

// EncodeWith is Encode for values that may contain others with another form. It
// calls replace for every value that is neither nil nor an interface, also
// inside others. If replace returns done, it writes with instead. A struct that
// has fields, but no exported one, is an error.
func EncodeWith(v any, replace func(reflect.Value) (with any, done bool, err error)) ([]byte, error) {
	var w bytes.Buffer
	e := encoder{msgpack.NewEncoder(&w), replace}
	e.UseCompactInts(true)
	e.SetCustomStructTag("json")
	if err := e.value(reflect.ValueOf(v), maxDepth); err != nil {
		return nil, err
	}
	if err := Check(w.Bytes()); err != nil { // too large, or written by a type's own method
		return nil, err
	}
	return w.Bytes(), nil
}

type encoder struct {
	*msgpack.Encoder
	replace func(reflect.Value) (with any, done bool, err error)
}

var errDepth = fmt.Errorf("nested deeper than %d (or without end)", maxDepth)

func (e encoder) value(rv reflect.Value, depth int) error {
	if rv.Kind() == reflect.Interface {
		rv = rv.Elem()
	}
	switch {
	case !rv.IsValid():
		return e.EncodeNil()
	case depth == 0:
		return errDepth
	}
	if rv.CanInterface() { // all but embedded structs of an unexported type
		if e.replace != nil && !(rv.Kind() == reflect.Pointer && rv.IsNil()) {
			with, done, err := e.replace(rv)
			if err != nil {
				return err
			}
			if done {
				return encoder{e.Encoder, nil}.value(reflect.ValueOf(with), depth)
			}
		}
		if done, err := e.known(rv, depth); done {
			return err
		}
		if done, err := e.byMethod(rv, depth); done {
			return err
		}
	}
	return e.byKind(rv, depth)
}

// known writes the types for which this package has its own form.
func (e encoder) known(rv reflect.Value, depth int) (done bool, err error) {
	switch v := rv.Interface().(type) {
	case []byte:
		return true, e.EncodeBytes(v)
	case Raw:
		return true, e.raw(v)
	case Array:
		return true, e.raw(append(AppendArrayHead(nil, v.Type, v.Shape, len(v.Data)), v.Data...))
	case Ext:
		return true, e.ext(v)
	case time.Time:
		return true, e.EncodeTime(v)
	case *time.Time:
		if v != nil {
			return true, e.EncodeTime(*v)
		}
	case *big.Int:
		return true, e.big(v)
	case big.Int:
		return true, e.big(&v)
	case pyjson.Object:
		return true, e.object(v, depth)
	case json.Number:
		return true, e.json([]byte(cmp.Or(v, "0")), depth)
	}
	return false, nil
}

// byMethod writes a value that has a method to become msgpack, JSON or text.
func (e encoder) byMethod(rv reflect.Value, depth int) (done bool, err error) {
	isNil := rv.Kind() == reflect.Pointer && rv.IsNil()
	if m, ok := pyjson.As[msgpack.CustomEncoder](rv); ok && !isNil {
		return true, m.EncodeMsgpack(e.Encoder)
	}
	if m, ok := pyjson.As[msgpack.Marshaler](rv); ok && !isNil {
		raw, err := m.MarshalMsgpack()
		if err == nil {
			err = e.raw(raw)
		}
		return true, err
	}
	if m, ok := pyjson.As[json.Marshaler](rv); ok && !isNil {
		text, err := m.MarshalJSON()
		if err == nil {
			err = e.json(text, depth)
		}
		return true, err
	}
	if m, ok := pyjson.As[encoding.TextMarshaler](rv); ok && !isNil {
		text, err := m.MarshalText()
		if err == nil {
			err = e.EncodeString(string(text))
		}
		return true, err
	}
	return false, nil
}

// json writes the value of a JSON text.
func (e encoder) json(text []byte, depth int) error {
	v, err := pyjson.Decode(text)
	if err != nil {
		return err
	}
	return e.value(reflect.ValueOf(v), depth-1)
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
		if err := errors.Join(e.EncodeString(m.Key), e.value(reflect.ValueOf(m.Value), depth-1)); err != nil {
			return err
		}
	}
	return nil
}

func (e encoder) byKind(rv reflect.Value, depth int) error {
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
		if rv.Kind() == reflect.Slice && rv.Type().Elem().Kind() == reflect.Uint8 {
			return e.EncodeBytes(rv.Bytes())
		}
		return e.list(rv, depth)
	case reflect.Map:
		return e.dict(rv, depth)
	case reflect.Pointer:
		if rv.IsNil() {
			return e.EncodeNil()
		}
		return e.value(rv.Elem(), depth-1)
	case reflect.Struct:
		return e.structure(rv, depth)
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
		if err := e.value(rv.Index(i), depth-1); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func (e encoder) dict(rv reflect.Value, depth int) error {
	if rv.IsNil() {
		return e.EncodeNil()
	}
	type entry struct{ key, value reflect.Value }
	entries := make([]entry, 0, rv.Len())
	for it := rv.MapRange(); it.Next(); {
		entries = append(entries, entry{it.Key(), it.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return compareKeys(a.key, b.key) })
	if err := e.EncodeMapLen(len(entries)); err != nil {
		return err
	}
	for _, m := range entries {
		if err := e.value(m.key, depth-1); err != nil {
			return err
		}
		if err := e.value(m.value, depth-1); err != nil {
			return fmt.Errorf("%v: %w", m.key, err)
		}
	}
	return nil
}

func (e encoder) structure(rv reflect.Value, depth int) error {
	if e.replace != nil && pyjson.Opaque(rv.Type()) {
		return fmt.Errorf("%v: %w", rv.Type(), pyjson.ErrOpaque)
	}
	n := 0
	for range pyjson.StructFields(rv) {
		n++
	}
	if err := e.EncodeMapLen(n); err != nil {
		return err
	}
	for name, field := range pyjson.StructFields(rv) {
		if err := e.EncodeString(name); err != nil {
			return err
		}
		if err := e.value(field, depth-1); err != nil {
			return fmt.Errorf(".%s: %w", name, err)
		}
	}
	return nil
}

// compareKeys orders numbers first, by value, then other keys by their text.
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

// complex writes {b"complex": true, b"data": repr(c)}.
func (e encoder) complex(c complex128) error {
	return errors.Join(
		e.EncodeMapLen(2),
		e.EncodeBytes([]byte("complex")), e.EncodeBool(true),
		e.EncodeBytes([]byte("data")), e.EncodeString(reprComplex(c)),
	)
}

// reprComplex returns Python's repr of a complex number: "2j", "(1.5-2j)".
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

// reprFloat returns a part of it: repr of a float, without a trailing ".0".
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
