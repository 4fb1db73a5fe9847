package netgear

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checkKeys wants a folder whole: four files, two pairs.
func checkKeys(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"server", "client"} {
		public, _, err := readCertificate(filepath.Join(dir, privateKeys, name+secretSuffix), true)
		if err != nil {
			t.Fatal(err)
		}
		if other, _, err := readCertificate(filepath.Join(dir, publicKeys, name+publicSuffix), false); err != nil || other != public {
			t.Fatalf("the two files of %s's pair differ: %v", name, err)
		}
	}
}

func keysOf(t *testing.T, dir string) string {
	t.Helper()
	checkKeys(t, dir)
	public, _, err := readCertificate(filepath.Join(dir, publicKeys, "server.key"), false)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

const makingKeysEnv = "NETGEAR_TEST_MAKING_KEYS"

// TestMakesKeysUntilKilled is the process that TestKilledWhileMakingKeys kills.
func TestMakesKeysUntilKilled(t *testing.T) {
	location := os.Getenv(makingKeysEnv)
	if location == "" {
		return
	}
	if strings.Contains(location, "no-exchange") {
		swapFolders = func(a, b string) error { return errors.ErrUnsupported }
	}
	for i := 0; ; i++ {
		for _, l := range []string{location, filepath.Join(location, fmt.Sprintf("new-%d-%d", os.Getpid(), i))} {
			if _, err := ReplaceCertificates(l); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
		if i == 0 {
			fmt.Println("at it")
		}
	}
}

// However a program is stopped while it makes keys, a folder is whole or not
// there, keys that were there are there, and nothing secret is left about.
func TestKilledWhileMakingKeys(t *testing.T) {
	for _, kind := range []string{"exchange", "no-exchange"} {
		t.Run(kind, func(t *testing.T) {
			if kind == "exchange" && exchangeWorks(t) != nil {
				t.Skip("this file system does not exchange folders")
			}
			location := filepath.Join(t.TempDir(), kind)
			dir, err := CreateCertificates(location)
			if err != nil {
				t.Fatal(err)
			}
			kills := 40
			if testing.Short() {
				kills = 10
			}
			interrupted := 0
			for range kills {
				if gaps := killWhileMakingKeys(t, location, dir); gaps > 0 && kind == "exchange" {
					t.Fatal("there was a moment without keys")
				}
				interrupted += len(leftovers(filepath.Dir(dir)))
				if _, err := CreateCertificates(location); err != nil {
					t.Fatal(err)
				}
				checkKeys(t, dir)
				if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
					t.Fatalf("left about: %v", left)
				}
				news, _ := filepath.Glob(filepath.Join(location, "new-*", ".vidgear", "keys"))
				for _, fresh := range news {
					checkKeys(t, fresh)
				}
			}
			if interrupted == 0 {
				t.Error("no kill came in the middle of it")
			}
		})
	}
}

// killWhileMakingKeys also counts how often it found no folder.
func killWhileMakingKeys(t *testing.T, location, dir string) (gaps int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestMakesKeysUntilKilled$")
	cmd.Env = append(os.Environ(), makingKeysEnv+"="+location)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 100)
	n, _ := out.Read(said)
	// At a moment of its own each time.
	for end := time.Now().Add(time.Duration(rand.IntN(20_000)) * time.Microsecond); time.Now().Before(end); {
		if !isThere(dir) {
			gaps++
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !isThere(dir) {
		gaps++
	}
	if !strings.HasPrefix(string(said[:n]), "at it") {
		t.Fatalf("it says %q", said[:n])
	}
	return gaps
}

func exchangeWorks(t *testing.T) error {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	return errors.Join(os.Mkdir(a, 0o700), os.Mkdir(b, 0o700), exchangeFolders(a, b))
}

// Where two folders cannot be exchanged at once: the old keys come back if the
// new ones cannot take their place, and if there was no time for either.
func TestOldKeysComeBack(t *testing.T) {
	defer func() { swapFolders = exchangeFolders }()
	location := keyFolder(t)
	dir, _ := CertificateDir(location)
	before := keysOf(t, dir)

	swapFolders = func(fresh, dir string) error {
		os.RemoveAll(fresh) // so that it cannot be moved
		return errors.ErrUnsupported
	}
	if _, err := ReplaceCertificates(location); !errors.Is(err, ErrAuth) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no new keys: %v", err)
	}
	if keysOf(t, dir) != before {
		t.Error("the old keys are not back")
	}

	// As a program leaves it that was stopped between its two renames.
	work := filepath.Join(filepath.Dir(dir), workFolder+"1")
	if err := errors.Join(os.Mkdir(work, 0o700), os.Rename(dir, filepath.Join(work, "old"))); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateCertificates(location); err != nil || keysOf(t, dir) != before {
		t.Errorf("the old keys are not back: %v", err)
	}
	if isThere(work) {
		t.Error("the folder is left behind")
	}

	// Somebody else is at work: what is theirs is left alone.
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockFolder(filepath.Dir(dir), 0)
	if err != nil || unlock == nil {
		t.Fatal("no lock:", err)
	}
	defer unlock()
	if _, err := CreateCertificates(location); err != nil || !isThere(work) {
		t.Errorf("the work of another was swept away: %v", err)
	}
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
	if isThere(mistyped) {
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
	first := keysOf(t, dir)
	o := Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", SecureMode: StoneHouse, CustomCertLocation: location, OverwriteCert: true}
	mustNew(t, o).Close()
	if keysOf(t, dir) != first {
		t.Error("a receive end made new keys")
	}
	o.ReceiveMode, o.Port = false, "5999"
	mustNew(t, o).Close()
	if keysOf(t, dir) == first {
		t.Error("a send end did not make new keys")
	}
}

func TestNoCurve(t *testing.T) {
	location := keyFolder(t)
	defer func(has func() bool) { hasCurve = has }(hasCurve)
	hasCurve = func() bool { return false }
	for _, receive := range []bool{true, false} {
		_, err := New(Options{ReceiveMode: receive, Address: "127.0.0.1", Port: "5999", SecureMode: IronHouse, CustomCertLocation: location})
		if !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "libzmq was built without CURVE") {
			t.Errorf("receive=%v: %v", receive, err)
		}
	}
	if _, err := CreateCertificates(t.TempDir()); !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
}
