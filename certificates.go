package netgear

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/vidgear-go/netgear/internal/regular"
	"github.com/vidgear-go/netgear/internal/secret"
)

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
	if _, err := createKeys(dir, old); err != nil {
		return "", fmt.Errorf("netgear: certificates: %w", err)
	}
	return dir, nil
}

// ownCertificates is the folder of an end that is being opened, made if it is
// not there. The location must be: a mistyped one is not to get keys of its own.
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
	made, err := createKeys(dir, old)
	if made {
		log.Warn("made new keys: the other end does not know them before it has a copy of the public ones", "folder", dir)
	}
	return dir, err
}

// hasCurve is a variable for the tests.
var hasCurve = zmq4.HasCurve

// workFolder is what the folders begin with in which keys are made, beside the
// one that they are for. What is in them is of no use once nobody is at work.
const workFolder = "keys-new-"

// createKeys makes the folder, and says whether it did. One program at a time
// does that: it holds the parent folder's lock.
func createKeys(dir string, old existing) (made bool, err error) {
	if !hasCurve() {
		return false, fmt.Errorf("%w: this libzmq was built without CURVE", ErrAuth)
	}
	parent := filepath.Dir(dir)
	if isThere(dir) && old == keepExisting {
		if leftovers(parent) != nil {
			// Of secrets, so they had better go; but that is not what was asked for.
			if unlock, _ := lockFolder(parent, 0); unlock != nil {
				sweep(dir)
				unlock()
			}
		}
		return false, nil
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return false, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	unlock, err := lockFolder(parent, lockPatience)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	if unlock != nil {
		defer unlock()
		sweep(dir)
	}
	if isThere(dir) && old == keepExisting {
		return false, nil // somebody was quicker
	}
	if err := makeKeys(dir); err != nil {
		return false, fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return true, nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// makeKeys makes new keys aside and moves them into place at once.
func makeKeys(dir string) error {
	parent := filepath.Dir(dir)
	work, err := os.MkdirTemp(parent, workFolder) // mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	fresh := filepath.Join(work, "keys")
	for _, sub := range []string{"", publicKeys, privateKeys} {
		if err := os.Mkdir(filepath.Join(fresh, sub), 0o700); err != nil {
			return err
		}
	}
	for _, name := range []string{serverName, clientName} {
		if err := createPair(fresh, name); err != nil {
			return err
		}
	}
	// What has moved into place must be on the disk before: a power cut would
	// leave empty files there.
	for _, folder := range []string{filepath.Join(fresh, publicKeys), filepath.Join(fresh, privateKeys), fresh} {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	if err := moveIntoPlace(work, dir); err != nil {
		return err
	}
	return syncFolder(parent)
}

// swapFolders is a variable for the tests.
var swapFolders = exchangeFolders

// moveIntoPlace makes work/keys dir. What was dir ends up in work. Where the
// system cannot exchange two folders at once there is a moment with none; it
// leaves work/old behind for sweep, should it last.
func moveIntoPlace(work, dir string) error {
	fresh, old := filepath.Join(work, "keys"), filepath.Join(work, "old")
	if !isThere(dir) {
		return os.Rename(fresh, dir)
	}
	if swapFolders(fresh, dir) == nil {
		return nil
	}
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return nil
}

// leftovers are the work folders of programs that were stopped in the middle of
// it, or that are still at it.
func leftovers(parent string) (all []string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), workFolder) {
			all = append(all, filepath.Join(parent, e.Name()))
		}
	}
	return all
}

// sweep takes leftovers away, and puts back the keys that one of them took out
// of their place without putting others there. Whoever holds the lock knows that
// nobody is at work.
func sweep(dir string) {
	for _, work := range leftovers(filepath.Dir(dir)) {
		if old := filepath.Join(work, "old"); !isThere(dir) && isThere(old) {
			if os.Rename(old, dir) != nil {
				continue
			}
		}
		os.RemoveAll(work)
	}
}

// lockPatience is how long another program may take to make keys, which is a
// matter of milliseconds.
const lockPatience = 10 * time.Second

// lockFolder waits for the folder's lock. The system gives it up with the
// process, whatever ends it. unlock is nil, without an error, where the file
// system has no such locks (NFS).
func lockFolder(path string, patience time.Duration) (unlock func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		switch err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return func() { f.Close() }, nil
		case err != unix.EWOULDBLOCK && err != unix.EINTR:
			f.Close()
			return nil, nil
		case time.Now().After(end):
			f.Close()
			return nil, &fs.PathError{Op: "wait for another program that makes keys in", Path: path, Err: err}
		}
	}
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
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
	if err := writeFile(filepath.Join(dir, privateKeys, name+secretSuffix), head+warning+body+"    secret-key = \""+secret+"\"\n", 0o600); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, publicKeys, name+publicSuffix), head+notice+body, 0o644)
}

// writeFile writes a new file through to the disk.
func writeFile(path, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// maxCertificate bounds what is read of a certificate file.
const maxCertificate = 64 << 10

// readCertificate reads a certificate in the form pyzmq writes (ZPL).
func readCertificate(path string, wantSecret bool) (public string, own secret.Text, err error) {
	bad := func(format string, args ...any) (string, secret.Text, error) {
		return "", secret.Text{}, fmt.Errorf("%w: certificate %s: %w", ErrAuth, path, fmt.Errorf(format, args...))
	}
	text, err := regular.Read(path, maxCertificate)
	if err != nil {
		return bad("%w", err)
	}
	var secretKey string
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
			secretKey = value
		}
	}
	if !validZ85(public) {
		return bad("it has no valid public-key")
	}
	if wantSecret && !validZ85(secretKey) {
		return bad("it has no valid secret-key")
	}
	return public, secret.New(secretKey), nil
}

// validZ85: a CURVE key is 32 bytes, 40 characters of ZeroMQ's RFC 32.
func validZ85(key string) bool {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
	return len(key) == 40 && strings.Trim(key, alphabet) == ""
}
