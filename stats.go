package netgear

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Stats holds the counts of one end since New. They only grow, except for Queue,
// QueueBytes, Connected, Open, the durations of Latency, and Queue in Ports.
//
// At a receive end, Frames = Delivered + Dropped + Discarded + the frames in
// the queue + those of Malformed whose JPEG could not be decoded ahead. A frame
// whose JPEG cannot be decoded on use (Options.Decode) counts in Delivered and
// in Malformed.
type Stats struct {
	Frames    uint64 // frames sent (and, in Pair and ReqRep, answered), or received complete
	Bytes     uint64 // bytes of those frames on the wire, headers included
	Delivered uint64 // receive end: frames that Recv has returned
	Dropped   uint64 // receive end: frames that a newer one replaced (Latest), or that arrived at a full queue (PubSub)
	Discarded uint64 // receive end: frames still queued when the end was closed
	Malformed uint64 // messages that could not be read: dropped, or delivered and not decodable when their pixels were needed
	Retries   uint64 // frames sent again, or sockets opened again because no peer was connected
	Refused   uint64 // connections that failed in the handshake
	Lost      uint64 // connections that ended
	Unsent    uint64 // receive end: answers that could not be sent, because no peer took them
	Rejected  uint64 // send end: frames that the receive end has dropped, according to its answers (ErrRejected)
	// Damaged counts frames whose JPEG had a fault, such as extra bytes before
	// a marker, but all its pixels. A receive end delivers them, and finds the
	// fault when it decodes. A send end
	// writes them again without the fault (SendJPEG, SendFrame). libjpeg cannot
	// distinguish foreign bytes from garbled pixels: if this count grows on a
	// line that loses data, pixels may be garbled.
	Damaged uint64
	NoData  uint64 // receive end: frames answered without data, because Respond returned an error or data that cannot be sent
	Flooded uint64 // connections that this end closed because the peer sent far more than this end read

	Missed  uint64               // receive end with Stamp: frames that were sent and did not arrive (not with PushPull, where other receivers may have got them)
	Latency LatencyStats         // receive end with Stamp: from capture to arrival
	Ports   map[string]PortStats // multi-server and multi-client mode: by the other end's port

	Queue      int   // frames that wait for Recv; at a send end with SendAhead, frames not yet answered
	QueueBytes int64 // memory of those frames in bytes, with their messages and 1 KiB for each; also what a Pair end has read ahead of a full queue
	Connected  int   // peers connected at this moment; with Pair at most 1
	Open       int   // receive end: frames that the application has and has not closed; Frames of Retain count as one
}

// counters holds the counts that Stats reports.
type counters struct {
	frames, bytes, delivered, dropped, discarded, malformed, retries, refused, lost, unsent, rejected, damaged, noData, flooded atomic.Uint64
}

// Stats returns the counts of this end. It may be called at any time from any
// goroutine, also after Close.
func (n *NetGear) Stats() Stats {
	if n.opened() != nil {
		return Stats{}
	}
	l := n.link
	s := l.counters.stats()
	s.Connected = l.peers()
	if l.opts.Pattern == Pair {
		// Another peer may be connected besides the one that is served: see the
		// peer gate in docs/design.md.
		s.Connected = min(s.Connected, 1)
	}
	l.perPort.fill(&s)
	switch {
	case n.recv != nil:
		n.recv.queue.fill(&s)
		s.Open = int(n.recv.frames.open.Load())
	case n.send.queue != nil:
		s.Queue, s.QueueBytes = n.send.queue.length()
	}
	return s
}

func (c *counters) stats() Stats {
	return Stats{
		Frames: c.frames.Load(), Bytes: c.bytes.Load(), Delivered: c.delivered.Load(), Dropped: c.dropped.Load(),
		Discarded: c.discarded.Load(), Malformed: c.malformed.Load(), Retries: c.retries.Load(),
		Refused: c.refused.Load(), Lost: c.lost.Load(), Unsent: c.unsent.Load(), Rejected: c.rejected.Load(), Damaged: c.damaged.Load(),
		NoData: c.noData.Load(), Flooded: c.flooded.Load(),
	}
}

// logLimiter limits how often a line is logged, so that a peer cannot flood the
// log. The limit is one line a second, after spare lines without a limit. The
// next line has the number of those that were suppressed.
type logLimiter struct {
	spare int

	mu   sync.Mutex
	used int       // lines of spare in use; one is free again after each second
	last time.Time // the time up to which seconds have freed lines
	held int
}

func (b *logLimiter) log(l *slog.Logger, level slog.Level, msg string, args ...any) {
	held, now := b.pass(time.Now())
	if !now {
		return
	}
	if held > 0 {
		args = append(args, "suppressed", held)
	}
	l.Log(context.Background(), level, msg, args...)
}

func (b *logLimiter) pass(now time.Time) (held int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	paid := int(min(now.Sub(b.last)/time.Second, 1<<20))
	if b.used = max(0, b.used-paid); b.used == 0 {
		b.last = now
	} else {
		b.last = b.last.Add(time.Duration(paid) * time.Second)
	}
	if b.used > b.spare {
		b.held++
		return 0, false
	}
	b.used++
	held, b.held = b.held, 0
	return held, true
}
