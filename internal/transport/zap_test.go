package transport

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// curve is a pair of CURVE keys.
type curve struct{ public, secret string }

func newCurve(t *testing.T) (c curve) {
	t.Helper()
	var err error
	if c.public, c.secret, err = zmq4.NewCurveKeypair(); err != nil {
		t.Fatal(err)
	}
	return c
}

// setup returns the function that sets a socket's keys; server is the server's
// public key, and empty at the server.
func (c curve) setup(t *testing.T, server string) func(*zmq4.Socket) error {
	return func(s *zmq4.Socket) error {
		errs := []error{s.SetCurvePublickey(c.public), s.SetCurveSecretkey(c.secret)}
		if server == "" {
			errs = append(errs, s.SetCurveServer(1))
		} else {
			errs = append(errs, s.SetCurveServerkey(server))
		}
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	}
}

// lockedBuffer is a bytes.Buffer that goroutines share.
type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

// The authentication handler has trouble with its socket: peers whose keys are
// known are admitted, and no others.
func TestZAPTrouble(t *testing.T) {
	shared, err := acquireContext(asksHandler)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.release()
	z, err := openZAP(shared.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var troubles atomic.Int32
	receive := z.receive
	z.receive = func(m *zmsg.Msg) error {
		if troubles.Add(1)%3 != 0 {
			return syscall.ENOMEM
		}
		return receive(m)
	}
	process.Lock()
	process.zap = z
	go z.run()
	process.Unlock()

	var log lockedBuffer
	server, known, unknown := newCurve(t), newCurve(t), newCurve(t)
	listen, err := Open(Config{Kind: zmq4.REP, Bind: true, Setup: server.setup(t, ""), Secure: true, Server: true,
		Access: &AccessList{Keys: keySet{known.public: true}}, MaxMessage: 1 << 10, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, []string{"tcp://127.0.0.1:0"}, func(Event) {})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for keys, want := range map[curve]EventKind{unknown: AuthFailed, known: Connected} {
			first := make(chan EventKind, 1)
			dial, err := Open(Config{Kind: zmq4.REQ, Setup: keys.setup(t, server.public), Secure: true, MaxMessage: 1 << 10}, listen.Endpoints, func(e Event) {
				select {
				case first <- e.Kind:
				default:
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-first:
				if got != want {
					t.Errorf("%v instead of %v", got, want)
				}
			case <-time.After(10 * time.Second):
				t.Errorf("no %v", want)
			}
			dial.Shut(0)
		}
	}
	listen.Shut(0)
	if troubles.Load() < 6 || !strings.Contains(log.String(), "authentication handler has trouble") {
		t.Errorf("%d troubles; the log has %q", troubles.Load(), log.String())
	}
}

// The handler rejects a request that makes no sense, and does not panic.
func TestZAPRequests(t *testing.T) {
	z := &zapHandler{gates: map[string]*gate{"secure": {access: &AccessList{}}, "plain": {}}}
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
		reply, g := z.evaluate(c.request)
		if reply.code != c.code || (g != nil) != (c.code == "200") {
			t.Errorf("%q: %s %s", c.request, reply.code, reply.text)
		}
	}
}
