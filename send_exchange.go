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
	moved    bool      // it has been moved, as the frame had waited for a peer
	sentAt   time.Time // when it was sent last
	retries  int       // remaining tries; negative: no limit
	pause    time.Duration
	lost     uint64    // sendConn.lost when the wait for this answer began, at an end that listens when the frame was sent
	made     uint64    // and sendConn.made then, at an end that listens
	noticed  uint64    // sendConn.lost when a loss was last noticed that may be of the peer that has the frame,
	since    time.Time // and since when
	vacant   bool      // the peer was lost that had the frame, and no other has it
	planned  time.Time // while it waits to be sent: when to connect again,
	unserved time.Time // and since when a peer is connected that it cannot be sent to
	coming   bool      // the last try ended during the handshake of a peer that may take the frame
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
			x.noteAnswered(time.Since(x.began))
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
		if x.conn.sent { // and a loss since then is one of this frame
			return awaiting, nil
		}
		x.lost = x.conn.lost.Load()
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
		if x.opts.binds() && !x.moved {
			// It may have waited for a peer, which has the whole time to answer. Once in
			// a try: peers that take the frame and leave must not keep the call for ever.
			x.deadline, x.moved = x.sentAt.Add(x.opts.RequestTimeout), true
		}
		x.order.took()
		return awaiting, nil
	}
	return answered, x.await()
}

// recover decides what follows a failed step: the next state, or the error that
// ends the exchange.
func (x *frameExchange) recover(err error) (exchangeState, error) {
	x.vacant = x.vacant && errors.Is(err, errPeerLost)
	if x.conn != nil && !x.vacant {
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
		x.conn.sent = !x.vacant
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
	x.deadline, x.moved = time.Now().Add(x.opts.RequestTimeout), false
	switch {
	case !x.spec.answers:
		return connecting, nil // no peer has room; frames that have been sent must not be lost
	case x.frozen():
		x.conn.stale = false
		x.retryLog.Log(x.opts.Logger, slog.LevelWarn, "no answer, waiting on: the peer is connected", "endpoint", x.where(), "for", x.opts.RequestTimeout)
		return connecting, nil // to the wait for the answer, as the frame has been sent
	case errors.Is(why, zmsg.ErrTimeout) && x.awaitsPeer():
		x.conn.stale = false
		return connecting, nil
	}
	x.sendAgain(x.noAnswer())
	return connecting, nil
}

// awaitsPeer reports whether the frame has reached no peer yet, and a new socket
// would not change that. But it would end the handshake of one that is coming: where
// that takes longer than RequestTimeout, none would ever be connected. At an end that
// connects the frame waits in the socket, and its peer has a whole try to answer after
// such a handshake. So it has if the handshake took most of a try: a new one would
// take as much.
func (x *frameExchange) awaitsPeer() bool {
	c, came := x.conn, x.coming
	x.coming = false
	switch {
	case c == nil:
		return false
	case x.opts.binds():
		return !c.sent && !x.displaced()
	case c.lost.Load() != x.lost: // and the frame with it
		return false
	case x.peers() > 0:
		return came || x.peers() == 1 && c.newly(x.opts.RequestTimeout/2)
	}
	if x.coming = c.Handshaking(); x.coming {
		x.retryLog.Log(x.opts.Logger, slog.LevelWarn, "no answer, waiting on: a peer is in its handshake", "endpoint", x.where(), "for", x.opts.RequestTimeout)
	}
	return x.coming
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
	x.retryLog.Log(x.opts.Logger, slog.LevelWarn, "sending again on a new connection", "endpoint", x.where(), "why", why, "bytes", x.size.Load())
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
	switch {
	case x.reason == nil:
	case x.conn == nil:
		x.reconnecting(x.reason)
	default:
		x.counters.retries.Add(1) // on the same socket: see vacated
	}
	x.reason = nil
	if x.conn != nil {
		return x.vacated()
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

// vacated makes a socket that listens, and whose peer was lost before it had
// answered, ready for the frame again. It stays: a new one would end the connections
// of the others, and the handshake of every peer that is just connecting. No late
// answer can come, as the peer's connection has ended. libzmq has released the frame
// by then; if not, the socket is replaced.
func (x *frameExchange) vacated() error {
	if !x.vacant {
		return nil
	}
	x.vacant = false
	if err := x.dropStaleAnswers(); err != nil {
		return err
	}
	x.conn.ProcessCommands()
	err := x.conn.WaitReleased(x.tracker, earlier(x.deadline, time.Now().Add(mismatchGrace)), x.stop)
	if errors.Is(err, zmsg.ErrTimeout) {
		x.conn.stale = true
		return x.freshConn()
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
	case s.spec.answers && s.conn.sent:
		return nil // a client that is left may have the frame: the next one changes
	}
	err := s.conn.reroute()
	s.conn.stale = s.conn.stale || err != nil
	return err
}

// noteAnswered notes that the peer has answered over the current connection,
// and how long the exchange took. A loss after the frame was sent may be that of
// the peer that has answered, so it counts as one since then.
func (x *frameExchange) noteAnswered(took time.Duration) {
	x.conn.answered, x.conn.lostThen = true, x.lost
	if x.opts.Pattern == Pair {
		x.halfOpen.Answered(time.Now(), took)
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
// listens may have any number of them: see servedLost.
func (x *frameExchange) answerLost() bool {
	switch {
	case !x.spec.answers:
		return false
	case x.opts.binds():
		return x.conn.sent && x.servedLost()
	}
	return (x.conn.lost.Load() != x.lost || x.order.lostOne()) && (x.conn.sent || len(x.opts.Ports) == 1)
}

// servedLost reports whether the peer was lost that has the frame, at an end that
// listens. It is certain if the socket has no peer any more, which shows a moment
// after the loss was reported: until then the socket is asked again and again.
//
// If it still has one after mismatchGrace, then at REQ the bytes that were written to
// the others show whether one of them has the frame. At PAIR the lost one was
// another, which was connected besides the one that is served, unless a peer has
// connected since the frame was sent: that one may have taken the place in the
// meantime.
func (x *frameExchange) servedLost() bool {
	lost := x.conn.lost.Load()
	if lost == x.lost {
		return false
	}
	events, err := x.conn.ProcessCommands()
	if err != nil {
		return false
	}
	if events&zmq4.POLLOUT == 0 {
		// A PAIR peer that is connected by now has no place in this socket: see displaced.
		x.vacant = x.opts.Pattern != Pair || x.peers() == 0
		return true
	}
	if x.noticed != lost {
		x.noticed, x.since = lost, time.Now()
	}
	again := confirmAfter
	if x.peers() > 0 { // otherwise the monitor or the socket is late
		switch {
		case time.Since(x.since) < mismatchGrace:
		case x.opts.Pattern != Pair:
			has, known := x.anotherHasIt()
			switch {
			case has:
				x.lost = lost
				return false
			case known:
				x.vacant = true
				return true
			}
			again = mismatchGrace
		case x.conn.made.Load() != x.made:
			return true
		default:
			x.lost = lost
			return false
		}
	}
	time.AfterFunc(again, x.wake)
	return false
}

// noteWritten notes how many bytes were written to the connections before the frame,
// at a REQ end that listens and has several peers. A connection that is not noted
// counts as one that nothing was written to.
func (x *frameExchange) noteWritten() {
	c := x.conn
	if c.before = c.before[:0]; x.opts.Pattern == ReqRep && c.Peers() > 1 {
		c.before, _ = c.Written(c.before)
	}
}

// anotherHasIt reports whether one of the peers that are connected has the frame, at
// a REQ end: as many bytes were written to it since. libzmq has released the frame
// when it has written it, or ended the connection that it was for. Until then that
// is not known, nor where the system does not report the bytes.
func (x *frameExchange) anotherHasIt() (has, known bool) {
	if x.tracker.Pending() || x.part.buf.Shared() {
		return false, false
	}
	c := x.conn
	c.after, known = c.Written(c.after[:0])
	for _, now := range c.after {
		written := now.Most
		for _, then := range c.before {
			if then.ID == now.ID {
				written -= then.Least
			}
		}
		has = has || written >= x.size.Load()
	}
	return has, known
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
		if err := x.settleLosses(); err != nil {
			return err
		}
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

// settleLosses waits until the losses that were reported have reached the socket,
// at an end that listens. libzmq reports a loss a moment before the socket is
// notified. A frame that is sent meanwhile goes to the connection that has ended,
// and its loss was noted already, so it would wait for RequestTimeout.
func (x *frameExchange) settleLosses() error {
	c := x.conn
	lost := c.lost.Load()
	if !x.opts.binds() || !x.spec.answers || lost == c.settled {
		return nil
	}
	for over := time.Now().Add(mismatchGrace); ; {
		until := earlier(x.deadline, time.Now().Add(confirmAfter))
		err := c.Wait(until, x.stop, func() error {
			c.ProcessCommands()
			return syscall.EAGAIN
		})
		if now := time.Now(); !errors.Is(err, zmsg.ErrTimeout) || !now.Before(x.deadline) {
			return err
		}
		lost = c.lost.Load()
		events, err := c.ProcessCommands()
		if err != nil || events&zmq4.POLLOUT == 0 || x.peers() > 0 || !time.Now().Before(over) {
			c.settled = lost
			return nil
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
	if errors.Is(err, errPeerLost) && len(x.opts.Ports) > 1 && !x.vacant {
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
		x.malformed("", reply.Port, because(malformedAnswer, err))
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
	s.noteFault("", f.port, fault)
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
	case !s.spec.answers && s.peers() == 0:
		return fmt.Errorf("%w: no peer took the frame within %v, %s; none is connected: %s", ErrPeerGone, s.opts.RequestTimeout, times(s.opts.MaxRetries), s.whyNoPeer())
	case !s.spec.answers:
		return fmt.Errorf("%w: no peer took the frame within %v, %s; peers connected: %d", ErrPeerGone, s.opts.RequestTimeout, times(s.opts.MaxRetries), s.peers())
	case s.peers() > 0:
		return fmt.Errorf("%w: it is connected but did not answer within %v; is it frozen, or its queue full because its application takes no frames?", ErrPeerGone, s.opts.RequestTimeout)
	}
	if s.tunnel != nil && s.tunnel.Err() != nil {
		return fmt.Errorf("%w: %w", ErrPeerGone, tunnelError(s.tunnel.Err()))
	}
	hint := "is the receive end running, with this address, port and pattern?"
	if s.conn != nil && s.conn.Handshaking() {
		hint = "the connection is made, but its handshake has not ended: is the receive end frozen, slower than RequestTimeout, or another program?"
	}
	if s.opts.Pattern == Pair {
		hint += " Is its queue full, as its application takes no frames, or does it serve another sender? PAIR serves one at a time."
	}
	return fmt.Errorf("%w: no peer answered within %v, %s; %s",
		ErrPeerGone, s.opts.RequestTimeout, times(s.opts.MaxRetries), hint)
}

// times returns how often something was tried.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprint(n, " times")
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
