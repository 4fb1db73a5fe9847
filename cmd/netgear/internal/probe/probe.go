// Package probe examines what listens at an address, by a ZMTP handshake of its
// own (ZeroMQ RFC 37). It stays below a whole connection where that suffices: a
// peer that never sends its READY command is attached to no socket, so that a
// running stream is not disturbed.
package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unicode"

	"github.com/vidgear-go/netgear/internal/zmtp"
)

// Kind is what listens at an address.
type Kind string

// The kinds.
const (
	Nothing     Kind = "nothing"     // the host refuses connections to the port
	Unreachable Kind = "unreachable" // no answer, or no such host
	Foreign     Kind = "not ZeroMQ"  // a program that does not use ZeroMQ
	Silent      Kind = "silent"      // it accepts connections and sends nothing
	ZeroMQ      Kind = "ZeroMQ"
)

// Result describes what listens at an address.
type Result struct {
	Address   string `json:"address"`
	Kind      Kind   `json:"kind"`
	Detail    string `json:"detail,omitempty"`      // why it is not ZeroMQ
	ZMTP      string `json:"zmtp,omitempty"`        // the version of the protocol
	Mechanism string `json:"mechanism,omitempty"`   // NULL, CURVE, PLAIN, GSSAPI
	Socket    string `json:"socket_type,omitempty"` // REP, SUB, …; "" if it is not known
	Busy      bool   `json:"busy,omitempty"`        // no READY came: a PAIR end that serves a peer
	Wire      string `json:"wire,omitempty"`        // one of Wires; "" if it is not known
	Keys      Keys   `json:"keys,omitempty"`        // what a CURVE end replies to the keys of this side
	Asked     bool   `json:"-"`                     // a frame was sent
	Answer    string `json:"answer,omitempty"`      // the answer to it
}

// Keys is what a CURVE end replies to the keys of this side.
type Keys string

// The replies. KeysUnknown is none.
const (
	KeysUnknown  Keys = ""
	KeysAccepted Keys = "accepted"
	KeysWrong    Keys = "its key is another one than server.key"
	KeysRefused  Keys = "it does not admit client.key"
	KeysMismatch Keys = "server.key fits; then it hung up: client.key is not admitted, or the pattern is another one"
)

// version is the version of the protocol that is spoken.
const version = "\x03\x00"

// conn is a connection with the deadline of the probe.
type conn struct {
	net.Conn
	result *Result
}

// Options select how far a probe goes.
type Options struct {
	// Keys are for a CURVE handshake. nil: none is performed.
	Keys *KeyPair
	// Client is the socket type of this side in that handshake.
	Client string
	// Frame is the wire, one of Wires, on which a frame is sent to a receive end
	// that answers. "": none is sent.
	Frame string
}

// Probe examines the TCP address HOST:PORT until ctx ends.
func Probe(ctx context.Context, address string, o Options) Result {
	r := Result{Address: address}
	for _, client := range clients(o.Client) {
		o.Client = client
		r = probeOnce(ctx, address, o)
		if r.Keys != KeysMismatch {
			break
		}
	}
	return r
}

// clients returns the socket types to try in a CURVE handshake: the first one,
// then all others. An end hangs up if the type does not fit its own.
func clients(first string) []string {
	all := []string{first}
	for _, t := range []string{"PAIR", "REQ", "PUB", "PUSH", "REP", "SUB", "PULL"} {
		if t != first {
			all = append(all, t)
		}
	}
	return all
}

func probeOnce(ctx context.Context, address string, o Options) Result {
	r := Result{Address: address}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		r.unreachable(err)
		return r
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })() //nolint:errcheck // of a connection that is open
	p := conn{c, &r}
	if !p.greet() {
		return r
	}
	r.Kind = ZeroMQ
	switch {
	case r.Mechanism == "NULL":
		p.null(ctx, o.Frame)
	case r.Mechanism == "CURVE" && o.Keys != nil:
		r.Keys, r.Socket = p.curve(o.Keys, o.Client)
	}
	if r.Socket == "PUSH" || r.Socket == "PULL" {
		r.Wire = "NetGear_Async" // NetGear has no such pattern
	}
	return r
}

func (r *Result) unreachable(err error) {
	r.Kind, r.Detail = Unreachable, err.Error()
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Kind, r.Detail = Nothing, "the host refuses connections to this port"
	case errors.As(err, &dns):
		r.Detail = "there is no such host: " + dns.Name
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		r.Detail = "no answer: the host is off, or a firewall drops the packets"
	}
}

// greet exchanges the greetings, as far as the peer's mechanism. It does not
// send a mechanism of its own yet.
func (p conn) greet() bool {
	if _, err := io.WriteString(p, zmtp.Signature+version[:1]); err != nil {
		p.result.Kind, p.result.Detail = Foreign, err.Error()
		return false
	}
	greeting := make([]byte, zmtp.GreetingSize)
	n, err := io.ReadFull(p, greeting)
	greeting = greeting[:n]
	switch {
	case n >= 10 && greeting[0] == 0xff && greeting[9] == 0x7f && n > 10 && greeting[10] < 3:
		p.result.Kind, p.result.ZMTP = ZeroMQ, fmt.Sprintf("%d.0", greeting[10])
		p.result.Detail = "it uses a version of the protocol from before 2013"
		return false
	case err == nil && greeting[0] == 0xff && greeting[9] == 0x7f:
		p.result.ZMTP = fmt.Sprintf("%d.%d", greeting[10], greeting[11])
		p.result.Mechanism = printable(bytes.TrimRight(greeting[12:32], "\x00"))
		return true
	case n == 0 && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET):
		p.result.Kind, p.result.Detail = Silent, "it accepts connections and sends nothing"
	case n == 0:
		p.result.Kind, p.result.Detail = Foreign, "it hangs up"
	case n >= 10 && greeting[0] == 0xff && greeting[9] == 0x7f:
		p.result.Kind, p.result.Detail = Foreign, "it begins as ZeroMQ and then stops"
	default:
		p.result.Kind, p.result.Detail = Foreign, "it answers "+shown(greeting)
	}
	return false
}

// shown returns the beginning of an answer as text.
func shown(b []byte) string { return fmt.Sprintf("%q", printable(b)) }

// printable returns the beginning of what a peer has sent, without characters
// that control a terminal.
func printable(b []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, b[:min(len(b), 40)]))
}

// rest returns what follows the first byte of the version in this side's
// greeting.
func rest(mechanism string) string {
	return zmtp.Greeting(version[1], mechanism, false)[len(zmtp.Signature)+1:]
}

// null performs a handshake without security, as far as the peer's READY.
func (p conn) null(ctx context.Context, wire string) {
	if _, err := io.WriteString(p, rest("NULL")); err != nil {
		return
	}
	command, body, err := zmtp.ReadCommand(p)
	if err != nil {
		// A PAIR end of the Go library keeps a second peer waiting.
		p.result.Busy = ctx.Err() != nil
		return
	}
	if command == "READY" {
		p.result.Socket = printable([]byte(zmtp.SocketType(body)))
	}
	switch p.result.Socket {
	case "PUB", "XPUB":
		p.result.Wire = p.subscribe()
	case "REP", "PAIR":
		if wire != "" {
			client := map[string]string{"REP": "REQ", "PAIR": "PAIR"}[p.result.Socket]
			p.result.Wire, p.result.Answer = p.sendFrame(wire, client)
			p.result.Asked = true
		}
	}
}

// subscribe becomes a subscriber for the beginning of one message, and returns
// its wire.
func (p conn) subscribe() string {
	ready := zmtp.Command("READY", zmtp.Property("Socket-Type", "SUB"))
	if _, err := io.WriteString(p, ready+zmtp.Frame(0, "\x01")); err != nil {
		return ""
	}
	for {
		flags, body, err := zmtp.ReadFrame(p)
		if err != nil {
			return ""
		}
		if flags&zmtp.IsCommand == 0 {
			return wireOf(body)
		}
	}
}

// wireOf returns the wire of a frame's first part: JSON, or a map of msgpack.
func wireOf(body []byte) string {
	switch {
	case bytes.HasPrefix(body, []byte(`{"msg"`)):
		return "imagezmq"
	case len(body) > 0 && body[0] == '{':
		return "NetGear"
	case len(body) > 0 && (body[0]&0xf0 == 0x80 || body[0] == 0xde || body[0] == 0xdf):
		return "NetGear_Async"
	}
	return ""
}
