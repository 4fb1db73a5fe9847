package netgear

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/loglimit"
	"github.com/vidgear-go/netgear/internal/pyjson"
)

// Stamp holds a frame's number, its time of capture and its sender, which
// Options.Stamp puts into the message.
type Stamp struct {
	Seq  uint64    // 1 for a send end's first frame
	Time time.Time // by the sender's clock
	// Sender identifies the send end that has given the number: a random number
	// of at most 53 bits that each send end chooses when it is opened. So one
	// that is opened again is another sender. It is 0 if the stamp names none,
	// as that of a Python program.
	Sender uint64
}

// StampedMessage is a message together with the time at which its frame was
// captured. It is for a send end with Options.Stamp; without it the stamp has
// the time of the call to Send. SendFrame sends the frame's own Stamp unless it
// gets a StampedMessage.
//
// A receive end counts the numbers of each Sender. They must grow: a program
// that passes on the Seq of another sender also passes on its Sender.
//
// A Sender of more than 53 bits, a Sender without a Seq, which would put the
// numbers of this end among those of that sender, and an At of which no receive
// end takes the stamp for one, are an ErrMessage.
type StampedMessage struct {
	At      time.Time // at most 1e11 seconds before or after 1970
	Seq     uint64    // 0: the next number of this send end, without a Sender
	Sender  uint64    // 0: this send end; at most 53 bits, so that every JSON reader keeps it exact
	Message any

	unnamed bool // the stamp names no sender, not even this end
}

// maxSender is the largest Stamp.Sender.
const maxSender = 1<<53 - 1

// maxSeconds is how far the time of a stamp may be from 1970.
const maxSeconds = 1e11

// newSender returns the Stamp.Sender of a send end.
func newSender() uint64 { return 1 + rand.Uint64N(maxSender) } //nolint:gosec // no secret

// checkStamp returns an error for a stamp that receive ends would not take for
// one.
func (c *StampedMessage) checkStamp() error {
	switch t := c.At.Unix(); {
	case c.Sender > maxSender:
		return fmt.Errorf("%w: the stamp's Sender is %d, more than 53 bits", ErrMessage, c.Sender)
	case c.Sender != 0 && c.Seq == 0:
		return fmt.Errorf("%w: the stamp has the Sender %d and no Seq: the numbers of this end are not that sender's", ErrMessage, c.Sender)
	case t < -maxSeconds || t > maxSeconds || math.Abs(c.seconds()) > maxSeconds: // seconds overflows far from 1970
		return fmt.Errorf("%w: the stamp's time %v is more than %.0e seconds from 1970", ErrMessage, c.At, maxSeconds)
	}
	return nil
}

// seconds returns the time since 1970.
func (c *StampedMessage) seconds() float64 { return float64(c.At.UnixMicro()) / 1e6 }

// stamped returns what goes into the message: a dictionary to Python.
//
//	{"seq": 17, "t": 1764547200.25, "sender": 1234, "message": …}
//
// t is in seconds since 1970, as Python's time.time().
func stamped(c StampedMessage) any {
	o := make(pyjson.Object, 0, 4)
	o = append(o, pyjson.Member{Key: "seq", Value: c.Seq}, pyjson.Member{Key: "t", Value: c.seconds()})
	if !c.unnamed {
		o = append(o, pyjson.Member{Key: "sender", Value: c.Sender})
	}
	return append(o, pyjson.Member{Key: "message", Value: c.Message})
}

// maxNumber is more bytes than a number takes on either wire. Longer values are
// not decoded, because this runs in the receive goroutine.
const maxNumber = 32

// unstamp removes a stamp from a message and returns both. A message without
// one stays as it is.
func unstamp(m Message) (Message, *Stamp) {
	var seq, t, sender, inner Message
	count := 0
	err := m.fields(func(key string, v Message) {
		count++
		switch key {
		case "seq":
			seq = v
		case "t":
			t = v
		case "sender":
			sender = v
		case "message":
			inner = v
		}
	})
	named := sender.raw != nil // else it is Python's, or of an earlier version
	if named {
		count--
	}
	if err != nil || count != 3 || seq.raw == nil || t.raw == nil || inner.raw == nil || max(len(seq.raw), len(t.raw), len(sender.raw)) > maxNumber {
		return m, nil
	}
	var s Stamp
	var seconds float64
	if seq.decode(&s.Seq) != nil || t.decode(&seconds) != nil || math.IsNaN(seconds) || math.Abs(seconds) > maxSeconds {
		return m, nil
	}
	if named && (sender.decode(&s.Sender) != nil || s.Sender > maxSender) {
		return m, nil
	}
	s.Time = time.UnixMicro(int64(math.Round(seconds * 1e6)))
	if len(m.raw)-len(inner.raw) > maxStampText {
		inner.raw = bytes.Clone(inner.raw) // which does not keep the spaces that the peer has sent
	}
	return inner, &s
}

// maxStampText is more bytes than a stamp takes around a message.
const maxStampText = 512

// PortStats holds the counts of one sender (multi-server mode) or one client
// (multi-client mode). A frame that is sent again may go to another client, so
// retries are counted only for the end as a whole.
type PortStats struct {
	Frames    uint64
	Bytes     uint64
	Dropped   uint64       // as in Stats, of this sender's frames
	Malformed uint64       // messages that could not be read and that name this port
	Missed    uint64       // frames that were sent, according to the stamps' numbers, and did not arrive
	Repeated  uint64       // frames that had arrived before, according to the stamps' numbers
	Queue     int          // this sender's frames that wait for Recv
	Latency   LatencyStats // of this sender's frames, with Stamp
	Last      time.Time    // when the last frame arrived, or was answered
}

// portCounts holds the counts of one port that PortStats reports.
type portCounts struct {
	PortStats
	latency latencies

	// Of the stamps that name no sender, which are taken for those of one sender.
	seq    uint64    // the largest number of the stamps of this sender's process
	latest time.Time // the latest time of its stamps
	known  bool      // a stamp has been counted
	mark   Stamp     // the last stamp, or one that came less than maxLateness before
	old    Stamp     // the mark before, if there was one
	log    stampLog
}

// late reports whether a frame was sent before one that has already arrived, or
// is the same one again. A sender that has restarted has smaller numbers, too,
// but later times. If its clock was set back, they are later than those that the
// old numbers had.
//
// Frames arrive late for instance when a subscriber continues that did not read
// for so long that its publisher has given the connection up. What is left of it
// then arrives together with what is sent on the next connection.
func (p *portCounts) late(s *Stamp) bool {
	return p.known && s.Seq <= p.seq && !s.Time.After(p.latest) && p.latest.Sub(s.Time) < maxLateness &&
		!(s.Seq <= p.old.Seq && s.Time.After(p.old.Time))
}

// count notes the stamp of a frame that is not late.
func (p *portCounts) count(s *Stamp) {
	switch {
	case !p.known || s.Seq <= p.seq:
		p.mark, p.old = *s, Stamp{}
	case s.Time.Sub(p.mark.Time).Abs() >= maxLateness:
		p.mark, p.old = *s, p.mark
	}
	p.seq, p.latest, p.known = s.Seq, s.Time, true
}

// numbered notes the number of a frame whose stamp names no sender. It returns
// how many numbers before it are missing, and 1 if it is the last frame again.
func (p *portCounts) numbered(s *Stamp) (gap, again uint64) {
	if p.late(s) { // it was counted as missed when the frame after it came
		if s.Seq == p.seq && s.Time.Equal(p.latest) {
			return 0, 1
		}
		return 0, 0
	}
	if p.known && s.Seq > p.seq {
		gap = s.Seq - p.seq - 1
	}
	p.count(s)
	return gap, 0
}

// perPortStats holds the counts that are kept per port, and those of the
// stamps.
type perPortStats struct {
	mu      sync.Mutex
	ports   map[string]*portCounts
	senders senders                                  // of the stamps that name them
	all     portCounts                               // frames without a port, and the stamps of all
	limits  struct{ missed, again loglimit.Limiter } // of the lines in the log
	shared  bool                                     // several receivers share the frames, or this end gets them through several
}

func newPerPortStats(shared bool) perPortStats {
	return perPortStats{ports: map[string]*portCounts{}, senders: senders{Max: maxSenders}, shared: shared}
}

// of returns a port's counts, or nil if there are too many ports: a peer may
// invent them. t.mu must be held.
func (t *perPortStats) of(port string) *portCounts {
	if port == "" {
		return &t.all
	}
	p := t.ports[port]
	if p == nil && len(t.ports) < maxServers {
		p = &portCounts{}
		t.ports[port] = p
	}
	return p
}

// stampLog holds what has not been logged of a sender's stamps.
type stampLog struct{ missed, again unlogged }

// stamp counts a stamp. It returns the frames to log now: those of this sender
// that are missing, and those that arrived again.
func (t *perPortStats) stamp(port string, s *Stamp, arrived time.Time) (missed, repeated unlogged) {
	t.mu.Lock()
	defer t.mu.Unlock()
	latency := arrived.Sub(s.Time)
	t.all.latency.add(latency, arrived)
	p := t.of(port)
	if p == nil {
		return missed, repeated
	}
	if p != &t.all {
		p.latency.add(latency, arrived)
	}
	var gap, again uint64
	log := &p.log
	if s.Sender != 0 {
		from, _ := t.senders.Use(senderKey{p, s.Sender})
		log = &from.log
		gap, again = from.numbered(s.Seq)
	} else {
		gap, again = p.numbered(s)
	}
	if t.shared {
		gap = 0
	}
	// The sender chooses the numbers, and no count wraps around for them. What
	// the count of the end has no room for is not counted for the port either,
	// whose count is never more.
	gap = min(gap, math.MaxUint64-t.all.Missed)
	p.Missed += gap
	p.Repeated += again
	if p != &t.all {
		t.all.Missed += gap
		t.all.Repeated += again
	}
	if gap > 0 {
		log.missed.add(gap, s.Seq-gap, s.Seq-1)
	}
	if again > 0 {
		log.again.add(1, s.Seq, s.Seq)
	}
	now := time.Now()
	return log.missed.take(&t.limits.missed, now), log.again.take(&t.limits.again, now)
}

// fill copies the counts into Stats. t.mu must be held.
func (t *perPortStats) fill(s *Stats, now time.Time) {
	s.Missed, s.Repeated, s.Latency = t.all.Missed, t.all.Repeated, t.all.latency.stats(now)
	if len(t.ports) == 0 {
		return
	}
	s.Ports = make(map[string]PortStats, len(t.ports))
	for port, p := range t.ports {
		counts := p.PortStats
		counts.Latency = p.latency.stats(now)
		s.Ports[port] = counts
	}
}
