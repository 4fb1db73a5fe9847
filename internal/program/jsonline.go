package program

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vidgear-go/netgear"
)

// WriteSent prints the JSON line of a frame that was sent: its pixels as passed
// to Send, and the answer.
//
//	{"index": 0, "shape": [480, 640, 3], "dtype": "uint8", "sha256": "9c56…", "reply": "stop"}
func WriteSent(w io.Writer, index int, pixels netgear.Array, reply netgear.Reply) error {
	fields := describe(index, pixels)
	switch {
	case reply.Array != nil:
		fields = append(fields, `"reply": {`+strings.Join(describeArray(*reply.Array), ", ")+"}")
	case !reply.Data.IsNone():
		fields = append(fields, `"reply": `+reply.Data.String())
	}
	if reply.Port != "" {
		fields = append(fields, `"reply_port": `+quote(reply.Port))
	}
	return writeLine(w, fields)
}

// WriteReceived prints the JSON line of a received frame, whether or not OpenCV
// could hold it.
//
//	{"index": 0, "shape": [480, 640, 3], "dtype": "uint8", "sha256": "9c56…", "message": {"t": 1.5}, "port": "5555", "seq": 1, "time": "2026-11-29T18:24:59.123456Z", "sender": 3141592653589793}
func WriteReceived(w io.Writer, index int, f *netgear.Frame) error {
	a, err := f.Array()
	if err != nil {
		return err
	}
	fields := describe(index, a)
	if !f.Message.IsNone() {
		// The unchanged text, which may contain what only Python's JSON has,
		// such as NaN.
		fields = append(fields, `"message": `+f.Message.String())
	}
	if f.Port != "" {
		fields = append(fields, `"port": `+quote(f.Port))
	}
	if s := f.Stamp; s != nil {
		fields = append(fields, fmt.Sprintf(`"seq": %d, "time": %s`, s.Seq, quote(s.Time.UTC().Format(time.RFC3339Nano))))
		if s.Sender != 0 {
			fields = append(fields, fmt.Sprintf(`"sender": %d`, s.Sender))
		}
	}
	return writeLine(w, fields)
}

func describe(index int, a netgear.Array) []string {
	return append([]string{fmt.Sprintf(`"index": %d`, index)}, describeArray(a)...)
}

func describeArray(a netgear.Array) []string {
	return []string{
		`"shape": ` + strings.ReplaceAll(fmt.Sprint(a.Shape), " ", ", "),
		`"dtype": ` + quote(a.DType),
		`"sha256": "` + SHA256(a.Data) + `"`,
	}
}

// SHA256 returns the checksum of pixels, in hexadecimal.
func SHA256(pixels []byte) string { return fmt.Sprintf("%x", sha256.Sum256(pixels)) }

func quote(s string) string {
	text, _ := json.Marshal(s) // a string always marshals
	return string(text)
}

func writeLine(w io.Writer, fields []string) error {
	_, err := fmt.Fprintln(w, "{"+strings.Join(fields, ", ")+"}")
	return err
}
