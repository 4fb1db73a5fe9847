package web

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/vidgear-go/netgear"
)

// State is the state of a stream, one of the constants below.
type State string

// The states of a stream.
const (
	StateWaiting State = "waiting" // no frame has arrived yet
	StateLive    State = "live"    // frames arrive
	StateStalled State = "stalled" // no frame for Options.StallAfter
	StateLost    State = "lost"    // the sender's connection was lost
	StateEnded   State = "ended"   // the sender has sent its terminate message
)

// Stream describes one stream, in /api/streams as well.
type Stream struct {
	// Name is the stream's name, which no other stream of the Viewer has. The
	// name of the source comes first, then the sender's port in multi-server
	// mode. It is one line of at most 100 characters.
	Name  string `json:"name"`
	State State  `json:"state"`
	// Peer is the address of the sender, if it is known.
	Peer   string  `json:"peer,omitempty"`
	Frames uint64  `json:"frames"` // frames published
	FPS    float64 `json:"fps"`    // frames a second, lately
	// Latency is from capture to arrival, in seconds, if both ends have
	// netgear's Options.Stamp. The clocks of both machines count.
	Latency *float64 `json:"latency,omitempty"`
	// Dropped is the number of frames that the receive end has dropped or
	// missed. It is known in Serve: for each port in multi-server mode,
	// otherwise if the receive end has a single stream.
	Dropped *uint64 `json:"dropped,omitempty"`
	// DType and Shape describe the newest frame.
	DType string `json:"dtype,omitempty"`
	Shape []int  `json:"shape,omitempty"`
	// Last is when the newest frame arrived.
	Last time.Time `json:"last,omitzero"`
}

// stream is one sender's frames. Viewer.mu protects it.
type stream struct {
	id     int // unique in the Viewer
	name   string
	source *Source
	port   string // in multi-server mode
	peer   string // of the newest frame; "" if it is not known
	sender sender // its key in source.streams, unless it had no frame yet

	picture *picture // the newest; nil before the first
	seq     uint64   // of that
	last    time.Time
	latency *float64
	rate    rate
	state   State     // as an event has set it; StateLive otherwise
	marked  time.Time // when
	past    []string  // peers that had the stream before; see reconnected
	gone    bool      // the Viewer has it no more
}

// stateOf returns a stream's state. v.mu must be held.
func (v *Viewer) stateOf(st *stream, now time.Time) State {
	if st.state == StateLive && now.Sub(st.last) > v.opts.StallAfter {
		return StateStalled
	}
	return st.state
}

// maxName is the largest number of characters in a name.
const maxName = 80

// cleanName returns a name as one line of readable characters. A sender chooses
// its port's text.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	return name
}

// uniqueName returns a name that no stream has but st. v.mu must be held.
func (v *Viewer) uniqueName(s *Source, port string, st *stream) string {
	name := strings.TrimSpace(s.name + " " + cleanName(port))
	if name == "" {
		name = "camera"
	}
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	for unique, i := name, 2; ; i++ {
		if other := v.byName(unique); other == nil || other == st {
			return unique
		}
		unique = fmt.Sprintf("%s (%d)", name, i)
	}
}

// byName returns the stream with a name, or nil. v.mu must be held.
func (v *Viewer) byName(name string) *stream {
	for _, st := range v.streams {
		if st.name == name {
			return st
		}
	}
	return nil
}

// put makes p the newest picture. The stream owns p from then on.
func (st *stream) put(p *picture, f *netgear.Frame) {
	st.seq++
	p.seq = st.seq
	st.replace(p)
	st.last = p.received
	st.rate.add(p.received)
	st.latency = nil
	if f.Stamp != nil && !f.Stamp.Time.IsZero() {
		seconds := p.received.Sub(f.Stamp.Time).Seconds()
		st.latency = &seconds
	}
	if p.received.After(st.marked) {
		st.state = StateLive
	}
}

// replace replaces the newest picture, if need be with none.
func (st *stream) replace(p *picture) {
	if st.picture != nil {
		st.picture.release()
	}
	st.picture = p
}

// remove releases the picture of a stream that the Viewer has no more.
func (st *stream) remove() {
	st.replace(nil)
	st.forget()
	st.gone = true
}

// mark sets the state, unless a frame has arrived after that time, or the stream
// had none. A stream that has ended is not lost as well. It reports whether the
// state has changed.
func (st *stream) mark(state State, at time.Time) bool {
	if st.seq == 0 || st.last.After(at) || st.state == StateEnded || st.state == state {
		return false
	}
	st.state, st.marked = state, at
	return true
}

// Streams describes all streams, in the order in which they appeared.
func (v *Viewer) Streams() []Stream {
	all := v.describe()
	list := make([]Stream, len(all))
	for i := range all {
		list[i] = all[i].Stream
	}
	return list
}

// described is a Stream as the page receives it.
type described struct {
	ID int `json:"id"`
	Stream
	Silent float64 `json:"silent"` // seconds since the newest frame
}

func (v *Viewer) describe() []described {
	v.mu.Lock()
	ends := map[*Source]func() netgear.Stats{}
	for _, st := range v.streams {
		if st.source.stats != nil {
			ends[st.source] = st.source.stats
		}
	}
	v.mu.Unlock()
	stats := map[*Source]netgear.Stats{}
	for s, f := range ends {
		stats[s] = f()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	list := make([]described, 0, len(v.streams))
	for _, st := range v.streams {
		d := st.describe(v.stateOf(st, now), now)
		if s, ok := stats[st.source]; ok {
			d.Dropped = st.dropped(&s)
		}
		list = append(list, described{ID: st.id, Stream: d, Silent: now.Sub(st.last).Seconds()})
	}
	return list
}

func (st *stream) describe(state State, now time.Time) Stream {
	d := Stream{
		Name: st.name, State: state, Peer: st.peer, Frames: st.seq,
		FPS: st.rate.perSecond(now), Latency: st.latency, Last: st.last,
	}
	if st.picture != nil {
		d.DType, d.Shape = st.picture.dtype, st.picture.shape
	}
	return d
}

// dropped returns how many of the stream's frames were dropped or missed, or nil
// if that is not known.
func (st *stream) dropped(s *netgear.Stats) *uint64 {
	if port, ok := s.Ports[st.port]; ok {
		return sumOf(port.Dropped, port.Missed)
	}
	if st.port == "" && st.source.viewer.only(st.source, "") == st {
		return sumOf(s.Dropped, s.Missed)
	}
	return nil
}

// sumOf returns the sum of two counts. missed is the sender's choice, so it may be
// so large that there is none.
func sumOf(dropped, missed uint64) *uint64 {
	n := dropped + min(missed, math.MaxUint64-dropped)
	return &n
}

// rate measures frames a second.
type rate struct {
	times [32]time.Time // of the last frames, as a ring
	n     int           // frames in all
}

// rateSpan is how far back frames count.
const rateSpan = 2 * time.Second

func (r *rate) add(t time.Time) {
	r.times[r.n%len(r.times)] = t
	r.n++
}

// perSecond returns the rate of the frames within rateSpan, rounded to a tenth.
func (r *rate) perSecond(now time.Time) float64 {
	count, first, last := 0, time.Time{}, time.Time{}
	for i := range min(r.n, len(r.times)) {
		t := r.times[(r.n-1-i)%len(r.times)]
		if now.Sub(t) > rateSpan {
			break
		}
		if count == 0 {
			last = t
		}
		count, first = count+1, t
	}
	if count < 2 || !last.After(first) {
		return 0
	}
	return float64(int(float64(count-1)/last.Sub(first).Seconds()*10+0.5)) / 10
}
