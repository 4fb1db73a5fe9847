package netgear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// sender is the send end's half of a NetGear. Whoever holds NetGear.turn makes
// frames ready, and exchanges them: it owns all of this, and the socket. With
// Options.SendAhead the exchange's part belongs to the goroutine of ahead.
type sender struct {
	// Making ready.
	enc    *turbojpeg.Encoder
	seq    uint64          // the last stamp's
	loans  zmsg.Loans      // memory handed over to a publisher
	heeded <-chan struct{} // the end of the context that wakes the exchange
	unheed func() bool     // undoes that

	// The exchange.
	hold   *zmsg.Hold
	head   []byte       // the header being written, kept for its memory
	answer message      // the answer being read, kept for its memory
	try    func() error // tryHead, made once
	dirty  bool         // an exchange was broken off: its answer may still come
	why    error        // why a frame is sent again, until the new socket is there
	pause  time.Duration
	// For errors that other goroutines make, too.
	size    atomic.Int64 // of the frame in hand, in bytes, with its header
	unasked atomic.Bool  // the peer floods this end with answers

	sent     bool   // the frame is on its way on this socket
	known    bool   // an answer has come on this socket
	answered uint64 // counters.lost when it came

	clients map[string]bool // multi-client mode: the ports that have answered
}

// Reply is what the receive end said to a frame. In plain mode, and with
// PubSub, which has no answers, it is the zero Reply.
type Reply struct {
	// Port is the port of the client that answered, in multi-client mode.
	Port string
	// Data is the data it returned.
	Data Message
	// Array is the array it returned, in memory of its own; nil if it returned
	// none.
	Array *Array
	// Type is Python's name for the type of what was returned: "NoneType",
	// "str", "ndarray", …
	Type string
}

// SendArray sends an array as a frame, with a message (nil, or anything that
// JSON can hold) riding along. On AsyncWire there may be arrays in the message.
//
// It blocks until the receive end has answered that the frame is there (Pair,
// ReqRep), or until libzmq has taken it (PubSub), where a frame is lost for
// whoever is late or slow. When no answer comes within Options.RequestTimeout
// the frame is sent again on a fresh connection, for Options.MaxRetries times
// that long in all, so a receiver may see it twice; then the error is ErrPeerGone. The
// context's end ends the wait at once; the frame may or may not have arrived
// then.
//
// The array's memory may be reused as soon as SendArray returns, in every
// pattern. It may be called from several goroutines; frames go one at a time.
func (n *NetGear) SendArray(ctx context.Context, a Array, message any) (Reply, error) {
	if err := n.opened(); err != nil {
		return Reply{}, wrap("send", err)
	}
	p, err := n.arrayPayload(a)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	return n.send(ctx, &p, message)
}

// SendJPEG sends a finished JPEG as it is, whether or not the options have
// compression on. The receive end decodes it into the options' color space,
// a CMYK JPEG too; any other where the options say CMYK into BGR.
//
// The JPEG is checked first (Options.JPEGCheck), which takes less than half the
// time of decoding it: a VidGear receive end ends at every JPEG that libjpeg
// warns of.
// Where the picture is whole, as with bytes too many before a marker or with a
// missing end, the same picture is sent without the fault: its coefficients are
// written again, and its pixels are the same. What lacks or garbles pixels is
// ErrFrame, which names the damage. For the rest see SendArray.
func (n *NetGear) SendJPEG(ctx context.Context, jpeg []byte, message any) (Reply, error) {
	if err := n.opened(); err != nil {
		return Reply{}, wrap("send", err)
	}
	p, err := n.jpegPayload(jpeg)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	return n.send(ctx, &p, message)
}

// SendFrame sends a received frame on as it came: a JPEG is neither decoded nor
// encoded again. Only one that had a fault (Stats.Damaged) is checked and written
// again, as by SendJPEG. The frame stays the caller's. For the rest see SendArray.
func (n *NetGear) SendFrame(ctx context.Context, f *Frame, message any) (Reply, error) {
	if err := n.opened(); err != nil {
		return Reply{}, wrap("send", err)
	}
	defer runtime.KeepAlive(f) // a dropped frame's memory goes with it, and it is being sent
	p, err := n.framePayload(f)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	return n.send(ctx, &p, message)
}

// send takes its turn, makes the frame ready, and exchanges it for an answer, or
// with Options.SendAhead leaves that to another.
func (n *NetGear) send(ctx context.Context, p *payload, message any) (Reply, error) {
	defer p.giveBack()
	if n.opts.ReceiveMode {
		return Reply{}, wrap("send", fmt.Errorf("%w: this is a receive end; make one with ReceiveMode: false to send", ErrMode))
	}
	if err := n.takeTurn(ctx); err != nil {
		return Reply{}, wrap("send to "+n.where(), err)
	}
	defer n.endTurn()
	if n.ahead != nil {
		return Reply{}, n.ahead.send(ctx, p, message)
	}
	o, err := n.makeReady(ctx, p, message)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	defer o.release()
	n.heed(ctx)
	reply, err := n.deliver(ctx, &o)
	if err != nil {
		return Reply{}, wrap("send to "+n.where(), err)
	}
	return reply, nil
}

// outgoing is a frame that is ready to go.
type outgoing struct {
	part
	coding coding
	text   Message
}

// footprint is what the frame takes in memory while it waits: as much as it would
// at a receive end.
func (o *outgoing) footprint() int64 {
	return int64(o.size() + len(o.text.raw) + frameOverhead)
}

// makeReady makes a frame ready to go. The end of ctx and Close end it where it
// takes long.
func (n *NetGear) makeReady(ctx context.Context, p *payload, message any) (outgoing, error) {
	n.tx.enc.Stop = turbojpeg.Stop{ctx.Done(), n.shutting.Done()}
	err := n.mend(p, n.tx.enc)
	if err != nil {
		return outgoing{}, n.stopped(ctx, err)
	}
	text, err := n.message(message)
	if err != nil {
		return outgoing{}, err
	}
	part, err := n.load(p)
	return outgoing{part: part, coding: p.coding, text: text}, n.stopped(ctx, err)
}

// stopped returns, for an error of work that was ended early, what has ended it.
func (n *NetGear) stopped(ctx context.Context, err error) error {
	if errors.Is(err, turbojpeg.ErrStopped) {
		return n.refuses(ctx)
	}
	return err
}

// deliver exchanges a frame for an answer, and counts it.
func (n *NetGear) deliver(ctx context.Context, o *outgoing) (Reply, error) {
	n.tx.head = n.wire.appendHeader(n.tx.head[:0], header{port: n.port, coding: o.coding, message: o.text, pattern: n.opts.Pattern, bidirectional: n.structured()})
	size := len(n.tx.head) + o.size()
	n.tx.size.Store(int64(size))
	reply, err := n.exchange(ctx, &o.part)
	if err != nil {
		return Reply{}, n.hint(ctx, err)
	}
	n.counters.frames.Add(1)
	n.counters.bytes.Add(uint64(size))
	n.tally.frame(reply.Port, size)
	return reply, nil
}

// message is the message as the wire has it, with a stamp if the options say so.
func (n *NetGear) message(v any) (Message, error) {
	if n.opts.Stamp {
		n.tx.seq++
		v = stamped(n.tx.seq, v)
	} else if c, ok := v.(Captured); ok {
		v = c.Message
	}
	return n.wire.encodeMessage(v)
}

func (p *part) size() int {
	if p.buf != nil {
		return len(p.buf.Bytes())
	}
	return len(p.lent)
}

// takeTurn waits for the send end to be free.
func (n *NetGear) takeTurn(ctx context.Context) error {
	if err := n.refuses(ctx); err != nil {
		return err
	}
	select {
	case n.turn <- struct{}{}:
	case <-n.shutting.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := n.refuses(ctx); err != nil {
		n.endTurn()
		return err
	}
	return nil
}

// refuses says why no frame is taken any more: Close, or the call's context.
func (n *NetGear) refuses(ctx context.Context) error {
	if ctx == nil {
		return ErrContext
	}
	if n.shutting.Err() != nil {
		return ErrClosed
	}
	return ctx.Err()
}

// over says why a call must end: Close, or its context.
func (n *NetGear) over(ctx context.Context) error {
	if err := n.closing(); err != nil {
		return err
	}
	return ctx.Err()
}

func (n *NetGear) endTurn() { <-n.turn }

// heed makes the end of ctx wake the exchange, whose waits cannot see it. Most
// callers send every frame with the same context, so it stays until another
// comes: setting it up costs memory, and waking once too often nothing.
func (n *NetGear) heed(ctx context.Context) {
	done := ctx.Done()
	if done == n.tx.heeded {
		return
	}
	if n.tx.heeded != nil {
		n.tx.unheed()
	}
	if n.tx.heeded = done; done != nil {
		n.tx.unheed = context.AfterFunc(ctx, n.wake)
	}
}

// exchange is the "lazy pirate" of the ZeroMQ guide: send, wait for the answer,
// and if none comes close the socket, open a new one and send again.
func (n *NetGear) exchange(ctx context.Context, p *part) (Reply, error) {
	n.tx.sent, n.tx.pause = false, 20*time.Millisecond
	n.tx.unasked.Store(false)
	n.fruitless.Store(0)
	for left := n.opts.MaxRetries; ; {
		reply, err := n.try(ctx, p)
		if err == nil || errors.Is(err, ErrRejected) {
			n.answeredNow()
			return reply, err
		}
		n.tx.dirty = n.row.answers
		if !errors.Is(err, zmsg.ErrTimeout) {
			n.abandon(p, false)
			return Reply{}, err
		}
		if left--; left == 0 || n.hopeless() {
			why := n.goneReason() // asked while the socket is there
			n.abandon(p, true)
			return Reply{}, why
		}
		if !n.row.answers {
			continue // nobody has room; what has been sent must not be lost
		}
		if n.frozen() {
			n.tx.dirty = false
			n.opts.Logger.Warn("no answer, waiting on: the peer is connected", "endpoint", n.where(), "for", n.opts.RequestTimeout)
			continue
		}
		n.again(fmt.Errorf("%w: no answer within %v", ErrTimeout, n.opts.RequestTimeout))
	}
}

// answeredNow notes that the peer has answered on the connection that stands.
func (n *NetGear) answeredNow() {
	n.tx.known, n.tx.answered = true, n.counters.lost.Load()
	if n.opts.Pattern == Pair {
		n.leftover.answered()
	}
}

// frozen: a Pair peer that has answered on this very connection has the frame,
// and will answer when it can. A second connection would not help it: its PAIR
// socket refuses that one while it has not read the first to its end, and
// VidGear's receive end, which answers into the first, would hang for ever.
// Where this end listens, a second peer that waits is let in instead.
func (n *NetGear) frozen() bool {
	return n.opts.Pattern == Pair && n.tx.sent && n.tx.known && n.tx.answered == n.counters.lost.Load() && n.peers() == 1
}

// try sends the frame and waits for its answer for RequestTimeout. Should the
// connection go away meanwhile, the frame is sent again on a new one, within the
// same time: a peer that restarts gets it as soon as it is back. The pauses grow
// over all tries, so that a frame which the peer cannot take is no flood.
func (n *NetGear) try(ctx context.Context, p *part) (Reply, error) {
	deadline := time.Now().Add(n.opts.RequestTimeout)
	for ; ; n.tx.pause = min(2*n.tx.pause, time.Second) {
		if err := n.freshSocket(ctx); err != nil {
			return Reply{}, err
		}
		reply, err := n.attempt(ctx, p, deadline)
		if err != errHalfSent && err != errPeerLost && err != errUnasked && err != errMoved {
			return reply, err
		}
		n.tx.dirty = n.row.answers
		if err == errPeerLost && n.tx.sent {
			n.endedFruitless()
		}
		if err := n.rest(ctx, min(n.tx.pause, time.Until(deadline))); err != nil {
			return Reply{}, err
		}
		if !time.Now().Before(deadline) {
			return Reply{}, zmsg.ErrTimeout
		}
		n.again(err)
	}
}

// again is said before a frame is sent again.
func (n *NetGear) again(why error) {
	n.tx.why = why
	n.tx.unasked.Store(why == errUnasked)
	n.connections.log(n.opts.Logger, slog.LevelWarn, "sending again on a new connection", "endpoint", n.where(), "why", why, "bytes", n.tx.size.Load())
}

// rest waits a moment, or until the call must end.
func (n *NetGear) rest(ctx context.Context, d time.Duration) error {
	select {
	case <-n.life.Done():
	case <-ctx.Done():
	case <-time.After(d):
	}
	return n.over(ctx)
}

// abandon ends an exchange that failed. The caller reports the frame as lost, so
// the socket is closed where it would deliver the frame later: after the last
// try, and where libzmq has not yet written the frame. It also returns only once
// libzmq no longer reads the caller's memory. Where the frame has been written
// the socket stays, for the goodbye.
func (n *NetGear) abandon(p *part, last bool) {
	if n.row.answers && (last || p.buf.Shared() || n.tx.hold.Held()) {
		n.closeSender(0)
	}
	n.tx.hold.Wait()
	p.buf.WaitUnshared(releaseLimit)
}

// releaseLimit is how long libzmq may take to release the messages of a socket
// that was closed, which its own threads do.
const releaseLimit = 500 * time.Millisecond

func (n *NetGear) closeSender(linger time.Duration) {
	if s := n.setSocket(nil); s != nil {
		s.shut(linger)
	}
}

// freshSocket replaces a socket whose last exchange was broken off, so that a
// late answer is never taken for the next frame's.
func (n *NetGear) freshSocket(ctx context.Context) error {
	if n.tx.dirty || n.row.answers && n.sock != nil && n.sock.flow.spoiled.Load() {
		n.closeSender(0)
		n.tx.hold.Wait()
		n.tx.dirty = false
	}
	n.reorder()
	if n.tx.why != nil {
		n.reconnecting(n.tx.why)
		n.tx.why = nil
	}
	if n.sock != nil {
		return nil
	}
	s, err := n.open(ctx)
	if err == nil {
		n.setSocket(s)
		n.tx.known, n.tx.sent = false, false
	}
	if over := n.over(ctx); over != nil {
		return over
	}
	return err
}

var (
	// errHalfSent: the connection went away between the two parts.
	errHalfSent = errors.New("the connection went away between the two parts of a message")
	// errPeerLost: the connection went away before the answer came.
	errPeerLost = errors.New("the connection went away before the answer came")
	// errUnasked is returned when a peer sends answers without end to frames that
	// were not sent.
	errUnasked = errors.New("the peer sends answers to frames that were not sent")
)

// attempt sends the frame once, unless it is on its way, and waits for its
// answer.
func (n *NetGear) attempt(ctx context.Context, p *part, deadline time.Time) (Reply, error) {
	lost := n.counters.lost.Load()
	stop := func() error {
		if err := n.follow(); err != nil {
			return err
		}
		// With one peer, its connection's loss is the answer's too: there is no
		// need to wait for the rest of the time-out. With several it may be.
		if n.row.answers && (n.counters.lost.Load() != lost || n.clients.lostOne()) && !n.opts.binds() && (n.tx.sent || len(n.opts.Ports) == 1) {
			return errPeerLost
		}
		// A secure peer that has refused this end's keys will do so again.
		if n.security != nil && n.hopeless() {
			return n.refusal()
		}
		return n.over(ctx)
	}
	if !n.tx.sent {
		if err := n.sendParts(p, deadline, stop); err != nil || !n.row.answers {
			return Reply{}, err
		}
		n.tx.sent = true
		n.clients.took()
	}
	reply, err := n.awaitAnswer(deadline, stop)
	if err == errPeerLost && len(n.opts.Ports) > 1 {
		reply, err = n.awaitOthers(ctx, deadline)
	}
	if err == nil && p.lent != nil {
		// The receiver has it, so libzmq has written it and lets go at once. If not,
		// the answer came before its frame was through.
		err = n.tx.hold.WaitUntil(deadline, stop)
	}
	return reply, err
}

// awaitOthers: one of several clients is gone, and nobody can say whether it had
// the frame. If another has it, its answer comes soon; waiting for the whole
// time-out would let the one that went hold up all the others.
func (n *NetGear) awaitOthers(ctx context.Context, deadline time.Time) (Reply, error) {
	soon := earlier(deadline, time.Now().Add(n.opts.RequestTimeout/8))
	reply, err := n.awaitAnswer(soon, func() error { return n.over(ctx) })
	if errors.Is(err, zmsg.ErrTimeout) {
		err = errPeerLost
	}
	return reply, err
}

// sendParts sends the header and the frame.
func (n *NetGear) sendParts(p *part, deadline time.Time, stop func() error) error {
	s := n.sock
	if err := n.follow(); err != nil {
		return err
	}
	n.givenUp.retry(s)
	if !n.row.answers && n.hopeless() {
		return n.refusal() // nobody would hear it
	}
	if err := n.dropStaleAnswers(stop); err != nil {
		return err
	}
	if !n.row.answers || n.opts.MulticlientMode {
		// PUB drops what finds a full pipe, and REQ sends to a client that has
		// just gone: let the socket see first what has changed.
		n.settleSocket(s)
	}
	if err := s.Wait(deadline, stop, n.tx.try); err != nil {
		return err
	}
	// The parts of a message go together or not at all.
	err := again(func() error {
		if p.buf != nil {
			return s.TrySendBuffer(p.buf, false)
		}
		return s.TrySendHeld(n.tx.hold, p.lent, false)
	})
	if errors.Is(err, syscall.EAGAIN) {
		return errHalfSent
	}
	return err
}

func (n *NetGear) tryHead() error { return n.sock.TrySend(n.tx.head, true) }

// maxStale is far more than a Pair peer says without being asked that waits for
// frames, as VidGear's and this library's do.
const maxStale = 100

// dropStaleAnswers throws away what a Pair peer said without being asked: it
// would be taken for the answer to the next frame. A peer that goes on and on is
// cut off.
func (n *NetGear) dropStaleAnswers(stop func() error) error {
	if n.opts.Pattern != Pair {
		return nil
	}
	m := &n.tx.answer.parts[0]
	for range maxStale {
		if again(func() error { return n.sock.TryRecv(m) }) != nil {
			return nil
		}
		m.Close()
		if err := stop(); err != nil {
			return err
		}
	}
	return errUnasked
}

// awaitAnswer reads one answer. One that cannot be read still says that the
// frame arrived: it is counted, and the reply is empty.
func (n *NetGear) awaitAnswer(deadline time.Time, stop func() error) (Reply, error) {
	m := &n.tx.answer
	defer m.close()
	if err := m.read(n.sock, deadline, stop); err != nil {
		return Reply{}, err
	}
	reply, err := n.readAnswer(m)
	if errors.Is(err, turbojpeg.ErrStopped) {
		return Reply{}, stop() // it says why
	}
	rejected := errors.Is(err, ErrRejected)
	if err != nil && !rejected {
		n.malformed(reply.Port, err)
		return Reply{}, nil
	}
	if reply.Port != "" && len(n.tx.clients) < len(n.opts.Ports) {
		if n.tx.clients == nil {
			n.tx.clients = map[string]bool{}
		}
		n.tx.clients[reply.Port] = true
	}
	if rejected {
		n.counters.rejected.Add(1)
		return Reply{}, err
	}
	return reply, nil
}

// rejectedError is the error of a frame that the receive end has dropped.
func rejectedError(reason string) error {
	return fmt.Errorf("%w: %s", ErrRejected, reasonText(errors.New(reason)))
}

// readAnswer makes a Reply of an answer, with an array in Go memory.
func (n *NetGear) readAnswer(m *message) (Reply, error) {
	raw := m.parts[0].Bytes()
	if text, ok := bytes.CutPrefix(raw, []byte(rejectedText)); ok {
		_, reason, _ := bytes.Cut(text[:min(len(text), 2*maxReason)], []byte(" ! ")) // who says it comes before
		return Reply{}, rejectedError(string(reason))
	}
	if !n.structured() && (len(raw) == 0 || raw[0] == 'D') {
		return Reply{}, nil // any text will do; this is VidGear's
	}
	a, err := n.wire.parseAnswer(raw, true)
	if !n.structured() && a.rejected == "" {
		return Reply{}, nil
	}
	if err != nil {
		return Reply{}, err
	}
	port, err := n.portText(a.port)
	if err != nil {
		return Reply{}, err
	}
	reply := Reply{Port: port, Type: a.returnType}
	if a.rejected != "" {
		return reply, rejectedError(a.rejected)
	}
	if !a.array {
		if !a.data.IsNone() {
			reply.Data = Message{raw: bytes.Clone(a.data.raw), packed: a.data.packed}
		}
		return reply, nil
	}
	if m.count != maxParts {
		return reply, malformed("an array in an answer of %d parts", m.count)
	}
	f, err := newFrame(n.wire, &header{coding: a.coding}, &m.parts[1], n.opts.MaxFrameBytes)
	if err != nil {
		return reply, err
	}
	defer f.Close()
	dec, err := turbojpeg.NewDecoder()
	if err != nil {
		return reply, err
	}
	defer dec.Close()
	dec.Stop = turbojpeg.Stop{n.tx.heeded, n.life.Done()}
	if err := f.decode(dec, &n.settings, cores()); err != nil {
		return reply, err
	}
	n.noteFault(f)
	array := f.Array()
	array.Data = append([]byte(nil), array.Data...)
	reply.Array = &array
	return reply, nil
}
