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
// not at all, whatever interrupts it. If it is there already it stays, unless
// overwrite is set; other public keys in it are then gone, too, as in VidGear.
// DIR is [CertificateDir] of the location, which is made if it is not there. It
// may be called by several programs at once.
func CreateCertificates(location string, overwrite bool) (dir string, err error) {
	if dir, err = CertificateDir(location); err != nil {
		return "", err
	}
	if overwrite {
		err = certs.Replace(dir)
	} else {
		_, err = certs.Create(dir)
	}
	if err != nil {
		return "", wrap("certificates", authError(err))
	}
	return dir, nil
}

// ownCertificates returns the folder of an end that is being opened, and creates
// it if it does not exist. The location must exist: a mistyped one is not to get
// keys of its own.
func ownCertificates(location string, overwrite bool, log *slog.Logger) (dir string, err error) {
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
	created := overwrite
	if overwrite {
		err = certs.Replace(dir)
	} else {
		created, err = certs.Create(dir)
	}
	if err != nil {
		return "", authError(err)
	}
	if created {
		log.Warn("made new keys: the other end does not know them before it has a copy of the public ones", "folder", dir)
	}
	return dir, nil
}

// authError returns a reason of package certs as an ErrAuth, and nil as nil.
func authError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrAuth, err)
}
