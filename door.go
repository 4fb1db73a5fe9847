package netgear

import (
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/transport"
)

// door stands before a socket that listens. libzmq asks for everybody who has
// connected (ZAP, see zap.go), and until there is an answer that handshake does not
// end and nothing is sent either way. So this is where keys and addresses are
// looked at, and where a second peer of a PAIR socket waits until the first has
// gone: let in, it would stay connected and never be heard, and what it had sent
// would be lost.
type door struct {
	domain  string                // what the handler knows it by
	access  *transport.AccessList // nil: every peer may connect
	one     bool                  // PAIR: one at a time
	paced   bool                  // a publisher: a few at a time, see admissionStep
	knocked func()                // called, in the handler's goroutine, when somebody has to wait
	log     *slog.Logger
	handler *zapHandler

	mu      sync.Mutex
	inside  bool // a peer has the place: its handshake has ended well
	granted int  // peers that were admitted and whose handshakes have not ended; if paced, in this step
	batch   int  // how many were admitted together, the last time
	quota   int  // and how many may be
	since   time.Time
	waiting []visitor
	closed  bool
	timer   *time.Timer // lets in more if no handshake ends; nil until needed
}

// visitor is somebody who waits: the yes that is to come, and since when.
type visitor struct {
	yes zapReply
	at  time.Time
}

const (
	// handshakeLimit is how long a handshake may take at an end that listens:
	// nobody lingers at the door. Who still wants in comes again.
	handshakeLimit = 5 * time.Second
	// stepTime is how long admitted peers may take to end their handshakes
	// while others wait. Then twice as many of those are admitted beside them, and so
	// on: peers that never end theirs keep a good one out for a second or two,
	// however many they are, because their number doubles each time.
	stepTime = 200 * time.Millisecond
	// admissionStep and maxAdmitted pace the subscribers of a publisher: so many
	// are admitted, and the next when those have had so much time to subscribe and
	// the socket was settled then.
	admissionStep = 20 * time.Millisecond
	maxAdmitted   = 4
	// maxWaiting bounds what strangers can pile up.
	maxWaiting = 1000
)

// errPlaceTaken is the reason for Refused when somebody has waited in vain.
var errPlaceTaken = errors.New("another peer has the place: PAIR serves one at a time")

// doorNumbers tell the doors of a process apart.
var doorNumbers atomic.Uint64

// newDoor is nil where no door is needed: where all peers may come in at any time,
// and none can do harm with an old protocol. The send end of a secure pair is
// never asked: there libzmq asks at the receive end, even if that is the one which
// connects.
func newDoor(o *Options, sec *security, knocked func()) *door {
	d := &door{one: o.servesOne(), paced: sec == nil && o.hearsSubscriptions() && o.binds(), knocked: knocked, log: o.Logger}
	if sec != nil {
		d.access = sec.access
	}
	if !d.one && !d.paced && d.access == nil && (sec != nil || !o.refusesOldPeers()) {
		return nil
	}
	d.domain = "netgear-" + strconv.FormatUint(doorNumbers.Add(1), 10)
	return d
}

// servesOne: this end listens and has one place.
func (o *Options) servesOne() bool { return o.Pattern == Pair && o.ReceiveMode && o.binds() }

// refusesOldPeers reports whether peers that speak ZMTP 2.0 or 1.0 must be refused,
// as libzmq does wherever it asks at a door. It aborts the process where such a
// peer's identity, at REP, or the subscription that it adds for a peer of version
// 1.0, at PUB, finds a socket that is being closed (zmtp_engine.cpp,
// process_routing_id_msg, to 4.3.5 at least).
func (o *Options) refusesOldPeers() bool {
	return o.Pattern == ReqRep && o.ReceiveMode || o.hearsSubscriptions()
}

// configure makes libzmq ask at this door.
func (d *door) configure(sock *zmq4.Socket) error {
	if d == nil {
		return nil
	}
	return sock.SetZapDomain(d.domain)
}

// open makes the door known to the handler of the context, which must be held.
// It must be open before anybody can knock: where nobody is there to ask, libzmq
// lets everybody in.
func (d *door) open(ctx *zmq4.Context) (err error) {
	if d != nil {
		d.handler, err = registerZAP(ctx, d)
	}
	return err
}

// close is called when the socket has gone, or could not be opened.
func (d *door) close() {
	if d == nil || d.handler == nil {
		return
	}
	d.mu.Lock()
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	unregisterZAP(d)
}

// admits says whether a peer may come in at all, and if not why.
func (d *door) admits(r *zapRequest) (bool, string) {
	if d.access == nil {
		return true, "OK"
	}
	if err := d.access.Check(r.address, r.key); err != nil {
		return false, err.Error()
	}
	return true, "OK"
}

// letIn says whether who asks may come in now. If not, the answer waits.
func (d *door) letIn(yes zapReply) bool {
	if d.paced {
		defer d.knocked() // the socket must be settled
	} else if !d.one {
		return true
	}
	d.mu.Lock()
	if d.forget(); len(d.waiting) == 0 && d.mayGrant() {
		d.grant()
		d.mu.Unlock()
		return true
	}
	if len(d.waiting) == maxWaiting {
		d.waiting = d.waiting[1:]
	}
	d.waiting = append(d.waiting, visitor{yes, time.Now()})
	d.remind()
	d.mu.Unlock()
	if !d.paced {
		d.knocked()
	}
	return false
}

// mayGrant reports whether a peer may be admitted: no peer has the place, and
// those that were admitted have had their time. d.mu must be held.
func (d *door) mayGrant() bool {
	switch {
	case d.paced:
		return d.granted < maxAdmitted
	case d.inside:
		return false
	case d.granted == 0:
		d.batch = 0
		return true
	case time.Since(d.since) >= stepTime:
		d.quota = min(2*d.quota, maxWaiting)
		d.batch = 0
		return true
	}
	return d.batch < d.quota
}

// grant notes that a peer is admitted. d.mu must be held.
func (d *door) grant() {
	if d.granted == 0 {
		d.quota = 1
	}
	if d.batch == 0 || d.paced {
		d.since = time.Now()
	}
	d.granted++
	d.batch++
}

// remind makes the handler look again when the admitted peers have had their
// time. d.mu must be held.
func (d *door) remind() {
	if d.paced || d.inside || d.granted == 0 || len(d.waiting) == 0 || d.closed || d.handler == nil {
		return
	}
	wait := max(time.Until(d.since.Add(stepTime)), time.Millisecond)
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, func() { d.handler.recall() })
		return
	}
	d.timer.Reset(wait)
}

// next calls in who has waited longest, if there is a place.
func (d *door) next() (yes zapReply, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget()
	if len(d.waiting) == 0 || !d.mayGrant() {
		d.remind()
		return zapReply{}, false
	}
	yes, d.waiting = d.waiting[0].yes, d.waiting[1:]
	d.grant()
	return yes, true
}

// forget drops those whose handshake has taken too long: libzmq has hung up on
// them. The caller has the lock.
func (d *door) forget() {
	for len(d.waiting) > 0 && time.Since(d.waiting[0].at) > handshakeLimit {
		d.waiting = d.waiting[1:]
	}
}

// cameIn is called when a handshake has ended well: that peer has the place.
func (d *door) cameIn() {
	if d == nil || d.paced {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside = true
	d.granted = max(d.granted-1, 0)
}

// turnedBack is called when a handshake has failed. Where some were admitted and
// none is inside, it was most likely one of those.
func (d *door) turnedBack() {
	if d == nil || d.paced {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.granted = max(d.granted-1, 0); d.granted == 0 && !d.inside {
		d.callNext()
	}
}

// settled is called when a publisher's socket was settled, with when that began.
// It admits the next peers, and reports whether the socket must be settled again.
func (d *door) settled(began time.Time) (again bool) {
	if d == nil || !d.paced {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.granted > 0 && began.Sub(d.since) >= admissionStep {
		d.granted = 0
	}
	if d.granted == 0 {
		d.callNext()
	}
	return d.granted > 0 || len(d.waiting) > 0
}

// callNext makes the handler admit the next peer, if one waits. d.mu must be held.
func (d *door) callNext() {
	if len(d.waiting) > 0 {
		d.handler.recall()
	}
}

// vacate is called by the owner of the socket when nobody is served there any
// more. Those that were admitted and are not there yet keep their chance: if others
// wait, vacate returns when to look again.
func (d *door) vacate() (again time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside = false
	if d.granted > 0 && time.Since(d.since) < stepTime {
		d.remind()
		return d.since.Add(stepTime)
	}
	d.callNext()
	return time.Time{}
}

// crowded: somebody waits.
func (d *door) crowded() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget()
	return len(d.waiting) > 0
}
