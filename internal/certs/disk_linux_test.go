package certs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// mount mounts a file system until the test ends. Where that is not permitted,
// the test is skipped.
func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	switch err := syscall.Mount(source, target, kind, flags, data); {
	case errors.Is(err, syscall.EPERM):
		t.Skipf("mounting %s: %v", target, err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(target, syscall.MNT_DETACH) })
}

// keyFiles returns the key files of a folder, with their text.
func keyFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range []string{SecretFile(dir, Server), SecretFile(dir, Client), PublicFile(dir, Server), PublicFile(dir, Client)} {
		if text, err := os.ReadFile(file); err == nil {
			all[file] = string(text)
		}
	}
	return all
}

// On a full disk no keys are created, in any of the states of the disk: the
// folder is complete or not there, a replaced one stays, nothing is left, and
// the error names the cause.
func TestFullDisk(t *testing.T) {
	const most = 8 // pages, enough for all but the last steps
	refused := 0
	for pages := 1; pages <= most; pages++ {
		for _, replaces := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d pages, replaces=%v", pages, replaces), func(t *testing.T) {
				location := t.TempDir()
				mount(t, "none", location, "tmpfs", 0, "size=64k")
				dir := filepath.Join(location, "home", ".vidgear", "keys")
				create := func() error { _, err := Create(dir); return err }
				if replaces {
					if err := create(); err != nil {
						t.Fatal(err)
					}
					create = func() error { return Replace(dir) }
				}
				before := keyFiles(t, dir)
				ballast := 0
				for ; ; ballast++ { // fills the disk but for some pages
					if os.WriteFile(filepath.Join(location, fmt.Sprint("ballast", ballast)), make([]byte, 4096), 0o600) != nil {
						break
					}
				}
				for range min(pages-1, ballast) {
					ballast--
					os.Remove(filepath.Join(location, fmt.Sprint("ballast", ballast)))
				}
				os.Remove(filepath.Join(location, fmt.Sprint("ballast", ballast)))
				err := create()
				after := keyFiles(t, dir)
				switch {
				case err == nil && len(after) != 4:
					t.Errorf("%d files without an error", len(after))
				case err == nil:
				case !errors.Is(err, syscall.ENOSPC):
					t.Errorf("%v", err)
				case len(after) != len(before):
					t.Errorf("%d files, before %d: %v", len(after), len(before), err)
				default:
					refused++
					for file, text := range before {
						if after[file] != text {
							t.Errorf("%s is another: %v", file, err)
						}
					}
				}
				if left := workFolders(filepath.Dir(dir)); left != nil {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
	if t.Logf("%d of %d were refused", refused, 2*most); refused < 4 && !t.Skipped() {
		t.Error("the disk was never full")
	}
}

// A read-only folder is an error where keys would be created or replaced, and
// none where they exist.
func TestReadOnlyFolder(t *testing.T) {
	location := t.TempDir()
	dir := filepath.Join(location, ".vidgear", "keys")
	mount(t, location, location, "", syscall.MS_BIND, "")
	readOnly := func(flag uintptr) {
		if err := syscall.Mount("", location, "", syscall.MS_BIND|syscall.MS_REMOUNT|flag, ""); err != nil {
			t.Fatal(err)
		}
	}
	readOnly(syscall.MS_RDONLY)
	if created, err := Create(dir); created || !errors.Is(err, syscall.EROFS) {
		t.Errorf("Create: %v, %v", created, err)
	}
	readOnly(0)
	if _, err := Create(dir); err != nil {
		t.Fatal(err)
	}
	before := keyFiles(t, dir)
	readOnly(syscall.MS_RDONLY)
	if created, err := Create(dir); created || err != nil {
		t.Errorf("Create, with keys: %v, %v", created, err)
	}
	if err := Replace(dir); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Replace: %v", err)
	}
	for file, text := range keyFiles(t, dir) {
		if before[file] != text {
			t.Errorf("%s is another", file)
		}
	}
	if known := ReadPublicKeys(PublicDir(dir)); len(known) != 2 {
		t.Errorf("%d public keys are read", len(known))
	}
}
