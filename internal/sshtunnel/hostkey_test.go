package sshtunnel

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"
)

func TestHostKey(t *testing.T) {
	s := newSSHD(t)
	far := serve(t, "127.0.0.1:0", echo)
	good := s.config(far)
	fingerprint := strings.Fields(run(t, "ssh-keygen", "-l", "-f", s.file("host_ed25519.pub")))[1]
	ours := readFile(t, s.file("host_ed25519.pub"))
	keygen(t, "ed25519", "", s.file("another"))
	host := knownhosts.Normalize(s.addr())

	// with is the good configuration with this known_hosts file.
	with := func(t *testing.T, known string) (c Config, file string) {
		file = t.TempDir() + "/known_hosts"
		writeFile(t, file, known)
		c = good
		c.KnownHosts = []string{file}
		return c, file
	}

	t.Run("unknown, then added as the error says", func(t *testing.T) {
		c, file := with(t, "elsewhere "+ours)
		err := refused(t, c, ErrHostKey, s.addr(), file, fingerprint)
		if errors.Is(err, ErrHostKeyChanged) {
			t.Errorf("an unknown key is not a changed one: %v", err)
		}
		_, command, found := strings.Cut(err.Error(), "add the key: ")
		if !found {
			t.Fatalf("no command in: %v", err)
		}
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		// Exactly the key whose fingerprint was in the error.
		if added := readFile(t, file); added != "elsewhere "+ours+host+" "+strings.Join(strings.Fields(ours)[:2], " ")+"\n" {
			t.Errorf("added: %s", added)
		}
		talks(t, open(t, c))
	})
	t.Run("no file", func(t *testing.T) {
		c := good
		c.KnownHosts = []string{t.TempDir() + "/none", t.TempDir() + "/nor_this"}
		refused(t, c, ErrHostKey, c.KnownHosts[0], c.KnownHosts[1], "echo ")
	})
	t.Run("default files", func(t *testing.T) {
		c := good
		c.KnownHosts = nil
		home := t.TempDir()
		t.Setenv("HOME", home)
		refused(t, c, ErrHostKey, home+"/.ssh/known_hosts")
		writeFile(t, home+"/.ssh/known_hosts", host+" "+ours)
		talks(t, open(t, c))
	})
	t.Run("second file", func(t *testing.T) {
		c := good
		c.KnownHosts = append([]string{t.TempDir() + "/none"}, c.KnownHosts...)
		talks(t, open(t, c))
	})
	t.Run("changed", func(t *testing.T) {
		c, file := with(t, "# mine\n"+host+" "+readFile(t, s.file("another.pub")))
		refused(t, c, ErrHostKeyChanged, s.addr(), file+":2", fingerprint, "ssh-keygen -R")
		refused(t, c, ErrHostKey)
	})
	t.Run("only a key of another type is known", func(t *testing.T) {
		keygen(t, "ecdsa", "", s.file("another_type"))
		c, _ := with(t, host+" "+readFile(t, s.file("another_type.pub")))
		refused(t, c, ErrHostKeyChanged, fingerprint)
	})
	t.Run("one of two known", func(t *testing.T) {
		c, _ := with(t, host+" "+readFile(t, s.file("another.pub"))+host+" "+ours)
		talks(t, open(t, c))
	})
	t.Run("known for another port", func(t *testing.T) {
		c, _ := with(t, "127.0.0.1 "+ours)
		refused(t, c, ErrHostKey)
	})
	t.Run("revoked", func(t *testing.T) {
		c, file := with(t, host+" "+ours+"@revoked * "+ours)
		refused(t, c, ErrHostKeyChanged, file+":2", "revoked")
	})
	t.Run("hashed", func(t *testing.T) {
		c, file := with(t, host+" "+ours)
		run(t, "ssh-keygen", "-q", "-H", "-f", file)
		if text := readFile(t, file); !strings.HasPrefix(text, "|1|") {
			t.Fatalf("not hashed: %s", text)
		}
		talks(t, open(t, c))
		writeFile(t, file, strings.Replace(readFile(t, file), strings.Fields(ours)[1], strings.Fields(readFile(t, s.file("another.pub")))[1], 1))
		refused(t, c, ErrHostKeyChanged, fingerprint)
	})
	t.Run("name in capitals", func(t *testing.T) {
		_, port, _ := strings.Cut(s.addr(), ":")
		c, _ := with(t, "[localhost]:"+port+" "+ours)
		c.Target = strings.Replace(c.Target, "127.0.0.1", "LOCALHOST", 1)
		talks(t, open(t, c))
	})
	t.Run("broken line", func(t *testing.T) {
		c, file := with(t, host+" "+ours+host+" ssh-ed25519 nonsense!\n")
		refused(t, c, ErrHostKey, file+":2")
	})
	t.Run("opt-out", func(t *testing.T) {
		c, _ := with(t, host+" "+readFile(t, s.file("another.pub")))
		c.InsecureIgnoreHostKey = true
		talks(t, open(t, c))
	})
}

// A host has keys of several types, and known_hosts one of them: the client
// must request that one.
func TestHostKeyTypes(t *testing.T) {
	s := newSSHD(t)
	kinds := []string{"ed25519", "ecdsa", "rsa"}
	var lines []string
	for _, kind := range kinds {
		if kind != "ed25519" {
			keygen(t, kind, "", s.file("host_"+kind))
		}
		lines = append(lines, "HostKey "+s.file("host_"+kind))
	}
	s.kill()
	s.configure(lines...)
	s.start()
	c := s.config(serve(t, "127.0.0.1:0", echo))
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			c := c
			c.KnownHosts = []string{s.known("host_" + kind)}
			talks(t, open(t, c))
		})
	}
	t.Run("all", func(t *testing.T) {
		c := c
		c.KnownHosts = []string{s.known("host_ed25519", "host_ecdsa", "host_rsa")}
		talks(t, open(t, c))
	})
}

// An authority signed the host's key, and known_hosts has the authority's key.
func TestHostCertificate(t *testing.T) {
	s := newSSHD(t)
	for _, name := range []string{"authority", "imposter"} {
		keygen(t, "ed25519", "", s.file(name))
	}
	run(t, "ssh-keygen", "-q", "-s", s.file("authority"), "-I", "host", "-h", "-n", "127.0.0.1", s.file("host_ed25519.pub"))
	s.kill()
	s.configure("HostKey "+s.file("host_ed25519"), "HostCertificate "+s.file("host_ed25519-cert.pub"))
	s.start()
	c := s.config(serve(t, "127.0.0.1:0", echo))
	with := func(t *testing.T, authority string) Config {
		c := c
		c.KnownHosts = []string{t.TempDir() + "/known_hosts"}
		writeFile(t, c.KnownHosts[0], "@cert-authority "+knownhosts.Normalize(s.addr())+" "+readFile(t, s.file(authority+".pub")))
		return c
	}
	t.Run("right authority", func(t *testing.T) { talks(t, open(t, with(t, "authority"))) })
	t.Run("wrong authority", func(t *testing.T) { refused(t, with(t, "imposter"), ErrHostKey, s.addr()) })
	t.Run("plain key known", func(t *testing.T) { talks(t, open(t, c)) })

	// A revoked key stays revoked inside a certificate, and so does the key of
	// its authority.
	for _, name := range []string{"host_ed25519", "authority"} {
		t.Run("revoked "+name, func(t *testing.T) {
			c := with(t, "authority")
			file := c.KnownHosts[0]
			writeFile(t, file, readFile(t, file)+"@revoked * "+readFile(t, s.file(name+".pub")))
			refused(t, c, ErrHostKeyChanged, file+":2", "revoked")
		})
	}
	// The authority signs host keys. Its own key is not accepted as a host key.
	t.Run("the authority's key as the host's", func(t *testing.T) {
		s.kill()
		s.configure("HostKey " + s.file("authority"))
		s.start()
		refused(t, with(t, "authority"), ErrHostKey, s.addr())
	})
}

// A known_hosts or key file is read only if it is a regular file: opening a
// FIFO would wait for a writer, which no context can end.
func TestOnlyRegularFiles(t *testing.T) {
	s := newSSHD(t)
	good := s.config(serve(t, "127.0.0.1:0", echo))
	fifo := t.TempDir() + "/fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{fifo, "/dev/zero", t.TempDir()} {
		t.Run("known_hosts "+file, func(t *testing.T) {
			c := good
			c.KnownHosts = append([]string{file}, c.KnownHosts...)
			refusedSoon(t, c, ErrHostKey, file, "not a regular file")
		})
		t.Run("key file "+file, func(t *testing.T) {
			c := good
			c.Keyfile = file
			refusedSoon(t, c, ErrAuth, file, "not a regular file")
		})
	}
	t.Run("the usual key file is a FIFO", func(t *testing.T) {
		t.Setenv("HOME", t.TempDir())
		t.Setenv("SSH_AUTH_SOCK", "")
		copyFile(t, s.file("user_key"), os.Getenv("HOME")+"/.ssh/id_rsa")
		if err := syscall.Mkfifo(os.Getenv("HOME")+"/.ssh/id_ed25519", 0o600); err != nil {
			t.Fatal(err)
		}
		c := good
		c.Keyfile = ""
		talks(t, open(t, c))
	})
}

// refusedSoon is refused with a time limit, for calls that might hang.
func refusedSoon(t *testing.T, c Config, kind error, words ...string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		tunnel, err := Open(t.Context(), c)
		if err == nil {
			tunnel.Close(0)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, kind) {
			t.Fatalf("%v is not %v", err, kind)
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q is not in: %v", word, err)
			}
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Open waits for a file")
	}
}
