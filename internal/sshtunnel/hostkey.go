package sshtunnel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostCheck checks the host key of one connection against known_hosts.
type hostCheck struct {
	to         target
	files      []string // as configured, for the error texts
	algorithms []string // what to ask the host for; nil: anything
	verify     ssh.HostKeyCallback

	mu  sync.Mutex // check runs on a goroutine of the handshake
	ok  bool
	err error
}

// newHostCheck reads the files anew, so that a redial sees what was added.
func newHostCheck(c Config, to target) (*hostCheck, error) {
	h := &hostCheck{to: to}
	if c.InsecureIgnoreHostKey {
		h.verify = ssh.InsecureIgnoreHostKey()
		return h, nil
	}
	files := c.KnownHosts
	if len(files) == 0 {
		files = []string{"~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"}
	}
	var there []string
	for _, file := range files {
		file = expandHome(file)
		h.files = append(h.files, file)
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			there = append(there, file)
		}
	}
	verify, err := knownhosts.New(there...)
	if err != nil { // an unreadable file or a broken line: guessing is not an option
		return nil, fmt.Errorf("%w: %s: %w", ErrHostKey, to, err)
	}
	h.verify = verify
	h.algorithms = h.wanted()
	return h, nil
}

// name is the host as known_hosts has it.
func (h *hostCheck) name() string {
	t := h.to
	t.host = strings.ToLower(t.host)
	return t.addr()
}

// wanted orders the algorithms so that the host shows a key that is known, if
// it has one: most hosts have keys of several types, and a known_hosts file
// often has just one of them. Types that are not known come last rather than
// not at all, so that a host that lost the known key can be named and shown.
func (h *hostCheck) wanted() []string {
	// A key that no file contains makes the check list those it would accept.
	var mismatch *knownhosts.KeyError
	errors.As(h.verify(h.name(), new(net.TCPAddr), noKey{}), &mismatch)
	known, authority := map[string]bool{}, false
	if mismatch != nil {
		for _, k := range mismatch.Want {
			if isAuthority(k) {
				authority = true
			} else {
				known[k.Key.Type()] = true
			}
		}
	}
	var certificates, first, last []string
	for _, algo := range ssh.SupportedAlgorithms().HostKeys {
		keyType := algo
		if algo == ssh.KeyAlgoRSASHA256 || algo == ssh.KeyAlgoRSASHA512 {
			keyType = ssh.KeyAlgoRSA // one key, three kinds of signature
		}
		switch {
		case strings.Contains(algo, "-cert-"):
			certificates = append(certificates, algo)
		case known[keyType]:
			first = append(first, algo)
		default:
			last = append(last, algo)
		}
	}
	if !authority {
		certificates = nil // nothing to check them with
	}
	return slices.Concat(certificates, first, last)
}

// isAuthority tells whether a line of known_hosts names an authority that signs
// host keys rather than a host's key. knownhosts does not tell them apart.
func isAuthority(k knownhosts.KnownKey) bool {
	text, err := os.ReadFile(k.Filename)
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return k.Line <= len(lines) && strings.HasPrefix(strings.TrimSpace(lines[k.Line-1]), "@cert-authority")
}

// noKey is a host key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("not a key") }

// check is the handshake's ssh.HostKeyCallback.
func (h *hostCheck) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	err := h.verify(h.name(), remote, key)
	if err != nil {
		err = h.explain(key, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ok, h.err = err == nil, err
	return err
}

// accepted tells whether the host has shown a key, and a good one.
func (h *hostCheck) accepted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ok
}

// refusal is why the host's key was refused; nil if it was not.
func (h *hostCheck) refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// explain turns knownhosts' errors into ones that say what to do.
func (h *hostCheck) explain(key ssh.PublicKey, err error) error {
	shown := describe(key)
	var revoked *knownhosts.RevokedError
	if errors.As(err, &revoked) {
		return fmt.Errorf("%w: %s shows the %s, which %s:%d marks as revoked. Nothing was sent", ErrHostKeyChanged, h.to, shown, revoked.Revoked.Filename, revoked.Revoked.Line)
	}
	var mismatch *knownhosts.KeyError
	if !errors.As(err, &mismatch) { // a certificate that does not hold
		return fmt.Errorf("%w: %s shows the %s: %w", ErrHostKey, h.to, shown, err)
	}
	if len(mismatch.Want) == 0 {
		return fmt.Errorf("%w: %s is not in %s. It shows the %s: compare that fingerprint with one obtained from the host itself (ssh-keygen -l -f on its public host key), and if it is the same, add the key: echo %s >> %s",
			ErrHostKey, h.to, strings.Join(h.files, " or "), shown, quote(knownhosts.Line([]string{h.name()}, key)), quote(h.files[0]))
	}
	var want []string
	for _, k := range mismatch.Want {
		want = append(want, fmt.Sprintf("the %s (%s:%d)", describe(k.Key), k.Filename, k.Line))
	}
	return fmt.Errorf("%w: %s shows the %s, but what is known is %s. Either the host was set up anew, or somebody in between is pretending to be it. Nothing was sent. Only when you know why it changed, drop the old key: ssh-keygen -R '%s' -f %s",
		ErrHostKeyChanged, h.to, shown, strings.Join(want, " and "), knownhosts.Normalize(h.name()), mismatch.Want[0].Filename)
}

// quote makes one word of text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func describe(key ssh.PublicKey) string {
	return key.Type() + " key " + ssh.FingerprintSHA256(key)
}
