package netgear

import (
	"context"
	"fmt"
)

// SendArrayOwned sends an array and takes its memory over: SendArray for memory
// that the caller does not need again at once. The elements go as they lie, also
// with PubSub and with Options.SendAhead, where SendArray copies them.
//
// release is called exactly once, when nobody reads the memory any more, also
// when SendArrayOwned returns an error; until then the memory must neither
// change nor go away. For a frame that goes as JPEG, or on AsyncWire, where it
// is copied, that is before SendArrayOwned returns. So it is with Pair and ReqRep, or with
// Options.SendAhead when the frame has been answered. With PubSub it is when
// libzmq has written the frame to the last subscriber; at most HighWaterMark + 1
// frames for each subscriber, and with Options.SendAhead those in the queue,
// wait for that. Close waits for all.
//
// release may be called from another goroutine. It should be quick, and must not
// send, Flush or Close at this end. SendArrayOwned may be called from several
// goroutines.
func (n *NetGear) SendArrayOwned(ctx context.Context, a Array, message any, release func()) (Reply, error) {
	if release == nil {
		return Reply{}, wrap("send", fmt.Errorf("%w: release is nil, so nothing could say when the memory is free; SendArray copies it", ErrFrame))
	}
	if err := n.opened(); err != nil {
		release()
		return Reply{}, wrap("send", err)
	}
	p, err := n.arrayPayload(a)
	if err != nil {
		release()
		return Reply{}, wrap("send", err)
	}
	p.done = release
	return n.send(ctx, &p, message)
}

// giveBack gives memory back that was handed over and has not gone into a part.
func (p *payload) giveBack() {
	if p.done != nil {
		p.done()
		p.done = nil
	}
}

// load makes a part of a payload. Memory is lent where there are answers: one
// says that the frame was read. Otherwise it is lent only where it was handed
// over, for as long as it takes; a frame that is sent ahead is not answered
// while its caller waits.
func (n *NetGear) load(p *payload) (part, error) {
	if p.done == nil || p.encode || n.opts.Wire == AsyncWire { // where a part begins with a map
		part, err := n.pack(p, n.tx.enc, n.row.answers && n.ahead == nil)
		p.giveBack() // it has been encoded
		return part, err
	}
	if n.row.answers {
		lent := part{lent: p.array.Data, done: p.done}
		p.done = nil
		return lent, nil
	}
	buf, err := n.tx.loans.Lend(p.array.Data, p.done)
	if err == nil {
		p.done = nil
	}
	return part{buf: buf}, err
}
