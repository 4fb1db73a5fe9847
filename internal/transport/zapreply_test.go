package transport

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	protocol "github.com/vidgear-go/netgear/internal/zmtp"
)

// knownKey is a set with one key.
type knownKey string

func (k knownKey) Contains(publicKey string) bool { return publicKey == string(k) }

// raw returns a key in the form of package zmtp.
func raw(z85 string) (k protocol.Key) {
	copy(k[:], zmq4.Z85decode(z85))
	return k
}

// A peer with a known key ends its connection while the handler's reply about it
// is awaited, and one with another key is next. A session of libzmq that had both
// connections would get the reply in the middle of the second handshake, and
// abort the process (zap_client.cpp, zap_msg_available), or take it for the reply
// about the second peer, and admit that.
func TestReplyToLostConnection(t *testing.T) {
	for _, c := range []struct{ kind, peer zmq4.Type }{{zmq4.PULL, zmq4.PUSH}, {zmq4.PAIR, zmq4.PAIR}} {
		for _, during := range []bool{false, true} {
			t.Run(fmt.Sprint(c.kind, " ", map[bool]string{false: "between the connections", true: "during the second"}[during]), func(t *testing.T) {
				suspend := busyHandler(t)
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				server, known, unknown := newCurve(t), newCurve(t), newCurve(t)
				events := make(chan EventKind, 100)
				config := Config{Kind: c.kind, Secure: true, Server: true, Access: &AccessList{Keys: knownKey(known.public)}, Setup: server.setup(t, ""),
					MaxMessage: 1 << 10, Logger: slog.New(slog.DiscardHandler)}
				ep := "tcp://" + l.Addr().String()
				s, err := Open(config, []string{ep}, func(e Event) { events <- e.Kind })
				if err != nil {
					t.Fatal(err)
				}
				defer s.Shut(0)
				resume := suspend()
				kind := c.peer.String()
				first := accepted(t, l)
				initiate(t, first, welcomed(t, first, server, known), kind)
				first.Close()
				await(t, events, ConnectRetried)
				if !during {
					resume()
				}
				if config.Redials() {
					s.Part(ep)
					time.Sleep(ReconnectPause)
					s.Redial(ep)
				}
				second := accepted(t, l)
				client := welcomed(t, second, server, unknown)
				if during {
					resume()
					time.Sleep(20 * time.Millisecond) // the reply comes; that it has come is no event
				}
				initiate(t, second, client, kind)
				if name, body, err := protocol.ReadCommand(second); err != nil || name != "ERROR" || string(body) != "\x03400" {
					t.Errorf("a peer whose key is not known gets %s %q, %v", name, body, err)
				}
			})
		}
	}
}

// welcomed performs a CURVE client's side of a handshake, up to WELCOME.
func welcomed(t *testing.T, c net.Conn, server, own curve) *protocol.CurveClient {
	t.Helper()
	client := protocol.NewCurveClient(protocol.Keys{Public: raw(own.public), Secret: raw(own.secret)}, raw(server.public))
	if _, err := io.WriteString(c, protocol.Greeting(0, "CURVE", false)+protocol.Command("HELLO", client.Hello())); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, protocol.GreetingSize)); err != nil {
		t.Fatal(err)
	}
	name, body, err := protocol.ReadCommand(c)
	if err == nil {
		err = client.Welcome(body)
	}
	if err != nil {
		t.Fatal(name, err)
	}
	return client
}

func initiate(t *testing.T, c net.Conn, client *protocol.CurveClient, kind string) {
	t.Helper()
	if _, err := io.WriteString(c, protocol.Command("INITIATE", client.Initiate(client.Vouch(), protocol.Metadata(kind)))); err != nil {
		t.Fatal(err)
	}
}
