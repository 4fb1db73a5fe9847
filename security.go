package netgear

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pebbe/zmq4"
)

// keys are what one end needs to speak CURVE. The receive end is the CURVE
// server, whichever end listens.
type keys struct {
	public, secret string // its own, in Z85
	server         string // send end: the receive end's public key
	publicDir      string // receive end in IronHouse mode: who is admitted
	ownFile        string
	serverFile     string
}

// The layout of VidGear's certificate folder.
const (
	publicKeys   = "public_keys"
	privateKeys  = "private_keys"
	serverName   = "server"
	clientName   = "client"
	publicSuffix = ".key"
	secretSuffix = ".key_secret"
)

// CertificateDir is the folder in which VidGear keeps its certificates:
// LOCATION/.vidgear/keys, with the home folder for an empty location
// (Options.CustomCertLocation).
func CertificateDir(location string) (string, error) {
	if location == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("netgear: certificates: %w: %w", ErrAuth, err)
		}
		location = home
	}
	location, err := filepath.Abs(location)
	if err != nil {
		return "", fmt.Errorf("netgear: certificates: %w: %w", ErrAuth, err)
	}
	if filepath.Base(location) != ".vidgear" {
		location = filepath.Join(location, ".vidgear")
	}
	return filepath.Join(location, "keys"), nil
}

// CreateCertificates makes a server's and a client's key pair in VidGear's
// layout, in files that VidGear and pyzmq read:
//
//	DIR/public_keys/server.key   DIR/private_keys/server.key_secret
//	DIR/public_keys/client.key   DIR/private_keys/client.key_secret
//
// Secret files can be read by their owner alone. The folder appears whole or
// not at all. If it is there already it stays, unless overwrite is set; other
// public keys in it are then gone, too, as in VidGear. DIR is
// [CertificateDir] of the location.
func CreateCertificates(location string, overwrite bool) (dir string, err error) {
	if dir, err = CertificateDir(location); err != nil {
		return "", err
	}
	if err := createKeys(dir, overwrite); err != nil {
		return "", fmt.Errorf("netgear: certificates: %w", err)
	}
	return dir, nil
}

func createKeys(dir string, overwrite bool) error {
	if !zmq4.HasCurve() {
		return fmt.Errorf("%w: this libzmq was built without CURVE", ErrAuth)
	}
	if _, err := os.Stat(dir); err == nil && !overwrite {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	// Made aside and moved into place at once; 0700 by MkdirTemp.
	fresh, err := os.MkdirTemp(parent, "keys-new-")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	defer os.RemoveAll(fresh)
	for _, sub := range []string{publicKeys, privateKeys} {
		if err := os.Mkdir(filepath.Join(fresh, sub), 0o700); err != nil {
			return fmt.Errorf("%w: %w", ErrAuth, err)
		}
	}
	for _, name := range []string{serverName, clientName} {
		if err := createPair(fresh, name); err != nil {
			return fmt.Errorf("%w: %w", ErrAuth, err)
		}
	}
	if err := replaceDir(fresh, dir, overwrite); err != nil {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return nil
}

// replaceDir moves a folder into another's place. Somebody who was quicker is
// not overwritten unless that was asked for.
func replaceDir(fresh, dir string, overwrite bool) error {
	if overwrite {
		old, err := os.MkdirTemp(filepath.Dir(dir), "keys-old-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(old)
		if err := os.Rename(dir, filepath.Join(old, "keys")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err := os.Rename(fresh, dir)
	if err != nil && !overwrite {
		if _, there := os.Stat(dir); there == nil {
			return nil
		}
	}
	return err
}

// createPair writes the two files of one name, as pyzmq's create_certificates.
func createPair(dir, name string) error {
	public, secret, err := zmq4.NewCurveKeypair()
	if err != nil {
		return err
	}
	head := fmt.Sprintf("#   ****  Generated on %s by netgear  ****\n", time.Now().Format("2006-01-02 15:04:05.000000"))
	body := "metadata\ncurve\n    public-key = \"" + public + "\"\n"
	notice := "#   ZeroMQ CURVE Public Certificate\n#   Exchange securely, or use a secure mechanism to verify the contents\n#   of this file after exchange. Store public certificates in your home\n#   directory, in the .curve subdirectory.\n\n"
	warning := "#   ZeroMQ CURVE **Secret** Certificate\n#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n"
	if err := os.WriteFile(filepath.Join(dir, privateKeys, name+secretSuffix), []byte(head+warning+body+"    secret-key = \""+secret+"\"\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, publicKeys, name+publicSuffix), []byte(head+notice+body), 0o644)
}

// loadKeys reads what this end needs, and makes the folder if there is none.
func loadKeys(o *Options) (*keys, error) {
	dir, err := CreateCertificates(o.CustomCertLocation, o.OverwriteCert && !o.ReceiveMode)
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

// maxCertificate bounds what is read of a certificate file.
const maxCertificate = 64 << 10

// readCertificate reads a certificate in the form pyzmq writes (ZPL).
func readCertificate(path string, wantSecret bool) (public, secret string, err error) {
	bad := func(format string, args ...any) (string, string, error) {
		return "", "", fmt.Errorf("%w: certificate %s: %w", ErrAuth, path, fmt.Errorf(format, args...))
	}
	f, err := os.Open(path)
	if err != nil {
		return bad("%w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(&limitedFile{f, maxCertificate})
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		value = strings.Trim(value, " \t'\"")
		switch strings.TrimSpace(key) {
		case "public-key":
			public = value
		case "secret-key":
			secret = value
		}
	}
	if err := lines.Err(); err != nil {
		return bad("%w", err)
	}
	if !validZ85(public) {
		return bad("it has no valid public-key")
	}
	if wantSecret && !validZ85(secret) {
		return bad("it has no valid secret-key")
	}
	return public, secret, nil
}

// limitedFile ends a file that is too long for what it claims to be.
type limitedFile struct {
	f    *os.File
	left int
}

func (l *limitedFile) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("it is too long")
	}
	n, err := l.f.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// validZ85: a CURVE key is 32 bytes, 40 characters of ZeroMQ's RFC 32.
func validZ85(key string) bool {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
	return len(key) == 40 && strings.Trim(key, alphabet) == ""
}

// security is what one end needs to open secure sockets; nil in Grasslands.
type security struct {
	keys
	domain    string     // receive end: what the authentication handler knows it by
	admission *admission // receive end
}

func newSecurity(o *Options, id string) (*security, error) {
	if o.SecureMode == Grasslands {
		return nil, nil
	}
	k, err := loadKeys(o)
	if err != nil {
		return nil, err
	}
	s := &security{keys: *k}
	if o.ReceiveMode {
		s.domain = "netgear-" + id
		s.admission = newAdmission(o, k)
	}
	return s, nil
}

// enter makes a receive end known to the context's authentication handler, and
// returns what undoes it.
func (s *security) enter(ctx *zmq4.Context) (leave func(), err error) {
	if s == nil || s.admission == nil {
		return func() {}, nil
	}
	if err := registerZAP(ctx, s.domain, s.admission); err != nil {
		return nil, err
	}
	return func() { unregisterZAP(s.domain) }, nil
}

// configure sets a socket's side of CURVE. Every socket of a secure end passes
// here, so none is ever opened in the clear.
func (s *security) configure(sock *zmq4.Socket, o *Options) error {
	if s == nil {
		return nil
	}
	errs := []error{sock.SetCurvePublickey(s.public), sock.SetCurveSecretkey(s.secret)}
	if o.ReceiveMode {
		errs = append(errs, sock.SetCurveServer(1), sock.SetZapDomain(s.domain))
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
