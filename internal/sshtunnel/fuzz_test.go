package sshtunnel

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/vidgear-go/netgear/internal/alloctest"
)

// FuzzTarget reads SSH targets. What can be read is written as it reads, and an
// error does not quote the text, which may have a password.
func FuzzTarget(f *testing.F) {
	for _, text := range []string{
		"joe@host", "joe@host:2222", "host", "joe@[::1]:22", "[::1]", "::1", "joe@[fe80::1%eth0]:1", "", "@", "joe:secret@host",
		"joe@a:0", "joe@a:65536", "joe@a b", "a@b@c", "[a", "a]", "[]:1", "joe@-oProxyCommand=x",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		to, err := parseTarget(text)
		if err != nil {
			if quoted := "must be user@host, user@host:port or a host alone: "; !strings.HasPrefix(err.Error(), quoted) || len(err.Error()) > 200 ||
				len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if again, err := parseTarget(to.String()); err != nil || again != to || to.host == "" || to.port == 0 {
			t.Errorf("%q: %+v is read again as %+v, %v", text, to, again, err)
		}
	})
}

// plainHost matches hosts that are no patterns in known_hosts.
var plainHost = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)

// hostKeys returns two keys of hosts.
func hostKeys(tb testing.TB) (keys [2]ssh.PublicKey) {
	for i := range keys {
		private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, ed25519.SeedSize))
		key, err := ssh.NewPublicKey(private.Public())
		if err != nil {
			tb.Fatal(err)
		}
		keys[i] = key
	}
	return keys
}

// FuzzKnownHosts checks a host key against files of known hosts. A key that is
// accepted is in the file, and a line that is added for a host makes its key
// accepted.
func FuzzKnownHosts(f *testing.F) {
	keys := hostKeys(f)
	line := knownhosts.Line([]string{"host"}, keys[0])
	for _, text := range []string{
		"", line, line + "\n" + knownhosts.Line([]string{"host"}, keys[1]), "@revoked " + line, "@cert-authority " + line, "# x\n\n" + line + " comment\r\n",
		knownhosts.Line([]string{knownhosts.HashHostname("host")}, keys[0]), strings.Replace(line, "host", "*,!host", 1),
		strings.Replace(line, "host", "[host]:2222,h?st", 1), "host ssh-ed25519 AAAA", "host", "|1|x|y z", "@x " + line, line[:len(line)-9],
	} {
		f.Add([]byte(text), "host")
	}
	f.Add([]byte(line), "[::1]:22")
	f.Add([]byte(line), "HOST:2222")
	path := filepath.Join(f.TempDir(), "known_hosts")
	encoded := base64.StdEncoding.EncodeToString(keys[0].Marshal())
	f.Fuzz(func(t *testing.T, text []byte, host string) {
		to, err := parseTarget("joe@" + host)
		if err != nil {
			return
		}
		check := func(text []byte) error {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			h, err := newHostCheck(Config{KnownHosts: []string{path}}, to)
			if err == nil {
				err = h.check("", new(net.TCPAddr), keys[0])
			}
			if err != nil && !errors.Is(err, ErrHostKey) {
				t.Errorf("%q: %v", text, err)
			}
			return err
		}
		alloctest.AtMost(t, "known hosts", 256*len(text)+1<<19, func() { err = check(text) })
		if err == nil && !bytes.Contains(text, []byte(encoded)) {
			t.Errorf("%q: the key of %q is accepted", text, host)
		}
		// Unless another line has it revoked, or the file cannot be read.
		if h, err := newHostCheck(Config{KnownHosts: []string{path}}, to); err != nil || !plainHost.MatchString(to.host) || bytes.Contains(text, []byte("@revoked")) {
			return
		} else if err := check(append(bytes.Clone(text), "\n"+knownhosts.Line([]string{h.name()}, keys[0])...)); err != nil {
			t.Errorf("%q: the key of %q was added, and is refused: %v", text, host, err)
		}
	})
}
