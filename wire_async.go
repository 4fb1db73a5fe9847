package netgear

import (
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/pymsgpack"
)

// asyncWire reads and writes NetGear_Async's messages, as VidGear 0.3.6 writes
// them: msgpack, with arrays in msgpack_numpy's form.
//
// A frame is one message of two parts, send end to receive end:
//
//	{"terminate": false, "bi_mode": …, "data": …}
//	{b"nd": true, b"type": "|u1", b"kind": b"", b"shape": […], b"data": pixels in C order}
//
// A terminate message has one part, and in patterns 0 and 1 an answer:
//
//	{"terminate": true}
//	{"terminated": "Client-`XXXXXXXX` successfully terminated!"}
//
// The answer to a frame, in patterns 0 and 1, is a text. In bidirectional mode
// it is msgpack, with a second part if an array is returned:
//
//	Data received on client: XXXXXXXX !
//	{"return_type": "dict", "return_data": …}
//	{"return_type": "ndarray", "return_data": nil}
//
// An empty text stands for "no data" in both directions. The answer to a
// dropped message has the reason, as on NetGear's wire:
//
//	Data rejected on client: XXXXXXXX ! …
//	{"return_type": "NoneType", "return_data": "", "rejected": …}
type asyncWire struct{}

// packable is a key or a value of a map on NetGear_Async's wire.
type packable interface{ appendPacked(dst []byte) []byte }

// appendFields writes a map of keys and values, in order.
func appendFields(dst []byte, fields ...packable) []byte {
	dst = append(dst, msgpcode.FixedMapLow|byte(len(fields)/2))
	for _, f := range fields {
		dst = f.appendPacked(dst)
	}
	return dst
}

// packedText is a text of less than 256 bytes: a key, or the name of a type.
type packedText string

func (t packedText) appendPacked(dst []byte) []byte {
	if len(t) < 32 {
		dst = append(dst, msgpcode.FixedStrLow|byte(len(t)))
	} else {
		dst = append(dst, msgpcode.Str8, byte(len(t)))
	}
	return append(dst, t...)
}

type packedBool bool

func (b packedBool) appendPacked(dst []byte) []byte {
	if b {
		return append(dst, msgpcode.True)
	}
	return append(dst, msgpcode.False)
}

type packedNil struct{}

func (packedNil) appendPacked(dst []byte) []byte { return append(dst, msgpcode.Nil) }

// appendPacked appends a message that was encoded for this wire. None is an
// empty text.
func (m Message) appendPacked(dst []byte) []byte {
	if len(m.raw) == 0 {
		return append(dst, msgpcode.FixedStrLow)
	}
	return append(dst, m.raw...)
}

func (asyncWire) appendHeader(dst []byte, h header) []byte {
	return appendFields(dst, packedText("terminate"), packedBool(h.terminate), packedText("bi_mode"), packedBool(h.bidirectional), packedText("data"), h.message)
}

func (asyncWire) appendTerminate(dst []byte, _ pyjson.Raw) []byte {
	return appendFields(dst, packedText("terminate"), packedBool(true))
}

func (asyncWire) appendAnswer(dst []byte, a *answer) []byte {
	switch {
	case a.text != "":
		return append(dst, a.text...)
	case a.array:
		return appendFields(dst, packedText("return_type"), packedText(a.returnType), packedText("return_data"), packedNil{})
	}
	if a.rejected != "" {
		return appendFields(dst, packedText("return_type"), packedText(a.returnType), packedText("return_data"), a.data, packedText("rejected"), packedText(a.rejected))
	}
	return appendFields(dst, packedText("return_type"), packedText(a.returnType), packedText("return_data"), a.data)
}

func (asyncWire) received(id string) string { return "Data received on client: " + id + " !" }

func (asyncWire) rejected(id, reason string) string {
	return rejectedText + "client: " + id + " ! " + reason
}

func (asyncWire) terminateReply(id string, _ bool) []byte {
	return appendFields(nil, packedText("terminated"), packedText("Client-`"+id+"` successfully terminated!"))
}

func (asyncWire) answersTerminate(p Pattern) bool { return p.spec().answers }

// ---- reading ----

func (asyncWire) parseHeader(raw []byte, _ []int) (header, error) {
	var h header
	if err := checkLength("header", raw); err != nil {
		return h, err
	}
	known := false
	err := pymsgpack.Fields(raw, func(key []byte, v pymsgpack.Raw) (err error) {
		switch string(key) {
		case "terminate":
			h.terminate, known = pymsgpack.Truth(v)
		case "bi_mode":
			h.bidirectional, _ = pymsgpack.Truth(v)
		case "data":
			h.message, err = packedMessage(v)
		}
		return err
	})
	if err == nil && !known {
		err = fmt.Errorf("%q is missing (does the sender speak NetGear's JSON?)", "terminate")
	}
	if err != nil {
		return h, malformed("header: %w", err)
	}
	return h, nil
}

func (asyncWire) parseAnswer(raw []byte, structured bool) (answer, error) {
	var a answer
	if !structured {
		a.text = string(raw)
		return a, nil
	}
	if err := checkLength("answer", raw); err != nil {
		return a, err
	}
	err := pymsgpack.Fields(raw, func(key []byte, v pymsgpack.Raw) (err error) {
		switch string(key) {
		case "return_type":
			a.returnType, _ = pymsgpack.Text(v)
		case "return_data":
			a.data, err = packedMessage(v)
		case "rejected":
			a.rejected, _ = pymsgpack.Text(v)
		}
		return err
	})
	if err != nil {
		return a, malformed("answer: %w (is bidirectional mode on at both ends?)", err)
	}
	a.array = a.returnType == "ndarray"
	return a, nil
}

// packedMessage returns a msgpack value as a message. It reports errors of
// arrays in it before Message.Value would, and does not decode them, because
// this runs in the receive goroutine.
func packedMessage(v pymsgpack.Raw) (Message, error) {
	if pymsgpack.Empty(v) {
		return Message{packed: true}, nil
	}
	err := pymsgpack.CheckNumpy(v, func(a pymsgpack.Array) error {
		_, err := packedDType(a)
		return err
	})
	return Message{raw: v, packed: true}, err
}

// ---- arrays ----

// dtype returns numpy's dtype.str: "|u1", "<f4".
func (asyncWire) dtype(name string) (string, error) {
	if spelled, ok := numpy.ArrayProtocol(name); ok {
		return spelled, nil
	}
	return foreignDType(name)
}

// foreignDType returns the dtype.str of a type whose size is not fixed.
func foreignDType(name string) (string, error) {
	if _, err := numpy.Parse(name); err != nil {
		return "", frameError(err)
	}
	switch name[0] {
	case '<', '>', '|':
		return name, nil // it is one
	case '[':
		return "", fmt.Errorf("%w: dtype %q: %w", ErrFrame, name, ErrStructuredArray)
	}
	return "", fmt.Errorf("%w: NetGear_Async's wire cannot carry dtype %q", ErrFrame, name)
}

func (asyncWire) appendArrayHead(dst []byte, c coding, size int) []byte {
	return pymsgpack.AppendArrayHead(dst, c.dtype, c.shape, size)
}

func (asyncWire) findArray(part []byte, c *coding) (from, size int, err error) {
	a, from, err := pymsgpack.ParseArray(part)
	if err != nil {
		return 0, 0, because(malformedArray, malformed("frame: %w", err))
	}
	*c = coding{dtype: a.Type, shape: a.Shape}
	return from, len(a.Data), nil
}

// ---- messages ----

// Ext is a value of a msgpack extension type without a Go type here (Python's
// msgpack.ExtType). Type is -128 to 127.
type Ext struct {
	Type int8
	Data []byte
}

// packValue writes a value as msgpack, with this package's types in it.
func packValue(v any) ([]byte, error) { return pymsgpack.EncodeWith(v, replacePacked) }

// packedArray returns an array in msgpack_numpy's form. It refers to a's
// memory.
func packedArray(a Array) (pymsgpack.Array, error) {
	_, spelled, err := spell(asyncWire{}, &a)
	return pymsgpack.Array{Type: spelled, Shape: a.Shape, Data: a.Data}, err
}

// messageInside returns what replaces a Message inside another one.
func messageInside(m Message) any {
	switch {
	case len(m.raw) == 0:
		return nil
	case m.packed:
		return pymsgpack.Raw(m.raw)
	}
	return m.Value()
}

func (asyncWire) encodeMessage(v any) (Message, error) {
	switch m := v.(type) {
	case nil:
		return Message{packed: true}, nil
	case Message:
		if m.packed {
			return m, nil
		}
	}
	raw, err := packValue(v)
	if err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return Message{raw: raw, packed: true}, nil
}

func (asyncWire) typeName(m Message) string { return pymsgpack.TypeName(m.raw) }

// unpack decodes msgpack as pymsgpack.Decode does, into this package's types.
func unpack(raw []byte) (any, error) {
	v, err := pymsgpack.Decode(raw)
	if err != nil {
		return nil, err
	}
	return convertPacked(v)
}

// convertPacked converts pymsgpack's types into this package's, at every level.
func convertPacked(v any) (_ any, err error) {
	switch v := v.(type) {
	case pymsgpack.Array:
		return convertPackedArray(v)
	case pymsgpack.Ext:
		return Ext(v), nil
	case []any:
		for i := range v {
			if v[i], err = convertPacked(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = convertPacked(v[k]); err != nil {
				return nil, err
			}
		}
	case map[any]any:
		for k := range v {
			if v[k], err = convertPacked(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// packedDType returns an array's dtype, or an error unless its bytes fit.
func packedDType(a pymsgpack.Array) (numpy.DType, error) {
	d, err := numpy.Parse(a.Type)
	if err == nil {
		err = d.Check(a.Shape, len(a.Data))
	}
	return d, frameError(err)
}

// convertPackedArray converts an array, and swaps the bytes of big-endian
// elements.
func convertPackedArray(a pymsgpack.Array) (any, error) {
	d, err := packedDType(a)
	if err != nil {
		return nil, err
	}
	if d.BigEndian {
		data := make([]byte, len(a.Data))
		numpy.SwapBytes(data, a.Data, d.Unit)
		a.Data = data
	}
	return Array{DType: d.Name, Shape: a.Shape, Data: a.Data}, nil
}

// packedJSON returns a value of unpack as JSON.
func packedJSON(v any) ([]byte, error) {
	j, err := jsonable(v)
	if err != nil {
		return nil, err
	}
	return pyjson.Encode(j)
}

// jsonable returns a value of unpack in the form for encoding/json. A value
// that JSON cannot express becomes a text.
func jsonable(v any) (any, error) {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case Array:
		return map[string]any{"dtype": v.DType, "shape": v.Shape, "data": v.Data}, nil
	case Ext, complex128:
		return nil, fmt.Errorf("%w: JSON has no %T", ErrMessage, v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = jsonable(v[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		return jsonableMap(v)
	case map[any]any:
		return jsonableMap(v)
	}
	return v, nil
}

func jsonableMap[K comparable](m map[K]any) (any, error) {
	texts := make(map[string]any, len(m))
	for k, v := range m {
		j, err := jsonable(v)
		if err != nil {
			return nil, err
		}
		texts[pymsgpack.KeyText(k)] = j
	}
	return texts, nil
}
