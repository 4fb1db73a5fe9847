package certs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/regular"
)

// The key pair of ZeroMQ RFC 26's tests.
const (
	somePublic = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	someSecret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
)

// certificates are the texts of certificate files: pyzmq's, and others.
var certificates = []string{
	"#   ****  Generated on 2026-11-25 by pyzmq  ****\n\nmetadata\ncurve\n    public-key = \"" + somePublic + "\"\n    secret-key = \"" + someSecret + "\"\n",
	"curve\n    public-key = \"" + somePublic + "\"\n",
	"public-key='" + somePublic + "'\r\nsecret-key=" + someSecret,
	"secret-key = \"" + someSecret + "\"\n", "public-key = \"" + somePublic[1:] + "\"", "# public-key = \"" + somePublic + "\"",
	"public-key = \"" + strings.Repeat("#", 40) + "\"\n", "", "=", "\x00=\xff",
}

// FuzzCertificate reads certificate files. A key that is returned is one of
// libzmq's, and in a file of pyzmq's form it is read again. Errors do not quote
// the file.
func FuzzCertificate(f *testing.F) {
	for _, text := range certificates {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "x.key_secret")
	f.Fuzz(func(t *testing.T, text []byte) {
		write(t, path, text)
		public, err := ReadPublic(path)
		pair, own, pairErr := ReadPair(path)
		for _, err := range []error{err, pairErr} {
			if err == nil {
				continue
			}
			if !errors.Is(err, ErrNoPublicKey) && !errors.Is(err, ErrNoSecretKey) && !errors.Is(err, regular.ErrTooLong) {
				t.Errorf("%q: %v", text, err)
			}
			if want := "certificate " + path + ": " + errors.Unwrap(err).Error(); err.Error() != want {
				t.Errorf("%q: %v", text, err)
			}
		}
		if err != nil {
			return
		}
		mustBeKey(t, public, text)
		if pairErr != nil {
			return
		}
		mustBeKey(t, own.Reveal(), text)
		write(t, path, []byte("metadata\ncurve\n    public-key = \""+public+"\"\n    secret-key = \""+own.Reveal()+"\"\n"))
		if again, secret, err := ReadPair(path); err != nil || again != pair || secret.Reveal() != own.Reveal() || pair != public {
			t.Errorf("%q: %q is read again as %q, %v", text, public, again, err)
		}
	})
}

func mustBeKey(t *testing.T, key string, text []byte) {
	t.Helper()
	if bytes := zmq4.Z85decode(key); len(bytes) != 32 || zmq4.Z85encode(bytes) != key {
		t.Errorf("%q is no key of CURVE", key)
	}
	if !bytes.Contains(text, []byte(key)) {
		t.Errorf("%q is not in %q", key, text)
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// FuzzKeyFolder reads folders with a file of any name and content. All readers
// find the same key, and no table of a folder has a secret.
func FuzzKeyFolder(f *testing.F) {
	for i, text := range certificates {
		f.Add([]string{"server.key", "client.key", "camera ä.key", "x", ".key", "a\nb.key"}[i%6], []byte(text))
	}
	dir := f.TempDir()
	for _, folder := range []string{publicFolder, secretFolder} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		if len(name) > 200 || strings.ContainsAny(name, "/\x00") || name == "" || name == "." || name == ".." {
			return
		}
		path := filepath.Join(PublicDir(dir), name)
		write(t, path, text)
		defer os.Remove(path)
		public, err := ReadPublic(path)
		counts := err == nil && strings.HasSuffix(name, publicSuffix)
		if keys := ReadPublicKeys(PublicDir(dir)); keys[public] != counts || !counts && len(keys) > 0 {
			t.Errorf("%q: %v instead of %q", name, keys, public)
		}
		if counts && !NewKeySet(PublicDir(dir)).Contains(public) {
			t.Errorf("%q: %q is not in the set", name, public)
		}
		files, err := List(dir)
		if err != nil || len(files) > 1 || len(files) == 1 && counts && files[0].PublicKey != public {
			t.Errorf("%q: %v, %v", name, files, err)
		}
		var table bytes.Buffer
		if err := WriteTable(&table, files); err != nil {
			t.Error(err)
		}
		if bytes.Contains(table.Bytes(), []byte(someSecret)) && public != someSecret && !strings.Contains(name, someSecret) {
			t.Errorf("%q: the table has the secret: %s", name, table.Bytes())
		}
	})
}
