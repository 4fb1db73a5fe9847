package netgear

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/vidgear-go/netgear/internal/numpy"
	"github.com/vidgear-go/netgear/internal/pyjson"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
)

// wire is a wire format. An implementation handles bytes, and no sockets.
type wire interface {
	appendHeader(dst []byte, h header) []byte
	// appendTerminate writes the message that ends a stream, or nothing if the
	// wire has none.
	appendTerminate(dst []byte, port pyjson.Raw) []byte
	appendAnswer(dst []byte, a *answer) []byte
	// parseHeader and parseAnswer return values that refer to raw. parseHeader
	// stores the shape in room, if it fits.
	parseHeader(raw []byte, room []int) (header, error)
	parseAnswer(raw []byte, structured bool) (answer, error)

	// received returns the answer of a plain receive end called id. rejected
	// returns its answer to a message that it dropped, see rejectedText.
	received(id string) string
	rejected(id, reason string) string
	// terminateReply returns its answer to a terminate message.
	// answersTerminate reports whether there is one in a pattern.
	terminateReply(id string, multiserver bool) []byte
	answersTerminate(Pattern) bool

	// dtype returns the wire's spelling of a dtype, or an error if the wire
	// cannot carry it.
	dtype(name string) (string, error)
	// appendArrayHead writes what precedes the size bytes of an array in its
	// part. findArray returns where in a part the array is, and completes c.
	appendArrayHead(dst []byte, c coding, size int) []byte
	findArray(part []byte, c *coding) (from, size int, err error)

	// encodeMessage encodes a message. typeName returns Python's name of its
	// type.
	encodeMessage(v any) (Message, error)
	typeName(m Message) string
}

// jsonWire reads and writes NetGear's messages, as VidGear 0.3.6 writes them.
//
// A frame is one message of two parts, send end to receive end:
//
//	{"port": …, "terminate_flag": false, "compression": …, "message": …, "pattern": "0", "dtype": …, "shape": …}
//	pixels in C order, or one JPEG
//
// "port" exists in multi-server mode only. A terminate message has one part:
//
//	{"terminate_flag": true}                 (with "port" in multi-server mode)
//
// The answer, in patterns 0 and 1, is a text. In bidirectional and multi-client
// mode it is JSON, with a second part if an array is returned:
//
//	Data received on device: XXXXXXXX !
//	{"port": …, "return_type": "dict", "data": …}
//	{"port": …, "return_type": "ndarray", "compression": …, "array_dtype": …, "array_shape": …, "data": null}
//
// VidGear answers a message that it drops like any other. This library answers
// with the reason, as a text, or in a key that VidGear ignores:
//
//	Data rejected on device: XXXXXXXX ! …
//	{"port": …, "return_type": "NoneType", "rejected": …, "data": null}
//
// Its names begin with "go", and its answers with data have a key "device",
// which VidGear ignores. So a send end detects a receive end of VidGear, which
// discards its queue at the terminate message ([Options.TerminateDelay]).
type jsonWire struct{}

// maxHeader bounds the JSON part of a message.
const maxHeader = 16 << 20

// ownColorspace stands for the colorspace of a JPEG whose header names none:
// GRAY for a gray JPEG, otherwise BGR, as OpenCV decodes it.
const ownColorspace turbojpeg.Colorspace = -1

// coding describes how a part holds an array: as a JPEG or raw.
type coding struct {
	jpeg                  bool
	fastDCT, fastUpsample bool
	colorspace            turbojpeg.Colorspace
	dtype                 string // raw only
	shape                 []int  // raw only
}

// header is part 1 of a frame.
type header struct {
	port      pyjson.Raw // JSON string or number; nil if there is none
	terminate bool
	coding
	message Message
	pattern Pattern
	// from is port as a text, in the modes that use it (settings.portText).
	from string
	// bidirectional is set if the sender requests answers that carry data.
	// NetGear's header does not contain it; there the options of both ends
	// decide.
	bidirectional bool
}

// answer is the receive end's answer to a frame.
type answer struct {
	text       string     // in plain mode, and then the only field
	port       pyjson.Raw // multi-client mode
	device     string     // the name of a receive end of this library; VidGear sends none here
	returnType string
	data       Message
	array      bool   // an array follows in part 2
	rejected   string // why the message was dropped; "" if it was not
	coding
}

func (jsonWire) appendHeader(dst []byte, h header) []byte {
	dst = append(dst, '{')
	if h.port != nil {
		dst = append(append(append(dst, `"port": `...), h.port...), ", "...)
	}
	dst = strconv.AppendBool(append(dst, `"terminate_flag": `...), h.terminate)
	dst = appendCompression(append(dst, `, "compression": `...), &h.coding)
	dst = appendValue(append(dst, `, "message": `...), h.message.raw)
	dst = strconv.AppendInt(append(dst, `, "pattern": "`...), int64(h.pattern), 10)
	dst = appendLayout(append(dst, `", "dtype": `...), `, "shape": `, &h.coding)
	return append(dst, '}')
}

func (jsonWire) appendTerminate(dst []byte, port pyjson.Raw) []byte {
	dst = append(dst, `{"terminate_flag": true`...)
	if port != nil {
		dst = append(append(dst, `, "port": `...), port...)
	}
	return append(dst, '}')
}

func (jsonWire) appendAnswer(dst []byte, a *answer) []byte {
	if a.text != "" {
		return append(dst, a.text...)
	}
	dst = append(dst, '{')
	if a.port != nil {
		dst = append(append(append(dst, `"port": `...), a.port...), ", "...)
	}
	dst = append(append(append(dst, `"return_type": "`...), a.returnType...), '"')
	if a.array {
		dst = appendCompression(append(dst, `, "compression": `...), &a.coding)
		dst = appendLayout(append(dst, `, "array_dtype": `...), `, "array_shape": `, &a.coding)
	}
	if a.rejected != "" {
		text, _ := pyjson.Encode(a.rejected) // texts always encode
		dst = append(append(dst, `, "rejected": `...), text...)
	}
	if a.device != "" {
		dst = append(append(append(dst, `, "device": "`...), a.device...), '"')
	}
	return append(appendValue(append(dst, `, "data": `...), a.data.raw), '}')
}

func appendValue(dst, raw []byte) []byte {
	if len(raw) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

func appendCompression(dst []byte, c *coding) []byte {
	if !c.jpeg {
		return append(dst, "false"...)
	}
	dst = strconv.AppendBool(append(dst, `{"dct": `...), c.fastDCT)
	dst = strconv.AppendBool(append(dst, `, "ups": `...), c.fastUpsample)
	return append(append(append(dst, `, "colorspace": "`...), c.colorspace.String()...), `"}`...)
}

// appendLayout writes dtype and shape, both "" for a JPEG.
func appendLayout(dst []byte, shapeKey string, c *coding) []byte {
	if c.jpeg {
		return append(append(append(dst, `""`...), shapeKey...), `""`...)
	}
	dst = append(append(append(dst, '"'), c.dtype...), '"')
	dst = append(append(dst, shapeKey...), '[')
	for i, d := range c.shape {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = strconv.AppendInt(dst, int64(d), 10)
	}
	return append(dst, ']')
}

// ---- reading ----

// errWire is matched by the error of every malformed message.
var errWire = errors.New("malformed message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errWire, fmt.Errorf(format, args...))
}

// checkLength refuses a part 1 that is longer than any valid one.
func checkLength(what string, raw []byte) error {
	if len(raw) > maxHeader {
		return malformed("%s of %d bytes, at most %d are read", what, len(raw), maxHeader)
	}
	return nil
}

// parseHeader reads part 1 of a frame or a terminate message. What it returns
// refers to raw. It ignores unknown keys, as VidGear does.
func (jsonWire) parseHeader(raw []byte, room []int) (header, error) {
	var h header
	if err := checkLength("header", raw); err != nil {
		return h, err
	}
	known := false
	err := pyjson.Fields(raw, func(key string, v pyjson.Raw) (err error) {
		switch key {
		case "port":
			h.port = v
		case "terminate_flag":
			known = true
			h.terminate, err = parseBool(v)
		case "compression":
			err = h.coding.parseCompression(v)
		case "message":
			h.message.raw = v
		case "pattern":
			h.pattern = parsePattern(v)
		case "dtype":
			h.dtype, err = parseString(v)
		case "shape":
			h.shape, err = parseShape(v, room)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err == nil && !known {
		err = fmt.Errorf("%q is missing (does the sender speak NetGear's JSON?)", "terminate_flag")
	}
	if err != nil {
		return h, malformed("header: %w", err)
	}
	return h, nil
}

// parseAnswer reads part 1 of an answer. In plain mode it accepts any text.
func (jsonWire) parseAnswer(raw []byte, structured bool) (answer, error) {
	var a answer
	if !structured {
		a.text = string(raw)
		return a, nil
	}
	if err := checkLength("answer", raw); err != nil {
		return a, err
	}
	err := pyjson.Fields(raw, func(key string, v pyjson.Raw) (err error) {
		switch key {
		case "port":
			a.port = v
		case "return_type":
			a.returnType, err = parseString(v)
		case "compression":
			err = a.coding.parseCompression(v)
		case "array_dtype":
			a.dtype, err = parseString(v)
		case "array_shape":
			a.shape, err = parseShape(v, nil)
		case "data":
			a.data.raw = v
		case "rejected":
			a.rejected, err = parseString(v)
		case "device":
			a.device, _ = parseString(v) // any value is accepted
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return a, malformed("answer: %w (do both ends have the same modes on?)", err)
	}
	a.array = a.returnType == "ndarray"
	return a, nil
}

// parseBool reads a switch. VidGear accepts any value, by Python's truth, so
// here numbers and empty values are accepted, too. Texts, lists and objects
// that are not empty are refused: Python takes even "false" for true.
func parseBool(v pyjson.Raw) (bool, error) {
	switch string(v) {
	case "true", "1":
		return true, nil
	case "false", "null", "0", `""`, "[]", "{}":
		return false, nil
	}
	value, err := pyjson.Decode(v)
	if err != nil {
		return false, err
	}
	switch value := value.(type) {
	case int64:
		return value != 0, nil
	case float64:
		return value != 0, nil // as in Python, NaN counts as true
	case *big.Int:
		return value.Sign() != 0, nil
	}
	return false, fmt.Errorf("%.20q is not true or false", v)
}

func parseString(v pyjson.Raw) (string, error) {
	// Constants for the usual names save an allocation per frame.
	switch string(v) {
	case `"uint8"`:
		return "uint8", nil
	case `""`, "null":
		return "", nil
	}
	s, err := pyjson.Decode(v)
	if text, ok := s.(string); ok && err == nil {
		return text, nil
	}
	return "", fmt.Errorf("%.20q is not a text", v)
}

// parsePattern reads the pattern, which is only shown, so any value is
// accepted.
func parsePattern(v pyjson.Raw) Pattern {
	n, err := strconv.Atoi(string(bytes.Trim(v, `"`)))
	if err != nil {
		return -1
	}
	return Pattern(n)
}

func parseShape(v pyjson.Raw, room []int) ([]int, error) {
	if s := string(v); s == `""` || s == "null" {
		return nil, nil
	}
	body, opened := bytes.CutPrefix(v, []byte("["))
	body, closed := bytes.CutSuffix(body, []byte("]"))
	if !opened || !closed {
		return nil, fmt.Errorf("%.20q is not a list of lengths", v)
	}
	shape := room[:0]
	for len(bytes.TrimSpace(body)) > 0 {
		var one []byte
		one, body, _ = bytes.Cut(body, []byte(","))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(one)), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt32 || len(shape) == numpy.MaxDims {
			return nil, fmt.Errorf("%.60q is not a list of lengths", v)
		}
		shape = append(shape, int(n))
	}
	return shape, nil
}

func (c *coding) parseCompression(v pyjson.Raw) error {
	c.jpeg, c.fastDCT, c.fastUpsample, c.colorspace = false, false, false, 0 // the key may come twice
	if len(v) == 0 || v[0] != '{' {
		on, err := parseBool(v)
		if on {
			return fmt.Errorf("%.20q does not say how", v)
		}
		return err
	}
	return pyjson.Fields(v, func(key string, v pyjson.Raw) (err error) {
		if !c.jpeg {
			c.jpeg, c.colorspace = true, turbojpeg.BGR // VidGear 0.2.1 names none
		}
		switch key {
		case "dct":
			c.fastDCT, err = parseBool(v)
		case "ups":
			c.fastUpsample, err = parseBool(v)
		case "colorspace":
			c.colorspace, err = parseColorspace(v)
		}
		return err
	})
}

func parseColorspace(v pyjson.Raw) (turbojpeg.Colorspace, error) {
	if string(v) == `"BGR"` {
		return turbojpeg.BGR, nil
	}
	name, err := parseString(v)
	if err != nil {
		return 0, err
	}
	return turbojpeg.ParseColorspace(name)
}

// maxPortText bounds the text of a port in bytes. It is kept while the end is
// open, and VidGear accepts any text.
const maxPortText = 64

// portText returns a port, in either JSON form, as a text for the application.
// The text has memory of its own.
func portText(raw pyjson.Raw) (string, error) {
	const escaped = len(`\u0041`)
	text := ""
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", nil
	case len(raw) > escaped*maxPortText+len(`""`):
	case raw[0] == '"':
		var err error
		if text, err = parseString(raw); err == nil && len(text) <= maxPortText {
			return text, nil
		} else if err != nil {
			return "", malformed("port: %w", err)
		}
	case len(raw) <= maxPortText:
		return string(raw), nil
	}
	return "", malformed("a port of %d bytes, at most %d are taken: give the end a short port", max(len(raw), len(text)), maxPortText)
}

// portText returns the port in a message, in the modes that distinguish peers
// by it. In all others it returns "", whatever the message contains.
func (n *settings) portText(raw pyjson.Raw) (string, error) {
	if !n.opts.manyPorts() {
		return "", nil
	}
	return portText(raw)
}

// ---- arrays and texts ----

func (jsonWire) dtype(name string) (string, error) { return name, nil }

// appendArrayHead appends nothing: the part holds only the array, and the
// header describes it.
func (jsonWire) appendArrayHead(dst []byte, _ coding, _ int) []byte { return dst }

func (jsonWire) findArray(part []byte, _ *coding) (from, size int, err error) {
	return 0, len(part), nil
}

func (jsonWire) received(id string) string { return receivedText + id + " !" }

// receivedText begins the answer of a plain receive end.
const receivedText = "Data received on device: "

func (jsonWire) rejected(id, reason string) string {
	return rejectedText + "device: " + id + " ! " + reason
}

// rejectedText begins the answer of a plain receive end to a message that it
// dropped. VidGear's send ends accept any text there.
const rejectedText = "Data rejected on "

// maxReason bounds the reason in an answer, in bytes, so that it fits into
// msgpack's shortest texts.
const maxReason = 240

// reasonText returns an error as a text of printable ASCII characters.
func reasonText(err error) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '…', r == '×':
			return '.'
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, err.Error())
	return text[:min(len(text), maxReason)]
}

func (jsonWire) terminateReply(_ string, multiserver bool) []byte {
	if multiserver {
		return []byte("Termination signal successfully received at client!")
	}
	return []byte("Termination signal successfully received at Client's end!")
}

func (jsonWire) answersTerminate(p Pattern) bool { return p == ReqRep }

// ownName begins the name of an end of this library. VidGear's names have
// capital letters and digits only.
const ownName = "go"

// newID returns a random name of eight characters for an end.
func newID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		// 256 is no multiple of 36; for a name that does not matter.
		b[i] = letters[int(b[i])%len(letters)]
	}
	copy(b[:], ownName)
	return string(b[:])
}
