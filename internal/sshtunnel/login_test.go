package sshtunnel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/secret"
)

func TestParseTarget(t *testing.T) {
	me := userName(t)
	for in, want := range map[string]target{
		"joe@cam":                {"joe", "cam", 22},
		"joe@cam:2222":           {"joe", "cam", 2222},
		"joe@10.0.0.7":           {"joe", "10.0.0.7", 22},
		"joe@[2001:db8::1]":      {"joe", "2001:db8::1", 22},
		"joe@[2001:db8::1]:222":  {"joe", "2001:db8::1", 222},
		"joe@[fe80::1%eth0]":     {"joe", "fe80::1%eth0", 22},
		"joe@[fe80::1%eth0]:222": {"joe", "fe80::1%eth0", 222},
		"joe@corp.com@cam":       {"joe@corp.com", "cam", 22},
		"cam:2222":               {me, "cam", 2222},
	} {
		if got, err := parseTarget(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "@cam", "joe@", "joe@cam:", "joe@cam:0", "joe@cam:65536", "joe@cam:ssh", "joe@:22",
		"joe@2001:db8::1", "joe@[2001:db8::1", "joe@[]", "joe@a b", "ssh://joe@cam", "joe@cam/x", "joe:secret@cam",
	} {
		if got, err := parseTarget(in); err == nil {
			t.Errorf("%q is taken as %+v", in, got)
		}
	}
}

func TestBadConfig(t *testing.T) {
	for _, remote := range []string{"", "5555", "cam", "cam:", ":5555", "cam:0", "cam:70000", "cam:zmq"} {
		refused(t, Config{Target: "joe@127.0.0.1", Remote: remote}, nil, "the far end", strconv.Quote(remote))
	}
	refused(t, Config{Target: "joe@127.0.0.1", Remote: "cam:5555", KeepAlive: -1}, nil, "KeepAlive")
	refused(t, Config{Target: "joe@", Remote: "cam:5555"}, nil, "must be user@host")
}

func TestKeyLogin(t *testing.T) {
	s := newSSHD(t)
	far := serve(t, "127.0.0.1:0", echo)
	good := s.config(far)
	keygen(t, "ecdsa", "open sesame", s.file("locked"))
	keygen(t, "ecdsa", "open sesame", s.file("locked_pem"), "-m", "PEM")
	keygen(t, "ed25519", "", s.file("other"))
	writeFile(t, s.file("authorized_keys"), readFile(t, s.file("user_key.pub"))+
		readFile(t, s.file("locked.pub"))+readFile(t, s.file("locked_pem.pub")))

	works := func(name string, change func(*testing.T, *Config)) {
		t.Run(name, func(t *testing.T) {
			c := good
			change(t, &c)
			talks(t, open(t, c))
		})
	}
	works("key file", func(*testing.T, *Config) {})
	works("key file with passphrase", func(_ *testing.T, c *Config) { c.Keyfile, c.Password = s.file("locked"), secret.New("open sesame") })
	works("PEM key file with passphrase", func(_ *testing.T, c *Config) { c.Keyfile, c.Password = s.file("locked_pem"), secret.New("open sesame") })
	works("key file and a password that is not needed", func(_ *testing.T, c *Config) { c.Password = secret.New("of something else") })
	works("current user", func(_ *testing.T, c *Config) { c.Target = s.addr() })
	works("key file in the home folder", func(t *testing.T, c *Config) {
		copyFile(t, s.file("user_key"), os.Getenv("HOME")+"/keys/mine")
		c.Keyfile = "~/keys/mine"
	})
	works("the usual key file", func(t *testing.T, c *Config) {
		t.Setenv("HOME", t.TempDir())
		copyFile(t, s.file("user_key"), os.Getenv("HOME")+"/.ssh/id_ed25519")
		c.Keyfile = ""
	})
	works("agent", func(t *testing.T, c *Config) {
		startAgent(t, s.file("other"), s.file("user_key"))
		c.Keyfile = ""
	})
	works("agent, when the key file is of no use", func(t *testing.T, c *Config) {
		startAgent(t, s.file("user_key"))
		c.Keyfile = s.file("other")
	})
	works("agent that is gone", func(t *testing.T, c *Config) {
		t.Setenv("SSH_AUTH_SOCK", s.file("nothing"))
	})

	fails := func(name string, change func(*testing.T, *Config), words ...string) {
		t.Run(name, func(t *testing.T) {
			c := good
			change(t, &c)
			refused(t, c, ErrAuth, words...)
		})
	}
	fails("wrong key", func(_ *testing.T, c *Config) { c.Keyfile = s.file("other") }, s.addr(), s.file("other"))
	fails("wrong passphrase", func(_ *testing.T, c *Config) { c.Keyfile, c.Password = s.file("locked"), secret.New("no") }, s.file("locked"), "passphrase")
	fails("wrong PEM passphrase", func(_ *testing.T, c *Config) { c.Keyfile, c.Password = s.file("locked_pem"), secret.New("no") }, s.file("locked_pem"), "passphrase")
	t.Run("many wrong PEM passphrases", func(t *testing.T) {
		for i := range 2000 { // about eight of them decrypt to bytes that are no key
			if _, _, err := readKey(s.file("locked_pem"), fmt.Sprint(i)); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "passphrase") {
				t.Fatalf("%d: %v", i, err)
			}
		}
	})
	fails("no passphrase", func(_ *testing.T, c *Config) { c.Keyfile = s.file("locked") }, s.file("locked"), "encrypted")
	fails("no such file", func(_ *testing.T, c *Config) { c.Keyfile = s.file("none") }, s.file("none"))
	fails("public key instead", func(_ *testing.T, c *Config) { c.Keyfile = s.file("user_key.pub") }, s.file("user_key.pub"), "not a private key")
	fails("no key", func(_ *testing.T, c *Config) { c.Keyfile = "" }, "nothing (no Keyfile")
	fails("unknown user", func(_ *testing.T, c *Config) { c.Target = "nobody-of-that-name@" + s.addr() }, "nobody-of-that-name")
}

// startAgent starts a real agent that holds the keys.
func startAgent(t *testing.T, keys ...string) {
	t.Helper()
	dir := peertest.SocketDir(t)
	sock := filepath.Join(dir, "s")
	agent := exec.Command(need(t, "ssh-agent", "openssh-client"), "-D", "-a", sock)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
	})
	eventually(t, "the agent answers", func() bool {
		c, err := net.Dial("unix", sock)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	t.Setenv("SSH_AUTH_SOCK", sock)
	for _, key := range keys {
		run(t, need(t, "ssh-add", "openssh-client"), "-q", key)
	}
}

// The password is checked by OpenSSH itself.
func TestPasswordLogin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the account with the password is nss_wrapper's, and that is for Linux")
	}
	s := newSSHD(t, "PasswordAuthentication yes")
	c := s.config(serve(t, "127.0.0.1:0", echo))
	c.Keyfile = ""
	t.Run("wrong password", func(t *testing.T) {
		c := c
		c.Password = secret.New("wr0ng-Passw0rd")
		err := refused(t, c, ErrAuth, c.Target, "the password")
		if strings.Contains(err.Error(), c.Password.Reveal()) {
			t.Errorf("the error shows the password: %v", err)
		}
	})
	c.Password = secret.New(password)
	t.Run("password", func(t *testing.T) { talks(t, open(t, c)) })
	t.Run("key file that is of no use, then password", func(t *testing.T) {
		c := c
		keygen(t, "ed25519", "", s.file("other"))
		c.Keyfile = s.file("other")
		talks(t, open(t, c))
	})
	t.Run("agent full of other keys, then password", func(t *testing.T) {
		var keys []string
		for i := range 8 {
			keys = append(keys, s.file("agent"+strconv.Itoa(i)))
			keygen(t, "ed25519", "", keys[i])
		}
		startAgent(t, keys...)
		talks(t, open(t, c))
	})
	t.Run("password again after the server was killed", func(t *testing.T) {
		tunnel := open(t, c)
		old := talks(t, tunnel)
		s.kill()
		ends(t, old)
		s.start()
		talks(t, tunnel)
	})
}
