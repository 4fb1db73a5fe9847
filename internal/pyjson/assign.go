package pyjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// Unmarshal parses raw into the value that v points to. A *any, *map[string]any
// or *[]any is set to Decode's result, in which integers stay integers.
// Everything else follows encoding/json's rules, with NaN, Infinity and
// -Infinity for floats and empty interfaces added. A Raw anywhere in v is set
// to a copy of its part of the text. As in encoding/json, a finite number too
// large for its Go type is an error. A json.Unmarshaler is passed NaN if its
// text has one. Errors do not quote raw, which may contain a password. They
// name kinds, types and places.
func Unmarshal(raw []byte, v any) error { return unquoted(unmarshal(raw, v)) }

// unquoted returns err without the parts of the text that encoding/json quotes.
func unquoted(err error) error {
	const misuse = "json: invalid use of ,string struct tag" // followed by the text
	switch e := err.(type) {                                 //nolint:errorlint // encoding/json does not wrap these
	case *json.UnmarshalTypeError:
		if kind, _, quoted := strings.Cut(e.Value, " "); quoted { // "number 7"
			plain := *e
			plain.Value = kind
			return &plain
		}
	case nil:
	default:
		if strings.HasPrefix(err.Error(), misuse) {
			return errors.New(misuse)
		}
	}
	return err
}

func unmarshal(raw []byte, v any) error {
	if err := check(raw, 0); err != nil {
		return err
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(v)}
	}
	if done, err := decodeInto(raw, v); done {
		return err
	}
	return assign(trim(raw), rv)
}

// decodeInto sets the types to which Decode's result can be assigned directly.
func decodeInto(raw []byte, v any) (done bool, err error) {
	switch p := v.(type) {
	case *any:
		*p, err = Decode(raw)
		return true, err
	case *map[string]any:
		d, err := Decode(raw)
		m, ok := d.(map[string]any)
		if ok && *p != nil {
			// encoding/json adds to an existing map
			maps.Copy(*p, m)
		} else if ok {
			*p = m
		}
		return ok, err
	case *[]any:
		d, err := Decode(raw)
		list, ok := d.([]any)
		if ok {
			*p = list
		}
		return ok, err
	}
	return false, nil
}

func trim(raw []byte) []byte { return bytes.Trim(raw, " \t\n\r") }

// plain reports whether encoding/json can parse a valid text. It also returns
// false if a string contains one of the words. Then assign parses the text,
// with the same result.
func plain(raw []byte) bool {
	return !bytes.Contains(raw, []byte("NaN")) && !bytes.Contains(raw, []byte("Infinity"))
}

// assign parses the valid text raw into what rv, a pointer that is not nil,
// points to. It handles only the parts with a bare NaN or infinity and passes
// all others to encoding/json.
func assign(raw []byte, ptr reflect.Value) error {
	if plain(raw) || raw[0] == '"' {
		return json.Unmarshal(raw, ptr.Interface())
	}
	if u, ok := reflect.TypeAssert[json.Unmarshaler](ptr); ok {
		return u.UnmarshalJSON(raw)
	}
	v := ptr.Elem()
	if v.Kind() == reflect.Interface && !v.IsNil() && v.Elem().Kind() == reflect.Pointer && !v.Elem().IsNil() {
		return assign(raw, v.Elem()) // encoding/json sets what an interface points to
	}
	switch {
	case v.Kind() == reflect.Interface && v.NumMethod() == 0:
		d, err := Decode(raw)
		if err == nil {
			v.Set(reflect.ValueOf(floats(d)))
		}
		return err
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return assign(raw, v)
	case raw[0] == '{' && v.Kind() == reflect.Struct:
		return assignStruct(raw, v)
	case raw[0] == '{' && v.Kind() == reflect.Map:
		return assignMap(raw, v)
	case raw[0] == '[' && (v.Kind() == reflect.Slice || v.Kind() == reflect.Array):
		return assignList(raw, v)
	case raw[0] != '{' && raw[0] != '[' && v.CanFloat():
		f, _ := Decode(raw)
		v.SetFloat(f.(float64))
		return nil
	}
	return mismatch(raw, v.Type())
}

// mismatch returns encoding/json's error for a value of the wrong kind.
func mismatch(raw []byte, t reflect.Type) error {
	value := "number"
	switch raw[0] {
	case '{':
		value = "object"
	case '[':
		value = "array"
	case '"':
		value = "string"
	}
	return &json.UnmarshalTypeError{Value: value, Type: t}
}

// floats converts the integers in a result of Decode to floats, which
// encoding/json stores in an empty interface.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	case []any:
		for i, e := range v {
			v[i] = floats(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = floats(e)
		}
	}
	return v
}

func assignStruct(raw []byte, v reflect.Value) error {
	fields := fieldsOf(v.Type())
	return Fields(raw, func(key string, value Raw) error {
		f := findField(fields, key)
		if f == nil {
			return nil
		}
		fv, err := f.reach(v)
		if err != nil {
			return err
		}
		if f.quoted {
			return assignQuoted(value, fv)
		}
		return assign(value, fv.Addr())
	})
}

// findField returns the field with this name, or else one whose name differs
// only in case.
func findField(fields []field, key string) *field {
	for i := range fields {
		if fields[i].name == key {
			return &fields[i]
		}
	}
	for i := range fields {
		if strings.EqualFold(fields[i].name, key) {
			return &fields[i]
		}
	}
	return nil
}

// reach returns the field in v, and allocates embedded structs where needed.
func (f *field) reach(v reflect.Value) (reflect.Value, error) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() && !v.CanSet() {
				return v, fmt.Errorf("cannot set embedded pointer to unexported struct %v", v.Type().Elem())
			}
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, nil
}

// assignQuoted sets a field with the tag option "string".
func assignQuoted(raw []byte, v reflect.Value) error {
	switch string(raw) {
	case "NaN", "Infinity", "-Infinity":
		return mismatch(raw, v.Type()) // they must be quoted too
	case `"NaN"`, `"Infinity"`, `"-Infinity"`:
		return assign(raw[1:len(raw)-1], v.Addr())
	}
	if raw[0] == '{' || raw[0] == '[' {
		return mismatch(raw, v.Type())
	}
	// encoding/json supports the option only in a tag.
	alone := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "V", Type: v.Type(), Tag: `json:"v,string"`}}))
	alone.Elem().Field(0).Set(v)
	err := json.Unmarshal(slices.Concat([]byte(`{"v":`), raw, []byte("}")), alone.Interface())
	v.Set(alone.Elem().Field(0))
	return err
}

func assignMap(raw []byte, v reflect.Value) error {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	return Fields(raw, func(key string, value Raw) error {
		k, err := mapKey(key, v.Type().Key())
		if err != nil {
			return err
		}
		e := reflect.New(v.Type().Elem())
		if err := assign(value, e); err != nil {
			return err
		}
		v.SetMapIndex(k, e.Elem())
		return nil
	})
}

// mapKey converts a member's name to a map key of type t, by having
// encoding/json decode a map with that one key.
func mapKey(name string, t reflect.Type) (reflect.Value, error) {
	if t.Kind() == reflect.String && t.PkgPath() == "" {
		return reflect.ValueOf(strings.Clone(name)), nil // the name aliases the input
	}
	m := reflect.New(reflect.MapOf(t, reflect.TypeFor[struct{}]()))
	text, err := Encode(Object{{Key: name}})
	if err != nil {
		return reflect.Value{}, err
	}
	if err := json.Unmarshal(text, m.Interface()); err != nil {
		return reflect.Value{}, err
	}
	return m.Elem().MapKeys()[0], nil
}

// assignList sets a slice or an array. Like encoding/json it drops the elements
// that do not fit an array, and zeroes the rest.
func assignList(raw []byte, v reflect.Value) error {
	s := scanner{data: raw}
	n := 0
	err := s.array(0, func() error {
		start := s.pos
		if err := s.value(1); err != nil {
			return err
		}
		if n >= v.Len() {
			if v.Kind() == reflect.Array {
				return nil
			}
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		}
		n++
		return assign(raw[start:s.pos], v.Index(n-1).Addr())
	})
	if v.Kind() == reflect.Slice {
		v.SetLen(n)
		return err
	}
	for ; n < v.Len(); n++ {
		v.Index(n).SetZero()
	}
	return err
}
