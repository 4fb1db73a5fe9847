package natsbridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/recent"
)

// maxCameras bounds the cameras of a Publisher. In multi-server mode their names
// come from the network.
const maxCameras = 1024

// Publisher publishes frames. NewPublisher returns one. All methods may be
// called from any goroutine.
type Publisher struct {
	o       PublisherOptions
	nc      *nats.Conn
	js      jetstream.JetStream // nil with core NATS
	ctx     context.Context     // ends when Close does not wait longer
	cancel  context.CancelFunc
	slots   chan struct{}  // a value for each frame in flight
	work    chan *outgoing // frames in flight that have not been sent
	closing chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	cameras map[string]*camera
	waiting []*outgoing // KeepLatest: at most one of each camera, the oldest first
	active  int         // frames accepted, and neither confirmed nor dropped
	idle    chan struct{}
	closed  bool
	losing  bool // the last frame was dropped, and that has been logged
	stats   PublisherStats
}

// camera is what a Publisher keeps of a camera.
type camera struct {
	seq       uint64                       // the last own number
	epoch     uint64                       // of own numbers, and of stamps that name no sender
	stamps    epochStamps                  // of the epoch
	senders   recent.Table[uint64, uint64] // the epochs of stamps that name a sender
	newest    uint64                       // the largest epoch of all
	order     uint64                       // of the last frame accepted
	confirmed uint64                       // order of the newest frame that is confirmed
}

// NewPublisher returns a Publisher for a connection. The caller must Close the
// Publisher, and still owns the connection. It does not wait for the server. If
// the stream does not exist, frames expire, and PublisherStats.LastError has the
// reason.
func NewPublisher(nc *nats.Conn, o PublisherOptions) (*Publisher, error) {
	o, err := o.complete(nc)
	if err != nil {
		return nil, err
	}
	p := &Publisher{
		o: o, nc: nc,
		slots: make(chan struct{}, o.InFlight), work: make(chan *outgoing, o.InFlight), closing: make(chan struct{}),
		cameras: map[string]*camera{}, idle: make(chan struct{}),
	}
	close(p.idle)
	if o.Stream != "" {
		if p.js, err = newJetStream(nc, o.Domain, jetstream.WithPublishAsyncMaxPending(2*o.InFlight), jetstream.WithPublishAsyncTimeout(o.AckTimeout)); err != nil {
			return nil, err
		}
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.run)
	return p, nil
}

// newJetStream returns the JetStream of a domain.
func newJetStream(nc *nats.Conn, domain string, opts ...jetstream.JetStreamOpt) (js jetstream.JetStream, err error) {
	if domain == "" {
		js, err = jetstream.New(nc, opts...)
	} else {
		js, err = jetstream.NewWithDomain(nc, domain, opts...)
	}
	if err != nil {
		return nil, fmt.Errorf("natsbridge: %w", err)
	}
	return js, nil
}

// Publish accepts a frame of a camera, and sends it in the background. The
// caller still owns the frame and may Close it at once. Nothing is copied.
//
// A frame with a Stamp is published with its number and time of capture. Others
// get the Publisher's own numbers, also those that are dropped, so that gaps
// show, and the time of arrival. Frames of one camera are sent in the order of
// the calls. One that has to be sent again may be stored after later ones.
//
// With Block, Publish waits for room, until the context ends. Errors to test
// for: ErrDropped (with DropNewest), ErrCamera, ErrTooLarge, ErrClosed, netgear.ErrFrame for
// a frame that cannot be published, netgear.ErrContext, and the context's. What
// happens to an accepted frame later is counted in Stats.
func (p *Publisher) Publish(ctx context.Context, camera string, f *netgear.Frame) error {
	if ctx == nil {
		return fmt.Errorf("natsbridge: %w", netgear.ErrContext)
	}
	j, err := p.accept(camera, f)
	if err != nil {
		return err
	}
	if p.o.Backpressure == Block {
		return p.await(ctx, j)
	}
	select {
	case p.slots <- struct{}{}:
		return p.enqueue(j)
	default:
	}
	if p.o.Backpressure == KeepLatest {
		return p.replace(j)
	}
	p.drop(j, &p.stats.Dropped.NoRoom, ErrDropped)
	return ErrDropped
}

// accept describes and numbers a frame.
func (p *Publisher) accept(name string, f *netgear.Frame) (*outgoing, error) {
	if err := checkCamera(name); err != nil {
		p.refuse(&p.stats.Dropped.Camera, err)
		return nil, err
	}
	j, err := newOutgoing(name, f)
	if err != nil {
		p.refuse(&p.stats.Dropped.Unusable, err)
		return nil, err
	}
	if j.size > p.o.MaxFrameBytes {
		j.close()
		err := fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, j.size, p.o.MaxFrameBytes)
		p.refuse(&p.stats.Dropped.TooLarge, err)
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		j.close()
		return nil, ErrClosed
	}
	c := p.cameras[name]
	if c == nil && len(p.cameras) >= maxCameras {
		j.close()
		p.stats.Dropped.Camera++
		return nil, fmt.Errorf("%w: %q is more than the %d cameras of a Publisher", ErrCamera, name, maxCameras)
	}
	if c == nil {
		c = &camera{epoch: uint64(time.Now().UnixNano())}
		p.cameras[name] = c
	}
	c.number(j, time.Now())
	if p.active++; p.active == 1 {
		p.idle = make(chan struct{})
	}
	return j, nil
}

// number sets what identifies the frame.
func (c *camera) number(j *outgoing, now time.Time) {
	c.order++
	j.order, j.accepted = c.order, now
	if s := j.frame.Stamp; s != nil {
		j.seq, j.time, j.sender = s.Seq, s.Time, s.Sender
	} else {
		c.seq++
		if j.seq, j.time = c.seq, j.frame.ReceivedAt; j.time.IsZero() {
			j.time = now
		}
	}
	if j.time.UnixNano() < 0 {
		j.time = time.Unix(0, 0)
	}
	j.epoch = c.epochOf(j.frame.Stamp, now)
}

// await waits for room in flight.
func (p *Publisher) await(ctx context.Context, j *outgoing) error {
	select {
	case p.slots <- struct{}{}:
		return p.enqueue(j)
	case <-ctx.Done():
		p.drop(j, &p.stats.Dropped.NoRoom, ctx.Err())
		return ctx.Err()
	case <-p.closing:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.finish(j) // not counted, as after Close
		return ErrClosed
	}
}

// enqueue queues a frame that has a slot.
func (p *Publisher) enqueue(j *outgoing) error {
	p.work <- j // has room for every slot
	p.dropAfterClose()
	return nil
}

// dropAfterClose drops what was queued when the Publisher had ended.
func (p *Publisher) dropAfterClose() {
	if p.ctx.Err() != nil {
		p.abandon()
	}
}

// replace puts a frame in the place of the waiting frame of its camera.
func (p *Publisher) replace(j *outgoing) error {
	p.mu.Lock()
	select {
	case p.slots <- struct{}{}: // freed since
		p.mu.Unlock()
		return p.enqueue(j)
	default:
	}
	for i, old := range p.waiting {
		if old.camera == j.camera {
			p.waiting[i] = j
			p.mu.Unlock()
			p.drop(old, &p.stats.Dropped.Replaced, nil)
			return nil
		}
	}
	p.waiting = append(p.waiting, j)
	p.mu.Unlock()
	p.dropAfterClose()
	return nil
}

// free passes a slot on to the frame that waits longest, or frees it.
func (p *Publisher) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		next := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.work <- next
		return
	}
	<-p.slots
}

// finish ends a frame. p.mu must be held.
func (p *Publisher) finish(j *outgoing) {
	j.close()
	if p.active--; p.active == 0 {
		close(p.idle)
	}
}

// drop ends a frame that is not published.
func (p *Publisher) drop(j *outgoing, count *uint64, err error) {
	p.refuse(count, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish(j)
}

// refuse counts a frame that is not published.
func (p *Publisher) refuse(count *uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*count++
	if err != nil {
		p.stats.LastError = err
	}
}

// Flush blocks until every frame that was accepted before it is confirmed or
// dropped. It returns the context's error if that takes longer. Other calls of
// Publish may prolong it.
func (p *Publisher) Flush(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("natsbridge: %w", netgear.ErrContext)
	}
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeLimit is how long Close waits for frames in flight.
const closeLimit = 10 * time.Second

// Close waits for the frames in flight, for at most 10 s and no longer than
// RetryFor, and ends the Publisher. If frames are lost by that, it returns an
// ErrLost. A second call waits for the first and returns nil.
func (p *Publisher) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.running.Wait()
		return nil
	}
	p.closed = true
	close(p.closing)
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), min(closeLimit, p.o.RetryFor))
	defer cancel()
	_ = p.Flush(ctx) // what is left is counted below
	p.cancel()
	p.running.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.stats.Dropped.Closed; n > 0 {
		return fmt.Errorf("%w: %d when closing", ErrLost, n)
	}
	return nil
}

// Stats returns the counts at this moment. It may be called at any time, also
// after Close.
func (p *Publisher) Stats() PublisherStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Waiting = len(p.waiting)
	s.InFlight = p.active - s.Waiting
	return s
}
