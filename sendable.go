package netgear

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"reflect"
	"sync"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/pymsgpack"
)

// Messages and return data may be any value, and encoding/json writes something
// for most. It writes {"DType": …} for an Array, {} for a Mat, a picture or an
// error. Such values are sent as arrays if the wire supports arrays. Otherwise
// they are errors with a description of what to do.

// kindOfValue is the kind of a type in a message.
type kindOfValue int8

const (
	plainValue kindOfValue = iota // any other value
	errorValue
	messageValue // Message
	extValue     // Ext
	arrayValue   // Array, the first that is sent as an array
	frameValue   // Frame
	matValue     // gocv.Mat
	imageValue   // package image
)

func (k kindOfValue) isArray() bool { return k >= arrayValue }

// matType and matAsArray are for gocv.Mat, and set only in builds with gocv.
// The array has memory of its own.
var (
	matType    reflect.Type
	matAsArray func(mat any) (Array, error)
)

var valueKinds sync.Map // reflect.Type to kindOfValue

func kindOf(t reflect.Type) kindOfValue {
	if k, ok := valueKinds.Load(t); ok {
		return k.(kindOfValue)
	}
	k := classify(t)
	valueKinds.Store(t, k)
	return k
}

var ownForms = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
}

func classify(t reflect.Type) kindOfValue {
	base := t
	if t.Kind() == reflect.Pointer {
		base = t.Elem()
	}
	switch {
	case base == reflect.TypeFor[Array]():
		return arrayValue
	case base == reflect.TypeFor[Frame]():
		return frameValue
	case base == reflect.TypeFor[Message]():
		return messageValue
	case base == reflect.TypeFor[Ext]():
		return extValue
	case matType != nil && base == matType:
		return matValue
	}
	for _, form := range ownForms {
		if t.Implements(form) || reflect.PointerTo(base).Implements(form) {
			return plainValue
		}
	}
	switch {
	case isPicture(base):
		return imageValue
	case t.Implements(reflect.TypeFor[error]()):
		return errorValue
	}
	return plainValue
}

var pictures = map[reflect.Type]bool{
	reflect.TypeFor[image.Alpha](): true, reflect.TypeFor[image.Alpha16](): true, reflect.TypeFor[image.CMYK](): true,
	reflect.TypeFor[image.Gray](): true, reflect.TypeFor[image.Gray16](): true, reflect.TypeFor[image.NRGBA](): true,
	reflect.TypeFor[image.NRGBA64](): true, reflect.TypeFor[image.NYCbCrA](): true, reflect.TypeFor[image.Paletted](): true,
	reflect.TypeFor[image.RGBA](): true, reflect.TypeFor[image.RGBA64](): true, reflect.TypeFor[image.Uniform](): true,
	reflect.TypeFor[image.YCbCr](): true,
}

// isPicture reports whether a type is a picture. The interface is not enough:
// image.Rectangle has its methods, as has a struct that embeds one, and both
// are data. A type of another package is a picture if JSON would show nothing
// of it.
func isPicture(t reflect.Type) bool {
	if pictures[t] {
		return true
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[image.Image]()) && (t.Kind() != reflect.Struct || pyjson.Opaque(t))
}

var (
	errErrorSent = errors.New("an error cannot be sent; send its text, err.Error()")
	errNested    = errors.New("NetGear's wire carries no array inside a message; send it as the frame, or return it alone (SetReturnData, Respond), " +
		"or use Wire: netgear.AsyncWire at both ends")
	errFrameValue = errors.New("a Frame is used by its pointer")
)

// checkJSON refuses values that have no JSON form.
func checkJSON(v reflect.Value) error {
	switch kind := kindOf(v.Type()); {
	case kind == errorValue:
		return errErrorSent
	case kind.isArray():
		return errNested
	}
	return nil
}

// replacePacked returns the form of a value on NetGear_Async's wire, where
// arrays may be anywhere in a message.
func replacePacked(v reflect.Value) (with any, done bool, err error) {
	kind := kindOf(v.Type())
	switch kind {
	case plainValue:
		return nil, false, nil
	case errorValue:
		return nil, false, errErrorSent
	case messageValue:
		return messageInside(reflect.Indirect(v).Interface().(Message)), true, nil
	case extValue:
		return pymsgpack.Ext(reflect.Indirect(v).Interface().(Ext)), true, nil
	}
	if v.Kind() == reflect.Struct && v.CanAddr() {
		v = v.Addr()
	}
	a, err := asArray(v.Interface(), kind)
	if err != nil {
		return nil, true, err
	}
	with, err = packedArray(a)
	return with, true, err
}

func isNilPointer(v any) bool {
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil()
}

// asArray returns a value of an array kind, or a pointer to one, as an Array.
func asArray(v any, kind kindOfValue) (a Array, err error) {
	if isNilPointer(v) {
		return a, fmt.Errorf("%w: the %T is nil", ErrFrame, v)
	}
	switch kind {
	case matValue:
		return matAsArray(v)
	case imageValue:
		if img, ok := v.(image.Image); ok {
			return imageArray(img)
		}
		return a, fmt.Errorf("%w: a %T is used by its pointer", ErrFrame, v)
	}
	switch v := v.(type) {
	case Array:
		return v, nil
	case *Array:
		return *v, nil
	case *Frame:
		b, err := v.view()
		if err != nil {
			return a, err
		}
		return Array{DType: v.DType(), Shape: v.Shape(), Data: b}, nil
	}
	return a, fmt.Errorf("%w: %w", ErrFrame, errFrameValue)
}
