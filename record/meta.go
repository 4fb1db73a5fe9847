package record

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/vidgear-go/netgear"
)

// meta is what is recorded of a frame besides its picture, as a JSON object in
// the subtitle track.
type meta struct {
	Message    netgear.Message
	Stamp      *netgear.Stamp
	Received   time.Time // only with Stamp
	Port       string
	Colorspace string // of a JPEG, unless BGR
	DType      string // of an array, if the track does not determine its shape
	Shape      []int
	JPEG       bool // a JPEG among the arrays
}

// metaText is meta as it is read.
type metaText struct {
	Message netgear.Message `json:"message"`
	Msgpack []byte          `json:"msgpack"`
	Stamp   *struct {
		Seq    uint64    `json:"seq"`
		Time   time.Time `json:"time"`
		Sender uint64    `json:"sender"`
	} `json:"stamp"`
	Received   time.Time `json:"received"`
	Port       string    `json:"port"`
	Colorspace string    `json:"colorspace"`
	DType      string    `json:"dtype"`
	Shape      []int     `json:"shape"`
	JPEG       bool      `json:"jpeg"`
}

// encode returns the JSON text, or nil if there is nothing to record.
func (m *meta) encode() []byte {
	w := objectWriter{}
	w.message(m.Message)
	if s := m.Stamp; s != nil {
		stamp := objectWriter{}
		stamp.raw("seq", strconv.AppendUint(nil, s.Seq, 10))
		stamp.time("time", s.Time)
		if s.Sender != 0 {
			stamp.raw("sender", strconv.AppendUint(nil, s.Sender, 10))
		}
		w.raw("stamp", stamp.end())
	}
	w.time("received", m.Received)
	w.text("port", m.Port)
	w.text("colorspace", m.Colorspace)
	if m.DType != "" {
		w.array(m.DType, m.Shape)
	}
	return w.end()
}

// objectWriter writes a JSON object. encoding/json cannot: a message may contain
// NaN, and integers of any size.
type objectWriter struct{ b []byte }

func (w *objectWriter) raw(key string, value []byte) {
	if len(w.b) == 0 {
		w.b = append(w.b, '{')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = append(strconv.AppendQuote(w.b, key), ':')
	w.b = append(w.b, value...)
}

// text writes a text that is not empty.
func (w *objectWriter) text(key, value string) {
	if value != "" {
		text, _ := json.Marshal(value)
		w.raw(key, escapeMarkup(text))
	}
}

// time writes a time. One before the year 0 or behind 9999, which RFC 3339
// cannot express, is left out: a sender chooses the time of its stamps.
func (w *objectWriter) time(key string, t time.Time) {
	if t = t.UTC(); !t.IsZero() && t.Year() >= 0 && t.Year() <= 9999 {
		w.text(key, t.Format(time.RFC3339Nano))
	}
}

// message writes a message as JSON, and one of NetGear_Async's wire also as it
// is.
func (w *objectWriter) message(m netgear.Message) {
	if m.IsNone() {
		return
	}
	if text, err := m.MarshalJSON(); err == nil {
		w.raw("message", escapeMarkup(text))
	}
	if packed := m.Msgpack(); packed != nil {
		w.text("msgpack", base64.StdEncoding.EncodeToString(packed))
	}
}

// escapeMarkup replaces the characters that begin markup to players: angle
// brackets, and braces before a backslash. In JSON they occur in texts alone.
func escapeMarkup(text []byte) []byte {
	if !bytes.ContainsAny(text, `<>&`) && !bytes.Contains(text, []byte(`{\`)) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for i, c := range text {
		switch {
		case c == '<', c == '>', c == '&', c == '{' && i+1 < len(text) && text[i+1] == '\\':
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = append(out, c)
		}
	}
	return out
}

// end returns the object, or nil if it is empty.
func (w *objectWriter) end() []byte {
	if len(w.b) == 0 {
		return nil
	}
	return append(w.b, '}')
}

// decodeMeta reads what encode has written.
func decodeMeta(text []byte) (*meta, error) {
	all, err := netgear.MessageFromJSON(text)
	if err != nil {
		return nil, err
	}
	var t metaText
	if err := all.Decode(&t); err != nil {
		return nil, err
	}
	m := &meta{
		Message: t.Message, Received: t.Received, Port: t.Port, Colorspace: t.Colorspace,
		DType: t.DType, Shape: t.Shape, JPEG: t.JPEG,
	}
	if t.Msgpack != nil {
		if m.Message, err = netgear.MessageFromMsgpack(t.Msgpack); err != nil {
			return nil, err
		}
	}
	if t.Stamp != nil {
		m.Stamp = &netgear.Stamp{Seq: t.Stamp.Seq, Time: t.Stamp.Time, Sender: t.Stamp.Sender}
	}
	return m, nil
}

// describe adds to an item's text what its track does not determine, because
// its form has no track of its own.
func (i *item) describe() {
	w := objectWriter{b: bytes.TrimSuffix(i.meta, []byte("}"))}
	switch {
	case i.form.codec == codecJPEG:
		w.raw("jpeg", []byte("true"))
	case !i.described:
		w.array(i.dtype, i.shape)
	}
	i.meta = w.end()
}

// array writes what an array is.
func (w *objectWriter) array(dtype string, shape []int) {
	text, _ := json.Marshal(shape) // a list of integers
	w.text("dtype", dtype)
	w.raw("shape", text)
}
