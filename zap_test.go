package netgear

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/vidgear-go/netgear/internal/transport"
)

// The authentication handler has trouble with its socket: who is to be admitted
// is, and nobody else.
func TestZAPTrouble(t *testing.T) {
	var log bytes.Buffer
	var troubles atomic.Int32
	defer func(f func() error) { zapFault = f }(zapFault)
	zapFault = func() error {
		if troubles.Add(1)%3 != 0 {
			return syscall.ENOMEM
		}
		return nil
	}
	ours := keyFolder(t)
	recv := mustNew(t, Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0", Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer recv.Close()
	for range 2 {
		stranger := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: guestFolder(t, ours)})
		if _, err := stranger.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrAuth) {
			t.Errorf("a stranger: %v", err)
		}
		stranger.Close()
		send := mustNew(t, Options{Address: "127.0.0.1", Port: recv.Port(), Pattern: ReqRep, SecureMode: IronHouse, CustomCertLocation: ours})
		if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); err != nil {
			t.Error(err)
		}
		send.send.shut(0) // without a goodbye
		send.Close()
	}
	recv.Close()
	if troubles.Load() < 6 || !strings.Contains(log.String(), "authentication handler has trouble") {
		t.Errorf("%d troubles; the log says %q", troubles.Load(), log.String())
	}
}

// What asks the authentication handler nonsense gets a no, not a panic.
func TestZAPRequests(t *testing.T) {
	z := &zapHandler{doors: map[string]*door{"secure": {access: &transport.AccessList{}}, "plain": {}}}
	key := bytes.Repeat([]byte{7}, 32)
	b := func(s string) []byte { return []byte(s) }
	ask := func(version, domain, mechanism string, credentials ...[]byte) [][]byte {
		return append([][]byte{b("who"), nil, b(version), b("1"), b(domain), b("1.2.3.4"), nil, b(mechanism)}, credentials...)
	}
	for _, c := range []struct {
		request [][]byte
		code    string
	}{
		{nil, "500"}, {[][]byte{b("who")}, "500"}, {[][]byte{b("who"), nil, b("1.0")}, "500"},
		{ask("1.0", "secure", "CURVE", key[:31]), "500"},
		{ask("2.0", "secure", "CURVE", key), "500"},
		{ask("1.0", "secure", "PLAIN", b("u"), b("p")), "500"},
		{ask("1.0", "secure", "CURVE", key, key), "500"},
		{ask("1.0", "secure", "NULL"), "500"},
		{ask("1.0", "plain", "CURVE", key), "500"},
		{ask("1.0", "plain", "NULL", key), "500"},
		{ask("1.0", "other", "CURVE", key), "400"},
		{ask("1.0", "other", "NULL"), "400"},
		{ask("1.0", "secure", "CURVE", key), "200"},
		{ask("1.0", "plain", "NULL"), "200"},
	} {
		reply, d := z.judge(c.request)
		if reply.code != c.code || (d != nil) != (c.code == "200") {
			t.Errorf("%q: %s %s", c.request, reply.code, reply.text)
		}
	}
}

// A range of IPv4 addresses written as IPv6 denies them.
func TestMappedRangeIsDenied(t *testing.T) {
	location := keyFolder(t)
	_, send := openPair(t, Options{Pattern: ReqRep, SecureMode: StoneHouse, CustomCertLocation: location}, func(r, _ *Options) { r.DenyAddresses = []string{"::ffff:127.0.0.0/104"} })
	if _, err := send.SendArray(testContext(t), testArray(0, "uint8", 4, 4), nil); !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
	both := Options{ReceiveMode: true, SecureMode: StoneHouse, DenyAddresses: []string{"::ffff:0.0.0.0/90"}}
	if err := both.Validate(); !errors.Is(err, ErrOption) {
		t.Errorf("a range of IPv4 and IPv6 at once: %v", err)
	}
}
