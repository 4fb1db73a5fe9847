package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
)

// aheadFrames is how many frames Replay and Watch request at a time. Together
// with those that were fetched twice as many are in memory.
const aheadFrames = 4

// Work returns a Subscriber that shares the frames of a stream with all other
// workers of the same name, in any process. The caller must Close it, and
// acknowledge each Delivery: Ack when the work is done, Nak to return the frame
// to the others, InProgress if it takes long. If a worker ends without that, the
// server gives the frame to another one after WorkOptions.AckWait. So a frame may
// be processed twice. Results that are published with the frame's Stamp into a
// stream are stored once.
//
// Work creates the durable consumer, or changes it to these options.
func Work(ctx context.Context, nc *nats.Conn, o WorkOptions) (*Subscriber, error) {
	o, err := o.complete(nc)
	if err != nil {
		return nil, err
	}
	t, err := connect(ctx, nc, o.StreamSource)
	if err != nil {
		return nil, err
	}
	t.work, t.durable, t.maxDeliver = true, o.Name, uint64(o.MaxDeliver)
	config := jetstream.ConsumerConfig{
		Durable: o.Name, FilterSubjects: heads(o.Subject, o.Cameras), AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: o.AckWait, MaxDeliver: o.MaxDeliver, MaxAckPending: o.MaxAckPending, InactiveThreshold: o.Inactive,
	}
	if o.OnlyNew {
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	c, err := request(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return t.stream.CreateOrUpdateConsumer(ctx, config)
	})
	if err != nil {
		return nil, fmt.Errorf("natsbridge: consumer %s: %w", o.Name, err)
	}
	return t.start(c, o.Prefetch-1, 1)
}

// Replay returns a Subscriber for the stored frames of a stream, in the order and
// at the pace at which they were stored. The caller must Close it. If Recv is
// called later than a frame is due, by more than a second, the frames after it
// are later, too.
func Replay(ctx context.Context, nc *nats.Conn, o ReplayOptions) (*Subscriber, error) {
	o, err := o.complete(nc)
	if err != nil {
		return nil, err
	}
	t, err := connect(ctx, nc, o.StreamSource)
	if err != nil {
		return nil, err
	}
	t.finite = !o.Follow
	if !math.IsInf(o.Speed, 1) {
		t.clock = &clock{speed: o.Speed}
	}
	config := jetstream.OrderedConsumerConfig{FilterSubjects: heads(o.Subject, o.Cameras)}
	if !o.From.IsZero() {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &o.From
	}
	return t.ordered(ctx, config)
}

// Watch returns a Subscriber for the last stored frame of each camera, and then
// for the frames that are stored after them. The caller must Close it. From a
// stream of EnsureStream with LatestOnly a slow caller gets the newest frames.
// From any other stream it gets all of them, and falls behind.
func Watch(ctx context.Context, nc *nats.Conn, o WatchOptions) (*Subscriber, error) {
	var err error
	if o.StreamSource, err = o.StreamSource.complete(nc); err != nil {
		return nil, err
	}
	t, err := connect(ctx, nc, o.StreamSource)
	if err != nil {
		return nil, err
	}
	return t.ordered(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: heads(o.Subject, o.Cameras), DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
}

// Last returns the last stored frame of a camera. The caller must Close it. If
// there is none, it returns ErrNoFrame. A frame in parts that is replaced or
// deleted meanwhile is read again. If only some of its parts are left, that is
// an ErrNoFrame.
func Last(ctx context.Context, nc *nats.Conn, o WatchOptions, camera string) (*Delivery, error) {
	if err := checkCamera(camera); err != nil {
		return nil, err
	}
	var err error
	if o.StreamSource, err = o.StreamSource.complete(nc); err != nil {
		return nil, err
	}
	t, err := connect(ctx, nc, o.StreamSource)
	if err != nil {
		return nil, err
	}
	defer t.cancel()
	for before := uint64(0); ; {
		d, seq, err := t.lastFrame(ctx, o.Subject+"."+camera)
		if !errors.Is(err, errReplaced) && !errors.Is(err, errDeleted) {
			return d, err
		}
		if seq == before {
			return nil, fmt.Errorf("%w: %w", ErrNoFrame, err)
		}
		before = seq
	}
}

// connect checks the context, and finds the stream.
func connect(ctx context.Context, nc *nats.Conn, o StreamSource) (*stored, error) {
	if ctx == nil {
		return nil, fmt.Errorf("natsbridge: %w", netgear.ErrContext)
	}
	js, err := newJetStream(nc, o.Domain)
	if err != nil {
		return nil, err
	}
	return openStored(ctx, js, o)
}

// ordered begins to receive from an ordered consumer, which is not acknowledged.
func (t *stored) ordered(ctx context.Context, config jetstream.OrderedConsumerConfig) (*Subscriber, error) {
	c, err := request(ctx, func(ctx context.Context) (jetstream.Consumer, error) {
		return t.js.OrderedConsumer(ctx, t.o.Stream, config)
	})
	if err != nil {
		return nil, fmt.Errorf("natsbridge: stream %s: %w", t.o.Stream, err)
	}
	s, err := t.start(c, aheadFrames, aheadFrames)
	if err == nil && t.finite {
		if info := c.CachedInfo(); info != nil {
			t.empty = info.NumPending == 0
		}
	}
	return s, err
}

// lastFrame returns the frame whose last message is the last of a subject, and
// the number of that message.
func (t *stored) lastFrame(ctx context.Context, subject string) (_ *Delivery, seq uint64, _ error) {
	m, err := request(ctx, func(ctx context.Context) (*jetstream.RawStreamMsg, error) {
		return t.stream.GetLastMsgForSubject(ctx, subject)
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, 0, fmt.Errorf("%w: %s in stream %s", ErrNoFrame, subject, t.o.Stream)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("natsbridge: stream %s: %w", t.o.Stream, err)
	}
	d, err := parse(m.Header, len(m.Data), t.o.Limits.MaxFrameBytes)
	if err == nil && d.part != d.parts {
		err = fmt.Errorf("%w: part %d of %d on the camera's own subject", errHeader, d.part, d.parts)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("natsbridge: stream %s: %w", t.o.Stream, err)
	}
	camera, _, _ := splitSubject(t.o.Subject, subject)
	a := &assembled{description: d, camera: camera, parts: [][]byte{m.Data}}
	seq = m.Sequence
	switch {
	case d.parts > 1 && t.replaces():
		if a, seq, err = t.snapshot(ctx, camera, subject, seq); err != nil {
			return nil, m.Sequence, err
		}
	case d.parts > 1:
		f := fetch{t: t, frame: a, head: subject, seq: seq, data: m.Data}
		err = f.run(ctx)
	}
	if err != nil {
		return nil, seq, err
	}
	del, err := newDelivery(a, t.o.Limits.MaxFrameBytes)
	if err == nil {
		del.Stored, del.StreamSeq = m.Time, seq
	}
	return del, seq, err
}

// maxLate is how late a frame may be. If the caller is slower, the frames after
// it are later, too: they do not follow in a hurry.
const maxLate = time.Second

// clock waits for the times of stored frames.
type clock struct {
	speed float64
	first time.Time // when the first frame was stored
	zero  time.Time // and when it is due
}

// wait waits until a frame is due.
func (c *clock) wait(ctx context.Context, closing <-chan struct{}, at time.Time) error {
	now := time.Now()
	if c.first.IsZero() {
		c.first, c.zero = at, now
	}
	const longest = 100 * 365 * 24 * time.Hour
	after := time.Duration(min(float64(at.Sub(c.first))/c.speed, float64(longest)))
	delay := c.zero.Add(after).Sub(now)
	if delay < -maxLate {
		c.zero = c.zero.Add(-delay)
	}
	if delay <= 0 {
		return nil
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closing:
		return ErrClosed
	}
}
