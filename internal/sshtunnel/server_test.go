package sshtunnel

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/vidgear-go/netgear/internal/secret"
)

// fakeServer is an SSH server of x/crypto/ssh, for what OpenSSH does only with
// the machine's own PAM, or not at all. It refuses all forwarding.
type fakeServer struct {
	addr   string
	hangUp bool            // as soon as a client is authenticated
	asked  chan<- struct{} // if set: receives a value for each forwarding request, which is not answered
	logins atomic.Int32

	mu       sync.Mutex
	attempts []string // "method:password" or "method:answer", in order
}

func (f *fakeServer) note(attempt string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts = append(f.attempts, attempt)
}

func (f *fakeServer) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.attempts)
}

// newFakeServer starts a server with conf, to which it adds a host key.
func newFakeServer(t *testing.T, f *fakeServer, conf *ssh.ServerConfig) *fakeServer {
	t.Helper()
	alone(t)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	conf.AddHostKey(signer)
	f.addr = serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		conn, channels, requests, err := ssh.NewServerConn(c, conf)
		if err != nil {
			return
		}
		f.logins.Add(1)
		if f.hangUp {
			conn.Close()
		}
		go ssh.DiscardRequests(requests)
		for ch := range channels {
			if f.asked != nil {
				f.asked <- struct{}{}
				continue
			}
			ch.Reject(ssh.Prohibited, "not here")
		}
	})
	return f
}

func (f *fakeServer) config(password string) Config {
	return Config{Target: "joe@" + f.addr, Password: secret.New(password), InsecureIgnoreHostKey: true, Remote: "127.0.0.1:1"}
}

// asking starts a server that asks questions, as PAM does through sshd.
func asking(f *fakeServer, right []string, questions []string, echos []bool) *ssh.ServerConfig {
	return &ssh.ServerConfig{
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			for i, question := range questions {
				answers, err := ask("", "", []string{question}, echos[i:i+1])
				if err != nil {
					return nil, err
				}
				f.note("keyboard-interactive:" + answers[0])
				if answers[0] != right[i] {
					return nil, errors.New("wrong")
				}
			}
			return nil, nil
		},
	}
}

func TestKeyboardInteractive(t *testing.T) {
	t.Run("password", func(t *testing.T) {
		f := new(fakeServer)
		newFakeServer(t, f, asking(f, []string{"secret"}, []string{"Password: "}, []bool{false}))
		open(t, f.config("secret"))
	})
	t.Run("wrong password", func(t *testing.T) {
		f := new(fakeServer)
		newFakeServer(t, f, asking(f, []string{"secret"}, []string{"Password: "}, []bool{false}))
		refused(t, f.config("guess"), ErrAuth, "joe@"+f.addr)
	})
	t.Run("the password does not go into the field for the code", func(t *testing.T) {
		f := new(fakeServer)
		newFakeServer(t, f, asking(f, []string{"secret", "123456"}, []string{"Password: ", "Code: "}, []bool{false, false}))
		refused(t, f.config("secret"), ErrAuth)
		if seen := f.seen(); !slices.Equal(seen, []string{"keyboard-interactive:secret"}) {
			t.Errorf("answered %q", seen)
		}
	})
	t.Run("what the host says has the password in it", func(t *testing.T) {
		f := new(fakeServer)
		newFakeServer(t, f, asking(f, []string{"h0rse-battery", ""}, []string{"Password: ", "h0rse-battery is wrong: "}, []bool{false, false}))
		if err := refused(t, f.config("h0rse-battery"), ErrAuth); strings.Contains(err.Error(), "h0rse") || strings.Contains(fmt.Sprintf("%#v", err), "h0rse") {
			t.Errorf("it is in: %v", err)
		}
	})
	t.Run("nor into one that is shown", func(t *testing.T) {
		f := new(fakeServer)
		newFakeServer(t, f, asking(f, []string{"joe"}, []string{"Name: "}, []bool{true}))
		refused(t, f.config("secret"), ErrAuth)
		if seen := f.seen(); len(seen) > 0 {
			t.Errorf("answered %q", seen)
		}
	})
}

// The passphrase of a key file must not be tried as the account's password.
func TestPassphraseStaysHere(t *testing.T) {
	f := new(fakeServer)
	newFakeServer(t, f, &ssh.ServerConfig{
		PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			f.note("password:" + string(password))
			return nil, errors.New("no")
		},
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return nil, errors.New("no")
		},
	})
	c := f.config("open sesame")
	dir := t.TempDir()
	c.Keyfile = dir + "/locked"
	keygen(t, "ed25519", "open sesame", c.Keyfile)
	err := refused(t, c, ErrAuth, c.Keyfile)
	if seen := f.seen(); len(seen) > 0 {
		t.Errorf("the server was given %q", seen)
	}
	if strings.Contains(err.Error(), "open sesame") {
		t.Errorf("the error shows it: %v", err)
	}
	c.Keyfile = dir + "/plain" // with this one, Password is a password
	keygen(t, "ed25519", "", c.Keyfile)
	refused(t, c, ErrAuth)
	if seen := f.seen(); !slices.Equal(seen, []string{"password:open sesame"}) {
		t.Errorf("the server was given %q", seen)
	}
}

// A host that hangs up after authentication is redialed with pauses.
func TestBackoff(t *testing.T) {
	f := newFakeServer(t, &fakeServer{hangUp: true}, &ssh.ServerConfig{NoClientAuth: true})
	tunnel := open(t, f.config("x"))
	eventually(t, "redials", func() bool { return f.logins.Load() >= 3 })
	time.Sleep(time.Second) // the time that passes is what is tested
	if n := f.logins.Load(); n > 6 {
		t.Errorf("%d logins", n)
	}
	closed(t, tunnel)
}

// An SSH host that is slow to reach the remote end does not delay Close.
func TestCloseWhileForwardingIsPending(t *testing.T) {
	asked := make(chan struct{}, 1)
	f := newFakeServer(t, &fakeServer{asked: asked}, &ssh.ServerConfig{NoClientAuth: true})
	tunnel := open(t, f.config("x"))
	c := connect(t, tunnel)
	<-asked
	closed(t, tunnel)
	ends(t, c)
}
