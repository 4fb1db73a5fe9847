package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// The headers of an atomic batch (NATS ADR-50).
const (
	hdrBatchID     = "Nats-Batch-Id"
	hdrBatchSeq    = "Nats-Batch-Sequence"
	hdrBatchCommit = "Nats-Batch-Commit"
)

// The pauses between tries.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// errNotConnected is why a frame expired that was never sent.
var errNotConnected = errors.New("natsbridge: not connected to a server")

// run sends the frames in flight in order, and starts a goroutine for each that
// waits for its confirmation. There are at most InFlight of them.
func (p *Publisher) run() {
	for {
		select {
		case <-p.ctx.Done():
			p.abandon()
			return
		case j := <-p.work:
			p.start(j)
		}
	}
}

// abandon drops the frames that Close did not wait for.
func (p *Publisher) abandon() {
	p.mu.Lock()
	waiting := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	for _, j := range waiting {
		p.drop(j, &p.stats.Dropped.Closed, ErrClosed)
	}
	for {
		select {
		case j := <-p.work:
			p.drop(j, &p.stats.Dropped.Closed, ErrClosed)
		default:
			return
		}
	}
}

// start sends a frame for the first time.
func (p *Publisher) start(j *outgoing) {
	ctx, cancel := context.WithDeadline(p.ctx, j.accepted.Add(p.o.RetryFor))
	future, err := p.attempt(ctx, j)
	p.running.Go(func() {
		defer cancel()
		for pause := firstPause; ; pause = min(2*pause, lastPause) {
			if err == nil {
				err = p.confirm(ctx, future)
			}
			if done, log := p.settle(ctx, j, err); done {
				p.free()
				log() // which may end the goroutine
				return
			}
			sleep(ctx, pause)
			future, err = p.attempt(ctx, j)
		}
	})
}

// sleep waits for a time, or for the end of the context.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// attempt sends all messages of a frame once.
func (p *Publisher) attempt(ctx context.Context, j *outgoing) (jetstream.PubAckFuture, error) {
	if err := awaitConnected(ctx, p.nc); err != nil {
		return nil, err
	}
	all, err := j.messages(p.o.Subject, p.o.PartBytes, p.nc.MaxPayload())
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.stats.Parts += uint64(len(all))
	p.mu.Unlock()
	last := all[len(all)-1]
	if p.js != nil {
		last.Header.Set(jetstream.MsgIDHeader, j.id(p.o.Subject))
		makeBatch(all)
	}
	for _, m := range all[:len(all)-1] {
		if err := p.nc.PublishMsg(m); err != nil {
			return nil, err
		}
	}
	if p.js == nil {
		return nil, p.nc.PublishMsg(last)
	}
	return p.js.PublishMsgAsync(last, jetstream.WithExpectStream(p.o.Stream), jetstream.WithRetryAttempts(0))
}

// makeBatch adds the headers by which a stream stores all messages or none.
func makeBatch(all []*nats.Msg) {
	if len(all) == 1 {
		return
	}
	id := nuid.Next()
	for i, m := range all {
		m.Header.Set(hdrBatchID, id)
		m.Header.Set(hdrBatchSeq, strconv.Itoa(i+1))
	}
	all[len(all)-1].Header.Set(hdrBatchCommit, "1")
}

// awaitConnected waits until the connection is usable.
func awaitConnected(ctx context.Context, nc *nats.Conn) error {
	if nc.IsConnected() {
		return ctx.Err()
	}
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	for !nc.IsConnected() {
		if nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotConnected, ctx.Err())
		}
	}
	return nil
}

// errUnconfirmed marks the errors of core NATS, where a frame is not sent again.
var errUnconfirmed = errors.New("natsbridge: the server did not confirm the frame")

// errDuplicate reports a frame that the stream has already.
var errDuplicate = errors.New("natsbridge: the stream has the frame")

// confirm waits for the confirmation of one try.
func (p *Publisher) confirm(ctx context.Context, future jetstream.PubAckFuture) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.AckTimeout)
	defer cancel()
	if future == nil {
		if err := p.nc.FlushWithContext(ctx); err != nil {
			return fmt.Errorf("%w: %w", errUnconfirmed, err)
		}
		return nil
	}
	select {
	case ack := <-future.Ok():
		if ack.Duplicate {
			return errDuplicate
		}
		return nil
	case err := <-future.Err():
		return err
	case <-ctx.Done():
		return fmt.Errorf("natsbridge: the stream has not confirmed the frame: %w", ctx.Err())
	}
}

// settle ends a frame that is confirmed or cannot be, and reports that it has.
// The caller must then call log, which may take as long as the application's
// Logger does.
func (p *Publisher) settle(ctx context.Context, j *outgoing, err error) (done bool, log func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.cameras[j.camera]
	log = func() {}
	count, final := p.verdict(ctx, c, j, err)
	switch {
	case !final:
		p.stats.Retries++
		p.stats.LastError = err
		return false, nil
	case count == nil:
		p.stats.Frames++
		p.stats.Bytes += uint64(j.size)
		c.confirmed = max(c.confirmed, j.order)
		if p.losing {
			p.losing = false
			log = func() { p.o.Logger.Info("natsbridge: frames are confirmed again", "camera", j.camera) }
		}
	default:
		*count++
		p.stats.LastError = err
		if !p.losing {
			p.losing = true
			log = func() { p.o.Logger.Warn("natsbridge: frames are lost", "camera", j.camera, "err", err) }
		}
	}
	p.finish(j)
	return true, log
}

// The error codes of JetStream that nats.go does not name.
const (
	codeNoCluster     jetstream.ErrorCode = 10004
	codeNotLeader     jetstream.ErrorCode = 10009
	codeAccountFull   jetstream.ErrorCode = 10002
	codeNoResources   jetstream.ErrorCode = 10023
	codeMemoryFull    jetstream.ErrorCode = 10028
	codeStorageFull   jetstream.ErrorCode = 10047
	codeMsgTooLarge   jetstream.ErrorCode = 10054
	codeStoreFailed   jetstream.ErrorCode = 10077
	codeDuplicateNow  jetstream.ErrorCode = 10158
	codeIncomplete    jetstream.ErrorCode = 10176
	codeBatchTooLarge jetstream.ErrorCode = 10199
	codeDuplicate     jetstream.ErrorCode = 10201
	codeTooManyNow    jetstream.ErrorCode = 10210
)

// verdict returns what the result of a try means. A frame that is not final is
// sent again. A final one is counted as dropped, or is stored if count is nil.
// p.mu must be held.
func (p *Publisher) verdict(ctx context.Context, c *camera, j *outgoing, err error) (count *uint64, final bool) {
	d := &p.stats.Dropped
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil, true
	case errors.Is(err, errDuplicate):
		p.stats.Duplicates++
		return nil, true
	case errors.Is(err, ErrTooLarge), errors.Is(err, nats.ErrMaxPayload):
		return &d.TooLarge, true
	case errors.Is(err, errUnconfirmed) && p.ctx.Err() == nil:
		return &d.Unknown, true
	case errors.As(err, &api):
		if count, final := p.judge(api); final {
			return count, true
		}
	}
	switch {
	case p.ctx.Err() != nil || p.nc.IsClosed():
		return &d.Closed, true
	case p.o.Backpressure == KeepLatest && c.confirmed > j.order:
		return &d.Replaced, true
	case ctx.Err() != nil:
		return &d.Expired, true
	}
	return nil, false
}

// judge does what verdict does, for an error of the stream.
func (p *Publisher) judge(err *jetstream.APIError) (count *uint64, final bool) {
	d := &p.stats.Dropped
	switch code := err.ErrorCode; code {
	case codeDuplicate:
		p.stats.Duplicates++
		return nil, true
	case codeMsgTooLarge, codeBatchTooLarge:
		return &d.TooLarge, true
	case codeAccountFull, codeNoResources, codeMemoryFull, codeStorageFull:
		return &d.StreamFull, true
	case codeStoreFailed: // full, or the server is about to stop
		return &d.StreamFull, strings.Contains(err.Description, "maximum")
	case codeDuplicateNow, codeIncomplete, codeTooManyNow:
		return nil, false
	default:
		// The first of the rest report a cluster without a leader, and the like.
		return &d.Rejected, code < codeNoCluster || code > codeNotLeader
	}
}
