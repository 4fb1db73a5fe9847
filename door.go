package netgear

import (
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"
)

// door stands before a socket that listens. libzmq asks for everybody who has
// connected (ZAP, see zap.go), and until there is an answer that handshake does not
// end and nothing is sent either way. So this is where keys and addresses are
// looked at, and where a second peer of a PAIR socket waits until the first has
// gone: let in, it would stay connected and never be heard, and what it had sent
// would be lost.
type door struct {
	domain    string     // what the handler knows it by
	admission *admission // nil: everybody may come in
	one       bool       // PAIR: one at a time
	knocked   func()     // called, in the handler's goroutine, when somebody has to wait
	log       *slog.Logger
	handler   *zapHandler

	mu      sync.Mutex
	taken   bool // somebody was let in, and has not gone as far as is known
	since   time.Time
	inside  bool // and that handshake has ended well
	waiting []visitor
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
	// stepTime is how long a peer that was let in may take to end its handshake
	// while another waits: only a stranger takes that long.
	stepTime = time.Second
	// maxWaiting bounds what strangers can pile up.
	maxWaiting = 1000
)

// errPlaceTaken is the reason for Refused when somebody has waited in vain.
var errPlaceTaken = errors.New("another peer has the place: PAIR serves one at a time")

// doorNumbers tell the doors of a process apart.
var doorNumbers atomic.Uint64

// newDoor is nil where no door is needed: at an end that connects, and where
// everybody may come in. The send end of a secure pair is never asked: there
// libzmq asks at the receive end, even if that is the one which connects.
func newDoor(o *Options, sec *security, knocked func()) *door {
	d := &door{one: o.servesOne(), knocked: knocked, log: o.Logger}
	if sec != nil {
		d.admission = sec.admission
	}
	if !d.one && d.admission == nil {
		return nil
	}
	d.domain = "netgear-" + strconv.FormatUint(doorNumbers.Add(1), 10)
	return d
}

// servesOne: this end listens and has one place.
func (o *Options) servesOne() bool { return o.Pattern == Pair && o.ReceiveMode && o.binds() }

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

// close is called when the socket has gone.
func (d *door) close() {
	if d != nil {
		unregisterZAP(d)
	}
}

// admits says whether a peer may come in at all, and if not why.
func (d *door) admits(r *zapRequest) (bool, string) {
	if d.admission == nil {
		return true, "OK"
	}
	return d.admission.admits(r.address, r.key)
}

// letIn says whether who asks may come in now. If not, the answer waits.
func (d *door) letIn(yes zapReply) bool {
	if !d.one {
		return true
	}
	if d.take() {
		return true
	}
	d.mu.Lock()
	d.forget()
	if len(d.waiting) == maxWaiting {
		d.waiting = d.waiting[1:]
	}
	d.waiting = append(d.waiting, visitor{yes, time.Now()})
	d.mu.Unlock()
	d.knocked()
	return false
}

// take takes the place, if it is free.
func (d *door) take() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken {
		return false
	}
	d.taken, d.inside, d.since = true, false, time.Now()
	return true
}

// next calls in who has waited longest, if the place is free.
func (d *door) next() (yes zapReply, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.forget(); d.taken || len(d.waiting) == 0 {
		return zapReply{}, false
	}
	yes, d.waiting = d.waiting[0].yes, d.waiting[1:]
	d.taken, d.inside, d.since = true, false, time.Now()
	return yes, true
}

// forget drops those whose handshake has taken too long: libzmq has hung up on
// them. The caller has the lock.
func (d *door) forget() {
	for len(d.waiting) > 0 && time.Since(d.waiting[0].at) > handshakeLimit {
		d.waiting = d.waiting[1:]
	}
}

// cameIn is called when a handshake has ended well.
func (d *door) cameIn() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside = true
}

// turnedBack: somebody's handshake has failed. Where one was let in and is not yet
// inside, it was that one.
func (d *door) turnedBack() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken && !d.inside {
		d.free()
	}
}

// free gives the place to the next, if one waits. The caller has the lock.
func (d *door) free() {
	d.taken = false
	if len(d.waiting) > 0 {
		d.handler.recall()
	}
}

// vacate is called by the owner of the socket when nobody is served there any
// more. Who was let in and is not there yet keeps the place for a moment: then it
// returns when to look again.
func (d *door) vacate() (again time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if end := d.since.Add(stepTime); d.taken && !d.inside && time.Now().Before(end) {
		return end
	}
	d.free()
	return time.Time{}
}

// crowded: somebody waits.
func (d *door) crowded() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget()
	return len(d.waiting) > 0
}
