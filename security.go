package netgear

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/secret"
)

// keys are what one end needs to speak CURVE. The receive end is the CURVE
// server, whichever end listens.
type keys struct {
	public     string      // its own, in Z85
	secret     secret.Text // and the secret key that belongs to it
	server     string      // send end: the receive end's public key
	publicDir  string      // receive end in IronHouse mode: who is admitted
	ownFile    string
	serverFile string
}

// loadKeys reads what this end needs, and makes the folder if there is none.
func loadKeys(o *Options) (*keys, error) {
	dir, err := ownCertificates(o.CustomCertLocation, existing(o.OverwriteCert && !o.ReceiveMode), o.Logger)
	if err != nil {
		return nil, err
	}
	k := &keys{}
	own := clientName
	if o.ReceiveMode {
		own = serverName
		if o.SecureMode == IronHouse {
			k.publicDir = filepath.Join(dir, publicKeys)
		}
	} else {
		k.serverFile = filepath.Join(dir, publicKeys, serverName+publicSuffix)
		if k.server, _, err = readCertificate(k.serverFile, false); err != nil {
			return nil, fmt.Errorf("%w (the send end needs the receive end's public key)", err)
		}
	}
	k.ownFile = filepath.Join(dir, privateKeys, own+secretSuffix)
	if k.public, k.secret, err = readCertificate(k.ownFile, true); err != nil {
		return nil, err
	}
	return k, nil
}

// security is what one end needs to open secure sockets; nil in Grasslands.
type security struct {
	keys
	admission *admission // receive end: whom its door admits
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
		s.admission = newAdmission(o, k)
	}
	return s, nil
}

// configure sets a socket's side of CURVE. Every socket of a secure end passes
// here, so none is ever opened in the clear.
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

// refusal says, of a handshake that failed, which side and which file.
func (s *security) refusal(e *event, receive bool) error {
	switch {
	case receive:
		who := "its address is not admitted"
		if s.publicDir != "" {
			who = "its key is not in " + s.publicDir + ", or " + who
		}
		return fmt.Errorf("%w: a send end was turned away: %s, or it has not the public key that belongs to %s, or it is not secure at all",
			ErrAuth, who, s.ownFile)
	case e.kind == zmq4.EVENT_HANDSHAKE_FAILED_AUTH:
		return fmt.Errorf("%w: the receive end does not admit the key of %s (in IronHouse mode its public_keys folder needs the public file that belongs to it) or this address", ErrAuth, s.ownFile)
	}
	return fmt.Errorf("%w: the receive end refuses the handshake: %s is not its public key, or it is not secure, or it has another pattern", ErrAuth, s.serverFile)
}
