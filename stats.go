package netgear

import (
	"errors"
	"sync/atomic"
	"syscall"
	"time"
)

// Stats holds the counts of one end since New. They only grow, except for Queue,
// QueueBytes, Connected, Open, the durations of LatencyStats, Queue in Ports, and
// what Adapt has besides its Changes.
//
// Frames, Bytes, Dropped, Malformed, Missed and Repeated are of one moment, in
// Stats and in Ports: the sum of the ports is never more than the count of the
// end. The other counts may be of a moment later.
//
// At a receive end, Frames = Delivered + Dropped + Discarded + the frames in
// the queue + those of Malformed whose JPEG could not be decoded ahead. A frame
// whose JPEG cannot be decoded on use (Options.Decode) counts in Delivered and
// in Malformed.
//
// In JSON the fields have these names. Durations are numbers, in seconds; see
// LatencyStats.
type Stats struct {
	ReceiveMode bool    // whether it is a receive end
	Pattern     Pattern // of the end

	Frames    uint64 // frames sent (and, in Pair and ReqRep, answered), or received complete
	Bytes     uint64 // bytes of those frames on the wire, headers included
	Delivered uint64 // receive end: frames that Recv has returned
	Dropped   uint64 // receive end: frames that a newer one replaced (Latest), or that arrived at a full queue (PubSub)
	Discarded uint64 // receive end: frames still queued when the end was closed
	// Overflows counts, at a publisher, the frames that found the queue of a
	// subscriber full (HighWaterMark). The subscriber has lost the frame. It
	// also loses the next ones, until it has read half of its queue. libzmq
	// drops those without a report, so how many frames which subscriber has
	// lost is not known here. With Stamp the subscriber's Missed counts them.
	Overflows uint64
	Malformed uint64 // messages that could not be read: dropped, or delivered and not decodable when their pixels were needed
	Retries   uint64 // frames sent again, or sockets opened again because no peer was connected
	Unsent    uint64 // receive end: answers that could not be sent, because no peer took them
	Rejected  uint64 // send end: frames that the receive end has dropped, according to its answers (ErrRejected)
	// Failed counts, at a send end, the frames that were taken and then not
	// sent or, in Pair and ReqRep, not answered: the send call, OnReply or a
	// LostError has the error (ErrPeerGone, ErrMismatch, ErrRejected, the
	// context's, …). None of them counts in Frames; the peer may have some of
	// them nevertheless. A frame that cannot be sent (ErrFrame, ErrMessage) or
	// whose call ended while it waited for its turn was not taken. Connections
	// that were lost are in Lost.
	Failed  uint64
	Skipped uint64 // send end: frames that were not sent, because a newer one replaced them (SendLatest), or to keep the age (Adapt)
	// Damaged counts frames whose JPEG had a fault, such as extra bytes before
	// a marker, but all its pixels. A receive end delivers them, and finds the
	// fault when it decodes. A send end writes them again without the fault
	// (SendJPEG, SendFrame). libjpeg cannot distinguish foreign bytes from
	// garbled pixels: if this count grows on a line that loses data, pixels may
	// be garbled.
	Damaged     uint64
	NoData      uint64         // receive end: frames answered without data, because Respond returned an error or data that cannot be sent
	MalformedBy MalformedStats // the messages of Malformed, by what was wrong

	Connections        uint64 // connections that were made: their handshakes have succeeded
	Lost               uint64 // connections that ended, before Close; frames that were lost are in Failed and Missed
	Refused            uint64 // connections that failed in the handshake
	Flooded            uint64 // connections that this end closed because the peer sent far more than this end read
	TerminatesSent     uint64 // send end: terminate messages that Close has given to libzmq
	TerminatesReceived uint64 // receive end: terminate messages of senders

	// Missed counts, at a receive end with Stamp, the frames that were sent and
	// did not arrive, or arrived after a later one. It does not count the first
	// frames of a sender's run, which were sent before one arrived: those that
	// were published before this subscriber was connected, also when a sender
	// has been started again. With PushPull, and with ReqRep in multi-client
	// mode, it counts none, since other receivers may have got them. A ReqRep
	// receive end that connects, beside others, to a send end that listens counts
	// the frames of the others: it does not know of them.
	//
	// The numbers of each sender (Stamp.Sender) are counted by themselves, of at
	// most 4096 senders. Stamps that name no sender, as those of a Python
	// program, are taken for those of one sender for each port.
	Missed uint64
	// Repeated counts, at a receive end with Stamp, the frames that had arrived
	// before, because a send end sends a frame again whose answer it does not
	// get. They are delivered. A frame is recognized by its sender and its
	// number, if that is one of the sender's last 64. If the stamps name no
	// sender only the last frame is.
	Repeated  uint64
	Latency   LatencyStats // receive end with Stamp: from capture to arrival; meaningful only if the clocks of the two machines agree
	Decode    LatencyStats // receive end: decoding a JPEG
	Encode    LatencyStats // send end: encoding a JPEG
	Send      LatencyStats // send end: of the frames of Frames, from when they were prepared to the answer, with all tries; without answers, until libzmq has accepted them
	RoundTrip LatencyStats // send end of Pair and ReqRep: from sending a frame to its answer, of the last try alone
	// Ports has the counts by the other end's port, in multi-server and
	// multi-client mode, at most 4096 of them. It has those of Options.Ports from
	// the start, unless they are "0".
	Ports map[string]PortStats

	Adapt AdaptStats // send end with Adapt: how frames are sent, and why

	Queue      int   // frames that wait for Recv; at a send end with SendAhead or SendLatest, frames not yet answered
	QueueBytes int64 // memory of those frames in bytes, with their messages and 1 KiB for each; also what a Pair end has read ahead of a full queue
	Connected  int   // peers connected at this moment; with Pair at most 1
	Open       int   // receive end: frames that the application has and has not closed, or that SendFrame is sending; Frames of Retain count as one
}

// counters holds the counts that Stats reports.
type counters struct {
	frames, bytes, dropped         atomic.Uint64 // perPort.mu must be held to change them
	malformed                      malformedCounts
	delivered, discarded, overflow atomic.Uint64
	retries, unsent, rejected      atomic.Uint64
	damaged, noData, skipped       atomic.Uint64
	failed                         atomic.Uint64

	connections, lost, refused, flooded atomic.Uint64
	terminatesSent, terminatesReceived  atomic.Uint64

	decode, encode, send, roundTrip latencies
}

// Stats returns the counts of this end. It may be called at any time from any
// goroutine, also after Close.
func (n *NetGear) Stats() Stats {
	if n.opened() != nil {
		return Stats{}
	}
	l := n.link
	s := l.counts(time.Now())
	s.Connected = l.peers()
	if l.opts.Pattern == Pair {
		// Another peer may be connected besides the one that is served: see the
		// peer gate in docs/design.md.
		s.Connected = min(s.Connected, 1)
	}
	if n.send != nil {
		s.Adapt = n.send.adapt.stats()
	}
	switch {
	case n.recv != nil:
		n.recv.queue.fill(&s)
		s.Open = int(n.recv.frames.open.Load())
	case n.send.queue != nil:
		s.Queue, s.QueueBytes = n.send.queue.length()
	}
	return s
}

// counts returns the counts of the end and of its ports, of one moment.
func (l *link) counts(now time.Time) Stats {
	l.perPort.mu.Lock()
	defer l.perPort.mu.Unlock()
	s := l.counters.stats(now)
	s.ReceiveMode, s.Pattern = l.opts.ReceiveMode, l.opts.Pattern
	l.perPort.fill(&s, now)
	return s
}

func (c *counters) stats(now time.Time) Stats {
	s := Stats{
		Frames: c.frames.Load(), Bytes: c.bytes.Load(), Delivered: c.delivered.Load(), Dropped: c.dropped.Load(),
		Discarded: c.discarded.Load(), Overflows: c.overflow.Load(), Retries: c.retries.Load(), Unsent: c.unsent.Load(),
		Rejected: c.rejected.Load(), Damaged: c.damaged.Load(), NoData: c.noData.Load(), Skipped: c.skipped.Load(), Failed: c.failed.Load(),
		Connections: c.connections.Load(), Lost: c.lost.Load(), Refused: c.refused.Load(), Flooded: c.flooded.Load(),
		TerminatesSent: c.terminatesSent.Load(), TerminatesReceived: c.terminatesReceived.Load(),
		Decode: c.decode.stats(now), Encode: c.encode.stats(now), Send: c.send.stats(now), RoundTrip: c.roundTrip.stats(now),
	}
	s.MalformedBy, s.Malformed = c.malformed.stats()
	return s
}

// ---- counting ----

// countFrame counts a frame, and its port's.
func (l *link) countFrame(port string, bytes int) {
	l.perPort.mu.Lock()
	defer l.perPort.mu.Unlock()
	l.counters.frames.Add(1)
	l.counters.bytes.Add(uint64(bytes))
	if p := l.perPort.of(port); p != nil {
		p.Frames++
		p.Bytes += uint64(bytes)
		p.Last = time.Now()
	}
}

// countDropped counts a frame that the queue dropped.
func (l *link) countDropped(port string) {
	l.perPort.mu.Lock()
	defer l.perPort.mu.Unlock()
	l.counters.dropped.Add(1)
	if p := l.perPort.of(port); p != nil {
		p.Dropped++
	}
}

// countMalformed counts a message that could not be read.
func (l *link) countMalformed(port string, why error) {
	l.perPort.mu.Lock()
	defer l.perPort.mu.Unlock()
	l.counters.malformed[reasonOf(why)].Add(1)
	if p := l.perPort.of(port); p != nil {
		p.Malformed++
	}
}

// countTerminate counts a terminate message that was sent without an error, and
// returns the error.
func (l *link) countTerminate(err error) error {
	if err == nil {
		l.counters.terminatesSent.Add(1)
	}
	return err
}

// trySendHead sends the header of a frame. libzmq reports a full queue of a
// subscriber only with XPUB_NODROP, and then sends to none. So the header is
// sent again without it, to those that have room. libzmq passes over the others
// until they have read half of their queue. The rest of the message goes where
// the header went, in either mode.
//
// At an end that listens it returns errNews if a loss was reported that may not
// have reached the socket.
func (s *sendEnd) trySendHead() error {
	if s.opts.binds() && s.spec.answers {
		// A loss that is reported after this is one after the frame was sent.
		s.frame.made, s.frame.lost = s.conn.made.Load(), s.conn.lost.Load()
		if s.frame.lost != s.conn.settled {
			return errNews
		}
		s.frame.noteWritten()
	}
	err := s.conn.TrySend(s.head, true)
	if !s.opts.publishes() || !errors.Is(err, syscall.EAGAIN) {
		return err
	}
	s.overflow()
	s.conn.SetXpubNodrop(false)
	defer s.conn.SetXpubNodrop(true)
	return s.conn.TrySend(s.head, true)
}
