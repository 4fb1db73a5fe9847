package netgear

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/vidgear-go/netgear/internal/certs"
)

// CertificateDir is the folder in which VidGear keeps its certificates:
// LOCATION/.vidgear/keys, with the home folder for an empty location
// (Options.CustomCertLocation).
func CertificateDir(location string) (string, error) {
	dir, err := certs.Dir(location)
	return dir, wrap("certificates", authError(err))
}

// CreateCertificates makes a server's and a client's key pair in VidGear's
// layout, in files that VidGear and pyzmq read:
//
//	DIR/public_keys/server.key   DIR/private_keys/server.key_secret
//	DIR/public_keys/client.key   DIR/private_keys/client.key_secret
//
// Secret files can be read by their owner alone. The folder appears whole or
// not at all, whatever interrupts it. A folder that exists stays as it is: see
// [ReplaceCertificates]. DIR is [CertificateDir] of the location, which is created
// if it does not exist. Several programs may call it at once. Errors wrap ErrAuth.
func CreateCertificates(location string) (dir string, err error) {
	return newCertificates(location, keepExisting)
}

// ReplaceCertificates does the same as [CreateCertificates], but replaces a
// folder that exists. Public keys of other machines in it are then gone, too, as
// in VidGear. Open ends keep the keys that they have read.
func ReplaceCertificates(location string) (dir string, err error) {
	return newCertificates(location, replaceExisting)
}

// existing says what becomes of keys that exist.
type existing bool

const (
	keepExisting    existing = false
	replaceExisting existing = true
)

func newCertificates(location string, old existing) (dir string, err error) {
	if dir, err = CertificateDir(location); err != nil {
		return "", err
	}
	_, err = makeCertificates(dir, old)
	return dir, wrap("certificates", err)
}

// makeCertificates creates the keys in a folder, unless there are some that are
// kept, and reports whether it did.
func makeCertificates(dir string, old existing) (created bool, err error) {
	if old == replaceExisting {
		created, err = true, certs.Replace(dir)
	} else {
		created, err = certs.Create(dir)
	}
	return created && err == nil, authError(err)
}

// ownCertificates returns the folder of an end that is being opened, and creates
// it if it does not exist. The location must exist: a mistyped one is not to get
// keys of its own.
func ownCertificates(location string, old existing, log *slog.Logger) (dir string, err error) {
	if dir, err = CertificateDir(location); err != nil {
		return "", err
	}
	if location != "" {
		if info, err := os.Stat(location); err != nil {
			return "", fmt.Errorf("%w: CustomCertLocation: %w", ErrAuth, err)
		} else if !info.IsDir() {
			return "", fmt.Errorf("%w: CustomCertLocation: %s is not a folder", ErrAuth, location)
		}
	}
	created, err := makeCertificates(dir, old)
	if created {
		log.Warn("made new keys: the other end does not know them before it has a copy of the public ones", "folder", dir)
	}
	return dir, err
}

// authError returns a reason of package certs as an ErrAuth, and nil as nil.
func authError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrAuth, err)
}
