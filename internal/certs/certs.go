// Package certs creates, replaces and reads certificate folders in VidGear's
// layout. They hold CURVE keys in the files of pyzmq:
//
//	DIR/public_keys/server.key   DIR/private_keys/server.key_secret
//	DIR/public_keys/client.key   DIR/private_keys/client.key_secret
//
// Several programs may use one folder at once.
package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pebbe/zmq4"
)

// Server and Client are the names of the two key pairs.
const (
	Server = "server"
	Client = "client"
)

const (
	publicFolder = "public_keys"
	secretFolder = "private_keys"
	publicSuffix = ".key"
	secretSuffix = ".key_secret"
)

// ErrNoCurve is the reason for which no keys are created.
var ErrNoCurve = errors.New("this libzmq was built without CURVE")

// Dir returns the certificate folder of a location: LOCATION/.vidgear/keys. An
// empty location is the home folder.
func Dir(location string) (string, error) {
	if location == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		location = home
	}
	location, err := filepath.Abs(location)
	if err != nil {
		return "", err
	}
	if filepath.Base(location) != ".vidgear" {
		location = filepath.Join(location, ".vidgear")
	}
	return filepath.Join(location, "keys"), nil
}

// PublicDir returns the folder of the public keys of the certificate folder
// dir.
func PublicDir(dir string) string { return filepath.Join(dir, publicFolder) }

// PublicFile returns the path of a public key of the certificate folder dir.
func PublicFile(dir, name string) string {
	return filepath.Join(dir, publicFolder, name+publicSuffix)
}

// SecretFile returns the path of a key pair of the certificate folder dir.
func SecretFile(dir, name string) string {
	return filepath.Join(dir, secretFolder, name+secretSuffix)
}

// Create creates the certificate folder dir, and its parents, unless it exists.
// It reports whether it did. The folder appears complete or not at all,
// whatever interrupts Create. Only the owner can read the secret files.
func Create(dir string) (created bool, err error) {
	return newCreator().create(dir)
}

// Replace does the same as Create, but replaces a folder that exists, and all
// its content. The old keys stay until the new ones are complete.
func Replace(dir string) error { return newCreator().replace(dir) }

// creator creates folders with the system's calls, which tests replace.
type creator struct {
	hasCurve    func() bool
	exchange    func(a, b string) error // see exchangeFolders
	lockTimeout time.Duration           // another program takes milliseconds
}

func newCreator() *creator {
	return &creator{hasCurve: zmq4.HasCurve, exchange: exchangeFolders, lockTimeout: 10 * time.Second}
}

func (c *creator) create(dir string) (created bool, err error) {
	if !c.hasCurve() {
		return false, ErrNoCurve
	}
	if exists(dir) {
		removeAbandoned(dir)
		return false, nil
	}
	err = c.locked(dir, func() error {
		if exists(dir) {
			return nil // another program was faster, or the old keys were restored
		}
		created = true
		return c.makeKeys(dir)
	})
	return created && err == nil, err
}

func (c *creator) replace(dir string) error {
	if !c.hasCurve() {
		return ErrNoCurve
	}
	return c.locked(dir, func() error { return c.makeKeys(dir) })
}

// locked calls do while it holds the lock of dir's parent, which it creates. If
// the file system has no locks, it calls do without one.
func (c *creator) locked(dir string, do func() error) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	unlock, err := lockFolder(parent, c.lockTimeout)
	if err != nil {
		return err
	}
	if unlock != nil {
		defer unlock()
		cleanUp(dir)
	}
	return do()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// workPrefix begins the names of the folders in which keys are created, beside
// the target folder.
const workPrefix = "keys-new-"

// workFolders returns the work folders of programs that create keys, or that
// ended too early.
func workFolders(parent string) (all []string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), workPrefix) {
			all = append(all, filepath.Join(parent, e.Name()))
		}
	}
	return all
}

// removeAbandoned removes work folders, which hold secrets, unless a program
// creates keys at this moment.
func removeAbandoned(dir string) {
	parent := filepath.Dir(dir)
	if workFolders(parent) == nil {
		return
	}
	if unlock, _ := lockFolder(parent, 0); unlock != nil {
		cleanUp(dir)
		unlock()
	}
}

// cleanUp removes work folders. If one of them has the old keys and dir does
// not exist, it moves them back. The parent's lock must be held, so that no
// other program uses a work folder.
func cleanUp(dir string) {
	for _, work := range workFolders(filepath.Dir(dir)) {
		if old := filepath.Join(work, "old"); !exists(dir) && exists(old) {
			if os.Rename(old, dir) != nil {
				continue
			}
		}
		os.RemoveAll(work)
	}
}

// makeKeys creates keys in a work folder and moves them to dir in one step.
func (c *creator) makeKeys(dir string) error {
	parent := filepath.Dir(dir)
	work, err := os.MkdirTemp(parent, workPrefix) // mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	fresh := filepath.Join(work, "keys")
	for _, sub := range []string{"", publicFolder, secretFolder} {
		if err := os.Mkdir(filepath.Join(fresh, sub), 0o700); err != nil {
			return err
		}
	}
	for _, name := range []string{Server, Client} {
		if err := writePair(fresh, name); err != nil {
			return err
		}
	}
	// The files must be on the disk before the folder is moved. Otherwise a
	// power cut would leave empty files.
	for _, folder := range []string{filepath.Join(fresh, publicFolder), filepath.Join(fresh, secretFolder), fresh} {
		if err := syncFolder(folder); err != nil {
			return err
		}
	}
	if err := c.moveIntoPlace(work, dir); err != nil {
		return err
	}
	return syncFolder(parent)
}

// moveIntoPlace renames work/keys to dir. A dir that exists moves to work.
// Where the system cannot exchange two folders, dir does not exist for a
// moment. If the process ends then, work/old has the old keys, for cleanUp.
func (c *creator) moveIntoPlace(work, dir string) error {
	fresh, old := filepath.Join(work, "keys"), filepath.Join(work, "old")
	if !exists(dir) {
		return os.Rename(fresh, dir)
	}
	if c.exchange(fresh, dir) == nil {
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

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// writePair writes the two files of a new key pair, in the form of pyzmq's
// create_certificates.
func writePair(dir, name string) error {
	public, secret, err := zmq4.NewCurveKeypair()
	if err != nil {
		return err
	}
	head := fmt.Sprintf("#   ****  Generated on %s by netgear  ****\n", time.Now().Format("2006-01-02 15:04:05.000000"))
	body := "metadata\ncurve\n    public-key = \"" + public + "\"\n"
	notice := "#   ZeroMQ CURVE Public Certificate\n#   Exchange securely, or use a secure mechanism to verify the contents\n#   of this file after exchange. Store public certificates in your home\n#   directory, in the .curve subdirectory.\n\n"
	warning := "#   ZeroMQ CURVE **Secret** Certificate\n#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n"
	if err := writeFile(SecretFile(dir, name), head+warning+body+"    secret-key = \""+secret+"\"\n", 0o600); err != nil {
		return err
	}
	return writeFile(PublicFile(dir, name), head+notice+body, 0o644)
}

// writeFile writes a new file and waits until it is on the disk.
func writeFile(path, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
