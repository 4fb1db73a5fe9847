package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// fetchers is how many parts of a frame are fetched at a time.
	fetchers = 4
	// fetchTimeout is how long the server may take for one part.
	fetchTimeout = 5 * time.Second
)

// Why the parts of a stored frame cannot be fetched.
var (
	errLate     = errors.New("natsbridge: the stream does not return a part yet")
	errDeleted  = errors.New("natsbridge: the stream has deleted a part")
	errReplaced = errors.New("natsbridge: a newer frame has replaced the stored one")
)

// fetch gets the parts of a frame by their numbers in the stream. They were
// stored together, so the numbers follow each other, and the last is seq.
type fetch struct {
	t     *stored
	frame *assembled
	head  string
	seq   uint64
	data  []byte // the last part
}

// run sets frame.parts.
func (f *fetch) run(ctx context.Context) error {
	n := f.frame.description.parts
	if f.seq < uint64(n) {
		return errDeleted
	}
	f.frame.parts = make([][]byte, n)
	f.frame.parts[n-1] = f.data
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.t.ctx, func() { cancel(ErrClosed) })()
	var running sync.WaitGroup
	next := make(chan int)
	for range min(fetchers, n-1) {
		running.Go(func() {
			for i := range next {
				if err := f.part(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n - 1 {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return f.check()
}

// check compares the parts' lengths with the frame's.
func (f *fetch) check() error {
	sum := int64(0)
	for _, p := range f.frame.parts {
		sum += int64(len(p))
	}
	if sum != f.frame.size {
		return fmt.Errorf("%w: the parts have %d bytes instead of %d", errSize, sum, f.frame.size)
	}
	return nil
}

// part fetches one part. While the server is away it tries again. A part that is
// missing may only be late at the replica that answered.
func (f *fetch) part(ctx context.Context, i int) error {
	seq := f.seq - uint64(f.frame.description.parts-1-i)
	give := time.Now().Add(f.t.o.Limits.PartTimeout)
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		m, err := f.get(ctx, seq)
		if err == nil {
			f.t.s.arrived()
			return f.keep(i, m)
		}
		if gone := f.missing(ctx, seq); gone != nil {
			return gone
		}
		if errors.Is(err, jetstream.ErrMsgNotFound) && time.Now().After(give) {
			return errLate
		}
		sleep(ctx, pause)
	}
	return ctx.Err()
}

func (f *fetch) get(ctx context.Context, seq uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	return f.t.stream.GetMsg(ctx, seq)
}

// missing returns why a part will not come any more, or nil.
func (f *fetch) missing(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	info, err := f.t.current(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return errDeleted
	}
	if err != nil {
		return nil // the server is away
	}
	if info.Config.MaxMsgsPerSubject == 1 {
		if last, err := f.t.stream.GetLastMsgForSubject(ctx, f.head); err == nil && last.Sequence > f.seq {
			return errReplaced
		}
	}
	if info.State.FirstSeq > seq {
		return errDeleted
	}
	return nil
}

// keep checks a part and stores its data.
func (f *fetch) keep(i int, m *jetstream.RawStreamMsg) error {
	want := f.frame.description
	d, err := parse(m.Header, len(m.Data), f.t.o.Limits.MaxFrameBytes)
	if err != nil || m.Subject != partSubject(f.head, i+1, want.parts) || d.part != i+1 || !want.same(&d) {
		return fmt.Errorf("%w: number %d of stream %s", errMixed, m.Sequence, f.t.o.Stream)
	}
	f.frame.parts[i] = m.Data
	return nil
}
