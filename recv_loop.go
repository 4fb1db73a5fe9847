package netgear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear/internal/loglimit"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// receiveEnd is the half of a NetGear that receives. Its goroutine run owns the
// socket: it waits, reads a whole message, answers it, queues it, and waits
// again. The goroutine ends only on a terminate message or Close. After EAGAIN
// and EINTR it tries again.
type receiveEnd struct {
	*link
	queue     *recvQueue
	frames    frameSource // what the frames have in common
	warned    atomic.Bool // of open frames
	returning returning
	done      chan struct{} // closed when the goroutine has ended

	// The goroutine's own fields.
	conn      *recvConn          // nil while there is no socket
	retries   int                // the remaining tries of MaxRetries
	dec       *turbojpeg.Decoder // for Respond
	responses useHistory         // whether Respond reads pixels
	servers   map[string]bool    // multi-server mode: the ports of known senders, true until their terminate message

	in    message    // the message being read, reused for its memory
	early []*message // PAIR: messages read while the queue had no room
	mute  bool       // the message being handled must not be answered; see orphaned
	asker string     // its peer
	shape [4]int     // memory for the shape in the header being read

	// nothingToRead and roomOrEnd, created once: method values for each message
	// would allocate memory.
	stop, stopWaiting func() error

	timers    timers // of the end; see recv_timers.go
	stalled   bool
	lastFrame time.Time
	portless  time.Time // when a frame without a port was last logged, in multi-server mode
	noPeers   time.Time // since when no peer is connected, according to the last check
}

// recvConn is a receive end's socket, with the state of its peers.
type recvConn struct {
	*conn
	timers     timers    // of the socket; see recv_timers.go
	opened     time.Time // when it replaced another; zero for the first
	pair       pairState
	lostBefore uint64 // conn.lost when a terminate message was read
}

// newReceiveEnd opens a receive end on l, which the caller still owns.
func newReceiveEnd(l *link) (_ *receiveEnd, err error) {
	r := &receiveEnd{link: l, done: make(chan struct{}), retries: l.opts.MaxRetries}
	l.onEvent, l.onPending, l.explain = r.observe, func() {}, r.withTrouble
	r.stop, r.stopWaiting = r.nothingToRead, r.roomOrEnd
	if l.opts.MultiserverMode {
		r.servers = map[string]bool{}
	}
	if r.dec, err = turbojpeg.NewDecoder(); err != nil {
		return nil, err
	}
	r.dec.Stop[0] = l.ctx.Done()
	r.responses.policy = l.opts.Decode
	r.frames.link, r.frames.settings, r.frames.use.policy = l, &l.settings, l.opts.Decode
	r.queue = newRecvQueue(l, &r.frames.use)
	r.frames.changed = r.queue.useChanged
	c, err := l.open(l.ctx, r.dial)
	if err != nil {
		r.dec.Close()
		return nil, err
	}
	r.conn = &recvConn{conn: c}
	l.use(c)
	l.listensOn(c)
	r.returning.prepared = r.nothing(r.structured())
	r.returning.other = r.nothing(!r.structured())
	r.events.setReading(true)
	go r.run()
	return r, nil
}

// receiver returns the receive end, or an error if there is none.
func (n *NetGear) receiver() (*receiveEnd, error) {
	if err := n.opened(); err != nil {
		return nil, err
	}
	if n.recv == nil {
		return nil, fmt.Errorf("%w: this is a send end; make one with ReceiveMode: true to receive", ErrMode)
	}
	return n.recv, nil
}

// receive returns the next frame of the queue.
func (r *receiveEnd) receive(ctx context.Context) (*Frame, error) {
	if ctx == nil {
		return nil, wrap("receive", ErrContext)
	}
	if err := ctx.Err(); err != nil {
		return nil, wrap("receive", err)
	}
	if err := r.calls.check(forbidReceive); err != nil {
		return nil, wrap("receive", err)
	}
	f, err := r.queue.pop(ctx)
	switch {
	case err == nil:
		r.counters.delivered.Add(1)
		f.recvd = true
		f.handOut()
		r.warnOpen()
		return f, nil
	case errors.Is(err, io.EOF), errors.Is(err, ErrTimeout), errors.Is(err, ErrPeerGone), errors.Is(err, ErrAuth):
		return nil, err
	}
	return nil, wrap("receive on "+r.where(), r.hint(ctx, err))
}

// warnOpen logs, once, that the application has more open frames than it
// expects. The stack is that of the call of Recv.
func (r *receiveEnd) warnOpen() {
	open := r.frames.open.Load()
	if limit := r.opts.OpenFrames; limit > 0 && open > int64(limit) && !r.warned.Swap(true) {
		r.opts.Logger.Warn("the application has more open frames than Options.OpenFrames; each must be closed", "endpoint", r.where(), "open", open, "limit", limit, "stack", string(debug.Stack()))
	}
}

// close ends the goroutine, closes the socket and frees the queued frames.
func (r *receiveEnd) close() {
	r.cancel()
	r.wake()
	<-r.done
	r.queue.discard(ErrClosed)
	r.frames.closeDecoders()
	r.returning.Lock() // setReturnData may be running
	r.returning.array.Release()
	r.returning.Unlock()
	r.link.close(0)
}

// observe follows the connections that the monitor reports.
func (r *receiveEnd) observe(c *conn, e transport.Event) {
	switch e.Kind {
	case transport.Connected:
		c.notePeers()
	case transport.Disconnected:
		if r.closing() == nil {
			if !r.queueFull.Load() && !e.Left { // else its messages have not been read
				r.endedFruitless()
			}
			c.notePeers()
		}
	}
}

// ---- the loop ----

func (r *receiveEnd) run() {
	defer close(r.done)
	defer r.dec.Close()
	end := ErrClosed // if Respond ends the goroutine
	defer func() { r.finish(end) }()
	end = r.loop()
}

// finish closes the socket, and makes Recv return end after the queued frames.
func (r *receiveEnd) finish(end error) {
	r.events.setReading(false)
	for _, m := range r.early {
		m.close()
	}
	r.queue.early.Store(0)
	// The last answer may still be in transfer.
	r.shut(r.lingerTimeout())
	r.queue.finish(end)
}

// loop returns io.EOF after the terminate message, or ErrClosed.
func (r *receiveEnd) loop() error {
	r.lastFrame = time.Now()
	r.timers.after(idleTimer, r.lastFrame, r.idleLimit())
	r.timers.after(stallTimer, r.lastFrame, r.opts.StallAfter)
	for {
		if err := r.awaitRoom(); err != nil {
			return err
		}
		m, err := r.next()
		switch {
		case err == nil:
			err = r.process(m)
		case errors.Is(err, errNews):
			r.noteNews(time.Now())
			err = nil
		case errors.Is(err, errMoved):
			err = r.follow()
		case errors.Is(err, zmsg.ErrTimeout):
			err = r.onDeadline(time.Now())
		case !errors.Is(err, ErrClosed):
			err = r.broken(err)
		}
		if err != nil {
			return err
		}
	}
}

// process handles one message, and then what is due: while messages arrive
// without a pause, the wait for them never reaches its deadline.
func (r *receiveEnd) process(m *message) error {
	r.retries = r.opts.MaxRetries
	defer m.close() // also if Respond ends the goroutine
	r.mute, r.asker = r.orphaned(m), m.peer
	err := r.handle(m)
	if err != nil {
		return err
	}
	now := time.Now()
	r.timers.after(idleTimer, now, r.idleLimit())
	if r.conn.Spoiled() {
		return r.reopen(transport.ErrSpoiled)
	}
	if d := r.deadline(); !d.IsZero() && !now.Before(d) {
		return r.onDeadline(now)
	}
	return nil
}

// next returns the next message, from the socket unless it has been read early.
func (r *receiveEnd) next() (*message, error) {
	// It is checked here too, because the wait does not check it while messages
	// arrive without a pause.
	if err := r.interrupted(); err != nil {
		return nil, err
	}
	if len(r.early) > 0 {
		m := r.early[0]
		r.early = r.early[1:]
		r.queue.early.Add(-m.bytes())
		return m, nil
	}
	return &r.in, r.in.read(r.conn.socket, r.deadline(), r.stop)
}

// errNews ends a wait because the monitor has reported an event that requires
// an action.
var errNews = errors.New("news of connections")

// interrupted returns why the wait for a message must end. It is called before
// each message, and while there is nothing to read. It changes nothing.
func (r *receiveEnd) interrupted() error {
	switch {
	case r.news():
		return errNews
	case r.resolver.moved() && !r.readsFirst():
		return errMoved
	}
	return r.closing()
}

// nothingToRead returns why the wait for a message must end when there is none.
func (r *receiveEnd) nothingToRead() error {
	if r.resolver.moved() {
		return errMoved
	}
	return r.interrupted()
}

// readsFirst reports whether a receive end reads the remaining messages of a
// lost connection before it leaves the address. In the other patterns the
// sender repeats them, or they may be lost.
func (s *settings) readsFirst() bool {
	return s.opts.Pattern == Pair || s.opts.Pattern == PushPull
}

// errRoom ends the wait for room in the queue.
var errRoom = errors.New("room")

// awaitRoom waits while the queue is full, which makes the sender wait.
func (r *receiveEnd) awaitRoom() (err error) {
	if r.queue.hasRoom() {
		return nil
	}
	r.queueFull.Store(true)
	defer r.queueFull.Store(false)
	since := time.Now()
	warnAt := since.Add(r.opts.RequestTimeout)
	for err == nil && !r.queue.hasRoom() {
		if err := r.closing(); err != nil {
			return err
		}
		until := warnAt
		if at := r.conn.timers[retryTimer]; !at.IsZero() {
			until = earlier(warnAt, at)
		}
		switch err = r.awaitRoomUntil(until); {
		case errors.Is(err, errNews):
			err, r.conn.timers[retryTimer] = nil, r.conn.rejected.next()
		case errors.Is(err, zmsg.ErrTimeout):
			err = nil
			now := time.Now()
			if r.conn.timers.take(retryTimer, now) {
				r.conn.retry() // the next wait sets the timer again
			}
			if !warnAt.IsZero() && !now.Before(warnAt) {
				warnAt = time.Time{}
				r.warnFull(now.Sub(since))
			}
		}
	}
	if errors.Is(err, errRoom) {
		return nil
	}
	return err
}

// awaitRoomUntil waits for room until a deadline, after which it returns
// zmsg.ErrTimeout. With Pair it returns after each message that is read early.
func (r *receiveEnd) awaitRoomUntil(deadline time.Time) error {
	if r.opts.Pattern == Pair {
		return r.readEarly(deadline)
	}
	// libzmq must process connections that begin and end meanwhile.
	return r.conn.Wait(deadline, r.stopWaiting, func() error {
		r.conn.ProcessCommands()
		return syscall.EAGAIN
	})
}

// warnFull logs that the application has taken no frame from the full queue for
// a while.
func (r *receiveEnd) warnFull(since time.Duration) {
	var s Stats
	r.queue.fill(&s)
	r.messageLog.Log(r.opts.Logger, slog.LevelWarn, "the queue is full: the application takes no frames, and senders wait", "endpoint", r.where(), "queue", s.Queue, "bytes", s.QueueBytes, "for", since.Round(time.Millisecond))
}

// roomOrEnd returns why the wait for room must end.
func (r *receiveEnd) roomOrEnd() error {
	switch {
	case r.queue.hasRoom():
		return errRoom
	case !r.conn.rejected.next().Equal(r.conn.timers[retryTimer]):
		return errNews
	}
	return r.closing()
}

// ---- no messages ----

// onIdle is called when nothing has arrived for idleLimit. VidGear's receive
// end then binds again and counts down its retries. Here a connected peer is
// not gone, because it may have nothing to send.
func (r *receiveEnd) onIdle(now time.Time) error {
	deserted := r.deserted(now)
	switch {
	case deserted && r.retriesExhausted():
		r.queue.pushError(wrap("receive on "+r.where(), r.goneReason()))
	case r.reportsIdle():
		r.queue.pushError(wrap("receive on "+r.where(), r.withTrouble(ErrTimeout)))
	}
	if !deserted || r.conn.Handshaking() { // a new socket would end the handshake
		return nil
	}
	r.retryLog.Log(r.opts.Logger, slog.LevelInfo, "no peer connected, listening again", "endpoint", r.where())
	return r.reopen(fmt.Errorf("%w: no peer connected for %v", ErrTimeout, 3*r.opts.RequestTimeout))
}

// deserted reports whether a receive end that answers has had no peer for 3 ×
// RequestTimeout. Time-outs may occur earlier, and then have no meaning.
func (r *receiveEnd) deserted(now time.Time) bool {
	if !r.spec.answers {
		return false
	}
	if r.peers() > 0 {
		r.retries, r.noPeers = r.opts.MaxRetries, now
		return false
	}
	if limit := 3 * r.opts.RequestTimeout; now.Sub(r.noPeers) < limit || now.Sub(r.lastFrame) < limit {
		return false
	}
	r.noPeers = now
	return true
}

// retriesExhausted uses up one retry, and reports whether it was the last.
// After the last all retries are available again.
func (r *receiveEnd) retriesExhausted() bool {
	if r.opts.MaxRetries < 0 {
		return false
	}
	if r.retries--; r.retries > 0 {
		return false
	}
	r.retries = r.opts.MaxRetries
	return true
}

// goneReason returns the error for retries that are used up.
func (r *receiveEnd) goneReason() error {
	if r.mismatched() {
		return r.refusal()
	}
	return r.withTrouble(fmt.Errorf("%w: no peer was connected for %v; is the send end running, with this address and port?", ErrPeerGone,
		3*r.opts.RequestTimeout*time.Duration(max(1, r.opts.MaxRetries))))
}

// withTrouble adds to an error what goes wrong at this end.
func (r *receiveEnd) withTrouble(err error) error {
	if dropped := r.dropReason.Load(); dropped != nil {
		return fmt.Errorf("%w (messages arrive and are dropped, the last one because: %w)", err, *dropped)
	}
	if fruitless := int(r.fruitless.Load()); fruitless >= manyFruitless {
		return fmt.Errorf("%w (%d connections in a row ended before a whole message came: did the senders give up, or is a frame larger than this end's MaxFrameBytes, %d bytes?)", err, fruitless, r.opts.MaxFrameBytes)
	}
	return err
}

// ---- the socket ----

// dial opens a socket for endpoints.
func (r *receiveEnd) dial(_ context.Context, c *conn, endpoints []string, _ bool) (socket, []string, error) {
	return c.open(endpoints)
}

// broken replaces a socket that itself failed, without the peer as the cause.
func (r *receiveEnd) broken(err error) error {
	r.retryLog.Log(r.opts.Logger, slog.LevelError, "receive failed, opening a new socket", "endpoint", r.where(), "err", err)
	return r.reopen(err)
}

// reopen replaces a socket for a reason.
func (r *receiveEnd) reopen(why error) error {
	r.shut(0)
	r.reconnecting(why)
	return r.open()
}

// shut closes the socket, if there is one. Answers that have not been sent yet
// have the time of linger.
func (r *receiveEnd) shut(linger time.Duration) {
	if c := r.conn; c != nil {
		c.Shut(linger)
		r.conn = nil
	}
	// It must not be sooner: if no peer is connected, there is a place for the
	// next.
	r.use(nil)
	r.events.release()
}

// open opens a new socket, and retries until that succeeds or the end is
// closed: the old port may be in use for a moment.
func (r *receiveEnd) open() error {
	for pause := firstReopen; ; pause = min(2*pause, maxPause) {
		c, err := r.link.open(r.ctx, r.dial)
		if err == nil {
			r.conn = &recvConn{conn: c, opened: time.Now()}
			r.use(c)
			return nil
		}
		r.retryLog.Log(r.opts.Logger, slog.LevelError, "cannot open the socket again", "endpoint", r.where(), "err", err)
		select {
		case <-r.ctx.Done():
			return ErrClosed
		case <-time.After(pause):
		}
	}
}

// follow changes to the new addresses of the host. A PAIR socket accepts no
// second connection while libzmq still closes the first, so it is replaced.
func (r *receiveEnd) follow() error {
	if r.opts.Pattern == Pair || r.opts.binds() {
		return r.reopen(errMoved)
	}
	if err := r.conn.reroute(); err != nil {
		return r.broken(err)
	}
	return nil
}

// ---- a message ----

// handle processes one message. It answers and queues a frame, and answers a
// terminate message and ends the stream. It counts and drops anything else, and
// answers with the reason.
func (r *receiveEnd) handle(m *message) error {
	r.fruitless.Store(0)
	h, err := r.readHeader(m)
	if err == nil && h.terminate {
		return r.terminated(&h, m.peer)
	}
	var f *Frame
	if err == nil {
		f, err = r.frame(&h, m)
	}
	switch {
	case err != nil:
	case r.opts.Respond != nil:
		err = r.respond(&h, f)
	default:
		// The answer is sent first, so that the sender continues while the
		// frame is queued.
		r.answer(&h)
	}
	r.conn.NoteMessage(m.source, err == nil)
	switch {
	case errors.Is(err, turbojpeg.ErrStopped):
		r.counters.discarded.Add(1)
		return ErrClosed
	case err != nil:
		r.reject(&h, m, err)
		return nil
	}
	r.noteSender(f.Port, true)
	r.flowing()
	if f.Port == "" && r.opts.MultiserverMode && r.opts.Wire == NetGearWire {
		r.logPortless(m.peer)
	}
	r.queue.push(f)
	return nil
}

// portlessPause is the shortest time between two log lines about frames without
// a port.
const portlessPause = time.Minute

// logPortless logs that a sender is not in multi-server mode.
func (r *receiveEnd) logPortless(peer string) {
	if now := time.Now(); r.portless.IsZero() || now.Sub(r.portless) >= portlessPause {
		r.portless = now
		r.opts.Logger.Warn("multi-server mode is off at a sender: its frames have no port", loglimit.Known("endpoint", r.where(), "peer", peer)...)
	}
}

// readHeader reads the header of a message, and checks it against the options.
// With an error it also returns what it could read.
func (r *receiveEnd) readHeader(m *message) (header, error) {
	h, err := r.wire.parseHeader(m.parts[0].Bytes(), r.shape[:0])
	from, noPort := r.portText(h.port)
	if h.from = from; err == nil {
		err = noPort
	}
	if err == nil && h.terminate {
		return h, nil
	}
	if err != nil || r.opts.Wire != AsyncWire { // other headers do not contain it
		h.bidirectional = r.structured()
	} else if h.bidirectional != r.structured() && r.spec.answers {
		r.messageLog.Log(r.opts.Logger, slog.LevelWarn, "bidirectional mode is on at one end only", "endpoint", r.where(), "peer", m.peer, "at the sender", h.bidirectional)
	}
	if err == nil && m.count != maxParts {
		err = malformed("%d parts instead of %d", m.count, maxParts)
	}
	return h, err
}

// frame returns the frame of a message that has the right parts, and counts it.
func (r *receiveEnd) frame(h *header, m *message) (*Frame, error) {
	size := len(m.parts[0].Bytes()) + len(m.parts[1].Bytes())
	f, err := newFrame(r.wire, h, &m.parts[1], r.opts.MaxFrameBytes)
	if err != nil {
		return nil, err
	}
	if err := f.applyReading(r.opts.Reading); err != nil {
		f.Close()
		return nil, err
	}
	f.copies, f.Peer, f.peer, f.source = r.opts.Copy, m.peer, m.peer, &r.frames
	r.dropReason.Store(nil)
	r.countFrame(f.Port, size)
	if r.opts.Stamp {
		if f.Message, f.Stamp = unstamp(f.Message); f.Stamp != nil {
			f.kept = cap(f.Message.raw)
			r.noteStamp(f)
		}
	}
	return f, nil
}

// flowing notes the arrival of a frame.
func (r *receiveEnd) flowing() {
	r.lastFrame = time.Now()
	r.conn.timers[evictTimer] = time.Time{} // another peer is served already
	r.timers.after(stallTimer, r.lastFrame, r.opts.StallAfter)
	if r.stalled {
		r.stalled = false
		r.events.add(Event{Kind: EventResumed, Endpoint: r.where()})
	}
}

// maxServers bounds the memory for ports that a peer invents: with maxPortText
// about a megabyte.
const maxServers = 1 << 12

// noteSender notes, in multi-server mode, that the sender with a port is
// connected, or has disconnected.
func (r *receiveEnd) noteSender(port string, here bool) {
	if _, known := r.servers[port]; r.servers != nil && (known || len(r.servers) < maxServers) {
		r.servers[port] = here
	}
}

// terminated handles a terminate message. It ends the loop with io.EOF, in
// multi-server mode when the last known sender has sent one.
func (r *receiveEnd) terminated(h *header, peer string) error {
	if r.servers != nil {
		r.noteSender(h.from, false)
	}
	if r.wire.answersTerminate(r.opts.Pattern) {
		r.reply(&prepared{head: r.wire.terminateReply(r.id, r.servers != nil)})
	}
	r.counters.terminatesReceived.Add(1)
	r.events.add(Event{Kind: EventTerminated, Endpoint: r.where(), Peer: peer, Port: h.from})
	r.opts.Logger.Info("the sender sent its terminate message", loglimit.Known("endpoint", r.where(), "peer", peer, "port", h.from)...)
	for _, here := range r.servers {
		if here {
			return nil
		}
	}
	switch {
	case r.opts.TerminatePolicy == StopOnTerminate:
		return io.EOF
	case r.opts.Pattern == Pair && r.opts.binds():
		// The peer disconnects now. A new socket at once would close the
		// connection of the next peer, which may exist already.
		r.conn.lostBefore = r.conn.lost.Load()
		r.conn.timers[evictTimer] = time.Now().Add(r.lingerTimeout())
	}
	return nil
}
