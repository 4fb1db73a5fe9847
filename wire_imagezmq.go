package netgear

import (
	"bytes"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/pymsgpack"
)

// imagezmqWire reads and writes imagezmq's messages, as imagezmq 1.2.0 writes
// them. What it has in common with NetGear's wire is jsonWire's.
//
// A frame is one message of two parts, send end to receive end:
//
//	{"msg": "camera 1", "dtype": "uint8", "shape": [16, 24, 3]}  (send_image)
//	pixels in C order
//
//	{"msg": "camera 1"}                                          (send_jpg)
//	one JPEG
//
// The reply to a frame, in pattern 1, is any bytes; imagezmq's default is OK.
// In bidirectional mode it is the data that the receive end returns. The reply
// to a dropped message has the reason, as on NetGear's wire:
//
//	OK
//	Data rejected on hub: XXXXXXXX ! …
//
// There is no terminate message.
type imagezmqWire struct{ jsonWire }

const (
	// imagezmqReply is the reply of imagezmq's send_reply by default.
	imagezmqReply = "OK"
	// imagezmqNoName is imagezmq's msg of a frame that was given none. Hubs use
	// msg as a text, such as a window's title, so it is not null.
	imagezmqNoName = `"NoName"`
)

func (imagezmqWire) appendHeader(dst []byte, h header) []byte {
	dst = append(dst, `{"msg": `...)
	switch {
	case h.message.IsNone():
		dst = append(dst, imagezmqNoName...)
	case h.message.packed:
		text, _ := h.message.MarshalJSON() // bytes, which become base64
		dst = append(dst, text...)
	default:
		dst = append(dst, h.message.raw...)
	}
	if !h.jpeg {
		dst = appendLayout(append(dst, `, "dtype": `...), `, "shape": `, &h.coding)
	}
	return append(dst, '}')
}

// appendTerminate appends nothing: a hub would take any message for a frame.
func (imagezmqWire) appendTerminate(dst []byte, _ pyjson.Raw) []byte { return dst }

func (imagezmqWire) answersTerminate(Pattern) bool { return false }

// parseHeader reads part 1 of a frame. One without dtype and shape is that of a
// JPEG. The port is msg if that is a short text: the sender's name, as imagezmq
// proposes.
func (imagezmqWire) parseHeader(raw []byte, room []int) (header, error) {
	h := header{coding: coding{jpeg: true, colorspace: ownColorspace}}
	if err := checkLength("header", raw); err != nil {
		return h, err
	}
	var msg, dtype, shape bool
	err := pyjson.Fields(raw, func(key string, v pyjson.Raw) (err error) {
		switch key {
		case "msg":
			msg, h.message.raw, h.port = true, v, nil
			if v[0] == '"' && len(v) <= maxPortText+len(`""`) {
				h.port = v
			}
		case "dtype":
			dtype = true
			h.dtype, err = parseString(v)
		case "shape":
			shape = true
			h.shape, err = parseShape(v, room)
		}
		return err
	})
	switch {
	case err != nil:
	case !msg:
		err = errors.New(`"msg" is missing (does the sender speak imagezmq?)`)
	case dtype != shape:
		err = errors.New(`"dtype" and "shape" come together, or not at all with a JPEG`)
	}
	if err != nil {
		return h, malformed("header: %w", err)
	}
	if dtype {
		h.coding = coding{dtype: h.dtype, shape: h.shape}
	}
	return h, nil
}

// ---- replies ----

func (imagezmqWire) received(string) string { return imagezmqReply }

func (imagezmqWire) rejected(id, reason string) string {
	return rejectedText + "hub: " + id + " ! " + reason
}

// appendAnswer writes a text or bytes as they are, and any other data as JSON.
func (imagezmqWire) appendAnswer(dst []byte, a *answer) []byte {
	switch {
	case a.text != "":
		return append(dst, a.text...)
	case a.rejected != "":
		return append(dst, rejectedText+"hub ! "+a.rejected...)
	}
	switch v := a.data.Value().(type) {
	case nil:
		return append(dst, imagezmqReply...)
	case string:
		return append(dst, v...)
	case []byte:
		return append(dst, v...)
	}
	return append(dst, a.data.raw...)
}

// parseAnswer returns a reply as a text, or as bytes if it is none.
func (imagezmqWire) parseAnswer(raw []byte, structured bool) (answer, error) {
	if !structured {
		return answer{text: string(raw)}, nil
	}
	if err := checkLength("reply", raw); err != nil {
		return answer{}, err
	}
	a := answer{returnType: "bytes"}
	if utf8.Valid(raw) {
		a.data.raw, _ = pyjson.Encode(string(raw)) // texts always encode
	} else {
		a.data = packedBytes(raw)
	}
	return a, nil
}

// encodeMessage encodes a message as JSON. Bytes stay bytes, for replies.
func (w imagezmqWire) encodeMessage(v any) (Message, error) {
	if b, ok := v.([]byte); ok {
		return packedBytes(b), nil
	}
	if m, ok := v.(Message); ok && m.packed {
		if b, ok := m.Value().([]byte); ok {
			return packedBytes(b), nil
		}
	}
	return w.jsonWire.encodeMessage(v)
}

func (w imagezmqWire) typeName(m Message) string {
	if m.packed {
		return pymsgpack.TypeName(m.raw)
	}
	return w.jsonWire.typeName(m)
}

// packedBytes returns a message of bytes, which JSON does not have.
func packedBytes(b []byte) Message {
	raw, _ := pymsgpack.Encode(bytes.Clone(b)) // bytes always encode
	return Message{raw: raw, packed: true}
}

// ---- options ----

// pattern returns the pattern, with imagezmq's default on its wire.
func (o *Options) pattern() Pattern {
	if o.Wire == ImageZMQWire && o.Pattern == Pair {
		return ReqRep
	}
	return o.Pattern
}

// checkImageZMQ refuses what imagezmq's wire does not have.
func checkImageZMQ(o *Options) error {
	if o.Wire != ImageZMQWire {
		return nil
	}
	switch {
	case o.Pattern == PushPull:
		return fixed(invalid("Pattern", o.Pattern, "imagezmq has REQ/REP, which is its default, and PUB/SUB"), set("Pattern", ReqRep), set("Pattern", PubSub))
	case o.MultiserverMode && !o.ReceiveMode:
		return fixed(invalid("MultiserverMode", true, "on imagezmq's wire a frame carries no port; a receive end in this mode takes the message for the sender's name"),
			set("MultiserverMode", false))
	case o.MulticlientMode:
		return fixed(invalid("MulticlientMode", true, "on imagezmq's wire a reply does not name the hub; open a send end for each hub"),
			set("MulticlientMode", false))
	}
	return nil
}

// silenceLimit returns how long a cut-off connection is kept; 0 is the default.
// An imagezmq end that connects notices no cut: the sender waits for its reply,
// and the subscriber for a frame, without a limit. If the end that listens ended
// the connection, they would wait for ever. So it keeps the connection while TCP
// may repeat what was lost.
func (o *Options) silenceLimit() time.Duration {
	if o.Wire == ImageZMQWire && o.binds() {
		return imagezmqSilenceLimit
	}
	return 0
}
