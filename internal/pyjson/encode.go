package pyjson

import (
	"cmp"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

var (
	rawType    = reflect.TypeFor[Raw]()
	objectType = reflect.TypeFor[Object]()
	numberType = reflect.TypeFor[json.Number]()
	bigIntType = reflect.TypeFor[big.Int]()

	marshalerType = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

var (
	errNoForm = errors.New("the type has no JSON form")
	// ErrOpaque is returned for a struct that encoding/json would write as {}.
	ErrOpaque  = errors.New("the type has no exported fields, and no JSON form of its own")
	errTooDeep = fmt.Errorf("nested deeper than %d, perhaps in a cycle", maxDepth)
	errTooLong = fmt.Errorf("an integer of more than %d digits, which Python refuses", maxDigits)
)

// Encode writes v as Python's json.dumps would. It accepts what encoding/json
// accepts, by the same rules, and also Raw, Object, big.Int, NaN and the
// infinities. A json.Marshaler's text is rewritten with Python's spacing and
// escapes.
func Encode(v any) ([]byte, error) { return Append(nil, v) }

// EncodeChecked is Encode for values that may contain others that must not be
// written. It calls check for every value that is neither nil nor an interface,
// also inside others, except in a json.Marshaler's text. A struct that has
// fields, but no exported one, is an error. encoding/json writes {}.
func EncodeChecked(v any, check func(reflect.Value) error) ([]byte, error) {
	e := encoder{check: check}
	if err := e.value(reflect.ValueOf(v)); err != nil {
		return nil, err
	}
	return e.buf, nil
}

// Append is Encode to the end of dst. After an error it returns dst unchanged.
func Append(dst []byte, v any) ([]byte, error) {
	e := encoder{buf: dst}
	if err := e.value(reflect.ValueOf(v)); err != nil {
		return dst, err
	}
	return e.buf, nil
}

type encoder struct {
	buf      []byte
	depth    int // arrays and objects around the current value
	pointers int // pointers followed to reach it
	check    func(reflect.Value) error
}

func (e *encoder) put(s string) error {
	e.buf = append(e.buf, s...)
	return nil
}

func (e *encoder) value(v reflect.Value) error {
	if !v.IsValid() {
		return e.put("null")
	}
	if e.check != nil && v.Kind() != reflect.Interface && !isNil(v) {
		if err := e.check(v); err != nil {
			return &EncodeError{Type: v.Type(), Err: err}
		}
	}
	if done, err := e.known(v); done {
		return err
	}
	if done, err := e.marshaler(v); done {
		return err
	}
	return e.kind(v)
}

// known writes the types for which this package has its own rules.
func (e *encoder) known(v reflect.Value) (done bool, err error) {
	switch v.Type() {
	case rawType:
		return true, e.raw(v)
	case objectType:
		return true, e.within(&e.depth, v, func() error { return e.object(v.Interface().(Object)) })
	case numberType:
		return true, e.number(v)
	case bigIntType:
		i := v.Interface().(big.Int)
		return true, e.bigInt(v, &i)
	}
	return false, nil
}

// marshaler writes a value that implements json.Marshaler or
// encoding.TextMarshaler.
func (e *encoder) marshaler(v reflect.Value) (done bool, err error) {
	if v.Kind() == reflect.Pointer && v.Type().Elem() == bigIntType && !v.IsNil() {
		return true, e.bigInt(v, v.Interface().(*big.Int))
	}
	if m, ok := as[json.Marshaler](v, marshalerType); ok {
		if isNil(v) {
			return true, e.put("null")
		}
		return true, e.marshalJSON(v, m)
	}
	if m, ok := as[encoding.TextMarshaler](v, textType); ok {
		if isNil(v) {
			return true, e.put("null")
		}
		text, err := m.MarshalText()
		if err != nil {
			return true, &EncodeError{Type: v.Type(), Err: err}
		}
		e.buf = appendString(e.buf, string(text))
		return true, nil
	}
	return false, nil
}

// As returns v, or its address if v has one, as the interface T.
func As[T any](v reflect.Value) (m T, ok bool) { return as[T](v, reflect.TypeFor[T]()) }

// as is As for T's type.
func as[T any](v reflect.Value, t reflect.Type) (m T, ok bool) {
	if v.Kind() != reflect.Interface && v.Type().Implements(t) && v.CanInterface() {
		return v.Interface().(T), true
	}
	if v.Kind() != reflect.Pointer && v.CanAddr() && reflect.PointerTo(v.Type()).Implements(t) && v.CanInterface() {
		return v.Addr().Interface().(T), true
	}
	return m, false
}

func isNil(v reflect.Value) bool { return v.Kind() == reflect.Pointer && v.IsNil() }

func (e *encoder) marshalJSON(v reflect.Value, m json.Marshaler) error {
	text, err := m.MarshalJSON()
	if err == nil {
		e.buf, err = appendRespaced(e.buf, text, e.depth)
	}
	if err != nil {
		return &EncodeError{Type: v.Type(), Err: err}
	}
	return nil
}

func (e *encoder) raw(v reflect.Value) error {
	raw := v.Bytes()
	if len(raw) == 0 {
		return e.put("null")
	}
	if err := check(raw, e.depth); err != nil {
		return &EncodeError{Type: v.Type(), Err: err}
	}
	e.buf = append(e.buf, raw...)
	return nil
}

func (e *encoder) number(v reflect.Value) error {
	text := cmp.Or(v.String(), "0") // as encoding/json treats an empty Number
	s := scanner{data: []byte(text)}
	if _, _, err := s.number(); err != nil {
		return &EncodeError{Type: v.Type(), Err: err}
	}
	if err := s.end(); err != nil {
		return &EncodeError{Type: v.Type(), Err: err}
	}
	return e.put(text)
}

func (e *encoder) bigInt(v reflect.Value, i *big.Int) error {
	if i.BitLen() > 4*maxDigits { // before the work of finding the digits
		return &EncodeError{Type: v.Type(), Err: errTooLong}
	}
	start := len(e.buf)
	e.buf = i.Append(e.buf, 10)
	if digits := strings.TrimPrefix(string(e.buf[start:]), "-"); len(digits) > maxDigits {
		return &EncodeError{Type: v.Type(), Err: errTooLong}
	}
	return nil
}

// kind writes a value by the kind of its type.
func (e *encoder) kind(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.buf = strconv.AppendUint(e.buf, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		e.buf = appendFloat(e.buf, v.Float(), v.Type().Bits())
	case reflect.String:
		e.buf = appendString(e.buf, v.String())
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return e.put("null")
		}
		return e.nested(v)
	case reflect.Array, reflect.Struct:
		return e.nested(v)
	default:
		return &EncodeError{Type: v.Type(), Err: errNoForm}
	}
	return nil
}

// nested writes a value that can contain others.
func (e *encoder) nested(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Interface:
		return e.value(v.Elem())
	case reflect.Pointer:
		return e.within(&e.pointers, v, func() error { return e.value(v.Elem()) }) // pointers alone can form a cycle
	case reflect.Map:
		return e.within(&e.depth, v, func() error { return e.dict(v) })
	case reflect.Struct:
		return e.within(&e.depth, v, func() error { return e.structure(v) })
	case reflect.Slice:
		if isBytes(v.Type()) {
			return e.base64(v.Bytes())
		}
	}
	return e.within(&e.depth, v, func() error { return e.list(v) })
}

// within calls write one level deeper, unless that exceeds the limit.
func (e *encoder) within(level *int, v reflect.Value, write func() error) error {
	if *level >= maxDepth {
		return &EncodeError{Type: v.Type(), Err: errTooDeep}
	}
	*level++
	defer func() { *level-- }()
	return write()
}

// isBytes reports whether slices of type t are written as base64 text: those of
// bytes without a method of their own.
func isBytes(t reflect.Type) bool {
	p := reflect.PointerTo(t.Elem())
	return t.Elem().Kind() == reflect.Uint8 && !p.Implements(marshalerType) && !p.Implements(textType)
}

func (e *encoder) base64(b []byte) error {
	e.buf = append(e.buf, '"')
	e.buf = base64.StdEncoding.AppendEncode(e.buf, b)
	return e.put(`"`)
}

func (e *encoder) list(v reflect.Value) error {
	e.buf = append(e.buf, '[')
	first := true
	for i := range v.Len() {
		e.buf = appendComma(e.buf, &first)
		if err := e.value(v.Index(i)); err != nil {
			return at(err, "["+strconv.Itoa(i)+"]")
		}
	}
	return e.put("]")
}

// key writes the name of an object's member, with the separators before and
// after it.
func (e *encoder) key(name string, first *bool) {
	e.buf = appendComma(e.buf, first)
	e.buf = appendString(e.buf, name)
	e.buf = append(e.buf, ": "...)
}

func (e *encoder) object(o Object) error {
	e.buf = append(e.buf, '{')
	first := true
	for _, m := range o {
		e.key(m.Key, &first)
		if err := e.value(reflect.ValueOf(m.Value)); err != nil {
			return at(err, "["+strconv.Quote(m.Key)+"]")
		}
	}
	return e.put("}")
}

// dict writes a map with its keys in the order of their text.
func (e *encoder) dict(v reflect.Value) error {
	type entry struct {
		key   string
		value reflect.Value
	}
	entries := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := keyText(it.Key())
		if err != nil {
			return &EncodeError{Type: v.Type(), Err: err}
		}
		entries = append(entries, entry{key, it.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	e.buf = append(e.buf, '{')
	first := true
	for _, m := range entries {
		e.key(m.key, &first)
		if err := e.value(m.value); err != nil {
			return at(err, "["+strconv.Quote(m.key)+"]")
		}
	}
	return e.put("}")
}

// keyText converts a map's key to the name of a member.
func keyText(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if k.Type().Implements(textType) {
		if isNil(k) {
			return "", nil
		}
		text, err := k.Interface().(encoding.TextMarshaler).MarshalText()
		return string(text), err
	}
	switch {
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), nil
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", fmt.Errorf("a key of type %v has no JSON form", k.Type())
}

func (e *encoder) structure(v reflect.Value) error {
	if e.check != nil && Opaque(v.Type()) {
		return &EncodeError{Type: v.Type(), Err: ErrOpaque}
	}
	e.buf = append(e.buf, '{')
	first := true
	for _, f := range fieldsOf(v.Type()) {
		fv, ok := f.shown(v)
		if !ok {
			continue
		}
		e.key(f.name, &first)
		write := e.value
		if f.quoted {
			write = e.quoted
		}
		if err := write(fv); err != nil {
			return at(err, "."+f.name)
		}
	}
	return e.put("}")
}

// shown returns the field in v unless it is omitted.
func (f *field) shown(v reflect.Value) (reflect.Value, bool) {
	fv, ok := f.in(v)
	return fv, ok && !(f.omitEmpty && isEmpty(fv)) && !(f.omitZero && isZero(fv))
}

// in returns the field in v. It reports false behind a nil embedded pointer.
func (f *field) in(v reflect.Value) (reflect.Value, bool) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

// isEmpty reports whether omitempty leaves out a value.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct, reflect.Chan, reflect.Func:
		return false
	}
	return v.IsZero()
}

// isZero reports whether omitzero leaves out a value: by its IsZero method, or
// else if it is the zero value.
func isZero(v reflect.Value) bool {
	type zeroer interface{ IsZero() bool }
	t := reflect.TypeFor[zeroer]()
	if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
		return true
	}
	if v.Kind() == reflect.Interface && v.Type().Implements(t) {
		return v.Interface().(zeroer).IsZero()
	}
	if z, ok := as[zeroer](v, t); ok {
		return z.IsZero()
	}
	return v.IsZero()
}

// quoted implements the tag option "string": it writes the value's JSON as the
// text of a string.
func (e *encoder) quoted(v reflect.Value) error {
	start := len(e.buf)
	if err := e.value(v); err != nil {
		return err
	}
	if isNil(v) || hasOwnForm(v) {
		return nil // encoding/json does not quote these
	}
	text := string(e.buf[start:])
	e.buf = appendString(e.buf[:start], text)
	return nil
}

func hasOwnForm(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	_, m := as[json.Marshaler](v, marshalerType)
	_, t := as[encoding.TextMarshaler](v, textType)
	return m || t
}
