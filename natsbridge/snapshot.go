package natsbridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// replaces reports whether the stream keeps one message on each subject. There a
// frame in parts may be replaced at any time. It is read with all its parts in
// one request, which the server does not interleave with a batch.
func (t *stored) replaces() bool {
	c := t.stream.CachedInfo().Config
	return c.MaxMsgsPerSubject == 1 && c.AllowDirect
}

// snapshot returns the latest frame of a camera, and the number of its last
// part, which is at least seq. A replica that is behind is asked again.
func (t *stored) snapshot(ctx context.Context, camera, head string, seq uint64) (*assembled, uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	give := time.Now().Add(t.o.Limits.PartTimeout)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		all, err := t.lastMessages(ctx, head)
		switch last := all[head]; {
		case err == nil && last != nil && last.Sequence >= seq:
			a, err := t.join(all, camera, head)
			return a, last.Sequence, err
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case err == nil && time.Now().After(give):
			return nil, 0, errLate
		case err != nil && t.deleted(ctx):
			return nil, 0, errDeleted
		case err != nil && !passes(err) && !errors.Is(err, nats.ErrNoResponders):
			return nil, 0, err
		}
		sleep(ctx, pause)
	}
}

// lastMessages returns the last message of the camera's subject and of each
// subject of its parts.
func (t *stored) lastMessages(ctx context.Context, head string) (map[string]*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	messages, err := jetstreamext.GetLastMsgsFor(ctx, t.js, t.o.Stream, []string{head, head + ".*"})
	if err != nil {
		return nil, err
	}
	all := map[string]*jetstream.RawStreamMsg{}
	size := int64(0)
	for m, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		t.s.arrived()
		// Parts of an earlier, larger frame may be among them.
		if size += int64(len(m.Data)); size > 2*t.o.Limits.MaxFrameBytes {
			return nil, fmt.Errorf("%w: the parts on %s.*", ErrTooLarge, head)
		}
		all[m.Subject] = m
	}
	return all, nil
}

// join returns the frame of messages that were read together.
func (t *stored) join(all map[string]*jetstream.RawStreamMsg, camera, head string) (*assembled, error) {
	last := all[head]
	d, err := parse(last.Header, len(last.Data), t.o.Limits.MaxFrameBytes)
	if err != nil {
		return nil, err
	}
	a := &assembled{description: d, camera: camera, parts: make([][]byte, d.parts)}
	f := fetch{t: t, frame: a, head: head}
	for i := range d.parts - 1 {
		m := all[partSubject(head, i+1, d.parts)]
		if m == nil {
			return nil, errDeleted
		}
		if err := f.keep(i, m); err != nil {
			return nil, err
		}
	}
	a.parts[d.parts-1] = last.Data
	return a, f.check()
}
