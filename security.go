package netgear

import (
	"errors"
	"fmt"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/certs"
	"github.com/vidgear-go/netgear/internal/secret"
	"github.com/vidgear-go/netgear/internal/transport"
)

// keys holds the keys of one end for CURVE. The receive end is the CURVE
// server, whichever end listens.
type keys struct {
	public     string      // its own, in Z85
	secret     secret.Text // and the secret key that belongs to it
	server     string      // send end: the receive end's public key
	publicDir  string      // receive end in IronHouse mode: the keys of the admitted peers
	ownFile    string
	serverFile string
}

// loadKeys reads the keys of this end, and creates the folder if it does not
// exist.
func loadKeys(o *Options) (*keys, error) {
	dir, err := ownCertificates(o.CustomCertLocation, existing(o.OverwriteCert && !o.ReceiveMode), o.Logger)
	if err != nil {
		return nil, err
	}
	k := &keys{}
	own := certs.Client
	if o.ReceiveMode {
		own = certs.Server
		if o.SecureMode == IronHouse {
			k.publicDir = certs.PublicDir(dir)
		}
	} else {
		k.serverFile = certs.PublicFile(dir, certs.Server)
		if k.server, err = certs.ReadPublic(k.serverFile); err != nil {
			return nil, fmt.Errorf("%w (the send end needs the receive end's public key)", authError(err))
		}
	}
	k.ownFile = certs.SecretFile(dir, own)
	if k.public, k.secret, err = certs.ReadPair(k.ownFile); err != nil {
		return nil, authError(err)
	}
	return k, nil
}

// security holds what one end requires to open secure sockets; nil in
// Grasslands.
type security struct {
	keys
	access *transport.AccessList // receive end: which peers may connect
}

func newSecurity(o *Options) (*security, error) {
	if o.SecureMode == Grasslands {
		return nil, nil
	}
	k, err := loadKeys(o)
	if err != nil {
		return nil, err
	}
	s := &security{keys: *k}
	if o.ReceiveMode {
		s.access = newAccessList(o, k)
	}
	return s, nil
}

func newAccessList(o *Options, k *keys) *transport.AccessList {
	// Validate has parsed them already.
	allow, _ := transport.ParsePrefixes(o.AllowAddresses)
	deny, _ := transport.ParsePrefixes(o.DenyAddresses)
	list := &transport.AccessList{Allow: allow, Deny: deny}
	if k.publicDir != "" {
		list.Keys = certs.NewKeySet(k.publicDir)
	}
	return list
}

// configure sets a socket's side of CURVE.
func (s *security) configure(sock *zmq4.Socket, o *Options) error {
	if s == nil {
		return nil
	}
	errs := []error{sock.SetCurvePublickey(s.public), sock.SetCurveSecretkey(s.secret.Reveal())}
	if o.ReceiveMode {
		errs = append(errs, sock.SetCurveServer(1))
	} else {
		errs = append(errs, sock.SetCurveServerkey(s.server))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: the keys of %s: %w", ErrAuth, s.ownFile, err)
	}
	return nil
}

// refusal returns the reason of a failed handshake, with the side and the file
// that cause it.
func (s *security) refusal(e *transport.Event, o *Options) error {
	switch {
	case o.ReceiveMode:
		who := "its address is not admitted"
		if s.publicDir != "" {
			who = "its key is not in " + s.publicDir + ", or " + who
		}
		return fmt.Errorf("%w: a send end was turned away: %s, or it has not the public key that belongs to %s, or it is not secure at all, or it has another pattern (this end has %v)",
			ErrAuth, who, s.ownFile, o.Pattern)
	case e.Kind == transport.AuthFailed:
		return fmt.Errorf("%w: the receive end does not admit the key of %s (in IronHouse mode its public_keys folder needs the public file that belongs to it) or this address", ErrAuth, s.ownFile)
	}
	return fmt.Errorf("%w: the receive end refuses the handshake: %s is not its public key, or it is not secure, or it has another pattern (this end has %v), or as many peers as it admits", ErrAuth, s.serverFile, o.Pattern)
}
