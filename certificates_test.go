package netgear

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// An end whose location does not exist does not get keys that its peer does not
// have.
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
	if err := open(mistyped); !errors.Is(err, ErrOption) || errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), mistyped) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := os.Stat(mistyped); err == nil {
		t.Error("it was made")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(file); !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), file) {
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

// OverwriteCert applies to a send end: a receive end keeps its keys.
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

func TestCertificates(t *testing.T) {
	location := t.TempDir()
	dir, err := CreateCertificates(location)
	if err != nil || dir != filepath.Join(location, ".vidgear", "keys") {
		t.Fatal(dir, err)
	}
	for name, mode := range map[string]os.FileMode{
		"": 0o700, "public_keys": 0o700, "private_keys": 0o700,
		"public_keys/server.key": 0o644, "public_keys/client.key": 0o644,
		"private_keys/server.key_secret": 0o600, "private_keys/client.key_secret": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	key := func() string {
		t.Helper()
		public, secret, err := certs.ReadPair(filepath.Join(dir, "private_keys/server.key_secret"))
		if err != nil || public == secret.Reveal() {
			t.Fatal(err)
		}
		other, err := certs.ReadPublic(filepath.Join(dir, "public_keys/server.key"))
		if err != nil || other != public {
			t.Fatalf("the two files of a pair differ: %v", err)
		}
		return public
	}
	first := key()
	if _, err := CreateCertificates(filepath.Join(location, ".vidgear")); err != nil || key() != first {
		t.Errorf("what was there was changed: %v", err)
	}
	if _, err := ReplaceCertificates(location); err != nil || key() == first {
		t.Errorf("overwrite did not make new keys: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	// Many calls at once create one complete folder.
	location = t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := CreateCertificates(location); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	dir = filepath.Join(location, ".vidgear", "keys")
	key()
}

func TestUnusableCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		receive    bool
	}{
		"receive end without its secret": {"private_keys/server.key_secret", "", true},
		"send end without its secret":    {"private_keys/client.key_secret", "", false},
		"send end without server's key":  {"public_keys/server.key", "", false},
		"no key in it":                   {"private_keys/server.key_secret", "curve\n", true},
		"short key":                      {"public_keys/server.key", "curve\n public-key = \"abc\"\n", false},
		"secret missing":                 {"private_keys/client.key_secret", "curve\n public-key = \"" + strings.Repeat("a", 40) + "\"\n", false},
		"quotes in the key":              {"public_keys/server.key", "curve\n public-key = \"" + strings.Repeat("a", 39) + "~\"\n", false},
		"endless":                        {"public_keys/server.key", strings.Repeat("# nothing\n", 20000), false},
		"one endless line":               {"public_keys/server.key", strings.Repeat("x", 1<<20), false},
	} {
		location := keyFolder(t)
		path := filepath.Join(location, ".vidgear", "keys", c.file)
		os.Remove(path)
		if c.text != "" {
			os.WriteFile(path, []byte(c.text), 0o600)
		}
		_, err := New(Options{ReceiveMode: c.receive, Address: "127.0.0.1", Port: "5999", SecureMode: StoneHouse, CustomCertLocation: location})
		if !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A folder's name may be anything.
func TestFolderThatLooksLikeAPattern(t *testing.T) {
	location := filepath.Join(t.TempDir(), "[a-b]*?")
	if _, err := CreateCertificates(location); err != nil {
		t.Fatal(err)
	}
	_, send := openPair(t, Options{Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: location})
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
		t.Error(err)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
