package natsbridge

import (
	"errors"
	"fmt"
	"time"
)

// assembled is a frame of which all messages have arrived.
type assembled struct {
	description
	camera string
	parts  [][]byte
}

// payload returns the picture and the message behind it. It copies a frame in
// parts.
func (a *assembled) payload() []byte {
	if len(a.parts) == 1 {
		return a.parts[0]
	}
	all := make([]byte, 0, a.size)
	for _, p := range a.parts {
		all = append(all, p...)
	}
	return all
}

// frameKey identifies a frame among those in parts.
type frameKey struct {
	camera     string
	seq, epoch uint64
}

// partial is a frame of which parts are missing.
type partial struct {
	assembled
	key     frameKey
	missing int
	bytes   int64
	due     time.Time // when it is dropped
}

// maxPartials bounds the incomplete frames of all cameras.
const maxPartials = 1024

// Why an incomplete frame is dropped.
var (
	errMixed      = errors.New("natsbridge: a part differs from the other parts of its frame")
	errRepeated   = errors.New("natsbridge: the part has come before")
	errIncomplete = errors.New("natsbridge: parts of a frame are missing")
	errEvicted    = errors.New("natsbridge: an incomplete frame was dropped for another")
)

// assembler joins the parts of frames. Its memory is that of messages that have
// arrived, and not the size that a header announces. For the parts that one
// announces it has a slice each: 24 KB for maxParts, and 24 MB for maxPartials
// of them. One goroutine at a time may use it.
type assembler struct {
	limits   Limits
	partials []*partial // the oldest first
	bytes    int64
	dropped  func(count func(*SubscriberDrops) *uint64, err error)
}

// add adds a message. It returns the frame that is complete with it, or nil.
func (a *assembler) add(camera string, d description, data []byte, now time.Time) *assembled {
	if d.parts == 1 {
		return &assembled{description: d, camera: camera, parts: [][]byte{data}}
	}
	key := frameKey{camera, d.seq, d.epoch}
	p := a.find(key)
	if p == nil {
		a.evict(camera, int64(len(data)))
		p = &partial{key: key, missing: d.parts, assembled: assembled{description: d, camera: camera, parts: make([][]byte, d.parts)}}
		a.partials = append(a.partials, p)
	}
	switch {
	case !p.same(&d):
		a.dropped(func(c *SubscriberDrops) *uint64 { return &c.Mixed }, errMixed)
		return nil
	case p.parts[d.part-1] != nil:
		a.dropped(func(c *SubscriberDrops) *uint64 { return &c.Repeated }, errRepeated)
		return nil
	}
	p.parts[d.part-1] = data
	p.missing--
	p.due = now.Add(a.limits.PartTimeout)
	p.bytes += int64(len(data))
	a.bytes += int64(len(data))
	if d.message != "" {
		p.message = d.message
	}
	return a.complete(p)
}

// complete returns the frame if all of its parts have arrived.
func (a *assembler) complete(p *partial) *assembled {
	switch {
	case p.bytes > p.size || p.missing == 0 && p.bytes != p.size:
		a.remove(p)
		a.dropped(func(c *SubscriberDrops) *uint64 { return &c.BadSize }, fmt.Errorf("%w: the parts have %d bytes instead of %d", errSize, p.bytes, p.size))
	case p.missing == 0:
		a.remove(p)
		return &p.assembled
	default:
		for a.bytes > a.limits.PartialBytes {
			a.evictOne(a.partials[0])
		}
	}
	return nil
}

func (a *assembler) find(key frameKey) *partial {
	for _, p := range a.partials {
		if p.key == key {
			return p
		}
	}
	return nil
}

// evict makes room for another incomplete frame of a camera.
func (a *assembler) evict(camera string, size int64) {
	var oldest *partial
	n := 0
	for _, p := range a.partials {
		if p.camera == camera {
			if n++; oldest == nil {
				oldest = p
			}
		}
	}
	if n >= a.limits.PartialFrames {
		a.evictOne(oldest)
	}
	for len(a.partials) > 0 && (len(a.partials) >= maxPartials || a.bytes+size > a.limits.PartialBytes) {
		a.evictOne(a.partials[0])
	}
}

func (a *assembler) evictOne(p *partial) {
	a.remove(p)
	a.dropped(func(c *SubscriberDrops) *uint64 { return &c.Evicted }, errEvicted)
}

func (a *assembler) remove(p *partial) {
	for i, q := range a.partials {
		if q == p {
			a.partials = append(a.partials[:i], a.partials[i+1:]...)
			a.bytes -= p.bytes
			return
		}
	}
}

// expire drops the frames whose next part is overdue, and returns when the next
// one will be. The time is zero if there is none.
func (a *assembler) expire(now time.Time) (next time.Time) {
	for i := 0; i < len(a.partials); {
		p := a.partials[i]
		if !p.due.After(now) {
			a.remove(p)
			a.dropped(func(c *SubscriberDrops) *uint64 { return &c.Incomplete },
				fmt.Errorf("%w: frame %d of %q has %d of %d", errIncomplete, p.seq, p.camera, p.description.parts-p.missing, p.description.parts))
			continue
		}
		if next.IsZero() || p.due.Before(next) {
			next = p.due
		}
		i++
	}
	return next
}
