package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

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
	maxDeliver uint64
	clock      *clock // Replay
	finite     bool   // ends with the last stored frame
	empty      bool   // and there is none

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	want   chan struct{} // a value for each message that may be fetched
	got    chan received
	asked  bool // next has sent to want, and not received from got
	ended  bool // the last frame has been returned
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
	t := &stored{s: newSubscriber(o.Limits), o: o, stream: stream}
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
	for {
		if t.ended || t.empty {
			return nil, io.EOF
		}
		m, err := t.message(ctx)
		if err != nil {
			return nil, err
		}
		in, err := t.read(ctx, m)
		if err != nil {
			return nil, err
		}
		if in == nil {
			continue
		}
		if t.clock != nil {
			if err := t.clock.wait(ctx, t.s.closing, in.stored); err != nil {
				return nil, t.s.stopped(ctx)
			}
		}
		return in, nil
	}
}

// message returns the next message of the consumer.
func (t *stored) message(ctx context.Context) (jetstream.Msg, error) {
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
				if t.ctx.Err() != nil {
					return nil, ErrClosed
				}
				return nil, fmt.Errorf("natsbridge: stream %s: %w", t.o.Stream, r.err)
			}
			t.s.restarted(ctx, r.err)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.s.closing:
			return nil, ErrClosed
		}
	}
}

// read returns the frame of its last message, or nil if it is none.
func (t *stored) read(ctx context.Context, m jetstream.Msg) (*incoming, error) {
	md, err := m.Metadata()
	if err != nil {
		t.s.refused(fmt.Errorf("%w: %w", errForeign, err))
		return nil, nil
	}
	t.ended = t.finite && md.NumPending == 0
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
	a := &assembled{description: d, camera: camera, parts: [][]byte{m.Data()}}
	if d.parts > 1 {
		f := fetch{t: t, frame: a, head: m.Subject(), seq: in.seq, data: m.Data()}
		if err := f.run(ctx); err != nil {
			return nil, t.lost(ctx, in, err)
		}
	}
	in.assembled = a
	return in, nil
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
	t.s.count(func(c *SubscriberDrops) *uint64 {
		switch {
		case errors.Is(err, errReplaced):
			return &c.Replaced
		case errors.Is(err, errSize):
			return &c.BadSize
		case errors.Is(err, errMixed):
			return &c.Mixed
		}
		return &c.Incomplete
	}, err)
	in.refuse()
	return nil
}

// close implements origin.
func (t *stored) close() {
	t.once.Do(func() {
		t.cancel()
		t.iter.Stop()
	})
}

// fill implements origin.
func (t *stored) fill(*SubscriberStats) {}
