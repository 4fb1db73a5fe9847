package probe

import (
	"io"
	"strings"

	"github.com/vidgear-go/netgear/internal/zmtp"
)

// The frame that SendFrame sends: one black pixel, on each wire.
const (
	netgearHeader = `{"terminate_flag": false, "compression": false, "message": null, "pattern": "0", "dtype": "uint8", "shape": [1, 1, 3]}`
	imagezmqHead  = `{"msg": "netgear doctor", "dtype": "uint8", "shape": [1, 1, 3]}`
	asyncHeader   = "\x83\xa9terminate\xc2\xa7bi_mode\xc2\xa4data\xa0"
	asyncArray    = "\x85\xc4\x02nd\xc3\xc4\x04type\xa3|u1\xc4\x04kind\xc4\x00\xc4\x05shape\x93\x01\x01\x03\xc4\x04data\xc4\x03\x00\x00\x00"
	pixel         = "\x00\x00\x00"
)

// sendFrame sends one frame to a receive end of the pattern REQ/REP or PAIR and
// reads the answer. It returns what the answer shows, and the answer's text.
func (p conn) sendFrame(wire, client string) (found, answer string) {
	header, pixels := netgearHeader, pixel
	switch wire {
	case "NetGear_Async":
		header, pixels = asyncHeader, asyncArray
	case "imagezmq":
		header = imagezmqHead
	}
	message := zmtp.Ready(client)
	if client == "REQ" {
		message += zmtp.Frame(zmtp.More, "") // the delimiter
	}
	message += zmtp.Frame(zmtp.More, header) + zmtp.Frame(0, pixels)
	if _, err := io.WriteString(p, message); err != nil {
		return "", ""
	}
	for {
		flags, body, err := zmtp.ReadFrame(p)
		if err != nil {
			return "", ""
		}
		if flags&zmtp.IsCommand == 0 && len(body) > 0 {
			return readAnswer(string(body), wire)
		}
	}
}

// Wires are the wires by name.
var Wires = []string{"NetGear", "NetGear_Async", "imagezmq"}

// readAnswer returns the wire that an answer to a frame on a wire shows. An end
// of the Go library refuses a frame on another wire, and names its own.
func readAnswer(text, wire string) (found, answer string) {
	for _, other := range Wires {
		if strings.Contains(text, "rejected") && strings.Contains(text, "this end "+other+"'s") {
			return other, text
		}
	}
	return wire, text
}
