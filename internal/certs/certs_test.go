package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// keysIn returns the certificate folder of a location.
func keysIn(t *testing.T, location string) string {
	t.Helper()
	dir, err := Dir(location)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkKeys fails unless a folder is complete: four files, two pairs.
func checkKeys(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{Server, Client} {
		public, _, err := ReadPair(SecretFile(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if other, err := ReadPublic(PublicFile(dir, name)); err != nil || other != public {
			t.Fatalf("the two files of %s's pair differ: %v", name, err)
		}
	}
}

// keysOf checks a folder, and returns the public key of its server.
func keysOf(t *testing.T, dir string) string {
	t.Helper()
	checkKeys(t, dir)
	public, err := ReadPublic(PublicFile(dir, Server))
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
	c := newCreator()
	if strings.Contains(location, "no-exchange") {
		c.exchange = func(a, b string) error { return errors.ErrUnsupported }
	}
	for i := 0; ; i++ {
		for _, l := range []string{location, filepath.Join(location, fmt.Sprintf("new-%d-%d", os.Getpid(), i))} {
			if err := c.replace(keysIn(t, l)); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
		if i == 0 {
			fmt.Println("at it")
		}
	}
}

// However a program is stopped while it creates keys, a folder is complete or
// does not exist. Existing keys stay, and no secret file is left elsewhere.
func TestKilledWhileMakingKeys(t *testing.T) {
	for _, kind := range []string{"exchange", "no-exchange"} {
		t.Run(kind, func(t *testing.T) {
			if kind == "exchange" && exchangeWorks(t) != nil {
				t.Skip("this file system does not exchange folders")
			}
			location := filepath.Join(t.TempDir(), kind)
			dir := keysIn(t, location)
			if _, err := Create(dir); err != nil {
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
				interrupted += len(workFolders(filepath.Dir(dir)))
				if _, err := Create(dir); err != nil {
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

// killWhileMakingKeys also counts how often the folder did not exist.
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
	// At another moment each time.
	for end := time.Now().Add(time.Duration(rand.IntN(20_000)) * time.Microsecond); time.Now().Before(end); {
		if !exists(dir) {
			gaps++
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !exists(dir) {
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

// Without an atomic exchange of folders, the old keys are restored in two
// cases: if the new ones cannot replace them, and after an end between the two
// renames.
func TestOldKeysComeBack(t *testing.T) {
	dir := keysIn(t, t.TempDir())
	if _, err := Create(dir); err != nil {
		t.Fatal(err)
	}
	before := keysOf(t, dir)

	c := newCreator()
	c.exchange = func(fresh, dir string) error {
		os.RemoveAll(fresh) // so that it cannot be moved
		return errors.ErrUnsupported
	}
	if err := c.replace(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no new keys: %v", err)
	}
	if keysOf(t, dir) != before {
		t.Error("the old keys are not back")
	}

	// The state after a program was stopped between its two renames.
	work := filepath.Join(filepath.Dir(dir), workPrefix+"1")
	if err := errors.Join(os.Mkdir(work, 0o700), os.Rename(dir, filepath.Join(work, "old"))); err != nil {
		t.Fatal(err)
	}
	if created, err := Create(dir); created || err != nil || keysOf(t, dir) != before {
		t.Errorf("the old keys are not back: created %v, %v", created, err)
	}
	if exists(work) {
		t.Error("the folder is left behind")
	}

	// Another program creates keys: its work folder stays.
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockFolder(filepath.Dir(dir), 0)
	if err != nil || unlock == nil {
		t.Fatal("no lock:", err)
	}
	defer unlock()
	if _, err := Create(dir); err != nil || !exists(work) {
		t.Errorf("the work of another was removed: %v", err)
	}
}

// A program waits while another one has the lock, up to a limit.
func TestLock(t *testing.T) {
	dir := keysIn(t, t.TempDir())
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockFolder(parent, time.Minute)
	if err != nil || unlock == nil {
		t.Fatal("no lock:", err)
	}
	c := newCreator()
	for _, c.lockTimeout = range []time.Duration{0, 20 * time.Millisecond} {
		if created, err := c.create(dir); created || !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), parent) {
			t.Errorf("while another has the lock, timeout %v: created %v, %v", c.lockTimeout, created, err)
		}
	}
	if exists(dir) {
		t.Error("keys without the lock")
	}
	var unlocked atomic.Bool
	done := make(chan error, 1)
	go func() {
		created, err := Create(dir)
		if err == nil && (!created || !unlocked.Load()) {
			err = fmt.Errorf("created %v, after the lock was released %v", created, unlocked.Load())
		}
		done <- err
	}()
	unlocked.Store(true)
	unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
	checkKeys(t, dir)
}

func TestNoCurve(t *testing.T) {
	dir := keysIn(t, t.TempDir())
	c := newCreator()
	c.hasCurve = func() bool { return false }
	created, err := c.create(dir)
	if created || !errors.Is(err, ErrNoCurve) || !errors.Is(c.replace(dir), ErrNoCurve) || exists(filepath.Dir(dir)) {
		t.Errorf("created %v, %v", created, err)
	}
	// Existing keys cannot be used either.
	if _, err := Create(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := c.create(dir); !errors.Is(err, ErrNoCurve) || !strings.Contains(err.Error(), "libzmq was built without CURVE") {
		t.Error(err)
	}
}
