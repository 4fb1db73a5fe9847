package netgear

import (
	"cmp"
	"math"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/pyjson"
)

// Stamp holds a frame's number and time of capture, which Options.Stamp puts
// into the message.
type Stamp struct {
	Seq  uint64    // 1 for a send end's first frame
	Time time.Time // by the sender's clock
}

// StampedMessage is a message together with the time at which its frame was
// captured. It is for a send end with Options.Stamp; without it the stamp has
// the time of the call to Send. SendFrame sends the frame's own Stamp unless it
// gets a StampedMessage.
type StampedMessage struct {
	At      time.Time
	Seq     uint64 // 0: the next number of this send end
	Message any
}

// stamped returns what goes into the message: a dictionary to Python.
//
//	{"seq": 17, "t": 1764547200.25, "message": …}
//
// t is in seconds since 1970, as Python's time.time().
func stamped(seq uint64, message any) any {
	at := time.Now()
	if c, ok := message.(StampedMessage); ok {
		at, message, seq = c.At, c.Message, cmp.Or(c.Seq, seq)
	}
	return pyjson.Object{
		{Key: "seq", Value: seq},
		{Key: "t", Value: float64(at.UnixMicro()) / 1e6},
		{Key: "message", Value: message},
	}
}

// maxNumber is more bytes than a number takes on either wire. Longer values are
// not decoded, because this runs in the receive goroutine.
const maxNumber = 32

// unstamp removes a stamp from a message and returns both. A message without
// one stays as it is.
func unstamp(m Message) (Message, *Stamp) {
	var seq, t, inner Message
	count := 0
	err := m.fields(func(key string, v Message) {
		count++
		switch key {
		case "seq":
			seq = v
		case "t":
			t = v
		case "message":
			inner = v
		}
	})
	if err != nil || count != 3 || seq.raw == nil || t.raw == nil || inner.raw == nil || max(len(seq.raw), len(t.raw)) > maxNumber {
		return m, nil
	}
	var s Stamp
	var seconds float64
	if seq.decode(&s.Seq) != nil || t.decode(&seconds) != nil || math.IsNaN(seconds) || math.Abs(seconds) > 1e11 {
		return m, nil
	}
	s.Time = time.UnixMicro(int64(math.Round(seconds * 1e6)))
	return inner, &s
}

// PortStats holds the counts of one sender (multi-server mode) or one client
// (multi-client mode). A frame that is sent again may go to another client, so
// retries are counted only for the end as a whole.
type PortStats struct {
	Frames    uint64
	Bytes     uint64
	Dropped   uint64       // as in Stats, of this sender's frames
	Malformed uint64       // messages that could not be read and that name this port
	Missed    uint64       // frames that were sent, according to the stamps' numbers, and did not arrive
	Queue     int          // this sender's frames that wait for Recv
	Latency   LatencyStats // of this sender's frames, with Stamp
	Last      time.Time    // when the last frame arrived, or was answered
}

// portCounts holds the counts of one port that PortStats reports.
type portCounts struct {
	PortStats
	latency latencies
	seq     uint64    // the largest number of the stamps of this sender's process
	latest  time.Time // the latest time of its stamps
	known   bool      // a stamp has been counted
	mark    Stamp     // the last stamp, or one that came less than maxLateness before
	old     Stamp     // the mark before, if there was one
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

// perPortStats holds the counts that are kept per port, and those of the
// stamps.
type perPortStats struct {
	mu     sync.Mutex
	ports  map[string]*portCounts
	all    portCounts // frames without a port, and the stamps of all
	shared bool       // several receivers share the frames, or this end gets them through several
}

func newPerPortStats(shared bool) perPortStats {
	return perPortStats{ports: map[string]*portCounts{}, shared: shared}
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

// stamp counts a stamp.
func (t *perPortStats) stamp(port string, s *Stamp, arrived time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	latency := arrived.Sub(s.Time)
	t.all.latency.add(latency, arrived)
	p := t.of(port)
	if p == nil {
		return
	}
	if p != &t.all {
		p.latency.add(latency, arrived)
	}
	if p.late(s) {
		return // it was counted as missed when the frame after it came
	}
	if p.known && s.Seq > p.seq && !t.shared {
		gap := s.Seq - p.seq - 1
		p.Missed += gap
		if p != &t.all {
			t.all.Missed += gap
		}
	}
	p.count(s)
}

// fill copies the counts into Stats. t.mu must be held.
func (t *perPortStats) fill(s *Stats, now time.Time) {
	s.Missed, s.Latency = t.all.Missed, t.all.latency.stats(now)
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
