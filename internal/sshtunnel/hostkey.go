package sshtunnel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/vidgear-go/netgear/internal/regular"
)

// hostCheck checks the host key of one connection against known_hosts.
type hostCheck struct {
	to         target
	files      []string // as configured, for the error texts
	algorithms []string // requested from the host; nil: any
	verify     ssh.HostKeyCallback
	// authorities are the lines, as FILE:LINE, of authorities that sign host
	// keys. Package knownhosts does not distinguish them from lines of host
	// keys.
	authorities map[string]bool

	mu  sync.Mutex // check runs on a goroutine of the handshake
	ok  bool
	err error
}

// newHostCheck reads the files each time, so that a redial uses added lines.
func newHostCheck(c Config, to target) (*hostCheck, error) {
	h := &hostCheck{to: to, authorities: map[string]bool{}}
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
		switch text, err := regular.Read(file, maxFile); {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("%w: %s: %w", ErrHostKey, to, err)
		default:
			there = append(there, file)
			h.noteAuthorities(file, string(text))
		}
	}
	verify, err := knownhosts.New(there...)
	if err != nil { // an unreadable file or an invalid line is an error
		return nil, fmt.Errorf("%w: %s: %w", ErrHostKey, to, err)
	}
	h.verify = verify
	h.algorithms = h.preferred()
	return h, nil
}

// name is the host in known_hosts' form.
func (h *hostCheck) name() string {
	t := h.to
	t.host = strings.ToLower(t.host)
	return t.addr()
}

// preferred returns the algorithms in an order that makes the host use a key of
// known_hosts if it can. Most hosts have keys of several types, and a
// known_hosts file often has only one of them. Types that the file lacks are
// last, not left out: an error can then name the other key of a host that lost
// the known one.
func (h *hostCheck) preferred() []string {
	known, authority := map[string]bool{}, false
	for _, k := range h.known() {
		if h.isAuthority(k) {
			authority = true
		} else {
			known[k.Key.Type()] = true
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
		certificates = nil // no authority to check them with
	}
	return slices.Concat(certificates, first, last)
}

// maxFile limits the size of a known_hosts or key file, in bytes.
const maxFile = 16 << 20

func (h *hostCheck) noteAuthorities(file, text string) {
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "@cert-authority") {
			h.authorities[place(file, i+1)] = true
		}
	}
}

func place(file string, line int) string { return file + ":" + strconv.Itoa(line) }

// isAuthority reports whether a line of known_hosts is for an authority.
func (h *hostCheck) isAuthority(k knownhosts.KnownKey) bool {
	return h.authorities[place(k.Filename, k.Line)]
}

// known returns the lines for this host.
func (h *hostCheck) known() []knownhosts.KnownKey {
	// For a key that no file contains, the check's error lists the accepted
	// keys.
	var mismatch *knownhosts.KeyError
	if errors.As(h.verify(h.name(), new(net.TCPAddr), noKey{}), &mismatch) {
		return mismatch.Want
	}
	return nil
}

// decide checks a key. It refuses what package knownhosts accepts wrongly: a
// certificate whose key is revoked, and an authority's key used as a host key.
func (h *hostCheck) decide(remote net.Addr, key ssh.PublicKey) error {
	if h.files == nil { // InsecureIgnoreHostKey
		return nil
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		for _, inside := range []ssh.PublicKey{cert.Key, cert.SignatureKey} {
			var revoked *knownhosts.RevokedError
			if err := h.verify(h.name(), remote, inside); errors.As(err, &revoked) {
				return err
			}
		}
		return h.verify(h.name(), remote, key)
	}
	if err := h.verify(h.name(), remote, key); err != nil {
		return err
	}
	known := h.known()
	own := slices.DeleteFunc(slices.Clone(known), h.isAuthority)
	if slices.ContainsFunc(own, func(k knownhosts.KnownKey) bool { return bytes.Equal(k.Key.Marshal(), key.Marshal()) }) {
		return nil
	}
	return &knownhosts.KeyError{Want: known}
}

// noKey is a host key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("not a key") }

// check is the handshake's ssh.HostKeyCallback.
func (h *hostCheck) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	err := h.decide(remote, key)
	if err != nil {
		err = h.explain(key, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ok, h.err = err == nil, err
	return err
}

// accepted reports whether the host has presented an accepted key.
func (h *hostCheck) accepted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ok
}

// refusal returns why the host's key was refused, or nil.
func (h *hostCheck) refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// explain converts knownhosts' errors to ones that describe what to do.
func (h *hostCheck) explain(key ssh.PublicKey, err error) error {
	shown := describe(key)
	var revoked *knownhosts.RevokedError
	if errors.As(err, &revoked) {
		return fmt.Errorf("%w: %s shows the %s, which %s:%d marks as revoked. Nothing was sent", ErrHostKeyChanged, h.to, shown, revoked.Revoked.Filename, revoked.Revoked.Line)
	}
	var mismatch *knownhosts.KeyError
	if !errors.As(err, &mismatch) { // an invalid certificate
		return fmt.Errorf("%w: %s shows the %s: %w", ErrHostKey, h.to, shown, err)
	}
	if len(mismatch.Want) == 0 {
		return fmt.Errorf("%w: %s is not in %s. It shows the %s: compare that fingerprint with one obtained from the host itself (ssh-keygen -l -f on its public host key), and if it is the same, add the key: echo %s >> %s",
			ErrHostKey, h.to, strings.Join(h.files, " or "), shown, quote(knownhosts.Line([]string{h.name()}, key)), quote(h.files[0]))
	}
	var want []string
	for _, k := range mismatch.Want {
		what := describe(k.Key)
		if h.isAuthority(k) {
			what = "authority " + what + ", which signs host keys,"
		}
		want = append(want, fmt.Sprintf("the %s (%s:%d)", what, k.Filename, k.Line))
	}
	return fmt.Errorf("%w: %s shows the %s, but what is known is %s. Either the host was set up anew, or somebody in between is pretending to be it. Nothing was sent. Only when you know why it changed, drop the old key: ssh-keygen -R '%s' -f %s",
		ErrHostKeyChanged, h.to, shown, strings.Join(want, " and "), knownhosts.Normalize(h.name()), mismatch.Want[0].Filename)
}

// quote returns text as one word for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func describe(key ssh.PublicKey) string {
	return key.Type() + " key " + ssh.FingerprintSHA256(key)
}
