package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// meta is what a stream adds to a frame.
type meta struct {
	msg       jetstream.Msg // nil unless it must be acknowledged
	stored    time.Time
	seq       uint64
	delivered uint64
}

// describe copies it to a Delivery.
func (m *meta) describe(d *Delivery) {
	d.msg, d.Stored, d.StreamSeq, d.Delivered = m.msg, m.stored, m.seq, m.delivered
}

// refuse acknowledges a frame of Work that can never be used.
func (m *meta) refuse() {
	if m.msg != nil {
		_ = m.msg.Term() // after AckWait it is delivered, and refused, again
	}
}

// stored receives from a stream. The consumer has one message for each frame,
// its last part; the others are fetched from the stream.
type stored struct {
	s          *Subscriber
	o          StreamSource
	js         jetstream.JetStream
	stream     jetstream.Stream
	iter       jetstream.MessagesContext
	work       bool
	durable    string // the consumer of Work
	maxDeliver uint64
	created    time.Time // the stream
	clock      *clock    // Replay
	finite     bool      // ends with the last stored frame
	empty      bool      // and there is none

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	want   chan struct{} // a value for each message that may be fetched
	got    chan received
	asked  bool              // next has sent to want, and not received from got
	unread jetstream.Msg     // of a frame whose parts a call did not wait for
	due    *incoming         // a frame whose time a call did not wait for
	last   uint64            // the number of the last message read
	ended  bool              // the last frame has been returned
	newest map[string]uint64 // by camera, the number of the newest snapshot
	once   sync.Once
}

// received is what the consumer has returned.
type received struct {
	msg jetstream.Msg
	err error
}

// openStored returns a Subscriber without a consumer.
func openStored(ctx context.Context, js jetstream.JetStream, o StreamSource) (*stored, error) {
	stream, err := request(ctx, func(ctx context.Context) (jetstream.Stream, error) { return js.Stream(ctx, o.Stream) })
	if err != nil {
		return nil, fmt.Errorf("natsbridge: stream %s: %w", o.Stream, err)
	}
	t := &stored{s: newSubscriber(o.Limits), o: o, js: js, stream: stream, created: stream.CachedInfo().Created, newest: map[string]uint64{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.s.from = t
	return t, nil
}

// heartbeat is how often the server reports that a consumer lives. Two missing
// ones show that a request was lost with the server that had it.
const heartbeat = time.Second

// start begins to receive. So many messages are fetched before next waits for
// them, and requested so many at a time.
func (t *stored) start(c jetstream.Consumer, ahead, request int) (*Subscriber, error) {
	iter, err := c.Messages(jetstream.PullMaxMessages(request), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return nil, fmt.Errorf("natsbridge: %w", err)
	}
	t.iter = iter
	t.want, t.got = make(chan struct{}, ahead+1), make(chan received, ahead)
	for range ahead {
		t.want <- struct{}{}
	}
	go t.pump()
	return t.s, nil
}

// pump calls the consumer, which does not return at the end of a context while
// the server is away. For Work it requests one message at a time, and only if
// want permits it: what waits here is kept from other workers. Nothing is
// requested while pump is not in Next. The client library would drop what
// arrives then, as its channel has room for one message or heartbeat.
func (t *stored) pump() {
	for {
		select {
		case <-t.want:
		case <-t.ctx.Done():
			t.returnAll()
			return
		}
		m, err := t.iter.Next()
		select {
		case t.got <- received{m, err}:
		case <-t.ctx.Done():
			t.giveUp(m)
			t.returnAll()
			return
		}
	}
}

// returnAll returns the messages to the other workers that next has not got.
func (t *stored) returnAll() {
	for {
		select {
		case r := <-t.got:
			t.giveUp(r.msg)
		default:
			return
		}
	}
}

func (t *stored) giveUp(m jetstream.Msg) {
	if m != nil && t.work {
		_ = m.Nak() // after AckWait another worker gets it in any case
	}
}

// next implements origin.
func (t *stored) next(ctx context.Context) (*incoming, error) {
	for t.due == nil {
		if t.ended || t.empty {
			return nil, io.EOF
		}
		m, err := t.message(ctx)
		if err != nil {
			return nil, err
		}
		if t.due, err = t.read(ctx, m); err != nil {
			return nil, err
		}
	}
	if t.clock != nil {
		if err := t.clock.wait(ctx, t.s.closing, t.due.stored); err != nil {
			return nil, t.s.stopped(ctx)
		}
	}
	in := t.due
	t.due = nil
	return in, nil
}

// message returns the next message of the consumer.
func (t *stored) message(ctx context.Context) (jetstream.Msg, error) {
	if m := t.unread; m != nil {
		t.unread = nil
		return m, nil
	}
	quiet := time.NewTicker(t.silence())
	defer quiet.Stop()
	for {
		if !t.asked {
			t.asked = true
			t.want <- struct{}{}
		}
		select {
		case r := <-t.got:
			t.asked = false
			switch {
			case r.err == nil:
				t.s.arrived()
				return r.msg, nil
			case errors.Is(r.err, jetstream.ErrMsgIteratorClosed), errors.Is(r.err, jetstream.ErrConsumerDeleted),
				errors.Is(r.err, jetstream.ErrConsumerNotFound), errors.Is(r.err, jetstream.ErrStreamNotFound):
				return nil, t.closed(r.err)
			}
			t.s.restarted(ctx, r.err)
			if err := t.check(ctx); err != nil {
				return nil, err
			}
		case <-quiet.C:
			if err := t.check(ctx); err != nil && len(t.got) == 0 {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.s.closing:
			return nil, ErrClosed
		}
	}
}

// closed returns the error of a consumer that has ended.
func (t *stored) closed(err error) error {
	switch {
	case t.ctx.Err() != nil:
		return ErrClosed
	case t.js.Conn().IsClosed():
		return fmt.Errorf("natsbridge: %w", nats.ErrConnectionClosed)
	}
	return fmt.Errorf("natsbridge: stream %s: %w", t.o.Stream, err)
}

// silence returns how long next waits for a message before it asks the server
// whether there can be one.
func (t *stored) silence() time.Duration {
	if t.finite {
		return heartbeat
	}
	return fetchTimeout
}

// check returns an error if the stream or the consumer of Work has been deleted,
// or io.EOF if the rest of a recording has. The client library reports none of
// them in all cases.
func (t *stored) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	_, err := t.current(ctx)
	if err == nil && t.work {
		_, err = t.stream.Consumer(ctx, t.durable)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return t.closed(err)
	}
	if err != nil || !t.finite {
		return nil // the server is away, or new frames may come
	}
	for _, head := range heads(t.o.Subject, t.o.Cameras) {
		if _, err := t.stream.GetMsg(ctx, t.last+1, jetstream.WithGetMsgSubject(head)); !errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	t.ended = true
	return io.EOF
}

// current returns the stream's state, or ErrStreamNotFound if it has been
// deleted. Another one may have its name since.
func (t *stored) current(ctx context.Context) (*jetstream.StreamInfo, error) {
	s, err := t.js.Stream(ctx, t.o.Stream)
	if err != nil {
		return nil, err
	}
	info := s.CachedInfo()
	if !info.Created.Equal(t.created) {
		return nil, fmt.Errorf("%w: another one has its name", jetstream.ErrStreamNotFound)
	}
	return info, nil
}

// deleted reports whether the stream has been deleted.
func (t *stored) deleted(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	_, err := t.current(ctx)
	return errors.Is(err, jetstream.ErrStreamNotFound)
}

// read returns the frame of its last message, or nil if it is none.
func (t *stored) read(ctx context.Context, m jetstream.Msg) (*incoming, error) {
	md, err := m.Metadata()
	if err != nil {
		t.s.refused(fmt.Errorf("%w: %w", errForeign, err))
		return nil, nil
	}
	t.ended, t.last = t.finite && md.NumPending == 0, md.Sequence.Stream
	in := &incoming{meta: meta{stored: md.Timestamp, seq: md.Sequence.Stream}}
	if t.work {
		in.msg, in.delivered = m, md.NumDelivered
	}
	d, camera, err := t.parse(m)
	if err != nil {
		t.s.refused(err)
		in.refuse()
		return nil, nil
	}
	if in.seq <= t.newest[camera] && !t.work {
		return nil, nil // returned already, or counted as replaced
	}
	in.assembled = &assembled{description: d, camera: camera, parts: [][]byte{m.Data()}}
	if d.parts > 1 {
		if err := t.fetch(ctx, in, m); err != nil {
			if err = t.lost(ctx, in, err); err != nil && !t.work {
				t.unread, t.ended = m, false
			}
			return nil, err
		}
	}
	return in, nil
}

// fetch gets the other parts of a frame. A newer one may have replaced it, which
// is then returned instead, except to a worker.
func (t *stored) fetch(ctx context.Context, in *incoming, m jetstream.Msg) error {
	if t.work || !t.replaces() {
		f := fetch{t: t, frame: in.assembled, head: m.Subject(), seq: in.seq, data: m.Data()}
		return f.run(ctx)
	}
	a, seq, err := t.snapshot(ctx, in.camera, m.Subject(), in.seq)
	if err != nil {
		return err
	}
	if seq > in.seq {
		t.s.count(func(c *SubscriberDrops) *uint64 { return &c.Replaced }, nil)
	}
	in.assembled, in.seq, t.newest[in.camera] = a, seq, seq
	return nil
}

// parse reads the last message of a frame.
func (t *stored) parse(m jetstream.Msg) (description, string, error) {
	camera, part, ok := splitSubject(t.o.Subject, m.Subject())
	if !ok || part != 0 {
		return description{}, "", fmt.Errorf("%w: subject %.200q", errForeign, m.Subject())
	}
	d, err := parse(m.Headers(), len(m.Data()), t.o.Limits.MaxFrameBytes)
	if err == nil && d.part != d.parts {
		err = fmt.Errorf("%w: part %d of %d on the camera's own subject", errHeader, d.part, d.parts)
	}
	return d, camera, err
}

// lost counts a frame whose parts cannot be fetched. It returns an error only if
// the call has to end.
func (t *stored) lost(ctx context.Context, in *incoming, err error) error {
	if stop := t.s.stopped(ctx); stop != nil {
		if in.msg != nil {
			_ = in.msg.Nak() // after AckWait it is delivered again in any case
		}
		return stop
	}
	if errors.Is(err, errLate) && in.msg != nil && in.delivered < t.maxDeliver {
		t.s.restarted(ctx, err)
		_ = in.msg.NakWithDelay(lastPause) // or AckWait
		return nil
	}
	switch {
	case errors.Is(err, errReplaced):
		t.s.count(func(c *SubscriberDrops) *uint64 { return &c.Replaced }, err)
	case errors.Is(err, errMixed):
		t.s.count(func(c *SubscriberDrops) *uint64 { return &c.Mixed }, err)
	case errors.Is(err, errLate), errors.Is(err, errDeleted):
		t.s.count(func(c *SubscriberDrops) *uint64 { return &c.Incomplete }, err)
	default:
		t.s.refused(err)
	}
	in.refuse()
	return nil
}

// close implements origin.
func (t *stored) close() {
	t.once.Do(func() {
		t.cancel()
		stopped := make(chan struct{})
		go func() {
			t.iter.Stop()
			close(stopped)
		}()
		// Stop waits while an ordered consumer is created again, for up to 20 s.
		limit := time.NewTimer(stopWait)
		defer limit.Stop()
		select {
		case <-stopped:
		case <-limit.C:
		}
	})
}

// stopWait is how long close waits for the client library.
const stopWait = 500 * time.Millisecond

// fill implements origin.
func (t *stored) fill(*SubscriberStats) {}
