package transport

import (
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/loglimit"
)

// gate admits incoming connections through ZAP (see zap.go). Until it replies,
// libzmq completes no handshake and exchanges no messages. So keys and addresses
// are checked here, and a second peer of an exclusive socket waits here until the
// first has gone: admitted, it would stay connected without being served, and
// what it had sent would be lost.
//
// A nil gate belongs to a socket that needs none; it does nothing.
type gate struct {
	domain    string      // the ZAP domain, by which the handler finds the gate
	access    *AccessList // nil: every peer may connect
	exclusive bool        // one peer at a time
	paced     bool        // a publisher's: a few peers at a time, see AdmissionStep
	onPending func()      // called, in the handler's goroutine, when a peer has to wait
	log       *slog.Logger
	retryLog  *loglimit.Limiter // of log
	handler   *zapHandler

	mu       sync.Mutex
	occupied bool // a peer has the slot: its handshake has succeeded
	admitted int  // peers that were admitted and whose handshakes have not ended; if paced, in this step
	batch    int  // how many were admitted together, the last time
	quota    int  // and how many may be
	since    time.Time
	pending  []pendingPeer
	closed   bool
	timer    *time.Timer // admits more if no handshake ends; nil until needed
}

// pendingPeer is a peer that waits: the reply that admits it, and since when.
type pendingPeer struct {
	reply zapReply
	at    time.Time
}

const (
	// handshakeLimit is how long a handshake may take at a socket that listens.
	// A peer may connect again after that.
	handshakeLimit = 5 * time.Second
	// stepTime is how long admitted peers may take to end their handshakes while
	// others wait. Then twice as many of those are admitted beside them, and so
	// on: peers that never end theirs keep a good one out for a second or two,
	// however many they are, because the number doubles each time.
	stepTime = 200 * time.Millisecond
	// AdmissionStep and maxAdmitted pace the subscribers of a publisher. So many
	// are admitted, and the next when those have had so much time to subscribe
	// and the socket was settled then.
	AdmissionStep = 20 * time.Millisecond
	maxAdmitted   = 4
	// maxWaiting bounds how many peers may wait.
	maxWaiting = 1000
)

// gateNumbers number the gates' ZAP domains.
var gateNumbers atomic.Uint64

// newGate returns nil where no gate is needed: where all peers may connect at any
// time. The send end of a secure pair needs none: libzmq asks at the CURVE server,
// even if that is the end which connects.
func newGate(c *Config, onPending func()) *gate {
	g := &gate{access: c.Access, exclusive: c.Exclusive, paced: !c.Secure && c.publishes() && c.Bind, onPending: onPending, log: c.Logger, retryLog: loglimit.Retries()}
	if !g.exclusive && !g.paced && g.access == nil {
		return nil
	}
	g.domain = noGate + "-" + strconv.FormatUint(gateNumbers.Add(1), 10)
	return g
}

// noGate is the ZAP domain of sockets without a gate that must reject old peers.
const noGate = "netgear"

// configure makes libzmq ask at this gate. A nil gate makes it reject old peers
// where that is necessary.
func (g *gate) configure(sock *zmq4.Socket, c *Config) error {
	switch {
	case g != nil:
		return sock.SetZapDomain(g.domain)
	case c.rejectsOldPeers():
		return sock.SetZapDomain(noGate)
	}
	return nil
}

// open registers the gate with the handler of the context, which must be held.
// It must be open before a peer can connect: without a handler libzmq admits
// every peer.
func (g *gate) open(ctx *zmq4.Context) (err error) {
	if g != nil {
		g.handler, err = registerZAP(ctx, g)
	}
	return err
}

// close is called when the socket was closed, or could not be opened.
func (g *gate) close() {
	if g == nil || g.handler == nil {
		return
	}
	g.mu.Lock()
	g.closed = true
	if g.timer != nil {
		g.timer.Stop()
	}
	g.mu.Unlock()
	unregisterZAP(g)
}

// check reports whether a peer may connect at all, and otherwise why not.
func (g *gate) check(r *zapRequest) (bool, string) {
	if g.access == nil {
		return true, "OK"
	}
	if err := g.access.Check(r.address, r.key); err != nil {
		return false, err.Error()
	}
	return true, "OK"
}

// admit reports whether a peer that may connect is admitted now. If not, its
// reply waits.
func (g *gate) admit(reply zapReply) bool {
	if g.paced {
		defer g.onPending() // the socket must be settled
	} else if !g.exclusive {
		return true
	}
	g.mu.Lock()
	if g.dropOverdue(); len(g.pending) == 0 && g.mayAdmit() {
		g.countAdmitted()
		g.mu.Unlock()
		return true
	}
	if len(g.pending) == maxWaiting {
		g.pending = g.pending[1:]
	}
	g.pending = append(g.pending, pendingPeer{reply, time.Now()})
	g.startTimer()
	g.mu.Unlock()
	if !g.paced {
		g.onPending()
	}
	return false
}

// mayAdmit reports whether one more peer may be admitted: no peer has the slot,
// and those that were admitted have had their time. g.mu must be held.
func (g *gate) mayAdmit() bool {
	switch {
	case g.paced:
		return g.admitted < maxAdmitted
	case g.occupied:
		return false
	case g.admitted == 0:
		g.batch = 0
		return true
	case time.Since(g.since) >= stepTime:
		if g.quota = min(2*g.quota, maxWaiting); g.secure() {
			g.admitted = 0 // those have gone, so the next is the first of a step again (countAdmitted)
		}
		g.batch = 0
		return true
	}
	return g.batch < g.quota
}

// secure reports whether libzmq asks when the peer has sent the whole of its
// handshake, as with CURVE. So a peer that is admitted has ended its handshake at
// once, or has gone. Without security libzmq asks after the greeting.
func (g *gate) secure() bool { return g.access != nil }

// countAdmitted notes that a peer is admitted. g.mu must be held.
func (g *gate) countAdmitted() {
	if g.admitted == 0 {
		g.quota = 1
	}
	if g.batch == 0 || g.paced {
		g.since = time.Now()
	}
	g.admitted++
	g.batch++
}

// startTimer makes the handler check again when the admitted peers have had
// their time. g.mu must be held.
func (g *gate) startTimer() {
	if g.paced || g.occupied || g.admitted == 0 || len(g.pending) == 0 || g.closed || g.handler == nil {
		return
	}
	wait := max(time.Until(g.since.Add(stepTime)), time.Millisecond)
	if g.timer == nil {
		g.timer = time.AfterFunc(wait, func() { g.handler.checkPending() })
		return
	}
	g.timer.Reset(wait)
}

// next returns the reply that admits the peer which has waited longest. ok is
// false if no peer waits, or none may be admitted.
func (g *gate) next() (reply zapReply, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropOverdue()
	if len(g.pending) == 0 || !g.mayAdmit() {
		g.startTimer()
		return zapReply{}, false
	}
	reply, g.pending = g.pending[0].reply, g.pending[1:]
	g.countAdmitted()
	return reply, true
}

// dropOverdue drops the peers whose handshake has taken too long: libzmq has
// closed their connections. g.mu must be held.
func (g *gate) dropOverdue() {
	for len(g.pending) > 0 && time.Since(g.pending[0].at) > handshakeLimit {
		g.pending = g.pending[1:]
	}
}

// handshakeDone is called when a handshake has succeeded: that peer has the slot.
func (g *gate) handshakeDone() {
	if g == nil || g.paced {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.occupied = true
	g.admitted = max(g.admitted-1, 0)
}

// handshakeFailed is called when a handshake has failed. Where peers were
// admitted and none has the slot, it was most likely that of one of those. In
// secure mode it was not: most that fail had not got as far, or were rejected.
func (g *gate) handshakeFailed() {
	if g != nil && !g.secure() {
		g.admittedGone()
	}
}

// admittedGone is called when a peer that was admitted has gone before its
// handshake had ended.
func (g *gate) admittedGone() {
	if g == nil || g.paced {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.admitted = max(g.admitted-1, 0); g.admitted == 0 && !g.occupied {
		g.admitNext()
	}
}

// settled is called when a publisher's socket was settled, with the time at
// which that began. It admits the next peers, and reports whether the socket
// must be settled again.
func (g *gate) settled(began time.Time) (again bool) {
	if g == nil || !g.paced {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.admitted > 0 && began.Sub(g.since) >= AdmissionStep {
		g.admitted = 0
	}
	if g.admitted == 0 {
		g.admitNext()
	}
	return g.admitted > 0 || len(g.pending) > 0
}

// admitNext makes the handler admit the next peer, if one waits. g.mu must be
// held.
func (g *gate) admitNext() {
	if len(g.pending) > 0 {
		g.handler.checkPending()
	}
}

// releaseSlot is called by the owner of the socket when no peer is served any
// more. Peers that were admitted and have not ended their handshakes keep their
// chance. If others wait, releaseSlot returns when to call it again.
func (g *gate) releaseSlot() (again time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.occupied = false
	if g.admitted > 0 && time.Since(g.since) < stepTime {
		g.startTimer()
		return g.since.Add(stepTime)
	}
	g.admitNext()
	return time.Time{}
}

// waiting returns how many peers wait.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropOverdue()
	return len(g.pending)
}
