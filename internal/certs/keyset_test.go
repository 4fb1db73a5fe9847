package certs

import (
	"errors"
	"os"
	"testing"
	"time"
)

// Keys that are added and removed count as soon as the folder's time differs.
func TestKeySet(t *testing.T) {
	dir := keysIn(t, t.TempDir())
	if _, err := Create(dir); err != nil {
		t.Fatal(err)
	}
	key, err := ReadPublic(PublicFile(dir, Client))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(PublicFile(dir, Client))
	if err != nil {
		t.Fatal(err)
	}
	// The file system's clock may not advance between two changes.
	changed := time.Now()
	change := func(errs ...error) {
		t.Helper()
		changed = changed.Add(time.Hour)
		if err := errors.Join(append(errs, os.Chtimes(PublicDir(dir), changed, changed))...); err != nil {
			t.Fatal(err)
		}
	}
	s := NewKeySet(PublicDir(dir))
	server := keysOf(t, dir)
	if !s.Contains(key) || !s.Contains(server) || s.Contains("") {
		t.Error("not the keys of the folder")
	}
	change(os.Remove(PublicFile(dir, Client)))
	if s.Contains(key) || !s.Contains(server) {
		t.Error("a key that was removed still counts")
	}
	// Other files are ignored, whatever their content.
	change(os.WriteFile(PublicFile(dir, Client)+".old", text, 0o600), os.WriteFile(PublicFile(dir, "other"), []byte("curve\n"), 0o600))
	if s.Contains(key) || !s.Contains(server) {
		t.Error("a file that is no key counts")
	}
	change(os.WriteFile(PublicFile(dir, "guest"), text, 0o600))
	if !s.Contains(key) {
		t.Error("a key that was added does not count")
	}
	if NewKeySet(PublicDir(dir) + "-none").Contains(key) {
		t.Error("a folder that does not exist has a key")
	}
}
