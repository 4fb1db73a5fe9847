package netgear

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/vidgear-go/netgear/internal/certs"
)

// CertificateDir returns the folder in which VidGear keeps its certificates:
// LOCATION/.vidgear/keys. For an empty location (Options.CustomCertLocation)
// LOCATION is the home folder. Errors wrap ErrAuth.
func CertificateDir(location string) (string, error) {
	dir, err := certs.Dir(location)
	return dir, wrap("certificates", authError(err))
}

// CreateCertificates creates a server's and a client's key pair in VidGear's
// layout, in files that VidGear and pyzmq read:
//
//	DIR/public_keys/server.key   DIR/private_keys/server.key_secret
//	DIR/public_keys/client.key   DIR/private_keys/client.key_secret
//
// Only their owner can read secret files. The folder appears complete or not at
// all, even if the call is interrupted. A folder that exists stays as it is:
// see [ReplaceCertificates]. DIR is [CertificateDir] of the location, which is
// created if it does not exist. Several programs may call it at once. Errors
// wrap ErrAuth.
func CreateCertificates(location string) (dir string, err error) {
	return newCertificates(location, keepExisting)
}

// ReplaceCertificates does the same as [CreateCertificates], but replaces a
// folder that exists. As in VidGear, that also removes the public keys of other
// machines from it. Open ends keep the keys that they have read.
func ReplaceCertificates(location string) (dir string, err error) {
	return newCertificates(location, replaceExisting)
}

// existing selects whether keys that exist are kept or replaced.
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

// makeCertificates creates the keys in a folder, unless it keeps existing ones,
// and reports whether it created them.
func makeCertificates(dir string, old existing) (created bool, err error) {
	if old == replaceExisting {
		created, err = true, certs.Replace(dir)
	} else {
		created, err = certs.Create(dir)
	}
	return created && err == nil, authError(err)
}

// checkLocation refuses a location of certificates that does not exist, so that
// a mistyped one gets no keys of its own.
func checkLocation(o *Options) error {
	if o.SecureMode == Grasslands || o.CustomCertLocation == "" {
		return nil
	}
	info, err := os.Stat(o.CustomCertLocation)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	if err == nil {
		return nil
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err // the value has the path
	}
	return invalid("CustomCertLocation", o.CustomCertLocation, "must be a folder that exists: %v", err)
}

// ownCertificates returns the certificate folder of an end that is being
// opened, and creates it if it does not exist.
func ownCertificates(location string, old existing, log *slog.Logger) (dir string, err error) {
	if dir, err = CertificateDir(location); err != nil {
		return "", err
	}
	created, err := makeCertificates(dir, old)
	if created {
		log.Warn("made new keys: the other end does not know them before it has a copy of the public ones", "folder", dir)
	}
	return dir, err
}

// authError returns an error of package certs as an ErrAuth, and nil as nil.
func authError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrAuth, err)
}
