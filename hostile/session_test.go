package hostile

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/certs"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// kinds are the socket types of peers, by whether the end is a receive end.
var kinds = map[bool]map[netgear.Pattern]string{
	true:  {netgear.Pair: "PAIR", netgear.ReqRep: "DEALER", netgear.PubSub: "PUB", netgear.PushPull: "PUSH"},
	false: {netgear.Pair: "PAIR", netgear.ReqRep: "ROUTER", netgear.PubSub: "SUB", netgear.PushPull: "PULL"},
}

func (l *live) kind() string { return kinds[l.o.ReceiveMode][l.o.Pattern] }

// keyring has the keys that a peer needs.
type keyring struct {
	own    zmtp.Keys
	server zmtp.Key
}

// keysOf returns the keys of a peer of the end: a client's, or a server's for a
// send end.
func (l *live) keysOf(t testing.TB) (k keyring) {
	t.Helper()
	dir, err := netgear.CertificateDir(l.o.CustomCertLocation)
	if err != nil {
		t.Fatal(err)
	}
	name := certs.Client
	if !l.o.ReceiveMode {
		name = certs.Server
	}
	public, secret, err := certs.ReadPair(certs.SecretFile(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	server, err := certs.ReadPublic(certs.PublicFile(dir, certs.Server))
	if err != nil {
		t.Fatal(err)
	}
	copy(k.own.Public[:], zmq4.Z85decode(public))
	copy(k.own.Secret[:], zmq4.Z85decode(secret.Reveal()))
	copy(k.server[:], zmq4.Z85decode(server))
	return k
}

// session is a handshake that has succeeded.
type session struct {
	net.Conn
	client *zmtp.CurveClient // nil without security, and at a server
	server *zmtp.CurveServer
}

// write writes one frame.
func (s *session) write(flags byte, body string) error {
	frame := ""
	switch {
	case s.client != nil:
		frame = s.client.Message(flags, body)
	case s.server != nil:
		frame = s.server.Message(flags, body)
	default:
		frame = zmtp.Frame(flags, body)
	}
	_, err := io.WriteString(s, frame)
	return err
}

// shakeHands performs a peer's half of a handshake with the end.
func (l *live) shakeHands(c net.Conn, keys keyring) (*session, error) {
	mechanism := "NULL"
	if l.o.SecureMode != netgear.Grasslands {
		mechanism = "CURVE"
	}
	if _, err := io.WriteString(c, zmtp.Greeting(0, mechanism, mechanism == "CURVE" && !l.o.ReceiveMode)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, make([]byte, zmtp.GreetingSize)); err != nil {
		return nil, err
	}
	switch {
	case mechanism == "NULL":
		return &session{Conn: c}, l.plainHandshake(c)
	case l.o.ReceiveMode:
		client := zmtp.NewCurveClient(keys.own, keys.server)
		return &session{Conn: c, client: client}, l.clientHandshake(c, client)
	default:
		server := zmtp.NewCurveServer(keys.own)
		return &session{Conn: c, server: server}, l.serverHandshake(c, server)
	}
}

func (l *live) plainHandshake(c net.Conn) error {
	if _, err := io.WriteString(c, zmtp.Ready(l.kind())); err != nil {
		return err
	}
	return expect(c, "READY", func([]byte) error { return nil })
}

func (l *live) clientHandshake(c net.Conn, client *zmtp.CurveClient) error {
	if err := l.upToWelcome(c, client); err != nil {
		return err
	}
	if _, err := io.WriteString(c, zmtp.Command("INITIATE", client.Initiate(client.Vouch(), zmtp.Metadata(l.kind())))); err != nil {
		return err
	}
	return expect(c, "READY", func(body []byte) error {
		if _, ok := client.Ready(body); !ok {
			return errors.New("READY cannot be opened")
		}
		return nil
	})
}

// upToWelcome sends HELLO and reads WELCOME.
func (l *live) upToWelcome(c net.Conn, client *zmtp.CurveClient) error {
	if _, err := io.WriteString(c, zmtp.Command("HELLO", client.Hello())); err != nil {
		return err
	}
	return expect(c, "WELCOME", client.Welcome)
}

func (l *live) serverHandshake(c net.Conn, server *zmtp.CurveServer) error {
	if err := expect(c, "HELLO", server.Hello); err != nil {
		return err
	}
	if _, err := io.WriteString(c, zmtp.Command("WELCOME", server.Welcome())); err != nil {
		return err
	}
	err := expect(c, "INITIATE", func(body []byte) error {
		_, err := server.Initiate(body)
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(c, zmtp.Command("READY", server.Ready(zmtp.Metadata(l.kind()))))
	return err
}

// expect reads a command.
func expect(c net.Conn, want string, read func(body []byte) error) error {
	name, body, err := zmtp.ReadCommand(c)
	if err != nil {
		return fmt.Errorf("no %s: %w", want, err)
	}
	if name != want {
		return fmt.Errorf("%s instead of %s", name, want)
	}
	return read(body)
}

// The parts of a frame on NetGear_Async's wire, without the message.
const (
	asyncHeader = "\x83\xa9terminate\xc2\xa7bi_mode\xc2\xa4data\xd9"
	asyncArray  = "\x85\xc4\x02nd\xc3\xc4\x04type\xa3|u1\xc4\x04kind\xc4\x00\xc4\x05shape\x93\x01\x01\x03\xc4\x04data\xc4\x03\x00\x00\x00"
)

// content returns the frames of one message to the end: with a text to a receive
// end, otherwise an answer or a subscription.
func (l *live) content(text string) (frames []string) {
	switch {
	case !l.o.ReceiveMode && l.o.Pattern == netgear.PubSub:
		return []string{"\x01" + text}
	case !l.o.ReceiveMode:
		return []string{text}
	}
	if l.o.Pattern == netgear.ReqRep {
		frames = append(frames, "")
	}
	switch l.o.Wire {
	case netgear.AsyncWire:
		return append(frames, asyncHeader+string([]byte{byte(len(text))})+text, asyncArray)
	case netgear.ImageZMQWire:
		return append(frames, fmt.Sprintf(`{"msg": %q, "dtype": "uint8", "shape": [1, 1, 3]}`, text), "abc")
	}
	return append(frames, fmt.Sprintf(`{"terminate_flag": false, "compression": false, "message": %q, "pattern": "0", "dtype": "uint8", "shape": [1, 1, 3]}`, text), "abc")
}

// converse performs a handshake and sends one message.
func (l *live) converse(c net.Conn, keys keyring, text string) error {
	s, err := l.shakeHands(c, keys)
	if err != nil {
		return err
	}
	return s.say(l.content(text))
}

// say sends the frames of one message.
func (s *session) say(frames []string) error {
	for i, body := range frames {
		flags := byte(zmtp.More)
		if i == len(frames)-1 {
			flags = 0
		}
		if err := s.write(flags, body); err != nil {
			return err
		}
	}
	return nil
}

// plainText returns what such a peer sends without security, in one piece.
func (l *live) plainText(text string) string {
	var all strings.Builder
	all.WriteString(zmtp.Greeting(0, "NULL", false) + zmtp.Ready(l.kind()))
	frames := l.content(text)
	for i, body := range frames {
		flags := byte(zmtp.More)
		if i == len(frames)-1 {
			flags = 0
		}
		all.WriteString(zmtp.Frame(flags, body))
	}
	return all.String()
}

// peerTimeout is how long a hostile peer waits for what the end sends. It is no
// measure: most ends hang up before.
const peerTimeout = 250 * time.Millisecond

// leave ends a connection in one of several ways.
func leave(c net.Conn, way int) {
	defer c.Close()
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	switch way % 4 {
	case 0: // at once
	case 1:
		tcp.SetLinger(0) // a reset
	default: // what was sent is read before the end learns of it
		tcp.CloseWrite()
		tcp.SetReadDeadline(time.Now().Add(peerTimeout / 5))
		io.Copy(io.Discard, tcp)
	}
}

// errCut ends a session that is cut.
var errCut = errors.New("cut")

// tampered is a connection on which one byte is changed, or after which nothing
// is written.
type tampered struct {
	net.Conn
	at    int  // the number of that byte; -1 is none
	mask  byte // the bits that are changed; 0 ends the connection there
	sent  int
	heads []int // the numbers of the bytes that begin a frame
}

func (c *tampered) Write(b []byte) (int, error) {
	c.heads = append(c.heads, c.sent)
	i := c.at - c.sent
	c.sent += len(b)
	if c.at < 0 || i < 0 || i >= len(b) {
		return c.Conn.Write(b)
	}
	if c.mask == 0 {
		if _, err := c.Conn.Write(b[:i]); err != nil {
			return 0, err
		}
		return i, errCut
	}
	b = append([]byte{}, b...)
	b[i] ^= c.mask
	return c.Conn.Write(b)
}

// isTimeout reports whether the end sent nothing for as long as a peer waited.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
