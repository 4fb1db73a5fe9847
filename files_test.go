package netgear

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/certs"
)

// soon runs a function that must not block.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: the call does not end", what)
	}
}

// A FIFO or a device among the public keys admits no peer and blocks no
// handshake: one handler answers for all ends of the process.
func TestFIFOInPublicKeys(t *testing.T) {
	location := keyFolder(t)
	dir, _ := CertificateDir(location)
	keys := certs.PublicDir(dir)
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(keys, "a.key"), 0o600), os.Symlink("/dev/zero", filepath.Join(keys, "b.key")), os.Mkdir(filepath.Join(keys, "c.key"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	soon(t, "reading the folder", func() {
		if known := certs.ReadPublicKeys(keys); len(known) != 2 {
			t.Errorf("%d keys of two", len(known))
		}
	})
	if t.Failed() {
		return
	}
	_, send := openPair(t, Options{Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: location})
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
		t.Error(err)
	}
}

// Every certificate of an end itself must be a regular file, too.
func TestCertificateIsNoFile(t *testing.T) {
	for file, receive := range map[string]bool{
		"private_keys/server.key_secret": true, "private_keys/client.key_secret": false, "public_keys/server.key": false,
	} {
		for _, kind := range []string{"FIFO", "device", "folder"} {
			location := keyFolder(t)
			dir, _ := CertificateDir(location)
			path := filepath.Join(dir, file)
			err := os.Remove(path)
			switch kind {
			case "FIFO":
				err = errors.Join(err, syscall.Mkfifo(path, 0o600))
			case "device":
				err = errors.Join(err, os.Symlink("/dev/zero", path))
			case "folder":
				err = errors.Join(err, os.Mkdir(path, 0o700))
			}
			if err != nil {
				t.Fatal(err)
			}
			soon(t, file, func() {
				_, err := New(Options{ReceiveMode: receive, Address: "127.0.0.1", Port: "5999", SecureMode: StoneHouse, CustomCertLocation: location})
				if !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), path+": it is not a regular file") {
					t.Errorf("%s is a %s: %v", file, kind, err)
				}
			})
		}
	}
}
