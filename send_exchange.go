package netgear

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// frameExchange is one frame that is being sent: the "lazy pirate" of the
// ZeroMQ guide. The frame is sent, and its answer awaited. If none arrives, the
// socket is replaced and the frame sent again.
//
//	connecting → sending → awaiting → answered
//	     ↑           |          |
//	     +───────────+──────────+   after a pause, if the connection was lost;
//	                                MaxRetries times, if RequestTimeout is over
//
// Patterns without answers end after sending. If the frame has been sent over a
// connection that still exists, connecting is followed by awaiting.
type frameExchange struct {
	*sendEnd
	ctx  context.Context
	part part

	began    time.Time
	deadline time.Time // of this try
	sentAt   time.Time // when it was sent last
	retries  int       // remaining tries; negative: no limit
	pause    time.Duration
	lost     uint64    // sendConn.lost when the wait for this answer began, at an end that listens when the frame was sent
	planned  time.Time // while it waits to be sent: when to connect again,
	unserved time.Time // and since when a peer is connected that it cannot be sent to
	reason   error     // why the frame is sent again, until the new socket exists
	reply    Reply
}

// exchangeState is what an exchange does next.
type exchangeState int

const (
	connecting exchangeState = iota // a socket is required
	sending                         // the frame is to be sent
	awaiting                        // the frame has been sent, and its answer may arrive
	answered                        // the end
)

// exchange sends a frame and returns the answer to it.
func (s *sendEnd) exchange(ctx context.Context, p *part) (Reply, error) {
	x := &s.frame
	*x = frameExchange{sendEnd: s, ctx: ctx, part: *p, retries: s.opts.MaxRetries, pause: firstPause}
	defer func() { x.ctx, x.part, x.reply = nil, part{}, Reply{} }()
	s.unasked.Store(false)
	s.fruitless.Store(0)
	if s.conn != nil {
		s.conn.sent = false
	}
	x.began = time.Now()
	x.deadline = x.began.Add(s.opts.RequestTimeout)
	for state := connecting; ; {
		next, err := x.step(state)
		if err != nil && !errors.Is(err, ErrRejected) {
			if next, err = x.recover(err); err != nil {
				return Reply{}, err
			}
		}
		if state = next; state == answered {
			s.noteAnswered(time.Since(x.began))
			return x.reply, err
		}
	}
}

// step performs the action of a state, and returns the next state.
func (x *frameExchange) step(state exchangeState) (exchangeState, error) {
	switch state {
	case connecting:
		if err := x.freshConn(); err != nil {
			return connecting, err
		}
		if x.lost = x.conn.lost.Load(); x.conn.sent {
			return awaiting, nil
		}
		return sending, nil
	case sending:
		if err := x.sendParts(); err != nil {
			return answered, err
		}
		if !x.spec.answers {
			x.noteReceiver(false) // a subscriber may be VidGear's
			return answered, nil
		}
		x.conn.sent, x.sentAt = true, time.Now()
		if x.opts.binds() { // it may have waited for a peer, who has the whole time to answer
			x.deadline = x.sentAt.Add(x.opts.RequestTimeout)
		}
		x.order.took()
		return awaiting, nil
	}
	return answered, x.await()
}

// recover decides what follows a failed step: the next state, or the error that
// ends the exchange.
func (x *frameExchange) recover(err error) (exchangeState, error) {
	if x.conn != nil {
		x.conn.stale = x.conn.stale || x.spec.answers
	}
	switch {
	case errors.Is(err, errHalfSent), errors.Is(err, errPeerLost), errors.Is(err, errUnasked), errors.Is(err, errNotServed), errors.Is(err, errMoved):
		return x.reconnect(err)
	case errors.Is(err, zmsg.ErrTimeout):
		return x.timedOut(err)
	}
	x.abandon(false)
	return answered, err
}

// reconnect pauses before the frame is sent again on a new connection, within
// the same RequestTimeout. So a peer that restarts gets it as soon as it is
// connected.
func (x *frameExchange) reconnect(why error) (exchangeState, error) {
	if errors.Is(why, errPeerLost) && x.conn != nil && x.conn.sent {
		x.endedFruitless()
	}
	if err := x.rest(x.ctx, min(x.pause, time.Until(x.deadline))); err != nil {
		x.abandon(false)
		return connecting, err
	}
	if x.pause = min(2*x.pause, maxPause); !time.Now().Before(x.deadline) {
		return x.timedOut(why)
	}
	x.sendAgain(why)
	return connecting, nil
}

// timedOut counts a try whose time is over, and begins the next. why is what the
// time was spent on: zmsg.ErrTimeout is a wait.
func (x *frameExchange) timedOut(why error) (exchangeState, error) {
	if x.retries--; x.retries == 0 || x.hopeless() {
		gone := x.goneReason() // the reason depends on the socket
		x.abandon(true)
		return answered, gone
	}
	x.deadline = time.Now().Add(x.opts.RequestTimeout)
	switch {
	case !x.spec.answers:
		return connecting, nil // no peer has room; frames that have been sent must not be lost
	case x.frozen():
		x.conn.stale = false
		x.opts.Logger.Warn("no answer, waiting on: the peer is connected", "endpoint", x.where(), "for", x.opts.RequestTimeout)
		return connecting, nil // to the wait for the answer, as the frame has been sent
	case x.opts.binds() && errors.Is(why, zmsg.ErrTimeout) && x.conn != nil && !x.conn.sent && !x.displaced():
		// No peer has come, and a new socket would not change that. But it would end
		// the handshake of one that is coming: where that takes longer than
		// RequestTimeout, none would ever be connected.
		x.conn.stale = false
		return connecting, nil
	}
	x.sendAgain(x.noAnswer())
	return connecting, nil
}

// noAnswer returns the reason if no answer came within Options.RequestTimeout.
func (x *frameExchange) noAnswer() error {
	if x.peers() == 0 {
		return fmt.Errorf("%w: no peer is connected, so no answer came within %v", ErrTimeout, x.opts.RequestTimeout)
	}
	return fmt.Errorf("%w: no answer within %v", ErrTimeout, x.opts.RequestTimeout)
}

// sendAgain notes and logs why a frame is sent again.
func (x *frameExchange) sendAgain(why error) {
	x.reason = why
	x.unasked.Store(errors.Is(why, errUnasked))
	x.connectionLog.log(x.opts.Logger, slog.LevelWarn, "sending again on a new connection", "endpoint", x.where(), "why", why, "bytes", x.size.Load())
}

// rest waits for d, or until the call must end.
func (s *sendEnd) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.ctx.Done():
	case <-ctx.Done():
	case <-timer.C:
	}
	return s.over(ctx)
}

// abandon ends an exchange that failed. The caller reports the frame as lost,
// so the socket must not deliver it later. It is closed after the last try, and
// if libzmq has not yet written the frame. If the frame has been written the
// socket stays, for the terminate message. abandon returns only when libzmq no
// longer reads the caller's memory.
func (x *frameExchange) abandon(last bool) {
	if x.spec.answers && (last || x.part.buf.Shared() || x.tracker.Pending()) {
		x.shut(0)
	}
	x.tracker.Wait()
	x.part.buf.WaitUnshared(releaseLimit)
}

// ---- the socket ----

// connect opens a socket and makes it the current one.
func (s *sendEnd) connect(ctx context.Context) error {
	c, err := s.open(ctx, s.dial)
	if err != nil {
		return err
	}
	s.conn = &sendConn{conn: c}
	s.use(c)
	return nil
}

// dial opens a socket for endpoints.
func (s *sendEnd) dial(ctx context.Context, c *conn, endpoints []string, moved bool) (socket, []string, error) {
	if moved {
		s.halfOpen.Clear() // it belongs to the old address
	}
	if s.order != nil {
		return s.dialInOrder(ctx, c, endpoints)
	}
	return c.open(endpoints)
}

// shut closes the socket, if there is one. Unsent messages are kept for linger.
func (s *sendEnd) shut(linger time.Duration) {
	if c := s.conn; c != nil {
		s.conn = nil
		s.use(nil)
		c.Shut(linger)
	}
}

// freshConn ensures that there is a socket without an unfinished exchange, so
// that a late answer is never taken for the next frame's.
func (x *frameExchange) freshConn() error {
	if c := x.conn; c != nil && (c.stale || !x.opts.publishes() && c.Spoiled()) {
		x.shut(0)
		x.tracker.Wait()
	}
	x.reorder()
	if x.reason != nil {
		x.reconnecting(x.reason)
		x.reason = nil
	}
	if x.conn != nil {
		return nil
	}
	if err := x.endHalfOpen(x.ctx, x.deadline); err != nil {
		return err
	}
	err := x.connect(x.ctx)
	if over := x.over(x.ctx); over != nil {
		return over
	}
	return err
}

// endHalfOpen blocks until the peer's half of a connection that was lost has
// ended, if there is one. It returns zmsg.ErrTimeout at the deadline.
func (s *sendEnd) endHalfOpen(ctx context.Context, deadline time.Time) error {
	if from, _ := s.halfOpen.Ends(); from == "" {
		return nil
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	err := s.halfOpen.End(within, deadline, s.resolver.moved, func(endpoint string) {
		s.resolver.observe(transport.Event{Kind: transport.ConnectRetried, Endpoint: endpoint})
	})
	if over := s.over(ctx); over != nil {
		return over
	}
	return err
}

// follow changes to the new addresses of the host. A socket with one peer that
// answers is replaced instead, with errMoved as the reason. The frame may be in
// transfer to the old address. A socket that listens is replaced, too.
func (s *sendEnd) follow() error {
	switch {
	case !s.resolver.moved():
		return nil
	case s.opts.binds():
		s.shut(0)
		return errMoved
	case s.spec.answers && len(s.opts.Ports) == 1:
		return errMoved
	}
	err := s.conn.reroute()
	s.conn.stale = s.conn.stale || err != nil
	return err
}

// noteAnswered notes that the peer has answered over the current connection,
// and how long the exchange took.
func (s *sendEnd) noteAnswered(took time.Duration) {
	s.conn.answered, s.conn.lostThen = true, s.conn.lost.Load()
	if s.opts.Pattern == Pair {
		s.halfOpen.Answered(time.Now(), took)
	}
}

// frozen reports whether the PAIR peer has the frame and will answer when it
// can. That is so if it has answered earlier on this still-open connection.
// Reconnecting would be refused: its PAIR socket refuses a second connection
// while it has not read the first to its end. VidGear's receive end, which
// answers into the first, would hang forever. If this end listens, a second
// peer that waits is admitted instead.
func (s *sendEnd) frozen() bool {
	c := s.conn
	return s.opts.Pattern == Pair && c != nil && c.sent && c.answered && c.lostThen == c.lost.Load() && s.peers() == 1
}

// ---- one try ----

var (
	// errHalfSent is returned if the connection was lost between the two parts.
	errHalfSent = errors.New("the connection went away between the two parts of a message")
	// errPeerLost is returned if the connection was lost before the answer
	// arrived.
	errPeerLost = errors.New("the connection went away before the answer came")
	// errUnasked is returned if a peer keeps sending answers to frames that
	// were not sent.
	errUnasked = errors.New("the peer sends answers to frames that were not sent")
)

// mustStop returns why a wait at the socket must end.
func (x *frameExchange) mustStop() error {
	if err := x.follow(); err != nil {
		return err
	}
	if x.answerLost() {
		return errPeerLost
	}
	// A secure peer that has rejected this end's keys will reject them again.
	if x.security != nil && x.hopeless() {
		return x.refusal()
	}
	return x.over(x.ctx)
}

// answerLost reports whether the connection was lost over which the answer would
// come, so that the rest of the time-out need not pass. With one peer, that is the
// loss of its connection. With several peers another may answer. An end that
// listens may have any number of them, and the lost one may be any. There it is
// certain if none is left, or at PAIR, where one is served at a time.
func (x *frameExchange) answerLost() bool {
	switch {
	case !x.spec.answers:
		return false
	case x.opts.binds():
		return x.conn.sent && x.conn.lost.Load() != x.lost && (x.opts.Pattern == Pair || x.alone())
	}
	return (x.conn.lost.Load() != x.lost || x.order.lostOne()) && (x.conn.sent || len(x.opts.Ports) == 1)
}

// alone reports whether no peer is left after a loss. The socket confirms it, a moment
// after the loss was reported: until then it is asked again and again.
func (x *frameExchange) alone() bool {
	if x.peers() > 0 {
		return false
	}
	events, err := x.conn.ProcessCommands()
	if err != nil || events&zmq4.POLLOUT == 0 {
		return err == nil
	}
	time.AfterFunc(confirmAfter, x.wake)
	return false
}

// sendParts sends the header and the frame.
func (x *frameExchange) sendParts() error {
	if err := x.follow(); err != nil {
		return err
	}
	c := x.conn
	c.retry()
	if !x.spec.answers && x.hopeless() {
		return x.refusal() // no peer would receive it
	}
	if lost := x.lostInHandshakes(); lost != nil && x.opts.Pattern == PubSub { // which has no tries to use up
		return fmt.Errorf("%w: %w", ErrPeerGone, lost)
	}
	if err := x.dropStaleAnswers(); err != nil {
		return err
	}
	if !x.spec.answers || x.opts.MulticlientMode {
		// PUB drops a message for a full pipe, and REQ sends to a client that
		// has just disconnected. So the socket must process the latest changes
		// first.
		x.settle()
	}
	if err := x.sendHead(); err != nil {
		return err
	}
	if x.opts.binds() {
		x.lost = c.lost.Load()
	}
	// The parts of a message are sent together or not at all.
	err := retryEINTR(func() error {
		if x.part.buf != nil {
			return c.TrySendBuffer(x.part.buf, false)
		}
		return c.TrySendTracked(x.tracker, x.part.external, false)
	})
	if errors.Is(err, syscall.EAGAIN) {
		return errHalfSent
	}
	return err
}

// sendHead waits until the header can be sent, and sends it. Meanwhile it connects
// again where that is due.
func (x *frameExchange) sendHead() error {
	c := x.conn
	for x.unserved = (time.Time{}); ; {
		now := time.Now()
		x.planned = c.rejected.next()
		switch {
		case !x.displaced():
			x.unserved = time.Time{}
		case x.unserved.IsZero():
			x.unserved = now
		}
		until := x.deadline
		for _, due := range []time.Time{x.planned, x.unservedUntil()} {
			if !due.IsZero() {
				until = earlier(until, due)
			}
		}
		err := c.Wait(until, x.stopSending, x.tryHead)
		switch now = time.Now(); {
		case errors.Is(err, errNews):
		case !errors.Is(err, zmsg.ErrTimeout), !now.Before(x.deadline):
			return err
		case x.displaced() && !x.unserved.IsZero() && !now.Before(x.unservedUntil()):
			return errNotServed
		default:
			c.retry()
		}
	}
}

// displaced reports whether a peer is connected to a PAIR end that listens. While
// a frame waits there to be sent, that peer has no place: it connected while
// libzmq was still ending the connection of the last one. libzmq gives it none
// later either, so the socket is replaced after mismatchGrace.
func (x *frameExchange) displaced() bool {
	return x.opts.Pattern == Pair && x.opts.binds() && x.peers() > 0
}

// unservedUntil returns when the socket is replaced; the zero Time is never.
func (x *frameExchange) unservedUntil() time.Time {
	if x.unserved.IsZero() {
		return time.Time{}
	}
	return x.unserved.Add(mismatchGrace)
}

// mustStopSending returns why the wait to send a frame must end.
func (x *frameExchange) mustStopSending() error {
	if err := x.mustStop(); err != nil {
		return err
	}
	if !x.conn.rejected.next().Equal(x.planned) || x.displaced() == x.unserved.IsZero() {
		return errNews
	}
	return nil
}

// maxStale is far more messages than a PAIR peer sends unrequested if it waits
// for frames, as VidGear's and this library's do.
const maxStale = 100

// dropStaleAnswers drops unrequested messages of a PAIR peer, which would be
// taken for the answer to the next frame. A peer that continues is
// disconnected.
func (x *frameExchange) dropStaleAnswers() error {
	if x.opts.Pattern != Pair {
		return nil
	}
	m := &x.answer.parts[0]
	for range maxStale {
		if retryEINTR(func() error { return x.conn.TryRecv(m) }) != nil {
			return nil
		}
		m.Close()
		if err := x.stop(); err != nil {
			return err
		}
	}
	return errUnasked
}

// await waits for the answer to the frame.
func (x *frameExchange) await() error {
	err := x.awaitAnswer(x.deadline, x.stop)
	if errors.Is(err, errPeerLost) && len(x.opts.Ports) > 1 {
		err = x.awaitOthers()
	}
	if (err == nil || errors.Is(err, ErrRejected)) && x.part.external != nil {
		// The receiver has it, so libzmq has written it and releases it at once. If
		// not, the answer came before its frame was through.
		err = cmp.Or(x.conn.WaitReleased(x.tracker, x.deadline, x.stop), err)
	}
	return err
}

// awaitOthers waits for the answer of another client when one has disconnected
// that may have had the frame. If another has it, its answer arrives soon. A
// wait for the whole time-out would make all other clients wait for the lost
// one.
func (x *frameExchange) awaitOthers() error {
	soon := earlier(x.deadline, time.Now().Add(x.opts.RequestTimeout/8))
	err := x.awaitAnswer(soon, func() error { return x.over(x.ctx) })
	if errors.Is(err, zmsg.ErrTimeout) {
		err = errPeerLost
	}
	return err
}

// awaitAnswer reads one answer. An answer that cannot be read still means that
// the frame arrived: it is counted, and the reply is empty.
func (x *frameExchange) awaitAnswer(deadline time.Time, stop func() error) error {
	m := &x.answer
	defer m.close()
	if err := m.read(x.conn.socket, deadline, stop); err != nil {
		return err
	}
	x.counters.roundTrip.since(x.sentAt)
	reply, err := x.readAnswer(m)
	if errors.Is(err, turbojpeg.ErrStopped) {
		return stop() // it returns why
	}
	rejected := errors.Is(err, ErrRejected)
	if err != nil && !rejected {
		x.malformed(reply.Port, because(malformedAnswer, err))
		return nil
	}
	x.noteClient(reply.Port)
	if rejected {
		x.counters.rejected.Add(1)
		return err
	}
	x.reply = reply
	return nil
}

// noteClient notes, in multi-client mode, which client has answered.
func (s *sendEnd) noteClient(port string) {
	s.order.answered(port)
	if port != "" && len(s.clients) < len(s.opts.Ports) {
		if s.clients == nil {
			s.clients = map[string]bool{}
		}
		s.clients[port] = true
	}
}

// ---- the answer ----

// rejectedError returns the error of a frame that the receive end has dropped.
func rejectedError(reason string) error {
	return fmt.Errorf("%w: %s", ErrRejected, reasonText(errors.New(reason)))
}

// readAnswer returns an answer as a Reply, with an array in Go memory.
func (s *sendEnd) readAnswer(m *message) (Reply, error) {
	raw := m.parts[0].Bytes()
	if text, ok := bytes.CutPrefix(raw, []byte(rejectedText)); ok {
		_, reason, _ := bytes.Cut(text[:min(len(text), 2*maxReason)], []byte(" ! ")) // the peer's name is before it
		return Reply{}, rejectedError(string(reason))
	}
	if !s.structured() && (len(raw) == 0 || raw[0] == 'D') {
		s.noteReceiver(bytes.HasPrefix(raw, []byte(receivedText+ownName)))
		return Reply{}, nil // any text is accepted; this is VidGear's
	}
	a, err := s.wire.parseAnswer(raw, true)
	s.noteReceiver(strings.HasPrefix(a.device, ownName))
	if !s.structured() && a.rejected == "" {
		return Reply{}, nil
	}
	if err != nil {
		return Reply{}, err
	}
	port, err := s.portText(a.port)
	if err != nil {
		return Reply{}, err
	}
	reply := Reply{Port: port, PythonType: a.returnType}
	switch {
	case a.rejected != "":
		return reply, rejectedError(a.rejected)
	case a.array:
		reply.Array, err = s.readArray(m, a.coding)
	case !a.data.IsNone():
		reply.Data = Message{raw: bytes.Clone(a.data.raw), packed: a.data.packed}
	}
	return reply, err
}

// readArray returns the array in the second part of an answer.
func (s *sendEnd) readArray(m *message, c coding) (*Array, error) {
	if m.count != maxParts {
		return nil, malformed("an array in an answer of %d parts", m.count)
	}
	f, err := newFrame(s.wire, &header{coding: c}, &m.parts[1], s.opts.MaxFrameBytes)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dec, err := turbojpeg.NewDecoder()
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	dec.Stop = turbojpeg.Stop{s.boundCtx, s.ctx.Done()}
	if _, err := f.decodeAhead(decodeHow{dec: dec, settings: &s.settings, cores: cores()}); err != nil {
		return nil, err
	}
	_, fault, _, _ := f.outcome()
	s.noteFault(f.port, fault)
	return &Array{DType: f.DType(), Shape: f.Shape(), Data: bytes.Clone(f.data)}, nil
}

// ---- errors ----

// goneReason returns the error for retries that are used up.
func (s *sendEnd) goneReason() error {
	lost := s.lostInHandshakes()
	switch {
	case s.mismatched():
		return s.refusal()
	case lost != nil:
		return fmt.Errorf("%w: %w", ErrPeerGone, lost)
	case s.fruitless.Load() >= manyFruitless:
		return s.withTrouble(ErrPeerGone)
	case s.unasked.Load():
		return fmt.Errorf("%w: %w", ErrPeerGone, errUnasked)
	case !s.spec.answers:
		return fmt.Errorf("%w: no peer took the frame within %v, %d times; %d are connected", ErrPeerGone, s.opts.RequestTimeout, s.opts.MaxRetries, s.peers())
	case s.peers() > 0:
		return fmt.Errorf("%w: it is connected but did not answer within %v; is it frozen, or its queue full because its application takes no frames?", ErrPeerGone, s.opts.RequestTimeout)
	}
	if s.tunnel != nil && s.tunnel.Err() != nil {
		return fmt.Errorf("%w: %w", ErrPeerGone, tunnelError(s.tunnel.Err()))
	}
	hint := ""
	if s.opts.Pattern == Pair {
		hint = " Is its queue full, as its application takes no frames, or does it serve another sender? PAIR serves one at a time."
	}
	return fmt.Errorf("%w: no peer answered within %v, %d times; is the receive end running, with this address, port and pattern?%s",
		ErrPeerGone, s.opts.RequestTimeout, s.opts.MaxRetries, hint)
}

// withTrouble adds to an error that connections end before frames are answered,
// if they do. A frame was sent on each of them, so both ends have the same
// pattern and security.
func (s *sendEnd) withTrouble(err error) error {
	fruitless := int(s.fruitless.Load())
	if fruitless < manyFruitless {
		return err
	}
	return fmt.Errorf("%w (%d connections in a row, with matching pattern and security, ended before a frame of %d bytes was answered: "+
		"does the receive end use another wire, does it fail at the frame, or is the frame larger than its MaxFrameBytes, by default %d bytes?)",
		err, fruitless, s.size.Load(), int64(defaultMaxFrameBytes))
}
