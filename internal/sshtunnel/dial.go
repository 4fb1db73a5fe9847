package sshtunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/vidgear-go/netgear/internal/regular"
)

// target is Config.Target, parsed.
type target struct {
	user, host string
	port       uint16
}

func (t target) addr() string   { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }
func (t target) String() string { return t.user + "@" + t.addr() }

// CheckTarget returns why s is no Config.Target, or nil.
func CheckTarget(s string) error {
	_, err := parseTarget(s)
	return err
}

// parseTarget reads [user@]host[:port]. Its errors do not quote it.
func parseTarget(s string) (target, error) {
	bad := func(why string) (target, error) {
		return target{}, fmt.Errorf("must be user@host, user@host:port or a host alone: %s", why)
	}
	t := target{port: 22}
	rest := s
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		t.user, rest = s[:i], s[i+1:]
		if t.user == "" {
			return bad("no user before the @")
		}
		if strings.ContainsAny(t.user, ":/ \t\r\n") {
			return bad("no proper user name (a password goes into SSHTunnelPwd)")
		}
	} else {
		me, err := user.Current()
		if err != nil {
			return bad("it has no user, and the current one is not known: " + err.Error())
		}
		t.user = me.Username[strings.LastIndexByte(me.Username, '\\')+1:] // DOMAIN\user on Windows
	}
	t.host = rest
	if strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]") { // IPv6 alone
		t.host = rest[1 : len(rest)-1]
	} else if strings.Contains(rest, ":") {
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			if net.ParseIP(rest) != nil {
				return bad("put the IPv6 address in brackets")
			}
			return bad("the port does not follow the host after one colon")
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad("the port is not a number from 1 to 65535")
		}
		t.host, t.port = host, uint16(n)
	}
	if t.host == "" || strings.ContainsAny(t.host, " \t\r\n/[]") {
		return bad("no proper host name")
	}
	return t, nil
}

// dial connects, checks the host key and authenticates. The caller owns the
// link.
func (t *Tunnel) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()

	hosts, err := newHostCheck(t.conf, t.to)
	if err != nil {
		return nil, err
	}
	auth, offered, done, err := t.auth(ctx)
	if err != nil {
		return nil, err
	}
	defer done()

	unreachable := func(err error) error {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, t.to, err)
	}
	tcp, err := new(net.Dialer).DialContext(ctx, "tcp", t.to.addr())
	if err != nil {
		return nil, unreachable(err)
	}
	// The handshake has no context parameter. Closing the connection ends it.
	stop := context.AfterFunc(ctx, func() { tcp.Close() })
	conn := &stampedConn{Conn: tcp, last: time.Now()}
	c, channels, requests, err := ssh.NewClientConn(conn, t.to.addr(), &ssh.ClientConfig{
		User:              t.to.user,
		Auth:              auth,
		HostKeyCallback:   hosts.check,
		HostKeyAlgorithms: hosts.algorithms,
	})
	if !stop() && err == nil {
		c.Close()
		err = ctx.Err()
	}
	if err == nil {
		return newLink(ssh.NewClient(c, channels, requests), conn, t.conf.KeepAlive), nil
	}
	tcp.Close()
	err = t.withoutPassword(err)
	if refusal := hosts.refusal(); refusal != nil {
		return nil, refusal
	}
	var broken net.Error
	if ctx.Err() != nil || !hosts.accepted() || errors.Is(err, io.EOF) || errors.As(err, &broken) {
		return nil, unreachable(err)
	}
	return nil, fmt.Errorf("%w: %s does not let us in with %s: %w", ErrAuth, t.to, offered, err)
}

// withoutPassword returns err, or another error if its text contains the
// password, because a host can send the password back. A very short password is
// in most texts by chance, so it is not searched for.
func (t *Tunnel) withoutPassword(err error) error {
	password := t.conf.Password.Reveal()
	if err == nil || len(password) < 4 || !strings.Contains(err.Error(), password) {
		return err
	}
	return errors.New("its text holds the password and is not shown")
}

// maxKeys is how many keys are tried before a password. OpenSSH's server hangs
// up after six attempts of any kind, and an agent may hold more keys.
const maxKeys = 4

// auth returns the authentication methods: the key file, the agent's keys, the
// default key files, then the password. offered is their list in words. done
// must be called after the handshake, in which the agent signs.
func (t *Tunnel) auth(ctx context.Context) (methods []ssh.AuthMethod, offered string, done func(), err error) {
	var keys []ssh.Signer
	var words []string
	password := t.conf.Password.Reveal()
	if t.conf.Keyfile != "" {
		key, encrypted, err := readKey(expandHome(t.conf.Keyfile), password)
		if err != nil {
			return nil, "", nil, err
		}
		if encrypted {
			password = "" // it is the passphrase, which is not sent to the server
		}
		keys = append(keys, key)
		words = append(words, "the key file "+t.conf.Keyfile)
	}
	agentKeys, done := t.agentKeys(ctx)
	if len(agentKeys) > 0 {
		keys = append(keys, agentKeys...)
		words = append(words, "the agent's keys")
	}
	if t.conf.Keyfile == "" {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			// Encrypted ones are left to the agent: Password is not their
			// passphrase.
			if key, _, err := readKey(expandHome("~/.ssh/"+name), ""); err == nil {
				keys = append(keys, key)
				words = append(words, "~/.ssh/"+name)
			}
		}
	}
	if password != "" && len(keys) > maxKeys {
		keys = keys[:maxKeys]
	}
	// One method for all keys: x/crypto/ssh tries each method once.
	if len(keys) > 0 {
		methods = append(methods, ssh.PublicKeys(keys...))
	}
	if password != "" {
		methods = append(methods, ssh.Password(password), ssh.KeyboardInteractive(answerOnce(password)))
		words = append(words, "the password")
	}
	if words == nil {
		words = append(words, "nothing (no Keyfile, no Password, no agent, no key in ~/.ssh)")
	}
	return methods, strings.Join(words, ", "), done, nil
}

// readKey reads a private key, and decrypts it with password if it is
// encrypted.
func readKey(file, password string) (key ssh.Signer, encrypted bool, err error) {
	pem, err := regular.Read(file, maxFile)
	if err != nil {
		return nil, false, fmt.Errorf("%w: key file: %w", ErrAuth, err)
	}
	key, err = ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if password == "" {
			return nil, true, fmt.Errorf("%w: key file %s is encrypted: give its passphrase as Password", ErrAuth, file)
		}
		key, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(password))
		// PEM's own encryption has no checksum. One wrong passphrase in 256
		// decrypts to bytes that are not a key, which look like a damaged key.
		if err != nil {
			return nil, true, fmt.Errorf("%w: key file %s cannot be read with Password as its passphrase: %w", ErrAuth, file, err)
		}
		encrypted = true
	}
	if err != nil {
		return nil, encrypted, fmt.Errorf("%w: key file %s is not a private key: %w", ErrAuth, file, err)
	}
	return key, encrypted, nil
}

// agentKeys returns the keys of the user's agent, none without an agent. The
// keys can sign until done or the end of ctx, as an agent may wait for its
// user.
func (t *Tunnel) agentKeys(ctx context.Context) (keys []ssh.Signer, done func()) {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return nil, func() {}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		t.log.Debug("ssh agent does not answer", "error", err)
		return nil, func() {}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	keys, err = agent.NewClient(conn).Signers()
	if err != nil {
		t.log.Debug("ssh agent lists no keys", "error", err)
	}
	return keys, func() {
		stop()
		conn.Close()
	}
}

// answerOnce answers the first hidden question with the password. A second one
// asks for a one-time code, or means that the password was wrong.
func answerOnce(password string) ssh.KeyboardInteractiveChallenge {
	asked := false
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		if asked || len(questions) > 1 || echos[0] {
			return nil, fmt.Errorf("the server asks %q, which Password does not answer", questions)
		}
		asked = true
		return []string{password}, nil
	}
}

// expandHome replaces a leading ~/ with the home folder.
func expandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
