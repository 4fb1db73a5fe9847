package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/certs"
	"github.com/vidgear-go/netgear/internal/zmtp"
)

// guest is a peer with keys of its own.
type guest struct {
	keyring
	file string // in the receive end's public_keys
}

// newGuest returns a peer whose key the end does not admit yet.
func (l *live) newGuest(name string) guest {
	l.t.Helper()
	dir, err := netgear.CertificateDir(l.o.CustomCertLocation)
	if err != nil {
		l.t.Fatal(err)
	}
	g := guest{l.keysOf(l.t), filepath.Join(certs.PublicDir(dir), name+".key")}
	g.own = zmtp.NewKeys()
	return g
}

// admit puts the key into the folder, in one step.
func (g guest) admit(t testing.TB) {
	t.Helper()
	text := "metadata\ncurve\n    public-key = \"" + zmq4.Z85encode(string(g.own.Public[:])) + "\"\n"
	if err := os.WriteFile(g.file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(g.file+".new", g.file); err != nil {
		t.Fatal(err)
	}
}

// revoke takes the key out of the folder.
func (g guest) revoke(t testing.TB) {
	t.Helper()
	if err := os.Remove(g.file); err != nil {
		t.Fatal(err)
	}
}

// secureReceiver returns a receive end in IronHouse mode that listens, with a
// folder of its own.
func secureReceiver(t *testing.T, pattern netgear.Pattern) *live {
	o := base()
	o.ReceiveMode, o.Pattern, o.SecureMode, o.CustomCertLocation = true, pattern, netgear.IronHouse, t.TempDir()
	if pattern == netgear.PushPull {
		o.Wire = netgear.AsyncWire
	}
	if _, err := netgear.CreateCertificates(o.CustomCertLocation); err != nil {
		t.Fatal(err)
	}
	return open(t, o)
}

var allPatterns = []netgear.Pattern{netgear.Pair, netgear.ReqRep, netgear.PubSub, netgear.PushPull}

// TestAccessWhilePending changes the access list while a handshake is pending,
// after WELCOME. What counts is the list when INITIATE arrives: a key that was
// taken out by then is refused, and one that was added is admitted.
func TestAccessWhilePending(t *testing.T) {
	times := 3
	if long() {
		times = rounds(300)
	}
	for _, pattern := range allPatterns {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			l := secureReceiver(t, pattern)
			g := l.newGuest("guest")
			for i := range times {
				if i%2 == 1 {
					g.admit(t)
				}
				// A change may take a second to be noticed if the folder's time stays
				// the same, as it does within one tick of the clock.
				l.pendingHandshake(g.keyring, func() {
					if i%2 == 0 {
						g.admit(t)
					} else {
						g.revoke(t)
					}
					time.Sleep(10 * time.Millisecond)
				}, i%2 == 0)
				if i%2 == 0 {
					g.revoke(t)
				}
				time.Sleep(10 * time.Millisecond)
				l.serve()
			}
		})
	}
}

// handshakeLimit is how long an end waits for a handshake
// (internal/transport/gate.go).
const handshakeLimit = 5 * time.Second

// pendingHandshake performs a handshake up to WELCOME, calls change, and checks
// whether the rest succeeds.
func (l *live) pendingHandshake(keys keyring, change func(), admitted bool) {
	l.t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+l.o.Port)
	if err != nil {
		l.t.Fatal(err)
	}
	defer leave(c, 2)
	began := time.Now()
	c.SetDeadline(began.Add(waitLimit))
	client := zmtp.NewCurveClient(keys.own, keys.server)
	err = greeted(func(l *live, c net.Conn, _ keyring, _ string) error { return l.upToWelcome(c, client) })(l, c, keys, "")
	if err != nil {
		l.t.Fatal(err)
	}
	change()
	if err := writeAll(c, initiateOf(l, client)); err != nil {
		l.t.Fatal(err)
	}
	name, body, err := zmtp.ReadCommand(c)
	if took := time.Since(began); errors.Is(err, io.EOF) && took > handshakeLimit {
		progress("%s: the process stood still, and the end did not wait for INITIATE: %v", l.t.Name(), took)
		return
	}
	if err != nil {
		l.t.Fatalf("no reply to INITIATE: %v; %s", err, l.counts())
	}
	if _, opened := client.Ready(body); (name == "READY" && opened) != admitted {
		l.t.Errorf("%s came, admitted should be %v", name, admitted)
	}
}

// TestAccessRaces admits and revokes keys in a loop, and replaces the whole
// folder, while peers connect: one whose key is always in the folder, some whose
// keys come and go, and one whose key never is. The last one never delivers
// anything. When the loop has ended, the list counts as it is.
func TestAccessRaces(t *testing.T) {
	connections := int64(60)
	if long() {
		connections = int64(rounds(20000))
	}
	for _, pattern := range allPatterns {
		t.Run(pattern.String(), func(t *testing.T) {
			t.Parallel()
			l := secureReceiver(t, pattern)
			var made atomic.Int64
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			connect := func(keys keyring, text string, seed int) {
				r := random(t, seed)
				all.Go(func() {
					for ctx.Err() == nil {
						l.hurry(r, keys, text)
						made.Add(1)
					}
				})
			}
			connect(l.newGuest("never").keyring, forbidden, 0)
			for i := range 3 {
				g := l.newGuest(fmt.Sprint("sometimes", i))
				connect(g.keyring, "sometimes", i+1)
				r := random(t, i+10)
				all.Go(func() {
					for ctx.Err() == nil {
						g.admit(t)
						time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
						g.revoke(t)
						time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
					}
				})
			}
			// The good peer's key is in the folder all the while.
			for served := int64(0); made.Load() < connections; served++ {
				l.serve()
			}
			cancel()
			all.Wait()
			l.serve()
			progress("%s: %d connections, %d times a good peer; %s", t.Name(), made.Load(), l.served, l.counts())
		})
	}
}

// hurry connects, and may leave in any step.
func (l *live) hurry(r *rand.Rand, keys keyring, text string) {
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+l.o.Port, time.Second)
	if err != nil {
		return
	}
	c.SetDeadline(time.Now().Add(peerTimeout))
	at := -1
	if r.IntN(2) == 0 {
		at = r.IntN(700)
	}
	l.converse(&tampered{Conn: c, at: at}, keys, text)
	leave(c, r.IntN(4))
}

// TestReplacedFolder replaces the folder of certificates again and again while
// peers connect with the keys of the first one. The end keeps its own keys, and
// admits those that are in the folder now: a client's old key is refused from
// then on.
func TestReplacedFolder(t *testing.T) {
	times := 3
	if long() {
		times = rounds(200)
	}
	l := secureReceiver(t, netgear.ReqRep)
	old := l.keysOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	var connecting sync.WaitGroup
	for i := range 2 {
		r := random(t, i)
		connecting.Go(func() {
			for ctx.Err() == nil {
				l.hurry(r, old, "the first key")
			}
		})
	}
	for range times {
		if _, err := netgear.ReplaceCertificates(l.o.CustomCertLocation); err != nil {
			t.Fatal(err)
		}
		// The new client's key, with the server's key that the end still has.
		current := l.keysOf(t)
		current.server = old.server
		await(t, "the new key to be admitted", func() bool { return l.tries(current) })
		await(t, "the old key to be refused", func() bool { return !l.tries(old) })
	}
	cancel()
	connecting.Wait()
}

// tries reports whether a handshake with some keys succeeds.
func (l *live) tries(keys keyring) bool {
	c, err := net.Dial("tcp", "127.0.0.1:"+l.o.Port)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(waitLimit))
	_, err = l.shakeHands(c, keys)
	return err == nil
}

// TestClosedInHandshakes closes ends of every pattern, with and without
// security, that listen and that connect, while handshakes are in every stage.
func TestClosedInHandshakes(t *testing.T) {
	times := 2
	if long() {
		times = rounds(200)
	}
	for _, target := range tcpTargets(t) {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			r := random(t, 0)
			for range times {
				target.closeInHandshakes(t, r)
			}
		})
	}
}

func (e target) closeInHandshakes(t *testing.T, r *rand.Rand) {
	l := open(t, e.o)
	var keys keyring
	if e.o.SecureMode != netgear.Grasslands {
		keys = l.keysOf(t)
	}
	next, stop := l.connections()
	ctx, cancel := context.WithCancel(t.Context())
	var peers sync.WaitGroup
	for range 4 {
		r := rand.New(rand.NewPCG(r.Uint64(), 0))
		peers.Go(func() {
			for ctx.Err() == nil {
				c, err := next()
				if err != nil {
					continue
				}
				c.SetDeadline(time.Now().Add(peerTimeout))
				l.converse(&tampered{Conn: c, at: r.IntN(700)}, keys, "closed")
				leave(c, r.IntN(4))
			}
		})
	}
	if !e.o.ReceiveMode {
		peers.Go(func() {
			for ctx.Err() == nil {
				_, err := l.SendArray(ctx, small, nil)
				l.checkIfError(err)
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond) // any moment
	l.close()
	cancel()
	stop()
	peers.Wait()
}
