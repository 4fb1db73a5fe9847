package netgear

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/pymsgpack"
)

// Message is the data that is sent with a frame, or with its answer. On
// NetGear's wire it is any JSON value as Python reads JSON: NaN and Infinity
// are numbers, and integers have any size. On NetGear_Async's wire
// (Options.Wire) it is any msgpack value, including arrays and numbers of
// msgpack_numpy. The zero Message is Python's None. Several goroutines may use
// it at once.
type Message struct {
	raw    []byte
	packed bool // raw is msgpack, not JSON
}

// MessageFromJSON returns a JSON text as a Message, as Python reads JSON: NaN
// and Infinity are numbers. A Message can be sent like any other value, on
// either wire. As JSON it is sent in Python's spelling. raw is copied. Errors
// wrap ErrMessage and do not quote the text.
func MessageFromJSON(raw []byte) (Message, error) {
	text, err := pyjson.Encode(json.RawMessage(string(raw))) // not nil, which is null
	if err != nil {
		if part := (*pyjson.EncodeError)(nil); errors.As(err, &part) {
			err = part.Err // without the Go type
		}
		return Message{}, fmt.Errorf("netgear: %w: the text is not JSON: %w", ErrMessage, err)
	}
	return Message{raw: text}, nil
}

// MessageFromMsgpack returns a msgpack value as a Message, as it would arrive on
// NetGear_Async's wire. It is for programs that store messages: Msgpack returns
// the value again. A Message can be sent like any other value, on either wire
// if it has a JSON form. raw is copied. Errors wrap ErrMessage.
func MessageFromMsgpack(raw []byte) (Message, error) {
	if _, err := unpack(raw); err != nil {
		return Message{}, fmt.Errorf("netgear: %w: not one msgpack value: %w", ErrMessage, err)
	}
	return Message{raw: bytes.Clone(raw), packed: true}, nil
}

// Msgpack returns a copy of the message as it arrived on NetGear_Async's wire,
// or nil for a message that is JSON.
func (m Message) Msgpack() []byte {
	if !m.packed {
		return nil
	}
	return bytes.Clone(m.raw)
}

// UnmarshalJSON sets the message to a JSON text, as MessageFromJSON returns it.
// So a Message can be a field of a struct that encoding/json, or Decode, reads.
// Decode sets it to a part of a msgpack message unchanged, including arrays. On
// an error the message stays as it was.
func (m *Message) UnmarshalJSON(raw []byte) error {
	if m == nil {
		return fmt.Errorf("netgear: %w: the Message is nil", ErrMessage)
	}
	read, err := MessageFromJSON(raw)
	if err == nil {
		*m = read
	}
	return err
}

// IsNone reports whether the message has no data: Python's None, JSON's null,
// or on NetGear_Async's wire the empty text.
func (m Message) IsNone() bool {
	if m.packed {
		return pymsgpack.Empty(m.raw)
	}
	return len(m.raw) == 0 || string(m.raw) == "null"
}

// Value decodes the message. It returns nil, bool, int64, float64 (2.0 is a
// float64, 2 an int64), string, []any or map[string]any.
//
// From JSON, integers beyond 64 bits are *big.Int. From msgpack, integers
// beyond int64 are uint64. Other types from msgpack are []byte, time.Time,
// complex128, Array, Ext, and map[any]any for a map with a key that is not a
// text. Binary keys become texts, and numpy's scalars Go's numbers.
func (m Message) Value() any {
	if m.IsNone() {
		return nil
	}
	if m.packed {
		v, _ := unpack(m.raw) // checked when it arrived
		return v
	}
	v, err := pyjson.Decode(m.raw)
	if err != nil {
		// Checked when it arrived; what remains are numbers beyond Python's own
		// limits.
		return string(m.raw)
	}
	return v
}

// Decode decodes the message into *v as encoding/json would, including NaN and
// Infinity. It decodes msgpack likewise, by the json tags of structs. There an
// empty interface gets what Value returns. time.Time, complex numbers, []byte,
// Array and Ext keep their types. Errors wrap ErrMessage.
func (m Message) Decode(v any) error {
	if err := m.decode(v); err != nil {
		return fmt.Errorf("netgear: message: %w: %w", ErrMessage, err)
	}
	return nil
}

func (m Message) decode(v any) error {
	raw := m.raw
	if len(raw) == 0 {
		return pyjson.Unmarshal([]byte("null"), v)
	}
	if !m.packed {
		return pyjson.Unmarshal(raw, v)
	}
	value, err := unpack(raw)
	if err != nil {
		return err
	}
	return pymsgpack.Assign(value, v, pymsgpack.Conversions{JSON: packedJSON, Pack: packValue, Own: assignMessage})
}

// assignMessage assigns a value of unpack to a *Message.
func assignMessage(value, target any) (done bool, err error) {
	m, ok := target.(*Message)
	if !ok {
		return false, nil
	}
	raw, err := packValue(value)
	if err == nil {
		*m = Message{raw: raw, packed: true}
	}
	return true, err
}

// String returns the message as text: its JSON as received, or for msgpack the
// text that is nearest to it.
func (m Message) String() string {
	text, err := m.MarshalJSON()
	if err != nil {
		return fmt.Sprint(m.Value())
	}
	return string(text)
}

// MarshalJSON returns the message as JSON, unchanged if it was received as
// JSON. From msgpack, []byte becomes base64, time.Time RFC 3339, Array an
// object of its fields, and keys become texts. Complex numbers and Ext have no
// JSON form and are errors.
func (m Message) MarshalJSON() ([]byte, error) {
	switch {
	case m.IsNone():
		return []byte("null"), nil
	case m.packed:
		return packedJSON(m.Value())
	}
	return m.raw, nil
}

// fields calls fn for each field of a message that is a map with texts as keys.
func (m Message) fields(fn func(key string, value Message)) error {
	if m.packed {
		return pymsgpack.Fields(m.raw, func(key []byte, v pymsgpack.Raw) error {
			fn(string(key), Message{raw: v, packed: true})
			return nil
		})
	}
	return pyjson.Fields(m.raw, func(key string, v pyjson.Raw) error {
		fn(key, Message{raw: v})
		return nil
	})
}

// Tuple is return data with the type name "tuple" for a Python peer. It is sent
// as a list.
type Tuple []any

// encodeMessage writes v as Python's json.dumps would.
func (jsonWire) encodeMessage(v any) (Message, error) {
	if m, ok := v.(Message); ok && !m.packed {
		return m, nil
	}
	if v == nil {
		return Message{}, nil
	}
	raw, err := pyjson.EncodeChecked(v, checkJSON)
	if err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return Message{raw: raw}, nil
}

// typeName returns the name of the Python type that a JSON text loads as.
func (jsonWire) typeName(m Message) string {
	raw := m.raw
	if len(raw) == 0 {
		return "NoneType"
	}
	switch raw[0] {
	case 'n':
		return "NoneType"
	case 't', 'f':
		return "bool"
	case '"':
		return "str"
	case '[':
		return "list"
	case '{':
		return "dict"
	}
	for _, c := range raw {
		if c == '.' || c == 'e' || c == 'E' || c == 'N' || c == 'I' {
			return "float"
		}
	}
	return "int"
}
