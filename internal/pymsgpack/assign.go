package pymsgpack

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/vidgear-go/netgear/internal/pyjson"
)

// Assign stores a result of Decode in what target points to, by the rules of
// encoding/json: structs by their json tags, numbers only if they fit, maps
// added to. An empty interface is set to the value itself. Texts and bytes are
// converted to each other. The tag option "string" is ignored. A type that only
// parses JSON is passed the result of by.JSON.
func Assign(value, target any, by Conversions) error {
	to := reflect.ValueOf(target)
	if to.Kind() != reflect.Pointer || to.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(target)}
	}
	return assigner{by}.value(value, to.Elem())
}

// Conversions are what Assign needs of its caller, whose types may be among the
// values.
type Conversions struct {
	JSON func(any) ([]byte, error) // writes a value as JSON
	Pack func(any) ([]byte, error) // writes a value as msgpack; nil: Encode
	// Own assigns to pointers of the caller's own types; nil if it has none.
	Own func(value, target any) (done bool, err error)
}

type assigner struct{ Conversions }

func (a assigner) value(v any, to reflect.Value) error {
	if a.Own != nil && to.Addr().CanInterface() {
		if done, err := a.Own(v, to.Addr().Interface()); done {
			return err
		}
	}
	if v == nil {
		switch to.Kind() {
		case reflect.Interface, reflect.Pointer, reflect.Map, reflect.Slice:
			to.SetZero()
		}
		return nil // as null leaves the other types unchanged
	}
	if to.Kind() == reflect.Pointer {
		if to.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
		}
		return a.value(v, to.Elem())
	}
	from := reflect.ValueOf(v)
	if to.Kind() == reflect.Interface && from.Type().Implements(to.Type()) || to.Kind() != reflect.Map && from.Type() == to.Type() {
		to.Set(from)
		return nil
	}
	if to.Addr().CanInterface() { // all but embedded structs of an unexported type
		if done, err := a.byMethod(v, to); done {
			return err
		}
	}
	return a.byKind(v, to)
}

// byMethod sets types that have methods to parse themselves.
func (a assigner) byMethod(v any, to reflect.Value) (done bool, err error) {
	switch reader := to.Addr().Interface().(type) {
	case msgpack.CustomDecoder, msgpack.Unmarshaler:
		return true, a.readPacked(v, reader)
	case *json.Number:
		switch v.(type) {
		case int64, uint64, float64:
			text, err := a.JSON(v)
			*reader = json.Number(text)
			return true, err
		}
	case json.Unmarshaler:
		text, err := a.JSON(v)
		if err != nil {
			return true, err
		}
		return true, reader.UnmarshalJSON(text)
	case encoding.TextUnmarshaler:
		if text, ok := v.(string); ok {
			return true, reader.UnmarshalText([]byte(text))
		}
	}
	return false, nil
}

// readPacked has reader parse v. The msgpack library that it uses panics at
// some values, such as maps whose keys are lists.
func (a assigner) readPacked(v, reader any) (err error) {
	pack := a.Pack
	if pack == nil {
		pack = Encode
	}
	raw, err := pack(v)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%T cannot read this: %v", reader, p)
		}
	}()
	d := msgpack.NewDecoder(bytes.NewReader(raw))
	d.SetCustomStructTag("json")
	return d.Decode(reader)
}

func (a assigner) byKind(v any, to reflect.Value) error {
	switch {
	case to.CanInt():
		if n, ok := v.(int64); ok && !to.OverflowInt(n) {
			to.SetInt(n)
			return nil
		}
	case to.CanUint():
		if n, ok := unsignedOf(v); ok && !to.OverflowUint(n) {
			to.SetUint(n)
			return nil
		}
	case to.CanFloat():
		if f, ok := floatOf(v); ok && !to.OverflowFloat(f) {
			to.SetFloat(f)
			return nil
		}
	case to.CanComplex():
		if c, ok := complexOf(v); ok && !to.OverflowComplex(c) {
			to.SetComplex(c)
			return nil
		}
	}
	switch v := v.(type) {
	case bool:
		if to.Kind() == reflect.Bool {
			to.SetBool(v)
			return nil
		}
	case string:
		return a.text([]byte(v), to)
	case []byte:
		return a.text(v, to)
	case []any:
		return a.list(v, to)
	case map[string]any:
		return assignMap(a, v, to)
	case map[any]any:
		return assignMap(a, v, to)
	}
	return mismatch(v, to)
}

func mismatch(v any, to reflect.Value) error {
	return fmt.Errorf("a %T does not fit a Go %v", v, to.Type())
}

func unsignedOf(v any) (uint64, bool) {
	switch v := v.(type) {
	case int64:
		return uint64(v), v >= 0
	case uint64:
		return v, true
	}
	return 0, false
}

func floatOf(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	}
	return math.NaN(), false
}

func complexOf(v any) (complex128, bool) {
	if c, ok := v.(complex128); ok {
		return c, true
	}
	f, ok := floatOf(v)
	return complex(f, 0), ok
}

func (a assigner) text(b []byte, to reflect.Value) error {
	switch {
	case to.Kind() == reflect.String:
		to.SetString(string(b))
	case to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8:
		to.SetBytes(b)
	default:
		return mismatch(string(b), to)
	}
	return nil
}

// list sets a slice or an array. Elements that do not fit an array are dropped.
func (a assigner) list(list []any, to reflect.Value) error {
	switch to.Kind() {
	case reflect.Slice:
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
	case reflect.Array:
		to.SetZero()
		list = list[:min(len(list), to.Len())]
	default:
		return mismatch(list, to)
	}
	for i, v := range list {
		if err := a.value(v, to.Index(i)); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func assignMap[K comparable](a assigner, m map[K]any, to reflect.Value) error {
	switch to.Kind() {
	case reflect.Map:
		if to.IsNil() {
			to.Set(reflect.MakeMapWithSize(to.Type(), len(m)))
		}
	case reflect.Struct:
	default:
		return mismatch(m, to)
	}
	for k, v := range m {
		put := a.field
		if to.Kind() == reflect.Map {
			put = a.entry
		}
		if err := put(k, v, to); err != nil {
			return fmt.Errorf("%.40v: %w", k, err)
		}
	}
	return nil
}

// field sets the field of that name, if the struct has one.
func (a assigner) field(key, v any, to reflect.Value) error {
	name, ok := key.(string)
	if !ok {
		return nil
	}
	field, ok, err := pyjson.StructField(to, name)
	if err != nil || !ok {
		return err
	}
	return a.value(v, field)
}

// entry sets the entry of a map.
func (a assigner) entry(key, v any, to reflect.Value) error {
	k, e := reflect.New(to.Type().Key()).Elem(), reflect.New(to.Type().Elem()).Elem()
	if err := a.key(key, k); err != nil {
		return err
	}
	if !k.Comparable() {
		return fmt.Errorf("a key that is a %v", k.Type())
	}
	if err := a.value(v, e); err != nil {
		return err
	}
	to.SetMapIndex(k, e)
	return nil
}

// key converts numbers and texts to each other, as JSON keys are always texts.
func (a assigner) key(key any, to reflect.Value) error {
	name, isText := key.(string)
	switch {
	case isText && to.CanInt():
		if n, err := strconv.ParseInt(name, 10, 64); err == nil {
			key = n
		}
	case isText && to.CanUint():
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			key = n
		}
	case !isText && to.Kind() == reflect.String:
		key = KeyText(key)
	}
	return a.value(key, to)
}

// KeyText returns the text for a key where keys must be texts, as in Python's
// json.dumps.
func KeyText(key any) string {
	switch key.(type) {
	case nil, bool, int64, uint64, float64:
		text, _ := pyjson.Encode(key) // these types always encode
		return string(text)
	}
	return fmt.Sprint(key)
}
