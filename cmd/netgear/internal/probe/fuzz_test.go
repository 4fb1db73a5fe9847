package probe

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/vidgear-go/netgear/internal/alloctest"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// memConn is a connection to a peer that has sent all that it sends.
type memConn struct {
	net.Conn
	in    *bytes.Reader
	reads int
	sent  int
}

func (c *memConn) Read(b []byte) (int, error) {
	c.reads++
	return c.in.Read(b)
}

func (c *memConn) Write(b []byte) (int, error) { c.sent += len(b); return len(b), nil }

// FuzzPeer reads what a peer sends: greeting, handshake and an answer. A probe
// ends with it, sends little, and its result can be written on a terminal.
func FuzzPeer(f *testing.F) {
	greet := func(mechanism string) string { return zmtp.Signature + "\x03\x01" + rest(mechanism)[1:] }
	ready := func(socket string) string { return zmtp.Command("READY", zmtp.Property("Socket-Type", socket)) }
	null := greet("NULL")
	for _, text := range []string{
		null + ready("REP") + zmtp.Frame(zmtp.More, "") + zmtp.Frame(0, "Data received on device: Client"), null + ready("PAIR") + zmtp.Frame(0, "1"),
		null + ready("PUB") + zmtp.Frame(zmtp.More, netgearHeader) + zmtp.Frame(0, pixel), null + ready("PUB") + zmtp.Frame(zmtp.IsCommand, "\x04PING") + zmtp.Frame(zmtp.More, imagezmqHead),
		null + ready("PUB") + zmtp.Frame(zmtp.More, asyncHeader), null + "\x06\xff\xff\xff\xff\xff\xff\xff\xff\x05READY", null + zmtp.Command("READY", "\x0bSocket-Type\xff\xff\xff\xff"),
		null + zmtp.Command("ERROR", "\x02no"), null + "\x04\x00", greet("CURVE") + zmtp.Command("WELCOME", string(make([]byte, 160))), greet("PLAIN"),
		zmtp.Signature + "\x01\x03\x00\x00", zmtp.Signature, "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n\x1b[2J", "",
		null + ready("REP") + zmtp.Frame(0, "rejected: this end imagezmq's"),
	} {
		f.Add([]byte(text), uint8(0))
		f.Add([]byte(text), uint8(1))
	}
	keys := &KeyPair{}
	ctx, cancel := context.WithTimeout(f.Context(), time.Hour)
	f.Cleanup(cancel)
	f.Fuzz(func(t *testing.T, sent []byte, wire uint8) {
		var r Result
		c := &memConn{in: bytes.NewReader(sent)}
		alloctest.AtMost(t, "a probe", 64*len(sent)+1<<18, func() {
			r = Result{}
			c.in.Reset(sent)
			c.reads, c.sent = 0, 0
			p := conn{c, &r}
			if !p.greet() {
				return
			}
			switch r.Mechanism {
			case "NULL":
				p.null(ctx, Wires[int(wire)%len(Wires)])
			case "CURVE":
				r.Keys, r.Socket = p.curve(keys, "REQ")
			}
		})
		if c.sent > 2048 || c.reads > 16+2*len(sent) {
			t.Errorf("%d bytes were sent, %d calls read %d bytes", c.sent, c.reads, len(sent))
		}
		if r.Kind == "" && r.ZMTP == "" || r.Wire != "" && !strings.Contains(strings.Join(Wires, " "), r.Wire) {
			t.Errorf("%+v", r)
		}
		for _, text := range []string{r.Detail, r.ZMTP, r.Mechanism, r.Socket} {
			if len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q", text)
			}
		}
		if r.Keys == KeysAccepted {
			t.Error("keys of zeros are accepted")
		}
		if n, err := c.in.Read(make([]byte, 1)); err == nil && n == 0 && err != io.EOF {
			t.Error("a read without an end")
		}
	})
}
