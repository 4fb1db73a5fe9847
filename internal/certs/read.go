package certs

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/vidgear-go/netgear/internal/regular"
	"github.com/vidgear-go/netgear/internal/secret"
)

var (
	// ErrNoPublicKey is returned for a file without a usable public key.
	ErrNoPublicKey = errors.New("it has no valid public-key")
	// ErrNoSecretKey is returned for a file without a usable secret key.
	ErrNoSecretKey = errors.New("it has no valid secret-key")
)

// maxFile is the largest size of a certificate file, in bytes.
const maxFile = 64 << 10

// ReadPublic returns the public key of a certificate file, in Z85.
func ReadPublic(path string) (public string, err error) {
	public, _, err = read(path)
	return public, err
}

// ReadPair returns both keys of a secret certificate file, in Z85.
func ReadPair(path string) (public string, own secret.Text, err error) {
	public, text, err := read(path)
	if err == nil && !validKey(text) {
		err = unusable(path, ErrNoSecretKey)
	}
	if err != nil {
		return "", secret.Text{}, err
	}
	return public, secret.New(text), nil
}

// ReadPublicKeys returns every public key in a folder, in Z85. It leaves out
// files that it cannot read.
func ReadPublicKeys(folder string) map[string]bool {
	keys := map[string]bool{}
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), publicSuffix) {
			continue
		}
		if public, err := ReadPublic(filepath.Join(folder, e.Name())); err == nil {
			keys[public] = true
		}
	}
	return keys
}

// read reads a certificate in the form that pyzmq writes (ZPL, ZeroMQ RFC 4).
// The public key is valid; the secret one may be missing.
func read(path string) (public, secret string, err error) {
	text, err := regular.Read(path, maxFile)
	if err != nil {
		return "", "", unusable(path, err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
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
	if !validKey(public) {
		return "", "", unusable(path, ErrNoPublicKey)
	}
	return public, secret, nil
}

// unusable returns the error of a file that cannot be used. It never quotes the
// file's content.
func unusable(path string, reason error) error {
	return fmt.Errorf("certificate %s: %w", path, reason)
}

// z85 is the alphabet of Z85, in the order of its digits (ZeroMQ RFC 32).
const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// validKey reports whether a text is a CURVE key: 32 bytes, which are 40
// characters of Z85. Five characters are a number of four bytes; libzmq refuses
// larger ones.
func validKey(key string) bool {
	if len(key) != 40 {
		return false
	}
	number := uint64(0)
	for i := range len(key) {
		digit := strings.IndexByte(z85, key[i])
		if i%5 == 0 {
			number = 0
		}
		number = 85*number + uint64(max(digit, 0)) //nolint:gosec // 0 to 84
		if digit < 0 || number > math.MaxUint32 {
			return false
		}
	}
	return true
}
