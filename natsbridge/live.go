package natsbridge

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// liveMessages is how many messages wait in the client library for the
	// goroutine that reads them. It only sorts them, so more would be of no use.
	liveMessages = 256
	// liveBytes is how many bytes they may have, as far as the server's
	// max_payload bounds them: with Block they wait for the application.
	liveBytes = 256 << 20
	// fewestMessages is how many wait in any case.
	fewestMessages = 8
)

// waitingMessages returns how many messages may wait in the client library.
func waitingMessages(maxPayload int64) int {
	return int(min(liveMessages, max(fewestMessages, liveBytes/max(maxPayload, 1))))
}

// live receives from core NATS. Its goroutine reads the messages, so that
// neither the server nor other subscriptions wait for the application.
type live struct {
	s     *Subscriber
	o     SubscribeOptions
	subs  []*nats.Subscription
	msgs  chan *nats.Msg
	ready chan struct{} // holds a value if the queue may have frames
	room  chan struct{} // holds a value if the queue may have room
	gone  chan struct{} // is closed when the connection is closed for good
	ended sync.WaitGroup

	parts assembler // of the goroutine

	mu      sync.Mutex
	queue   []*assembled
	partial int
	bytes   int64
	slow    uint64 // messages that the client library has dropped, after close
}

// Subscribe returns a Subscriber for live frames from core NATS. The caller must
// Close it. Frames that are published before are not received, nor those that are
// published while the connection is lost.
func Subscribe(nc *nats.Conn, o SubscribeOptions) (*Subscriber, error) {
	o, err := o.complete(nc)
	if err != nil {
		return nil, err
	}
	s := newSubscriber(o.Limits)
	l := &live{
		s: s, o: o, msgs: make(chan *nats.Msg, waitingMessages(nc.MaxPayload())),
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1), gone: make(chan struct{}),
		parts: assembler{limits: o.Limits, dropped: s.count},
	}
	s.from = l
	subjects := []string{o.Subject + ".>"}
	if len(o.Cameras) > 0 {
		subjects = heads(o.Subject, o.Cameras)
		for _, head := range slices.Clone(subjects) {
			subjects = append(subjects, head+".*")
		}
	}
	for _, subject := range subjects {
		sub, err := nc.ChanSubscribe(subject, l.msgs)
		if err != nil {
			l.unsubscribe()
			return nil, fmt.Errorf("natsbridge: subscribe to %s: %w", subject, err)
		}
		l.subs = append(l.subs, sub)
	}
	l.ended.Go(l.run)
	l.ended.Go(func() { l.awaitClosed(nc) })
	return s, nil
}

// awaitClosed closes gone when the connection is closed. The client library
// does not reconnect after that.
func (l *live) awaitClosed(nc *nats.Conn) {
	closed := nc.StatusChanged(nats.CLOSED)
	defer nc.RemoveStatusListener(closed)
	if !nc.IsClosed() {
		select {
		case <-closed:
		case <-l.s.closing:
			return
		}
	}
	close(l.gone)
}

func (l *live) unsubscribe() {
	for _, sub := range l.subs {
		_ = sub.Unsubscribe() // or the connection is closed
	}
}

// run reads messages until the Subscriber is closed.
func (l *live) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if next := l.parts.expire(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		l.note()
		select {
		case m := <-l.msgs:
			l.read(m)
		case <-timer.C:
		case <-l.s.closing:
			return
		}
	}
}

// note copies what Stats reports of the goroutine's own.
func (l *live) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial, l.bytes = len(l.parts.partials), l.parts.bytes
}

func (l *live) read(m *nats.Msg) {
	l.s.arrived()
	camera, _, ok := splitSubject(l.o.Subject, m.Subject)
	if !ok {
		l.s.refused(fmt.Errorf("%w: subject %.200q", errForeign, m.Subject))
		return
	}
	d, err := parse(m.Header, len(m.Data), l.o.Limits.MaxFrameBytes)
	if err == nil && m.Subject != partSubject(l.o.Subject+"."+camera, d.part, d.parts) {
		err = fmt.Errorf("%w: part %d of %d on the subject %.200q", errHeader, d.part, d.parts, m.Subject)
	}
	if err != nil {
		l.s.refused(err)
		return
	}
	a := l.parts.add(camera, d, m.Data, time.Now())
	l.note()
	if a != nil {
		l.push(a)
	}
}

// push queues a frame.
func (l *live) push(a *assembled) {
	for !l.tryPush(a) {
		select {
		case <-l.room:
		case <-l.s.closing:
			return
		}
	}
	signal(l.ready)
}

// tryPush queues or drops a frame, or reports that Block has to wait.
func (l *live) tryPush(a *assembled) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) < l.o.QueueFrames {
		l.queue = append(l.queue, a)
		return true
	}
	switch l.o.Backpressure {
	case Block:
		return false
	case DropNewest:
		l.s.count(func(c *SubscriberDrops) *uint64 { return &c.NoRoom }, nil)
		return true
	}
	old := max(0, slices.IndexFunc(l.queue, func(q *assembled) bool { return q.camera == a.camera }))
	l.queue = append(slices.Delete(l.queue, old, old+1), a)
	l.s.count(func(c *SubscriberDrops) *uint64 { return &c.Replaced }, nil)
	return true
}

// signal puts a value into a channel for one, unless it has one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// next implements origin.
func (l *live) next(ctx context.Context) (*incoming, error) {
	for {
		l.mu.Lock()
		if len(l.queue) > 0 {
			a := l.queue[0]
			l.queue = slices.Delete(l.queue, 0, 1)
			l.mu.Unlock()
			signal(l.room)
			return &incoming{assembled: a}, nil
		}
		l.mu.Unlock()
		select {
		case <-l.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.s.closing:
			return nil, ErrClosed
		case <-l.gone:
			return nil, fmt.Errorf("natsbridge: %w", nats.ErrConnectionClosed)
		}
	}
}

// close implements origin.
func (l *live) close() {
	n := l.slowClient()
	l.mu.Lock()
	l.slow = n
	l.mu.Unlock()
	l.unsubscribe()
	l.ended.Wait()
}

// fill implements origin.
func (l *live) fill(s *SubscriberStats) {
	l.mu.Lock()
	s.Queue, s.Partial, s.PartialBytes = len(l.queue), l.partial, l.bytes
	slow := l.slow
	l.mu.Unlock()
	s.Dropped.SlowClient = max(slow, l.slowClient())
}

// slowClient returns the messages that the client library has dropped. After
// unsubscribing it is 0.
func (l *live) slowClient() (n uint64) {
	for _, sub := range l.subs {
		if dropped, err := sub.Dropped(); err == nil {
			n += uint64(dropped)
		}
	}
	return n
}
