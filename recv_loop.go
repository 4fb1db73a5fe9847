package netgear

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// receiver is the receive goroutine: it alone owns the socket of a receive end.
// It waits, reads a whole message, answers, queues, and waits again. Nothing
// that a peer does ends it but a goodbye; nothing that the system does ends it
// at all. EAGAIN and EINTR are what they say: try again.
type receiver struct {
	n       *NetGear
	sock    *socket            // nil while there is none
	retries int                // what is left of MaxRetries
	servers map[string]bool    // multi-server: the ports heard from, true until their goodbye
	dec     *turbojpeg.Decoder // for Respond

	in    message    // the message being read, kept for its memory
	early []*message // Pair: read while there was no room
	shape [4]int     // what the header in hand says

	quietSince time.Time // since when nothing came, or something was last made of it
	lastFrame  time.Time
	aloneSince time.Time // when it was last looked whether anybody is connected
	stalled    bool
	opened     time.Time // when the socket took another's place
	lookAt     time.Time // Pair: when to look who is served; none if zero
	looked     int       // how often that has been done since the last news of connections
	unserved   time.Time // Pair: since when nobody is served though somebody is connected; zero if it is not so
	leaving    time.Time // Pair: until when one that said goodbye may take to go; none if zero
	goneBefore uint64    // connections lost before its goodbye
	tellLost   time.Time // when to tell of lost connections; none if zero
	retryAt    time.Time // when an endpoint that refused is tried again
}

// maxParts is how many parts of one message are kept; NetGear sends two.
const maxParts = 2

// message is one multipart message as read. It is used again for the next one.
type message struct {
	parts  [maxParts]zmsg.Msg
	count  int // parts that came
	source int // the descriptor of the connection that it came over; see flow

	// What is being read, from where, and tryPart as a value made once: a closure
	// for each part would be memory for each part.
	sock *socket
	part *zmsg.Msg
	try  func() error
}

func (m *message) tryPart() error { return m.sock.TryRecv(m.part) }

// take moves what was read to a message of its own.
func (m *message) take() *message {
	own := &message{count: m.count, source: m.source}
	for i := range m.parts {
		m.parts[i].MoveTo(&own.parts[i])
	}
	m.count = 0
	return own
}

// bytes is what the message takes in memory.
func (m *message) bytes() int64 {
	n := int64(frameOverhead)
	for i := range m.parts {
		n += int64(len(m.parts[i].Bytes()))
	}
	return n
}

func (m *message) close() {
	for i := range m.parts {
		m.parts[i].Close()
	}
	m.count = 0
}

func (r *receiver) run() {
	defer close(r.n.loopDone)
	if r.dec != nil {
		defer r.dec.Close()
	}
	err := r.loop()
	r.n.states.read(false)
	for _, m := range r.early {
		m.close()
	}
	r.n.queue.early.Store(0)
	// The last answer may still be on its way.
	r.shut(r.n.patience())
	r.n.queue.finish(err)
}

// loop returns io.EOF after the goodbye, or ErrClosed.
func (r *receiver) loop() error {
	r.quietSince, r.lastFrame = time.Now(), time.Now()
	for {
		if err := r.awaitRoom(); err != nil {
			return err
		}
		m, err := r.next()
		switch {
		case err == nil:
			r.retries = r.n.opts.MaxRetries
			err = r.handle(m)
			m.close()
			r.quietSince = time.Now()
			switch {
			case err != nil:
			case r.sock.flow.spoiled.Load():
				err = r.reopen(errSpoiled)
			default:
				err = r.overdue()
			}
		case err == errNews:
			err = nil // there is another deadline now
		case err == errMoved:
			err = r.follow()
		case errors.Is(err, zmsg.ErrTimeout):
			err = r.quiet()
		case !errors.Is(err, ErrClosed):
			err = r.broken(err)
		}
		if err != nil {
			return err
		}
	}
}

// overdue does what is due while messages keep coming: the wait for them does
// not reach its deadline then.
func (r *receiver) overdue() error {
	if d := r.deadline(); d.IsZero() || r.quietSince.Before(d) {
		return nil
	}
	return r.quiet()
}

// next is the next message, from the socket unless it has been read already.
func (r *receiver) next() (*message, error) {
	// Here too, as the wait for a message does not ask while messages keep coming.
	if err := r.interrupted(); err != nil {
		return nil, err
	}
	if len(r.early) > 0 {
		m := r.early[0]
		r.early = r.early[1:]
		r.n.queue.early.Add(-m.bytes())
		return m, nil
	}
	return &r.in, r.in.read(r.sock, r.deadline(), r.nothingToRead)
}

// awaitRoom waits while the queue is full, which holds the sender back.
func (r *receiver) awaitRoom() (err error) {
	for err == nil && !r.n.queue.hasRoom() {
		if err := r.n.closing(); err != nil {
			return err
		}
		if r.n.opts.Pattern == Pair {
			err = r.readEarly()
		} else {
			// Let libzmq settle connections that come and go meanwhile.
			err = r.sock.Wait(time.Time{}, r.roomOrEnd, func() error {
				r.sock.Settle()
				return syscall.EAGAIN
			})
		}
	}
	if err == errRoom {
		return nil
	}
	return err
}

// errRoom ends the wait for room.
var errRoom = errors.New("room")

func (r *receiver) roomOrEnd() error {
	if r.n.queue.hasRoom() {
		return errRoom
	}
	return r.n.closing()
}

// maxEarly is far more than a Pair peer sends that waits for its answers: a frame
// and a goodbye.
const maxEarly = 8

// readEarly reads a message for which there is no room yet. A peer that does not
// wait for answers would otherwise fill memory (see receiveHWM); it is thrown out.
// REP cannot look ahead: it must answer a request before it reads the next.
func (r *receiver) readEarly() error {
	switch err := r.in.read(r.sock, time.Time{}, r.roomOrEnd); {
	case err == nil && r.earlyFull():
		r.in.close()
		return r.reopen(errFlood)
	case err == nil:
		r.n.queue.early.Add(r.in.bytes())
		r.early = append(r.early, r.in.take())
		return nil
	case err == errRoom, errors.Is(err, ErrClosed):
		return err
	default:
		return r.broken(err)
	}
}

// earlyFull reports whether the message just read is more than may be read ahead.
// Of large ones, two may be: a frame and the same once more, after a loss.
func (r *receiver) earlyFull() bool {
	return len(r.early) == maxEarly || len(r.early) >= 2 && r.n.queue.early.Load()+r.in.bytes() > r.n.opts.QueueBytes
}

var errFlood = errors.New("the peer does not wait for answers")

// maxExtraParts bounds how many parts of a message are read beyond those that a
// message of either wire has. libzmq itself sets no bound.
const maxExtraParts = 1000

// errManyParts is returned for a message that no peer of this protocol sends.
// What is left of it is still in the socket.
var errManyParts = fmt.Errorf("a message of more than %d parts", maxParts+maxExtraParts)

// read reads one whole message, waiting for it. libzmq returns a message only
// when all its parts are there, so there is no deadline between parts. stop is
// asked only while there is nothing to read.
func (m *message) read(s *socket, deadline time.Time, stop func() error) error {
	if m.sock = s; m.try == nil {
		m.try = m.tryPart
	}
	for more := true; more; m.count++ {
		if m.count == maxParts+maxExtraParts {
			m.close()
			return errManyParts
		}
		m.part = &m.parts[min(m.count, maxParts-1)]
		m.part.Close() // too many parts: read to the end, keep the first and the last
		if err := s.Wait(deadline, stop, m.try); err != nil {
			m.close()
			return err
		}
		more = m.part.More()
		deadline = time.Time{}
	}
	m.source = s.flow.source
	return nil
}

// errNews ends a wait because the monitor has seen something to act on.
var errNews = errors.New("news of connections")

// interrupted says why the wait for a message must end. It is asked before each
// message, and while there is nothing to read.
func (r *receiver) interrupted() error {
	if r.n.crowd.Swap(false) {
		r.lookAt, r.looked = earlier(r.lookAt, time.Now().Add(settleTime)), 0
		return errNews
	}
	if r.tellLost.IsZero() && r.n.states.holds() {
		r.tellLost = time.Now().Add(grace)
		return errNews
	}
	if r.n.resolver.moved() && !r.readsFirst() {
		return errMoved
	}
	if again := r.n.givenUp.next(); !again.Equal(r.retryAt) {
		r.retryAt = again
		return errNews
	}
	return r.n.closing()
}

const (
	// settleTime is how long after somebody came or went a Pair socket is looked at:
	// libzmq tells of connections before the socket has dealt with them.
	settleTime = 10 * time.Millisecond
	// moreLooks is how often a Pair socket is looked at again, each time after four
	// times as long, where the first look has found nothing to do: on a busy
	// machine the socket may deal with the news later than settleTime.
	moreLooks = 3
	// crowdGrace is how long somebody may be connected and not served, or the other
	// way round.
	crowdGrace = 100 * time.Millisecond
)

// look: a PAIR socket serves one peer, and others wait at its door. When the one
// has gone, the next is let in. One that has been silent for RequestTimeout while
// another waits is shown out: it froze, or its machine was cut off, and perhaps it
// is the one that waits. Nothing is lost by that: who waits has sent nothing yet.
func (r *receiver) look() error {
	now := time.Now()
	events, err := r.sock.Settle()
	peers, served := r.n.peers(), err == nil && events&zmq4.POLLOUT != 0
	r.lookAt = time.Time{}
	if peers == 0 || served {
		r.unserved = time.Time{}
	}
	switch {
	case peers == 0 && !served:
		r.lookAt = r.sock.door.vacate()
	case peers == 0:
		r.lookAt = now.Add(crowdGrace) // it goes, or comes, just now
	case !served && r.unserved.IsZero():
		r.unserved = now
		r.lookAt = now.Add(crowdGrace)
	case !served:
		// A stranger took so long over its handshake that another was let in.
		if r.lookAt = r.unserved.Add(crowdGrace); !now.Before(r.lookAt) {
			return r.reopen(errLeftOut)
		}
	case r.sock.door.crowded():
		silent := r.lastFrame
		if silent.Before(r.opened) {
			silent = r.opened
		}
		if r.lookAt = silent.Add(r.n.opts.RequestTimeout); !now.Before(r.lookAt) {
			return r.reopen(fmt.Errorf("%w: another peer is waiting, and the one that is served is silent", ErrTimeout))
		}
	}
	if r.lookAt.IsZero() && r.looked < moreLooks {
		r.lookAt = now.Add(crowdGrace << (2 * r.looked))
		r.looked++
	}
	return nil
}

var errLeftOut = errors.New("somebody is connected and not served")

// showOut: who said goodbye at a Pair socket and stays all the same would keep the
// place from the next.
func (r *receiver) showOut() error {
	r.leaving = time.Time{}
	if r.n.peers() == 0 || r.n.counters.lost.Load() != r.goneBefore {
		return nil // it has gone
	}
	r.shut(r.n.patience())
	return r.open()
}

// quietLimit is how long a receive end is quiet before that means something:
// VidGear's 3 × request_timeout, or its subscriber_timeout.
func (r *receiver) quietLimit() time.Duration {
	if r.n.patient() {
		return r.n.opts.SubscriberTimeout
	}
	if r.n.row.answers {
		return 3 * r.n.opts.RequestTimeout
	}
	return 0
}

// patient: Recv is to be told when nothing has come for SubscriberTimeout.
func (n *settings) patient() bool {
	return n.opts.SubscriberTimeout > 0 && (!n.row.answers || n.opts.Wire == AsyncWire)
}

// deadline is the next moment at which the quiet is worth looking at.
func (r *receiver) deadline() time.Time {
	var d time.Time
	if limit := r.quietLimit(); limit > 0 {
		d = r.quietSince.Add(limit)
	}
	if limit := r.n.opts.StallAfter; limit > 0 && !r.stalled {
		d = earlier(d, r.lastFrame.Add(limit))
	}
	if !r.lookAt.IsZero() {
		d = earlier(d, r.lookAt)
	}
	if !r.leaving.IsZero() {
		d = earlier(d, r.leaving)
	}
	if !r.tellLost.IsZero() {
		d = earlier(d, r.tellLost)
	}
	if again := r.n.givenUp.next(); !again.IsZero() {
		d = earlier(d, again)
	}
	return d
}

// earlier is the earlier of two moments, of which d may be none.
func earlier(d, other time.Time) time.Time {
	if d.IsZero() || other.Before(d) {
		return other
	}
	return d
}

// quiet is called at the deadline.
func (r *receiver) quiet() error {
	now := time.Now()
	r.n.givenUp.retry(r.sock)
	if !r.tellLost.IsZero() && !now.Before(r.tellLost) {
		r.tellLost = time.Time{}
		r.n.states.release()
	}
	if limit := r.n.opts.StallAfter; limit > 0 && !r.stalled && !now.Before(r.lastFrame.Add(limit)) {
		r.stalled = true
		r.n.states.add(State{Kind: Stalled, Endpoint: r.n.where()})
	}
	if !r.lookAt.IsZero() && !now.Before(r.lookAt) {
		return r.look()
	}
	if !r.leaving.IsZero() && !now.Before(r.leaving) {
		return r.showOut()
	}
	if limit := r.quietLimit(); limit > 0 && !now.Before(r.quietSince.Add(limit)) {
		r.quietSince = now
		return r.silence()
	}
	return nil
}

// flowing notes that a frame has come.
func (r *receiver) flowing() {
	r.lastFrame = time.Now()
	r.leaving = time.Time{} // there is another already
	if r.stalled {
		r.stalled = false
		r.n.states.add(State{Kind: Resumed, Endpoint: r.n.where()})
	}
}

// silence is called when nothing has come for quietLimit. VidGear's receive end
// binds anew then and counts down. Here a peer that is connected, and answers
// heartbeats, is not gone: it has nothing to send.
func (r *receiver) silence() error {
	alone := r.alone()
	switch {
	case alone && r.spent():
		r.n.queue.pushError(wrap("receive on "+r.n.where(), r.n.goneReason()))
	case r.n.patient():
		r.n.queue.pushError(wrap("receive on "+r.n.where(), r.n.withTrouble(ErrTimeout)))
	}
	if !alone {
		return nil
	}
	r.n.opts.Logger.Info("nobody connected, listening anew", "endpoint", r.n.where())
	return r.reopen(fmt.Errorf("%w: nobody connected for %v", ErrTimeout, 3*r.n.opts.RequestTimeout))
}

// alone: a receive end that answers has had nobody to answer to for 3 ×
// RequestTimeout. Time-outs may come sooner than that, and say nothing of the
// peer.
func (r *receiver) alone() bool {
	if !r.n.row.answers {
		return false
	}
	if r.n.peers() > 0 {
		r.retries, r.aloneSince = r.n.opts.MaxRetries, r.quietSince
		return false
	}
	if limit := 3 * r.n.opts.RequestTimeout; time.Since(r.aloneSince) < limit || time.Since(r.lastFrame) < limit {
		return false
	}
	r.aloneSince = r.quietSince
	return true
}

// spent takes one of the retries; after the last they begin anew.
func (r *receiver) spent() bool {
	if r.n.opts.MaxRetries < 0 {
		return false
	}
	if r.retries--; r.retries > 0 {
		return false
	}
	r.retries = r.n.opts.MaxRetries
	return true
}

// broken: the socket itself failed, which is not the peer's doing. A new one
// takes its place.
func (r *receiver) broken(err error) error {
	r.n.opts.Logger.Error("receive failed, opening a new socket", "endpoint", r.n.where(), "err", err)
	return r.reopen(err)
}

// reopen replaces a socket that has something wrong with it.
func (r *receiver) reopen(why error) error {
	r.shut(0)
	r.n.reconnecting(why)
	return r.open()
}

// shut closes the socket, if there is one. Answers that are still to leave it
// have linger for that.
func (r *receiver) shut(linger time.Duration) {
	if r.sock != nil {
		r.sock.shut(linger)
		r.sock = nil
	}
	// Not sooner: that nobody is connected means that the next finds a place.
	r.n.setSocket(nil)
	r.tellLost, r.lookAt, r.unserved, r.leaving = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	r.n.states.release()
}

// open opens a new socket, keeping at it until that succeeds or the end is
// closed: the old port may be taken for a moment.
func (r *receiver) open() error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		sock, err := r.n.open(r.n.life)
		if err == nil {
			r.sock = sock
			r.n.setSocket(sock)
			r.opened = time.Now()
			return nil
		}
		r.n.opts.Logger.Error("cannot open the socket again", "endpoint", r.n.where(), "err", err)
		select {
		case <-r.n.life.Done():
			return ErrClosed
		case <-time.After(pause):
		}
	}
}

// handle takes one message: a frame is answered and queued, a goodbye answered
// and obeyed, anything else counted, dropped, and answered with the reason.
func (r *receiver) handle(m *message) error {
	r.n.fruitless.Store(0)
	h, err := r.n.wire.parseHeader(m.parts[0].Bytes(), r.shape[:0])
	from, noPort := r.n.portText(h.port)
	if h.from = from; err == nil {
		err = noPort
	}
	if err == nil && h.terminate {
		return r.goodbye(&h)
	}
	if err != nil || r.n.opts.Wire == NetGearWire {
		h.bidirectional = r.n.structured()
	} else if h.bidirectional != r.n.structured() && r.n.row.answers {
		r.n.bursts.log(r.n.opts.Logger, slog.LevelWarn, "bidirectional mode is on at one end only", "endpoint", r.n.where(), "at the sender", h.bidirectional)
	}
	if err == nil && m.count != maxParts {
		err = malformed("%d parts instead of %d", m.count, maxParts)
	}
	var f *Frame
	if err == nil {
		f, err = r.frame(&h, m)
	}
	switch {
	case err != nil:
	case r.n.opts.Respond != nil:
		err = r.respond(&h, f)
	default:
		// The answer goes first: the sender may go on while the frame is queued.
		r.answer(&h)
	}
	r.sock.flow.judge(m.source, err == nil)
	switch {
	case errors.Is(err, turbojpeg.ErrStopped):
		r.n.counters.discarded.Add(1)
		return ErrClosed
	case err != nil:
		r.reject(&h, m, err)
		return nil
	}
	r.heard(f.Port, true)
	r.flowing()
	r.n.queue.push(f)
	return nil
}

// reject drops a message: it is counted, logged, and answered with the reason,
// on the sender's wire where that is not this end's.
func (r *receiver) reject(h *header, m *message, err error) {
	w := r.n.wire
	if other := r.n.opts.Wire.other(); isHeader(other.wire(), m.parts[0].Bytes()) {
		// In the form with fields, which every send end of the other wire accepts.
		w, h.bidirectional = other.wire(), true
		err = malformed("the sender uses %v's wire and this end %v's; set Options.Wire to the same at both", other, r.n.opts.Wire)
	}
	if r.n.row.answers {
		r.reply(&prepared{head: w.appendAnswer(nil, r.n.rejection(w, h, err))})
	}
	r.n.malformed(h.from, err)
}

// isHeader reports whether raw is part 1 of a message on a wire.
func isHeader(w wire, raw []byte) bool {
	_, err := w.parseHeader(raw, nil)
	return err == nil
}

// rejection is the answer to a message that was dropped.
func (n *NetGear) rejection(w wire, h *header, why error) *answer {
	reason := reasonText(why)
	if !h.bidirectional {
		return &answer{text: w.rejected(n.id, reason)}
	}
	return &answer{port: n.port, returnType: "NoneType", rejected: reason}
}

// frame makes a frame of a message that has the right parts, and counts it.
func (r *receiver) frame(h *header, m *message) (*Frame, error) {
	size := len(m.parts[0].Bytes()) + len(m.parts[1].Bytes())
	f, err := newFrame(r.n.wire, h, &m.parts[1], r.n.opts.MaxFrameBytes)
	if err != nil {
		return nil, err
	}
	f.copies = r.n.opts.Copy
	r.n.dropReason.Store(nil)
	r.n.counters.frames.Add(1)
	r.n.counters.bytes.Add(uint64(size))
	r.n.tally.frame(f.Port, size)
	if r.n.opts.Stamp {
		if f.Message, f.Stamp = unstamp(f.Message); f.Stamp != nil {
			r.n.tally.stamp(f.Port, f.Stamp, f.ReceivedAt)
		}
	}
	return f, nil
}

// respond answers a frame with what the application makes of it. An error means
// that the frame could not be decoded; it is closed then, and not answered.
func (r *receiver) respond(h *header, f *Frame) error {
	if err := f.decode(r.dec, &r.n.settings, cores()); err != nil {
		f.Close()
		return err
	}
	r.n.noteFault(f)
	p, err := r.n.prepareResponse(r.n.opts.Respond(f))
	if err != nil {
		// The frame is good; it is the application's data that is not.
		r.n.counters.noData.Add(1)
		r.n.bursts.log(r.n.opts.Logger, slog.LevelWarn, "a frame is answered without data", "endpoint", r.n.where(), "err", err)
		r.answer(h)
		return nil
	}
	if h.bidirectional {
		r.reply(&p)
	} else {
		r.answer(h)
	}
	p.array.Release()
	return nil
}

// maxServers bounds what a peer that makes up ports can fill: with maxPortText
// about a megabyte.
const maxServers = 1 << 12

// heard notes, in multi-server mode, that a sender is here, or has gone.
func (r *receiver) heard(port string, here bool) {
	if _, known := r.servers[port]; r.servers != nil && (known || len(r.servers) < maxServers) {
		r.servers[port] = here
	}
}

// goodbye ends the loop by io.EOF; in multi-server mode when the last of those
// heard from has gone.
func (r *receiver) goodbye(h *header) error {
	if r.servers != nil {
		r.heard(h.from, false)
	}
	if r.n.wire.answersGoodbye(r.n.opts.Pattern) {
		r.reply(&prepared{head: r.n.wire.farewell(r.n.id, r.servers != nil)})
	}
	r.n.states.add(State{Kind: Terminated, Endpoint: r.n.where(), Port: h.from})
	r.n.opts.Logger.Info("the sender said goodbye", "endpoint", r.n.where(), "port", h.from)
	for _, here := range r.servers {
		if here {
			return nil
		}
	}
	switch {
	case r.n.opts.OnTerminate == StopOnTerminate:
		return io.EOF
	case r.n.opts.Pattern == Pair && r.sock.bound:
		// It goes now. A new socket at once would cut off the next one, which may
		// have come already.
		r.leaving, r.goneBefore = time.Now().Add(r.n.patience()), r.n.counters.lost.Load()
	}
	return nil
}

// answer sends what the mode says.
func (r *receiver) answer(h *header) {
	if !r.n.row.answers {
		return
	}
	r.n.returning.Lock()
	defer r.n.returning.Unlock()
	if h.bidirectional != r.n.structured() {
		r.reply(&r.n.returning.other)
		return
	}
	r.reply(&r.n.returning.prepared)
}

// prepared is an answer ready to go: it is made once and sent with every frame.
type prepared struct {
	head  []byte
	array *zmsg.Buffer // nil unless an array is returned
}

// reply sends an answer and never waits for it: where there is no room for it,
// or nobody to take it, the peer is gone or does not read its answers.
func (r *receiver) reply(p *prepared) {
	err := again(func() error { return r.sock.TrySend(p.head, p.array != nil) })
	if err == nil && p.array != nil {
		err = again(func() error { return r.sock.TrySendBuffer(p.array, false) })
	}
	if err != nil {
		r.n.counters.unsent.Add(1)
		r.n.bursts.log(r.n.opts.Logger, slog.LevelWarn, "an answer found no peer", "endpoint", r.n.where(), "err", err)
	}
}

// again repeats a call that a signal interrupted.
func again(try func() error) error {
	for {
		if err := try(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
