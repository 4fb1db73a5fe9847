package netgear

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/certs"
)

// serverKey returns the public key of a folder's server.
func serverKey(t *testing.T, dir string) string {
	t.Helper()
	public, err := certs.ReadPublic(certs.PublicFile(dir, certs.Server))
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// An end whose location is not there is not given keys that nobody knows.
func TestCertificateLocation(t *testing.T) {
	var log bytes.Buffer
	o := Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	open := func(location string) error {
		o.CustomCertLocation = location
		n, err := New(o)
		if err == nil {
			n.Close()
		}
		return err
	}
	mistyped := filepath.Join(t.TempDir(), "mistyped")
	if err := open(mistyped); !errors.Is(err, ErrAuth) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), mistyped) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := os.Stat(mistyped); err == nil {
		t.Error("it was made")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(file); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), file) {
		t.Errorf("a file: %v", err)
	}
	empty := t.TempDir()
	warned := func() bool {
		defer log.Reset()
		return strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), filepath.Join(empty, ".vidgear", "keys"))
	}
	if err := open(empty); err != nil || !warned() {
		t.Errorf("new keys, without a warning: %v", err)
	}
	if err := open(empty); err != nil || warned() {
		t.Errorf("a warning of keys that were there: %v", err)
	}
}

// OverwriteCert is a send end's: a receive end keeps its keys.
func TestOverwriteCert(t *testing.T) {
	location := keyFolder(t)
	dir, _ := CertificateDir(location)
	first := serverKey(t, dir)
	o := Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, CustomCertLocation: location, OverwriteCert: true}
	mustNew(t, o).Close()
	if serverKey(t, dir) != first {
		t.Error("a receive end made new keys")
	}
	o.ReceiveMode, o.Port = false, "5999"
	mustNew(t, o).Close()
	if serverKey(t, dir) == first {
		t.Error("a send end did not make new keys")
	}
}
