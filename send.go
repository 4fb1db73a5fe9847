package netgear

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/turbojpeg"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// sendEnd is the half of a NetGear that sends. A goroutine that holds sendMu
// prepares a frame and exchanges it for an answer; it owns all fields below.
// With Options.SendAhead the fields of the exchange, and the socket, belong to
// the goroutine of the queue, and with Options.SendLatest those of the
// preparation as well.
type sendEnd struct {
	*link
	sendMu  chan struct{} // a lock; a context or Close can end the wait for it
	queue   *sendQueue    // nil unless Options.SendAhead or SendLatest
	settler *settler      // nil unless this end is a publisher, or a PUSH end that listens
	adapt   *adaptation   // nil unless Options.Adapt

	// Preparation; see send_payload.go.
	enc      *turbojpeg.Encoder
	sender   uint64               // Stamp.Sender of this end's own stamps
	seq      uint64               // the number of the last of them
	buffers  zmsg.ExternalBuffers // memory that a publisher owns until libzmq has sent it
	boundCtx <-chan struct{}      // the end of the context that wakes the exchange
	unbind   func() bool          // undoes the binding

	// The exchange; see send_exchange.go.
	conn        *sendConn // nil while there is no socket
	tracker     *zmsg.MessageTracker
	head        []byte             // the header being written, reused for its memory
	answer      message            // the answer being read, reused for its memory
	tryHead     func() error       // sends head; created once
	frame       frameExchange      // of the current frame
	stop        func() error       // frame.mustStop; created once
	stopSending func() error       // frame.mustStopSending; created once
	clients     map[string]bool    // multi-client mode: the ports that have answered
	queuedAt    time.Time          // when a receive end that may discard its queue got a frame; see awaitReading
	order       *clientOrder       // nil unless this is a multi-client REQ end that connects
	halfOpen    transport.HalfOpen // PAIR

	// For the log.
	number      uint64  // of the current frame's stamp; 0 if it has none
	overflowLog lossLog // limits the lines about frames that a subscriber loses
	failedLog   lossLog // and about those that were not sent, or not answered

	// For errors that other goroutines create, too.
	size    atomic.Int64 // of the current frame in bytes, with its header
	unasked atomic.Bool  // the peer floods this end with answers
}

// sendConn is a send end's socket, with the state of the exchange over it.
type sendConn struct {
	*conn
	stale    bool   // an exchange was broken off: its answer may still come
	sent     bool   // the current frame has been sent on this socket
	answered bool   // an answer has come on this socket,
	lostThen uint64 // and how many connections had been lost when the answered frame was sent
	settled  uint64 // the lost connections that the socket has processed: see settleLosses

	before, after []transport.Written // of the connections, before the current frame was sent, and now: see anotherHasIt
}

// newSendEnd opens a send end on l, which it does not own.
func newSendEnd(l *link) (_ *sendEnd, err error) {
	s := &sendEnd{link: l, sendMu: make(chan struct{}, 1), sender: newSender(), order: newClientOrder(&l.opts)}
	s.tryHead = s.trySendHead
	s.frame.sendEnd, s.stop, s.stopSending = s, s.frame.mustStop, s.frame.mustStopSending
	s.settler, s.adapt = newSettler(s), newAdaptation(s)
	l.onEvent, l.onPending, l.explain = s.observe, s.settler.want, s.withTrouble
	if s.tracker, err = zmsg.NewMessageTracker(); err != nil {
		return nil, err
	}
	if s.enc, err = turbojpeg.NewEncoder(); err == nil {
		err = s.connect(l.ctx)
	}
	if err != nil {
		s.release()
		return nil, err
	}
	s.listensOn(s.conn.conn)
	s.queue = startSendQueue(s)
	s.settler.start()
	return s, nil
}

// release frees what the end has besides its link and its socket.
func (s *sendEnd) release() {
	s.bindContext(context.Background())
	s.tracker.Close()
	s.adapt.release()
	s.buffers.Close()
	if s.enc != nil {
		s.enc.Close()
	}
}

// sender returns the send end, or why there is none.
func (n *NetGear) sender() (*sendEnd, error) {
	if err := n.opened(); err != nil {
		return nil, err
	}
	if n.send == nil {
		return nil, fmt.Errorf("%w: this is a receive end; make one with ReceiveMode: false to send", ErrMode)
	}
	return n.send, nil
}

// Reply is the answer of the receive end to a frame. In plain mode, with PubSub
// and PushPull, which have no answers, and with Options.SendAhead and SendLatest
// it is the zero Reply.
type Reply struct {
	// Port is the port of the client that answered, in multi-client mode.
	Port string
	// Data is the data that the receive end returned. On ImageZMQWire it is the
	// hub's reply: a text, or bytes that are no UTF-8.
	Data Message
	// Array is the array that the receive end returned, in memory of its own;
	// nil if it returned none.
	Array *Array
	// PythonType is Python's name for the type of the returned value:
	// "NoneType", "str", "ndarray", …
	PythonType string
}

// SendArray sends an array as a frame, with a message (nil, or any value that
// JSON can hold). On AsyncWire the message may contain arrays.
//
// It blocks until the receive end has answered that it has the frame (Pair,
// ReqRep), or until libzmq has accepted it (PubSub, PushPull). With PubSub a
// slow or late receiver loses frames. With PushPull a call waits while no
// receiver has room. With both, Options.Adapt may leave the frame out
// (Stats.Skipped). With Options.SendLatest it returns at once.
//
// If no answer arrives within Options.RequestTimeout the frame is sent again on
// a new connection, for Options.MaxRetries times that long in all. So a
// receiver may get it twice. Then the error is ErrPeerGone. The context's end
// ends the wait at once; the frame may or may not have arrived then.
//
// The caller may reuse the array's memory as soon as SendArray returns, in
// every pattern. It may be called from several goroutines; frames are sent one
// at a time.
//
// Errors to test for: ErrPeerGone, ErrMismatch and ErrAuth (no peer has the
// frame, and why), ErrRejected (the receive end dropped it), ErrFrame and
// ErrMessage (it cannot be sent), ErrMode, ErrCallback, ErrContext, ErrClosed,
// with Options.SendAhead and SendLatest a *[LostError], and the context's error.
func (n *NetGear) SendArray(ctx context.Context, a Array, message any) (Reply, error) {
	s, err := n.sender()
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	p, err := s.arrayPayload(a)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	return s.send(ctx, &p, message)
}

// SendJPEG sends a finished JPEG unchanged, also if the options disable
// compression. The receive end decodes it into the options' colorspace, also a
// CMYK JPEG. If the options specify CMYK, it decodes any other JPEG into BGR.
// Neither this library nor VidGear applies an EXIF orientation.
//
// The JPEG is checked first (Options.JPEGCheck), because a VidGear receive end
// ends at every JPEG that libjpeg warns of. For a sequential JPEG of one scan,
// as cameras and this library encode it, that takes an eighth to a quarter of
// the time of decoding it. For every other one it takes less than half.
//
// The JPEG of a camera may lack its Huffman tables (MJPEG): VidGear's decoder
// then uses the standard ones, as every libjpeg-turbo does, so the JPEG stays as
// it is. Bytes before the JPEG are left out, as no decoder accepts them, also
// without the check. Bytes behind its end do no harm and are sent.
//
// If the picture is complete, as with extra bytes before a marker or with a
// missing end, it is sent without the fault: with an end, or its coefficients
// are written again. Its pixels are the same. A JPEG with missing or garbled
// pixels is an ErrFrame, which names the damage. For retries, errors and
// concurrency see SendArray.
func (n *NetGear) SendJPEG(ctx context.Context, jpeg []byte, message any) (Reply, error) {
	s, err := n.sender()
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	p, err := s.jpegPayload(jpeg)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	return s.send(ctx, &p, message)
}

// SendFrame sends a received frame on unchanged: it neither decodes nor encodes
// a JPEG, whose bytes stay the same. The caller still owns the frame. For
// retries, errors and concurrency see SendArray.
//
// The frame is not copied. With PubSub, PushPull and Options.SendAhead this end
// shares its memory until it has been sent, which may be after the call and
// after the frame's Close (see SendArrayOwned). So the caller must not change
// the frame's bytes afterwards. A raw frame whose pixels the application has a
// view of (Bytes, Array, Mat) is copied in these cases.
//
// With a nil message it sends the frame's own. Any other replaces it, and
// Message{} sends none. If this end has Options.Stamp, the frame's own Stamp
// goes along in every case, so Latency and Missed at the last end are those of
// the whole way. A [StampedMessage] replaces message and stamp: one without Seq
// gets the next number of this end, as does a frame whose stamp has no Seq. An
// end that merges several streams requires that if their stamps name no Sender,
// because each stream has its own numbers.
//
// A JPEG with a fault (Stats.Damaged) is written again without it, as by
// SendJPEG. A decoding reveals a fault. Of JPEGs that were not decoded a sample
// is checked, and all of them after one with a fault; Options.JPEGCheck selects
// all or none. On AsyncWire, which has no JPEG, the pixels are sent, decoded if
// need be.
func (n *NetGear) SendFrame(ctx context.Context, f *Frame, message any) (Reply, error) {
	s, err := n.sender()
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	defer runtime.KeepAlive(f) // the frame's memory is being sent, also if the caller has dropped the frame
	if err := s.refuses(ctx); err != nil {
		return Reply{}, wrap("send to "+s.where(), err)
	}
	p, err := s.framePayload(f, turbojpeg.Stop{ctx.Done(), s.drainCtx.Done()})
	if err != nil {
		return Reply{}, wrap("send", s.stopped(ctx, err))
	}
	if !s.spec.answers || s.queue != nil {
		p.share(f)
	}
	return s.send(ctx, &p, forwarded(f, message))
}

// forwarded returns the message with which a frame is sent on, given that of
// the call.
func forwarded(f *Frame, message any) any {
	if _, ok := message.(StampedMessage); ok {
		return message
	}
	if message == nil {
		message = f.Message
	}
	if f.Stamp == nil {
		return message
	}
	c := StampedMessage{At: f.Stamp.Time, Seq: f.Stamp.Seq, Sender: f.Stamp.Sender, Message: message}
	if c.Seq == 0 {
		c.Sender = 0 // it gets a number of this end
	}
	c.unnamed = c.Seq != 0 && c.Sender == 0 // the number is not this end's
	return c
}

// SendArrayOwned sends an array and takes ownership of its memory. It is
// SendArray for memory that the caller does not reuse at once. It does not copy
// the elements, also with PubSub and with Options.SendAhead, where SendArray
// does.
//
// release is called exactly once, when the memory is no longer read, also if
// SendArrayOwned returns an error. Until then the memory must neither change
// nor be freed. When that is depends on the pattern:
//
// A frame that is sent as JPEG, or on AsyncWire, is copied, and release is
// called before SendArrayOwned returns. So it is with Pair and ReqRep; with
// Options.SendAhead it is called when the frame has been answered. With PubSub
// it is called when libzmq has written the frame to the last subscriber. With
// Options.SendLatest it may be called when a newer frame has replaced this one.
// At most HighWaterMark + 1 frames for each subscriber wait for that, and with
// Options.SendAhead those in the queue. Close waits for all.
//
// release may be called from another goroutine, and should return soon. Inside
// it the send calls, Flush and Close of this end return ErrCallback.
// SendArrayOwned may be called from several goroutines.
func (n *NetGear) SendArrayOwned(ctx context.Context, a Array, message any, release func()) (Reply, error) {
	if release == nil {
		return Reply{}, wrap("send", fmt.Errorf("%w: release is nil, so nothing could say when the memory is free; SendArray copies it", ErrFrame))
	}
	s, err := n.sender()
	if err != nil {
		release()
		return Reply{}, wrap("send", err)
	}
	p, err := s.arrayPayload(a)
	if err != nil {
		release()
		return Reply{}, wrap("send", err)
	}
	p.done = s.calls.release(release)
	return s.send(ctx, &p, message)
}

// send prepares a frame and exchanges it for an answer, or with
// Options.SendAhead queues it.
func (s *sendEnd) send(ctx context.Context, p *payload, message any) (Reply, error) {
	defer p.release()
	if err := s.calls.check(forbidSend); err != nil {
		return Reply{}, wrap("send", err)
	}
	if err := s.lock(ctx); err != nil {
		return Reply{}, wrap("send to "+s.where(), err)
	}
	defer s.unlock()
	if s.queue != nil {
		return Reply{}, s.queue.add(ctx, p, message)
	}
	s.adapt.offered(time.Now())
	if !s.adapt.due() {
		s.counters.skipped.Add(1)
		return Reply{}, nil
	}
	o, err := s.prepare(ctx, p, message)
	if err != nil {
		return Reply{}, wrap("send", err)
	}
	defer o.release()
	s.bindContext(ctx)
	reply, err := s.deliver(ctx, &o)
	if err != nil {
		s.fail(o.number, err)
		return Reply{}, wrap("send to "+s.where(), err)
	}
	return reply, nil
}

// deliver exchanges a frame for an answer, and counts it.
func (s *sendEnd) deliver(ctx context.Context, o *outgoing) (Reply, error) {
	s.head = s.wire.appendHeader(s.head[:0], header{port: s.port, coding: o.coding, message: o.text, pattern: s.opts.Pattern, bidirectional: s.structured()})
	size := len(s.head) + o.size()
	s.adapt.prepared(o)
	s.size.Store(int64(size))
	s.number = o.number
	reply, err := s.exchange(ctx, &o.part)
	if err != nil {
		return Reply{}, s.hint(ctx, err)
	}
	s.adapt.queued(o)
	s.counters.send.since(s.frame.began)
	s.adapt.answered(size, time.Since(s.frame.sentAt))
	s.countFrame(reply.Port, size)
	return reply, nil
}

// lock locks the send end, unless ctx or the end ends first.
func (s *sendEnd) lock(ctx context.Context) error {
	if err := s.refuses(ctx); err != nil {
		return err
	}
	select {
	case s.sendMu <- struct{}{}:
	case <-s.drainCtx.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.refuses(ctx); err != nil {
		s.unlock()
		return err
	}
	return nil
}

func (s *sendEnd) unlock() { <-s.sendMu }

// refuses returns why the end accepts no more frames: Close, or the call's
// context.
func (s *sendEnd) refuses(ctx context.Context) error {
	if ctx == nil {
		return ErrContext
	}
	if s.drainCtx.Err() != nil {
		return ErrClosed
	}
	return ctx.Err()
}

// bindContext makes the end of ctx wake the exchange, whose waits do not depend
// on ctx. Most callers send every frame with the same context, so it stays
// bound until a call has another. Binding allocates memory, while one wake-up
// too many costs nothing.
func (s *sendEnd) bindContext(ctx context.Context) {
	done := ctx.Done()
	if done == s.boundCtx {
		return
	}
	if s.boundCtx != nil {
		s.unbind()
	}
	if s.boundCtx = done; done != nil {
		s.unbind = context.AfterFunc(ctx, s.wake)
	}
}

// observe follows the connections that the monitor reports.
func (s *sendEnd) observe(c *conn, e transport.Event) {
	s.order.observe(e)
	if e.Kind == transport.Connected || e.Kind == transport.Disconnected {
		s.settler.want()
	}
	if e.Kind == transport.Connected && s.opts.Pattern == Pair {
		s.wake() // see displaced
	}
	if e.Kind == transport.Disconnected && !e.Left && s.closing() == nil {
		s.halfOpen.Lost(time.Now(), e.Local, e.Endpoint)
	}
}
