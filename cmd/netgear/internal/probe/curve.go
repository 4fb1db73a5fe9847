package probe

import (
	"errors"
	"io"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/certs"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// KeyPair holds the keys of a send end.
type KeyPair struct {
	server zmtp.Key
	own    zmtp.Keys
}

// ReadKeys reads the keys of a send end from the certificate folder dir.
func ReadKeys(dir string) (*KeyPair, error) {
	server, err := certs.ReadPublic(certs.PublicFile(dir, certs.Server))
	if err != nil {
		return nil, err
	}
	public, own, err := certs.ReadPair(certs.SecretFile(dir, certs.Client))
	if err != nil {
		return nil, err
	}
	k := &KeyPair{}
	copy(k.server[:], zmq4.Z85decode(server))
	copy(k.own.Public[:], zmq4.Z85decode(public))
	copy(k.own.Secret[:], zmq4.Z85decode(own.Reveal()))
	return k, nil
}

// curve performs a CURVE handshake (ZeroMQ RFC 26) as a socket of the type
// client. It returns what the peer replies to the keys and, if they are
// accepted, its socket type.
func (p conn) curve(keys *KeyPair, client string) (Keys, string) {
	c := zmtp.NewCurveClient(keys.own, keys.server)
	if _, err := io.WriteString(p, rest("CURVE")+zmtp.Command("HELLO", c.Hello())); err != nil {
		return KeysUnknown, ""
	}
	name, welcome, err := zmtp.ReadCommand(p)
	if errors.Is(err, io.EOF) {
		return KeysWrong, "" // libzmq hangs up
	}
	if err != nil || name != "WELCOME" || len(welcome) != 16+144 {
		return KeysUnknown, ""
	}
	if c.Welcome(welcome) != nil {
		return KeysWrong, ""
	}
	if _, err := io.WriteString(p, zmtp.Command("INITIATE", c.Initiate(c.Vouch(), zmtp.Metadata(client)))); err != nil {
		return KeysMismatch, ""
	}
	name, ready, err := zmtp.ReadCommand(p)
	switch {
	case err != nil:
		return KeysMismatch, ""
	case name == "ERROR":
		return KeysRefused, ""
	case name != "READY":
		return KeysUnknown, ""
	}
	metadata, ok := c.Ready(ready)
	if !ok {
		return KeysUnknown, ""
	}
	return KeysAccepted, printable([]byte(zmtp.SocketType(metadata)))
}
