package netgear

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/zmsg"
)

// admission decides who may connect to one secure receive end.
type admission struct {
	dir         string // IronHouse: the folder of public keys; "" admits every key
	allow, deny []netip.Prefix
	log         *slog.Logger

	mu   sync.Mutex
	keys map[string]bool // Z85 public keys, as of read
	read time.Time
	mod  time.Time
}

func newAdmission(o *Options, k *keys) *admission {
	// Validate has parsed them once already.
	allow, _ := prefixes(o.AllowAddresses)
	deny, _ := prefixes(o.DenyAddresses)
	return &admission{dir: k.publicDir, allow: allow, deny: deny, log: o.Logger}
}

// prefixes reads addresses and CIDR ranges.
func prefixes(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			if a := p.Addr(); a.Is4In6() { // peers come as plain IPv4
				if p.Bits() < 96 {
					return nil, fmt.Errorf("%q is IPv4 and IPv6 at once: give the IPv4 range as such", text)
				}
				p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
			}
			all = append(all, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", text)
		}
		all = append(all, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	return all, nil
}

// admits says whether a peer may connect, and if not why.
func (a *admission) admits(address string, publicKey []byte) (bool, string) {
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	ip = ip.Unmap().WithZone("")
	within := func(list []netip.Prefix) bool {
		for _, p := range list {
			// No address (ipc) is in no list.
			if err == nil && p.Contains(ip) {
				return true
			}
		}
		return false
	}
	switch {
	case within(a.deny):
		return false, "address denied"
	case len(a.allow) > 0 && !within(a.allow):
		return false, "address not allowed"
	case a.dir != "" && !a.knows(zmq4.Z85encode(string(publicKey))):
		return false, "unknown key"
	}
	return true, "OK"
}

// knows looks the key up in the folder as it is now: keys may be added and
// removed while the end runs. A burst of handshakes reads it once a moment.
func (a *admission) knows(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	var mod time.Time
	if info, err := os.Stat(a.dir); err == nil {
		mod = info.ModTime()
	}
	if a.keys == nil || !mod.Equal(a.mod) || time.Since(a.read) > time.Second {
		a.keys, a.read, a.mod = readPublicKeys(a.dir), time.Now(), mod
	}
	return a.keys[key]
}

// readPublicKeys reads every public key of a folder. A file that cannot be read
// admits nobody.
func readPublicKeys(dir string) map[string]bool {
	known := map[string]bool{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), publicSuffix) {
			continue
		}
		if public, _, err := readCertificate(filepath.Join(dir, e.Name()), false); err == nil {
			known[public] = true
		}
	}
	return known
}

// zapHandler answers libzmq's questions about who may connect (ZeroMQ RFC 27).
// There is one for each context, because its endpoint is; ends are told apart
// by their domain. Its goroutine owns its socket, which stays bound whatever
// goes wrong: where nobody is there to ask, libzmq lets everybody in.
type zapHandler struct {
	sock    *zmsg.Socket
	stopped atomic.Bool
	quit    chan struct{} // closed with stopped
	done    chan struct{}
	refs    int // by shared's lock

	mu      sync.Mutex
	domains map[string]*admission
}

const zapEndpoint = "inproc://zeromq.zap.01"

func startZAP(ctx *zmq4.Context) (*zapHandler, error) {
	plain, err := ctx.NewSocket(zmq4.REP)
	if err != nil {
		return nil, err
	}
	sock, err := zmsg.Wrap(plain)
	if err != nil {
		plain.Close()
		return nil, err
	}
	// No limit: a reply that finds no room would leave a handshake hanging.
	if err = sock.SetRcvhwm(0); err == nil {
		err = sock.SetSndhwm(0)
	}
	if err == nil {
		err = sock.SetLinger(0)
	}
	if err == nil {
		err = sock.Bind(zapEndpoint)
	}
	if err != nil {
		sock.Close()
		return nil, err
	}
	z := &zapHandler{sock: sock, quit: make(chan struct{}), done: make(chan struct{}), domains: map[string]*admission{}}
	go z.run()
	return z, nil
}

func (z *zapHandler) run() {
	defer close(z.done)
	defer z.sock.Close()
	defer z.sock.Unbind(zapEndpoint) // at once; Close alone does it some time later
	for {
		request, err := z.read()
		if err != nil {
			return
		}
		for i, part := range z.reply(request) {
			more := i < zapReplyParts-1
			if z.insist(func() error { return z.sock.TrySend(part, more) }) != nil {
				return
			}
		}
	}
}

// insist repeats a call until it works or the handler is stopped: without an
// answer no handshake in the process ever ends.
func (z *zapHandler) insist(call func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := again(call)
		if err == nil || z.stopped.Load() {
			return err
		}
		z.complain(err)
		select {
		case <-z.quit:
			return ErrClosed
		case <-time.After(pause):
		}
	}
}

// complain tells every end whose peers are kept waiting.
func (z *zapHandler) complain(err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, a := range z.domains {
		a.log.Error("the authentication handler has trouble, trying again", "err", err)
	}
}

func (z *zapHandler) stop() {
	z.stopped.Store(true)
	close(z.quit)
	z.sock.Wake()
	<-z.done
}

// zapFault is where the tests make the handler's socket fail.
var zapFault = func() error { return nil }

// maxZAPParts bounds what is kept of a request; libzmq sends seven.
const maxZAPParts = 8

func (z *zapHandler) read() ([][]byte, error) {
	stop := func() error {
		if z.stopped.Load() {
			return ErrClosed
		}
		return nil
	}
	var parts [][]byte
	for {
		var m zmsg.Msg
		err := z.insist(func() error {
			if err := zapFault(); err != nil {
				return err
			}
			return z.sock.Wait(time.Time{}, stop, func() error { return z.sock.TryRecv(&m) })
		})
		if err != nil {
			return nil, err
		}
		if len(parts) < maxZAPParts {
			parts = append(parts, append([]byte(nil), m.Bytes()...))
		}
		more := m.More()
		m.Close()
		if !more {
			return parts, nil
		}
	}
}

const zapReplyParts = 6

// reply answers one request: version, request id, domain, address, identity,
// mechanism, credentials.
func (z *zapHandler) reply(request [][]byte) [zapReplyParts][]byte {
	answer := func(id []byte, code, text, user string) [zapReplyParts][]byte {
		return [zapReplyParts][]byte{[]byte("1.0"), id, []byte(code), []byte(text), []byte(user), nil}
	}
	if len(request) != 7 || string(request[0]) != "1.0" || string(request[5]) != "CURVE" || len(request[6]) != 32 {
		var id []byte
		if len(request) > 1 {
			id = request[1]
		}
		return answer(id, "500", "not a CURVE request", "")
	}
	z.mu.Lock()
	a := z.domains[string(request[2])]
	z.mu.Unlock()
	if a == nil {
		return answer(request[1], "400", "unknown domain", "")
	}
	if ok, why := a.admits(string(request[3]), request[6]); !ok {
		return answer(request[1], "400", why, "")
	}
	return answer(request[1], "200", "OK", hex.EncodeToString(request[6]))
}

// register makes the shared context ask a. The context must be held.
func registerZAP(ctx *zmq4.Context, domain string, a *admission) error {
	shared.Lock()
	defer shared.Unlock()
	if shared.zap == nil {
		z, err := startZAP(ctx)
		if err != nil {
			return err
		}
		shared.zap = z
	}
	shared.zap.refs++
	shared.zap.mu.Lock()
	defer shared.zap.mu.Unlock()
	shared.zap.domains[domain] = a
	return nil
}

// unregisterZAP ends the handler with its last domain; before the context ends.
// The lock is held until it is gone, so that the next one finds its endpoint
// free.
func unregisterZAP(domain string) {
	shared.Lock()
	defer shared.Unlock()
	z := shared.zap
	z.mu.Lock()
	delete(z.domains, domain)
	z.mu.Unlock()
	if z.refs--; z.refs == 0 {
		shared.zap = nil
		z.stop()
	}
}
