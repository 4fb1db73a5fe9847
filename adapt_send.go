package netgear

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// AdaptChange is a change that Options.Adapt has made.
type AdaptChange struct {
	From, To AdaptSetting
	Reason   string
	// Delay is how long the last frame took to be answered. Without answers it
	// is how long the queued bytes and the next frame would take.
	Delay time.Duration
	Rate  float64 // bytes in a second that the network takes, as estimated
}

// String returns what differs, and why, such as "quality 90→37: frames would be
// older than MaxAge on arrival".
func (c AdaptChange) String() string {
	var parts []string
	if c.From.Quality != c.To.Quality {
		parts = append(parts, fmt.Sprintf("quality %d→%d", c.From.Quality, c.To.Quality))
	}
	if c.From.Scale != c.To.Scale {
		parts = append(parts, fmt.Sprintf("size %.3g %%→%.3g %%", 100*c.From.Scale, 100*c.To.Scale))
	}
	if c.From.FPS != c.To.FPS {
		parts = append(parts, fmt.Sprintf("frames/s %s→%s", rateText(c.From.FPS), rateText(c.To.FPS)))
	}
	if c.Reason != "" && len(parts) > 0 {
		return strings.Join(parts, ", ") + ": " + c.Reason
	}
	return strings.Join(parts, ", ") + c.Reason
}

func rateText(fps float64) string {
	if fps == 0 {
		return "unlimited"
	}
	return fmt.Sprintf("%.3g", fps)
}

// AdaptStats holds what Options.Adapt does at this moment. It is zero without
// that option.
type AdaptStats struct {
	Setting AdaptSetting // how the next frame is sent
	Reason  string       // why the setting was last changed; empty if it was not
	Changes uint64       // how often it was changed
	// Delay is how long the last frame took to be answered. Without answers it
	// is how long the queued bytes and the next frame would take.
	Delay time.Duration
	Rate  float64 // bytes in a second that the network takes, as estimated; 0 if unknown
}

// adaptStatsJSON is AdaptStats as it is in JSON.
type adaptStatsJSON struct {
	Setting AdaptSetting
	Reason  string
	Changes uint64
	Delay   seconds
	Rate    float64
}

// MarshalJSON returns the fields with Delay as a number, in seconds.
func (a AdaptStats) MarshalJSON() ([]byte, error) {
	return json.Marshal(adaptStatsJSON{a.Setting, a.Reason, a.Changes, seconds(a.Delay), a.Rate})
}

// UnmarshalJSON reads what MarshalJSON returns.
func (a *AdaptStats) UnmarshalJSON(raw []byte) error {
	if a == nil {
		return fmt.Errorf("netgear: %w: JSON is to be read into an AdaptStats that is nil", ErrOption)
	}
	var j adaptStatsJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return fmt.Errorf("netgear: %w: an AdaptStats: %w", ErrOption, err)
	}
	*a = AdaptStats{j.Setting, j.Reason, j.Changes, time.Duration(j.Delay), j.Rate}
	return nil
}

// adaptation applies Options.Adapt to the frames of a send end: it gives the
// controller what it measures, and encodes as the controller selects. The
// goroutine that prepares and sends the frames calls its methods, except stats.
//
// A nil adaptation belongs to an end without the option and does nothing.
type adaptation struct {
	end     *sendEnd
	setting AdaptSetting // of the frame that is being prepared
	encoded bool         // it is a JPEG of this end
	scaled  []byte       // memory of a picture that is scaled down

	// What is queued, at an end without answers.
	sampler *time.Timer // measures between two frames
	samples int         // how often it will
	conns   []transport.Outgoing
	pending []pendingFrame
	sent    int64 // bytes since the beginning
	seen    map[uint64]progress
	current uint64 // the connection that the controller follows
	closed  bool

	mu  sync.Mutex // guards what is below setting and encoded
	ctl *controller
}

// pendingFrame is a frame that libzmq may still hold.
type pendingFrame struct {
	buf  *zmsg.Buffer
	size int64
}

// progress is when bytes of a connection last arrived.
type progress struct {
	delivered int64
	at        time.Time
}

// maxPendingFrames bounds the frames that are followed.
const maxPendingFrames = 64

func newAdaptation(s *sendEnd) *adaptation {
	o := &s.opts
	if o.Adapt.MaxAge == 0 {
		return nil
	}
	return &adaptation{end: s, seen: map[uint64]progress{}, ctl: newController(adaptLimits{
		maxAge: o.Adapt.MaxAge, quality: o.JPEGCompressionQuality, minQuality: min(o.Adapt.MinQuality, o.JPEGCompressionQuality),
		minScale: o.Adapt.MinScale, minFPS: o.Adapt.MinFPS,
	})}
}

// offered notes that the application has a frame.
func (a *adaptation) offered(now time.Time) {
	if a != nil {
		a.mu.Lock()
		a.ctl.stream.offered(now)
		a.mu.Unlock()
	}
}

// due reports whether a frame should be sent now, at an end without answers.
func (a *adaptation) due() bool {
	if a == nil || a.end.spec.answers {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.report(a.ctl.now, a.ctl.changes)
	a.samples = samplesPerFrame
	if len(a.conns) > manyConnections {
		a.samples = 0
	}
	if a.sampler == nil {
		a.sampler = time.AfterFunc(a.sampleAfter(), a.sample)
	} else {
		a.sampler.Reset(a.sampleAfter())
	}
	p := a.measure(time.Now())
	if a.end.peers() == 0 {
		return false // libzmq would keep it for the next peer, and it would be old by then
	}
	return a.ctl.backlog(p)
}

// samplesPerFrame is how often what is queued is measured between two frames.
const samplesPerFrame = 4

// manyConnections is from how many connections on it is measured before each
// frame only: it takes a few system calls for each of them.
const manyConnections = 16

func (a *adaptation) sampleAfter() time.Duration {
	return max(time.Duration(a.ctl.stream.period/(samplesPerFrame+1)*float64(time.Second)), time.Millisecond)
}

// sample measures what is queued between two frames.
func (a *adaptation) sample() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.samples == 0 {
		return
	}
	p := a.measure(time.Now())
	a.ctl.observe(&p)
	if a.samples--; a.samples > 0 {
		a.sampler.Reset(a.sampleAfter())
	}
}

// apply makes a payload what the controller has selected. A payload that is not
// encoded here stays as it is.
func (a *adaptation) apply(p *payload) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	a.setting = a.ctl.now
	a.mu.Unlock()
	if a.encoded = p.encode; !p.encode {
		return nil
	}
	p.quality = a.setting.Quality
	if a.setting.Scale == 1 {
		return nil
	}
	var err error
	p.picture, a.scaled, err = p.picture.Shrink(a.setting.Scale, a.scaled)
	return frameError(err)
}

// prepared notes a frame that is about to be sent.
func (a *adaptation) prepared(o *outgoing) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.encoded {
		a.ctl.sent(o.size(), a.setting)
	} else {
		a.ctl.fixed(o.size())
	}
}

// queued notes a frame that libzmq has accepted. One that it has not accepted
// must have no other owner: the exchange waits until its memory is free.
func (a *adaptation) queued(o *outgoing) {
	if a == nil || a.end.spec.answers {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent += int64(o.size())
	if o.buf != nil && o.pooled && len(a.pending) < maxPendingFrames {
		a.pending = append(a.pending, pendingFrame{o.buf.Retain(), int64(o.size())})
	}
}

// answered notes that a frame was answered.
func (a *adaptation) answered(bytes int, took time.Duration) {
	if a == nil || !a.end.spec.answers {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.report(a.ctl.now, a.ctl.changes)
	a.ctl.answered(bytes, took)
}

// report reports a change. a.mu must be held.
func (a *adaptation) report(from AdaptSetting, changes uint64) {
	c := a.ctl
	if c.changes == changes {
		return
	}
	change := &AdaptChange{From: from, To: c.now, Reason: string(c.reason), Delay: c.delay, Rate: c.rate()}
	a.end.events.add(Event{Kind: EventAdapted, Endpoint: a.end.where(), Adapt: change})
}

// stats returns what Stats reports.
func (a *adaptation) stats() (s AdaptStats) {
	if a == nil {
		return s
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.ctl
	return AdaptStats{Setting: c.now, Reason: string(c.reason), Changes: c.changes, Delay: c.delay, Rate: c.rate()}
}

// release releases the frames that are followed.
func (a *adaptation) release() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed = true; a.sampler != nil {
		a.sampler.Stop()
	}
	for _, p := range a.pending {
		p.buf.Release()
	}
	a.pending = nil
}

// ---- what is queued ----

// measure returns what is queued for the slowest connection. A connection over
// which nothing arrives is left out, unless there is no other: a frozen
// subscriber must not stop the others. a.mu must be held.
func (a *adaptation) measure(now time.Time) streamPoint {
	held := a.inLibzmq()
	var slowest *transport.Outgoing
	frozen := 0
	if c := a.end.current(); c != nil {
		a.conns = c.Outgoing(a.conns[:0])
		slowest, frozen = a.slowest(now)
	}
	if slowest == nil {
		return streamPoint{at: now, delivered: a.sent - held, queued: held}
	}
	p := streamPoint{at: now, delivered: slowest.Delivered, queued: slowest.Queued, base: slowest.Base}
	if frozen == 0 { // otherwise libzmq holds them for the frozen ones
		p.queued += held
	}
	if slowest.ID != a.current {
		a.current, p.fresh = slowest.ID, true
	}
	return p
}

// inLibzmq returns the bytes of the frames that libzmq has not written.
func (a *adaptation) inLibzmq() (bytes int64) {
	rest := a.pending[:0]
	for _, p := range a.pending {
		if p.buf.References() == 1 {
			p.buf.Release()
			continue
		}
		bytes += p.size
		rest = append(rest, p)
	}
	a.pending = rest
	return bytes
}

// slowest returns the connection with the most queued bytes. The one before is
// kept while it has at least half as many. A connection over which nothing
// arrives is returned only if there is no other; frozen is how many there are
// besides.
func (a *adaptation) slowest(now time.Time) (_ *transport.Outgoing, frozen int) {
	var most, current, last *transport.Outgoing
	open := make(map[uint64]progress, len(a.conns))
	for i := range a.conns {
		c := &a.conns[i]
		seen, ok := a.seen[c.ID]
		if !ok || c.Delivered > seen.delivered || c.Queued == 0 {
			seen = progress{c.Delivered, now}
		}
		open[c.ID] = seen
		if now.Sub(seen.at) > a.ctl.maxAge {
			last = c
			frozen++
			continue
		}
		if c.ID == a.current {
			current = c
		}
		if most == nil || c.Queued > most.Queued {
			most = c
		}
	}
	a.seen = open
	switch {
	case most == nil:
		return last, 0
	case current != nil && current.Queued >= most.Queued/2:
		return current, frozen
	}
	return most, frozen
}
