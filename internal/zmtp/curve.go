package zmtp

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/nacl/secretbox"
)

// Key is a public or a secret key of Curve25519.
type Key = [32]byte

// Keys are a key pair.
type Keys struct{ Public, Secret Key }

// NewKeys returns a new key pair.
func NewKeys() Keys {
	public, secret, err := box.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return Keys{*public, *secret}
}

// The lengths of what the commands of a handshake contain.
const (
	helloSize   = 2 + 72 + 32 + 8 + 80
	welcomeSize = 16 + 144
	cookieSize  = 96
	vouchSize   = 16 + 80
)

// CurveClient is the client's side of one connection. Its methods return and
// read the bodies of the commands, in the order of the handshake.
type CurveClient struct {
	Own    Keys   // of the client
	Server Key    // the public key of the server
	Short  Keys   // of this connection
	Peer   Key    // the server's public key of this connection, after Welcome
	Cookie []byte // after Welcome
	Nonce  uint64 // the last one that was used
}

// NewCurveClient returns the client's side of a new connection.
func NewCurveClient(own Keys, server Key) *CurveClient {
	return &CurveClient{Own: own, Server: server, Short: NewKeys()}
}

// next returns the nonce of the next command.
func (c *CurveClient) next() string {
	c.Nonce++
	return Number(c.Nonce)
}

// Hello returns the body of HELLO.
func (c *CurveClient) Hello() string {
	nonce := c.next()
	return "\x01\x00" + string(make([]byte, 72)) + string(c.Short.Public[:]) + nonce +
		Seal(string(make([]byte, 64)), "CurveZMQHELLO---"+nonce, &c.Server, &c.Short.Secret)
}

// Welcome reads the body of WELCOME. An error shows that the server's key is not
// the expected one, or that the body is none.
func (c *CurveClient) Welcome(body []byte) error {
	if len(body) != welcomeSize {
		return fmt.Errorf("WELCOME has %d bytes", len(body))
	}
	text, ok := Open(body[16:], "WELCOME-"+string(body[:16]), &c.Server, &c.Short.Secret)
	if !ok {
		return fmt.Errorf("WELCOME cannot be opened")
	}
	c.Peer, c.Cookie = Key(text[:32]), text[32:]
	return nil
}

// Vouch returns the proof that the client has the secret key of its own.
func (c *CurveClient) Vouch() string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	return string(nonce) + Seal(string(c.Short.Public[:])+string(c.Server[:]), "VOUCH---"+string(nonce), &c.Peer, &c.Own.Secret)
}

// Initiate returns the body of INITIATE with a vouch and metadata.
func (c *CurveClient) Initiate(vouch, metadata string) string {
	nonce := c.next()
	return string(c.Cookie) + nonce + Seal(string(c.Own.Public[:])+vouch+metadata, "CurveZMQINITIATE"+nonce, &c.Peer, &c.Short.Secret)
}

// Ready reads the body of READY, and returns the server's metadata.
func (c *CurveClient) Ready(body []byte) (metadata []byte, ok bool) {
	if len(body) < 8 {
		return nil, false
	}
	return Open(body[8:], "CurveZMQREADY---"+string(body[:8]), &c.Peer, &c.Short.Secret)
}

// Message returns a frame of a message, sealed.
func (c *CurveClient) Message(flags byte, text string) string {
	return Frame(0, c.Sealed(c.next(), flags, text))
}

// Sealed returns the content of such a frame with a nonce.
func (c *CurveClient) Sealed(nonce string, flags byte, text string) string {
	return named("MESSAGE") + nonce + Seal(string([]byte{flags})+text, "CurveZMQMESSAGEC"+nonce, &c.Peer, &c.Short.Secret)
}

// CurveServer is the server's side of one connection.
type CurveServer struct {
	Own    Keys   // of the server
	Short  Keys   // of this connection
	Peer   Key    // the client's public key of this connection, after Hello
	Client Key    // the client's public key, after Initiate
	Cookie string // what Welcome sends as the cookie
	Nonce  uint64 // the last one that was used
}

// NewCurveServer returns the server's side of a new connection.
func NewCurveServer(own Keys) *CurveServer {
	cookie := make([]byte, cookieSize)
	_, _ = rand.Read(cookie) // never fails
	return &CurveServer{Own: own, Short: NewKeys(), Cookie: string(cookie)}
}

// Hello reads the body of HELLO.
func (s *CurveServer) Hello(body []byte) error {
	if len(body) != helloSize {
		return fmt.Errorf("HELLO has %d bytes", len(body))
	}
	s.Peer = Key(body[74:106])
	if _, ok := Open(body[114:], "CurveZMQHELLO---"+string(body[106:114]), &s.Peer, &s.Own.Secret); !ok {
		return fmt.Errorf("HELLO cannot be opened")
	}
	return nil
}

// Welcome returns the body of WELCOME.
func (s *CurveServer) Welcome() string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	return string(nonce) + Seal(string(s.Short.Public[:])+s.Cookie, "WELCOME-"+string(nonce), &s.Peer, &s.Own.Secret)
}

// Initiate reads the body of INITIATE, and returns the client's metadata. It
// does not check the vouch.
func (s *CurveServer) Initiate(body []byte) (metadata []byte, err error) {
	const head = cookieSize + 8
	if len(body) < head {
		return nil, fmt.Errorf("INITIATE has %d bytes", len(body))
	}
	text, ok := Open(body[head:], "CurveZMQINITIATE"+string(body[cookieSize:head]), &s.Peer, &s.Short.Secret)
	if !ok || len(text) < 32+vouchSize {
		return nil, fmt.Errorf("INITIATE cannot be opened")
	}
	s.Client = Key(text[:32])
	return text[32+vouchSize:], nil
}

// Ready returns the body of READY.
func (s *CurveServer) Ready(metadata string) string {
	nonce := s.next()
	return nonce + Seal(metadata, "CurveZMQREADY---"+nonce, &s.Peer, &s.Short.Secret)
}

// ReadyWithoutKeys returns the command READY of a peer that has no keys: it is
// sealed with a shared key of zeros.
func ReadyWithoutKeys(socketType string) string {
	nonce := Number(1)
	return Command("READY", nonce+string(secretbox.Seal(nil, []byte(Metadata(socketType)), (*[24]byte)([]byte("CurveZMQREADY---"+nonce)), new(Key))))
}

func (s *CurveServer) next() string {
	s.Nonce++
	return Number(s.Nonce)
}

// Message returns a frame of a message, sealed.
func (s *CurveServer) Message(flags byte, text string) string {
	return Frame(0, s.Sealed(s.next(), flags, text))
}

// Sealed returns the content of such a frame with a nonce.
func (s *CurveServer) Sealed(nonce string, flags byte, text string) string {
	return named("MESSAGE") + nonce + Seal(string([]byte{flags})+text, "CurveZMQMESSAGES"+nonce, &s.Peer, &s.Short.Secret)
}

// OpenMessage opens the content of a frame that the client has sealed.
func (s *CurveServer) OpenMessage(content []byte) (flags byte, text []byte, ok bool) {
	const head = 8 + 8
	if len(content) < head {
		return 0, nil, false
	}
	opened, ok := Open(content[head:], "CurveZMQMESSAGEC"+string(content[8:head]), &s.Peer, &s.Short.Secret)
	if !ok || len(opened) == 0 {
		return 0, nil, false
	}
	return opened[0], opened[1:], true
}

// Seal returns a box with a text, for the owner of peer. The nonce has 24
// bytes.
func Seal(text, nonce string, peer, own *Key) string {
	return string(box.Seal(nil, []byte(text), (*[24]byte)([]byte(nonce)), peer, own))
}

// Open returns the text of a box.
func Open(sealed []byte, nonce string, peer, own *Key) ([]byte, bool) {
	return box.Open(nil, sealed, (*[24]byte)([]byte(nonce)), peer, own)
}

// NonceOf returns the nonce of a sealed frame's content.
func NonceOf(content []byte) uint64 { return binary.BigEndian.Uint64(content[8:16]) }
