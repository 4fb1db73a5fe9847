package probe

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"

	"github.com/pebbe/zmq4"
	"golang.org/x/crypto/nacl/box"

	"github.com/vidgear-go/netgear/internal/certs"
)

// KeyPair holds the keys of a send end.
type KeyPair struct {
	server, public, secret [32]byte
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
	copy(k.public[:], zmq4.Z85decode(public))
	copy(k.secret[:], zmq4.Z85decode(own.Reveal()))
	return k, nil
}

// curve performs a CURVE handshake (ZeroMQ RFC 26) as a socket of the type
// client. It returns what the peer replies to the keys and, if they are
// accepted, its socket type.
func (p conn) curve(keys *KeyPair, client string) (Keys, string) {
	public, secret, err := box.GenerateKey(rand.Reader) // of this connection
	if err != nil {
		return KeysUnknown, ""
	}
	hello := "\x01\x00" + string(make([]byte, 72)) + string(public[:]) + short(1) +
		seal(make([]byte, 64), "CurveZMQHELLO---"+short(1), &keys.server, secret)
	if _, err := io.WriteString(p, rest("CURVE")+command("HELLO", hello)); err != nil {
		return KeysUnknown, ""
	}
	name, welcome, err := p.command()
	if errors.Is(err, io.EOF) {
		return KeysWrong, "" // libzmq hangs up
	}
	if err != nil || name != "WELCOME" || len(welcome) != 16+144 {
		return KeysUnknown, ""
	}
	opened, ok := open(welcome[16:], "WELCOME-"+string(welcome[:16]), &keys.server, secret)
	if !ok {
		return KeysWrong, ""
	}
	peer := (*[32]byte)(opened[:32])
	if _, err := io.WriteString(p, command("INITIATE", initiate(keys, public, secret, peer, opened[32:], client))); err != nil {
		return KeysMismatch, ""
	}
	name, ready, err := p.command()
	switch {
	case err != nil:
		return KeysMismatch, ""
	case name == "ERROR":
		return KeysRefused, ""
	case name != "READY" || len(ready) < 8:
		return KeysUnknown, ""
	}
	metadata, ok := open(ready[8:], "CurveZMQREADY---"+string(ready[:8]), peer, secret)
	if !ok {
		return KeysUnknown, ""
	}
	return KeysAccepted, socketType(metadata)
}

// initiate returns the body of the INITIATE command.
func initiate(keys *KeyPair, public, secret, peer *[32]byte, cookie []byte, client string) string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	vouch := seal(append(public[:], keys.server[:]...), "VOUCH---"+string(nonce), peer, &keys.secret)
	content := string(keys.public[:]) + string(nonce) + vouch + property("Socket-Type", client) + property("Identity", "")
	return string(cookie) + short(2) + seal([]byte(content), "CurveZMQINITIATE"+short(2), peer, secret)
}

// short returns a number of eight bytes: a nonce of a command, or a length.
func short(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func seal(text []byte, nonce string, peer, own *[32]byte) string {
	return string(box.Seal(nil, text, (*[24]byte)([]byte(nonce)), peer, own))
}

func open(sealed []byte, nonce string, peer, own *[32]byte) ([]byte, bool) {
	return box.Open(nil, sealed, (*[24]byte)([]byte(nonce)), peer, own)
}
