// Package board keeps the figures of the senders of several receive ends, for
// tables and JSON lines.
package board

import (
	"cmp"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/numpy"
)

// State is the state of a sender.
type State string

// The states.
const (
	Waiting State = "waiting" // no sender has connected
	Live    State = "live"
	Stalled State = "stalled" // no frame for StallAfter, although the peer is connected
	Lost    State = "lost"    // the connection ended
	Ended   State = "ended"   // the sender sent its terminate message
)

// StallAfter is how long a sender may be without a frame until it is Stalled.
const StallAfter = 3 * time.Second

// Row holds the figures of one sender, or the sums of an input's senders. Rates
// are those since the last call of Rows.
type Row struct {
	Name    string   `json:"name"`
	State   State    `json:"state"`
	FPS     float64  `json:"fps"`
	Rate    float64  `json:"mb_per_s"`
	Frames  uint64   `json:"frames"`
	Dropped *uint64  `json:"dropped"`           // nil if it is known of all senders of the input only
	Missed  *uint64  `json:"missed"`            // likewise
	Latency *float64 `json:"latency_ms"`        // mean, from capture to arrival; nil without stamps
	Senders int      `json:"senders,omitempty"` // in a row of sums: of so many senders
}

// Board has the senders of all inputs. It is safe for concurrent use.
type Board struct {
	mu     sync.Mutex
	inputs []*Input
	last   time.Time
}

// New returns an empty Board.
func New() *Board { return &Board{last: time.Now()} }

// Input is one receive end on a Board.
type Input struct {
	board *Board
	name  string

	// board.mu protects these.
	stats   func() netgear.Stats
	senders []*sender // in the order in which they appeared
	frames  uint64    // of all senders, also of those that have been replaced
}

// sender is one sender of an input.
type sender struct {
	port, peer string
	state      State
	seen       time.Time // of the last frame
	changed    time.Time // of the last event
	frames     uint64
	figures
}

// figures are those since the last call of Rows.
type figures struct {
	count   uint64
	bytes   int64
	latency float64 // sum over stamped, in seconds; a duration has no room for cameras without a clock
	stamped int
}

// Input adds a receive end.
func (b *Board) Input(name string) *Input {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := &Input{board: b, name: name}
	b.inputs = append(b.inputs, in)
	return in
}

// Open sets where the input's counts are from. It is called when the end is
// open.
func (in *Input) Open(stats func() netgear.Stats) {
	in.board.mu.Lock()
	defer in.board.mu.Unlock()
	in.stats = stats
}

// Frame counts a received frame. It does not decode it.
func (in *Input) Frame(f *netgear.Frame) {
	in.board.mu.Lock()
	defer in.board.mu.Unlock()
	s := in.find(f.Port, f.Peer)
	s.seen = f.ReceivedAt
	if s.state == "" || s.seen.After(s.changed) { // an event may overtake a frame
		s.state = Live
	}
	in.frames++
	s.frames++
	s.count++
	s.bytes += Size(f)
	if f.Stamp != nil {
		s.latency += f.ReceivedAt.Sub(f.Stamp.Time).Seconds()
		s.stamped++
	}
}

// Round returns a figure with three decimals.
func Round(x float64) float64 { return math.Round(x*1000) / 1000 }

// Size returns the bytes of a frame's picture on the wire, without decoding it. It
// does not read pixels: those that were read are copied for each output that sends
// them. Only where the size of the elements is not known it has to.
func Size(f *netgear.Frame) int64 {
	if jpeg := f.JPEG(); jpeg != nil {
		return int64(len(jpeg))
	}
	if d, err := numpy.Parse(f.DType()); err == nil && d.Size > 0 {
		n, _ := numpy.Elements(f.Shape())
		return int64(n) * int64(d.Size)
	}
	pixels, _ := f.Bytes()
	return int64(len(pixels))
}

// Event updates the states. It is meant for Options.OnEvent.
func (in *Input) Event(e netgear.Event) {
	in.board.mu.Lock()
	defer in.board.mu.Unlock()
	state := Lost
	switch e.Kind {
	case netgear.EventLost, netgear.EventReconnecting:
	case netgear.EventTerminated:
		state = Ended
	default:
		return
	}
	for _, s := range in.senders {
		mine := e.Port != "" && s.port == e.Port || e.Port == "" && e.Peer != "" && s.peer == e.Peer ||
			e.Port == "" && (e.Peer == "" || s.peer == "") && len(in.senders) == 1 || e.Kind == netgear.EventReconnecting
		if mine && s.seen.Before(e.Time) && s.state != Ended {
			s.state, s.changed = state, e.Time
		}
	}
}

// maxSenders bounds the rows of an input: a peer may invent ports.
const maxSenders = 256

// find returns the sender of a frame. A sender that has returned from another
// port of its host continues its row. The first frames of a connection may have
// no address: their row becomes that of the first new address. When there are too
// many, a new one replaces the one that has been silent for longest.
func (in *Input) find(port, peer string) *sender {
	for _, s := range in.senders {
		if s.port == port && (port != "" || s.peer == peer) {
			s.peer = peer
			return s
		}
	}
	if port == "" {
		var nameless, before *sender
		for _, s := range in.senders {
			switch {
			case s.port != "":
			case s.peer == "":
				nameless = s
			case before == nil && s.state != Live && host(s.peer) == host(peer):
				before = s
			}
		}
		if nameless != nil && before != nil {
			before.absorb(nameless)
			in.remove(nameless)
		}
		if s := cmp.Or(before, nameless); s != nil {
			s.peer = peer
			return s
		}
	}
	if len(in.senders) >= maxSenders {
		oldest := slices.MinFunc(in.senders, func(a, b *sender) int { return a.seen.Compare(b.seen) })
		in.remove(oldest)
	}
	s := &sender{port: port, peer: peer}
	in.senders = append(in.senders, s)
	return s
}

func (in *Input) remove(s *sender) {
	in.senders = slices.DeleteFunc(in.senders, func(other *sender) bool { return other == s })
}

// absorb adds the frames of a row of the same sender.
func (s *sender) absorb(other *sender) {
	s.frames += other.frames
	s.figures.add(&other.figures)
}

func (f *figures) add(other *figures) {
	f.count += other.count
	f.bytes += other.bytes
	f.latency += other.latency
	f.stamped += other.stamped
}

func host(peer string) string {
	h, _, err := net.SplitHostPort(peer)
	if err != nil {
		return peer
	}
	return h
}

// Rows returns the figures of all senders, and begins the next interval. An
// input without a sender has one row. One with several senders has a row of sums
// first, if some counts are not known of each.
func (b *Board) Rows(now time.Time) []Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	seconds := now.Sub(b.last).Seconds()
	b.last = now
	var rows []Row
	for _, in := range b.inputs {
		rows = append(rows, in.rows(now, seconds)...)
	}
	return rows
}

func (in *Input) rows(now time.Time, seconds float64) []Row {
	var stats netgear.Stats
	if in.stats != nil {
		stats = in.stats()
	}
	if len(in.senders) == 0 && len(stats.Ports) == 0 {
		return []Row{{Name: in.name, State: Waiting, Dropped: &stats.Dropped, Missed: &stats.Missed}}
	}
	var rows []Row
	sums := Row{Name: in.name, Frames: in.frames, Dropped: &stats.Dropped, Missed: &stats.Missed, Senders: len(in.senders)}
	var all figures
	known := true // of each sender
	for _, s := range in.senders {
		all.add(&s.figures)
		r := s.row(in, now, seconds)
		if of, ok := stats.Ports[s.port]; ok {
			r.Dropped, r.Missed = &of.Dropped, &of.Missed
		} else if known = false; len(in.senders) == 1 {
			r.Dropped, r.Missed = sums.Dropped, sums.Missed
		}
		if sums.State == "" || slices.Index(states, r.State) < slices.Index(states, sums.State) {
			sums.State = r.State
		}
		rows = append(rows, r)
	}
	for _, port := range slices.Sorted(maps.Keys(stats.Ports)) {
		if len(rows) >= maxSenders {
			break
		}
		if !slices.ContainsFunc(in.senders, func(s *sender) bool { return s.port == port }) {
			of := stats.Ports[port]
			rows = append(rows, Row{Name: in.name + "/" + port, State: Waiting, Dropped: &of.Dropped, Missed: &of.Missed})
		}
	}
	if !known && len(in.senders) > 1 {
		all.fill(&sums, seconds)
		rows = slices.Insert(rows, 0, sums)
	}
	return rows
}

// states has the states of senders. A row of sums has the first that one of them
// is in.
var states = []State{Live, Stalled, Lost, Ended}

func (s *sender) row(in *Input, now time.Time, seconds float64) Row {
	if s.state == Live && now.Sub(s.seen) > StallAfter {
		s.state = Stalled
	}
	r := Row{Name: in.name, State: s.state, Frames: s.frames}
	if s.port != "" {
		r.Name += "/" + s.port
	} else if len(in.senders) > 1 {
		r.Name += "/" + cmp.Or(s.peer, "?")
	}
	s.fill(&r, seconds)
	s.figures = figures{}
	return r
}

// fill sets the rates and the latency of a row.
func (f *figures) fill(r *Row, seconds float64) {
	if seconds > 0 {
		r.FPS, r.Rate = Round(float64(f.count)/seconds), Round(float64(f.bytes)/seconds/1e6)
	}
	if f.stamped > 0 {
		ms := Round(1000 * f.latency / float64(f.stamped))
		r.Latency = &ms
	}
}
