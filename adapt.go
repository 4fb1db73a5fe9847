package netgear

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"
)

// This file is the controller of Options.Adapt. It reads no clock and no
// socket: its inputs are times and sizes, its output is an AdaptSetting.

// AdaptSetting is what Options.Adapt may change about the frames that are sent.
type AdaptSetting struct {
	Quality int     // of JPEGs, 10 to 100
	Scale   float64 // of the width and the height; 1 is the whole picture
	FPS     float64 // the most frames in a second; 0 is no limit
}

// String returns such as "quality 90, at 50 % of the size, at most 5 frames/s".
func (s AdaptSetting) String() string {
	text := "quality " + strconv.Itoa(s.Quality)
	if s.Scale != 1 {
		text += fmt.Sprintf(", at %.3g %% of the size", 100*s.Scale)
	}
	if s.FPS != 0 {
		text += fmt.Sprintf(", at most %.3g frames/s", s.FPS)
	}
	return text
}

// adaptReason is why a setting was changed.
type adaptReason string

const (
	reasonAge       adaptReason = "frames would be older than MaxAge on arrival"
	reasonRate      adaptReason = "the network takes fewer bytes"
	reasonRecovered adaptReason = "the network takes more bytes"
	reasonContent   adaptReason = "the pictures need another number of bytes"
)

// adaptLimits bounds what a controller selects.
type adaptLimits struct {
	maxAge     time.Duration
	quality    int // the best
	minQuality int
	minScale   float64
	minFPS     float64
}

const (
	// ageShare is the share of MaxAge that the transfer of a frame may take.
	// The rest is for encoding, for jitter, and for the frame that is on its
	// way when the network changes.
	ageShare = 0.6
	// basesPerFrame is how many times the base delay a frame may take where
	// each frame waits for the answer to the one before. During the base delay
	// nothing is sent. So with 4 three quarters of the rate are used.
	basesPerFrame = 4
	// fastFrame is the time that a frame may take in any case: below it, a
	// smaller frame raises no camera's rate.
	fastFrame = time.Second / 30
	// useShare is the share of the measured rate that a stream uses. The rest
	// drains the queue, which a stream without answers would fill.
	useShare = 0.95
	// growth is how much larger frames may become at a time. probe is the same
	// for a stream that has no sign of a higher rate but an empty queue.
	growth = 2
	probe  = 1.1
	// rateWindow is the time over which the rate of a stream is measured,
	// without the base delay.
	rateWindow = 200 * time.Millisecond
	// marginBelow and marginAbove are how small and how large frames may be,
	// relative to what they should be, before the setting changes.
	marginBelow = 0.76
	marginAbove = 1.1
)

// controller selects how frames are sent, so that none is older than
// adaptLimits.maxAge when it arrives. It estimates what the network takes, and
// divides it among frames. First the quality changes, then the size, then the
// number of frames.
//
// A stream with answers calls answered for each, and any other one backlog
// before each frame. It is for one goroutine at a time.
type controller struct {
	adaptLimits
	now     AdaptSetting
	reason  adaptReason // of the last change
	changes uint64

	normal float64 // bytes of a frame of quality 90 in its whole size; 0 if unknown
	last   float64 // bytes of the last frame that cannot become smaller; 0 if it could

	answers   answerModel
	unchanged int           // answers in time since the last probe or change
	delay     time.Duration // what the last frame took, or what is queued will take
	room      float64       // bytes of the next frame that the network takes in time; 0 if unknown

	stream    streamModel
	chosenFor float64 // room when the setting last changed
}

func newController(l adaptLimits) *controller {
	return &controller{adaptLimits: l, now: AdaptSetting{Quality: l.quality, Scale: 1}}
}

// ---- how large a frame becomes ----

// sizeOf lists the bytes of a JPEG at the qualities 10, 20 … 100, relative to
// quality 90: the means of two sample videos (VidGear's vtest.avi, gocv's
// small.mp4), which differ by up to a quarter. What a picture deviates from them
// is corrected with each frame.
var sizeOf = [...]float64{0.17, 0.25, 0.31, 0.37, 0.42, 0.47, 0.55, 0.68, 1, 3.1}

// relativeSize returns the bytes of a frame relative to quality 90 in its whole
// size.
func relativeSize(s AdaptSetting) float64 {
	at := float64(min(max(s.Quality, 10), 100))/10 - 1
	i := min(int(at), len(sizeOf)-2)
	q := sizeOf[i] + (at-float64(i))*(sizeOf[i+1]-sizeOf[i])
	return q * math.Pow(s.Scale, 1.6) // of the same videos; a smaller picture has more detail for each pixel
}

// fixed notes the size of a frame that cannot become smaller.
func (c *controller) fixed(bytes int) { c.last = float64(bytes) }

// size returns the expected size of the next frame.
func (c *controller) size() float64 { return cmp.Or(c.last, c.normal*relativeSize(c.now)) }

// sent notes the size of a frame that was encoded with a setting.
func (c *controller) sent(bytes int, s AdaptSetting) {
	c.last = 0
	n := float64(bytes) / relativeSize(s)
	if c.normal == 0 {
		c.normal = n
	}
	c.normal += 0.4 * (n - c.normal)
}

// scales lists the sizes in use, in eighths.
var scales = [...]float64{8, 7, 6, 5, 4, 3, 2, 1}

// fit returns the best setting whose frames have at most so many bytes. If none
// has, it returns the smallest, and by how much that is too large. A picture is
// scaled down only if the least quality does not suffice.
func (c *controller) fit(bytes float64) (s AdaptSetting, excess float64) {
	fits := func(s AdaptSetting) bool { return c.normal*relativeSize(s) <= bytes }
	for _, eighths := range scales {
		if eighths/8 < c.minScale {
			break
		}
		s = AdaptSetting{Quality: c.minQuality, Scale: eighths / 8}
		if !fits(s) {
			continue
		}
		for next := s; next.Quality < c.quality; s = next {
			if next.Quality++; !fits(next) {
				break
			}
		}
		return s, 1
	}
	return s, c.normal * relativeSize(s) / max(bytes, 1)
}

// choose changes the setting if it does not use what the network takes. period
// is the time from one frame to the next, 0 if the answers determine it. A
// larger setting is at most raise times as large.
func (c *controller) choose(period time.Duration, raise float64, why adaptReason) {
	if c.room <= 0 || c.normal == 0 || c.last > 0 {
		return
	}
	use := c.normal * relativeSize(c.now)
	if c.now.FPS > 0 && period > 0 {
		use *= min(1, c.now.FPS*period.Seconds())
	}
	if use > c.room*marginBelow && use < c.room*marginAbove {
		return
	}
	next, excess := c.fit(min(c.room, raise*max(use, 1)))
	if excess > 1 && period > 0 {
		next.FPS = max(c.minFPS, math.Round(10/(period.Seconds()*excess))/10)
	}
	if next == c.now {
		return
	}
	switch {
	case math.Abs(c.room/c.chosenFor-1) < 0.1:
		why = reasonContent
	case use < c.room:
		why = reasonRecovered
	}
	c.now, c.reason, c.chosenFor, c.unchanged = next, why, c.room, 0
	c.changes++
}

// rate returns the bytes in a second that the network takes; 0 if unknown.
func (c *controller) rate() float64 {
	if c.answers.perByte > 0 {
		return 1 / c.answers.perByte
	}
	return c.stream.rate
}

// ---- streams with answers ----

// answerModel estimates how the time from sending a frame to its answer depends
// on its bytes: took = base + bytes × perByte. It is a regression over the last
// frames, in which older ones count less.
type answerModel struct {
	answerFit
	before  answerFit // before the last restart
	suspect answerFit // what an answer that took far longer than expected would mean; zero if the last one did not
	since   int       // how many answers there were after the last such one
}

type answerFit struct {
	base, perByte       float64 // seconds; perByte is 0 before the first answer
	n, sb, st, sbb, sbt float64 // weighted sums of 1, bytes, took, bytes² and bytes×took
	least               float64 // the least took in the sums
	varied              int     // after how many answers the sums had frames of different sizes
}

func (f *answerFit) expected(bytes float64) float64 { return f.base + bytes*f.perByte }

func (f *answerFit) off(bytes, took float64) float64 { return math.Abs(took - f.expected(bytes)) }

// far reports whether an answer is far from what is expected.
func (f *answerFit) far(bytes, took float64) bool {
	off := f.off(bytes, took)
	return f.perByte == 0 || off > step*f.expected(bytes) && off > stepTime
}

const (
	// memory is the weight of the sums when another answer is added.
	memory = 0.92
	// step is how far from expected an answer must be, as a share, for the
	// network to have changed. stepTime is how far it must be in any case.
	step     = 0.5
	stepTime = 0.015
	// suspectFrames is how soon after one answer that is far too late another
	// shows that the network has changed.
	suspectFrames = 4
	// certain is from how many varied answers on base is known. As long as it
	// is not, every probeFrames answers larger frames are tried, by probeFactor.
	certain     = 6
	probeFrames = 6
	probeFactor = 1.4
)

// add adds an answer, and reports whether the network is again what it was. A
// lost packet delays one frame, so after an answer that is far too late the next
// one shows whether the network has changed.
func (m *answerModel) add(bytes, took float64) (again bool) {
	suspect := m.suspect
	m.suspect = answerFit{}
	m.since++
	far := m.far(bytes, took)
	switch {
	case suspect.perByte > 0 && suspect.off(bytes, took) < m.off(bytes, took):
		m.restart(bytes, took)
		return false
	case far && suspect.perByte == 0 && m.since > suspectFrames && m.perByte > 0 && took > m.expected(bytes):
		m.suspect = answerFit{base: m.base, perByte: (took - m.base) / bytes}
		m.since = 0
		return false
	case far && !m.before.far(bytes, took):
		m.answerFit, m.before, again = m.before, answerFit{}, true
	case far:
		m.restart(bytes, took)
		return false
	default:
		again = suspect.perByte > 0
	}
	m.n, m.sb, m.st = memory*m.n+1, memory*m.sb+bytes, memory*m.st+took
	m.sbb, m.sbt = memory*m.sbb+bytes*bytes, memory*m.sbt+bytes*took
	m.least = min(m.least, took)
	meanBytes, meanTook := m.sb/m.n, m.st/m.n
	variance := m.sbb/m.n - meanBytes*meanBytes
	if variance > 0.01*meanBytes*meanBytes {
		slope := (m.sbt/m.n - meanBytes*meanTook) / variance
		base := min(max(meanTook-slope*meanBytes, 0), 0.98*m.least)
		m.base += 0.3 * (base - m.base)
		m.varied++
	}
	m.base = min(m.base, 0.98*m.least)
	m.perByte = (meanTook - m.base) / meanBytes
	return again
}

// restart forgets all answers but the last one. What has changed is taken to be
// the rate, not the base delay, until other sizes show otherwise.
func (m *answerModel) restart(bytes, took float64) {
	m.before = m.answerFit
	if m.perByte == 0 {
		m.base = took / 4
	}
	m.base = min(m.base, 0.9*took)
	m.answerFit = answerFit{base: m.base, perByte: (took - m.base) / bytes, n: 1, sb: bytes, st: took, sbb: bytes * bytes, sbt: bytes * took, least: took}
}

// answered notes that a frame of so many bytes was answered after took.
func (c *controller) answered(bytes int, took time.Duration) {
	c.delay = took
	m := &c.answers
	raise := float64(growth)
	if m.add(float64(bytes), took.Seconds()) {
		raise = math.Inf(1)
	}
	// The answer comes half of the base delay after the frame.
	most := ageShare*c.maxAge.Seconds() + m.base/2
	if c.minFPS > 0 {
		most = min(most, max(1/c.minFPS, 2*m.base))
	}
	target := min(max(basesPerFrame*m.base, fastFrame.Seconds()), most)
	c.room = max(target-m.base, target/10) / m.perByte
	why := reasonRate
	switch {
	case took.Seconds() <= most:
		if c.unchanged++; m.varied < certain && c.unchanged >= probeFrames {
			// With frames of one size a base that is too short would go
			// unnoticed, and the frames would stay small.
			c.room, c.unchanged = max(c.room, probeFactor*c.normal*relativeSize(c.now)), 0
		}
	default:
		why = reasonAge
		if m.suspect.perByte > 0 {
			c.room = min(c.room, float64(bytes)*max(target/took.Seconds(), 0.2))
		}
	}
	c.choose(0, raise, why)
}

// ---- streams without answers ----

// streamModel estimates the rate that the network takes from what is queued
// before each frame. The rate is measured while the queue is never empty.
// Otherwise it grows until the queue is not.
type streamModel struct {
	rate     float64 // bytes a second; 0 if unknown
	least    float64 // of rate: an outage does not make it 0, from which nothing grows
	measured float64 // the last rate that was measured
	grows    float64 // by which share rate grows in a second
	period   float64 // seconds from one frame of the application to the next
	due      time.Time
	chosenAt time.Time

	offeredAt time.Time     // when the application last had a frame
	sentAt    time.Time     // when the last frame was due
	progress  time.Time     // when bytes last arrived, or none were queued
	points    []streamPoint // that cover what is measured, oldest first
}

// streamPoint is what is known before a frame.
type streamPoint struct {
	at        time.Time
	delivered int64         // bytes that have arrived at the peer since the beginning
	queued    int64         // bytes that have been sent and have not arrived
	base      time.Duration // what the network's delay is without a queue
	fresh     bool          // the figures are those of another connection than before
	// Of queued, the bytes that are not only on their way: those that were sent
	// more than base ago, and those that were sent a period before that. There
	// is a queue if there are overdue bytes: in a period one frame is sent.
	waiting, overdue int64
}

func (p *streamPoint) isWaiting() int64 { return p.waiting }
func (p *streamPoint) isOverdue() int64 { return p.overdue }

const (
	slowGrowth  = 0.1 // of streamModel.grows
	blindGrowth = 0.6
	fastGrowth  = 3
	// baseSlack is added to the base delay: what has not arrived after that was
	// in a queue.
	baseSlack = 8 * time.Millisecond
	// shortest is the shortest time over which a rate is measured.
	shortest = 25 * time.Millisecond
)

// observe notes what is queued. The more often it is called between two frames,
// the sooner a higher rate shows.
// It returns the rate that the last moments show, and 0 if it is unknown.
func (c *controller) observe(p *streamPoint) (rate float64) {
	m := &c.stream
	m.add(p)
	size := c.size()
	c.delay = p.base / 2 // while no rate is known nothing is queued for long
	if rate = m.estimate(p, size); rate > 0 {
		c.delay += time.Duration((float64(p.queued) + size) / rate * float64(time.Second))
	}
	return rate
}

// backlog notes what is queued before a frame, and reports whether the frame
// should be sent.
func (c *controller) backlog(p streamPoint) bool {
	m := &c.stream
	m.least = c.normal * relativeSize(AdaptSetting{Quality: c.minQuality, Scale: c.minScale}) * c.minFPS
	rate := c.observe(&p)
	if c.overdue(&p) && c.forced(&p) && !c.stalled(&p) {
		// The frame is sent nevertheless, so it should be a small one.
		m.rate = max(rate, m.rate/3, m.least)
		m.measured = m.rate
	}
	if m.rate > 0 && p.at.Sub(m.chosenAt).Seconds() > 0.9*m.period {
		m.chosenAt = p.at
		late := float64(p.overdue) / (c.maxAge.Seconds() / 2)
		c.room = max(useShare*m.rate-late, m.rate/10) * m.period
		raise := probe
		if m.grows == fastGrowth {
			raise = growth
		}
		why := reasonRate
		if c.delay > c.limit() {
			why = reasonAge
		}
		c.choose(time.Duration(m.period*float64(time.Second)), raise, why)
	}
	return c.isDue(&p)
}

// limit is how long a frame may be on its way.
func (c *controller) limit() time.Duration {
	return time.Duration(ageShare * float64(c.maxAge))
}

// overdue reports whether a frame that is sent now would arrive too late.
func (c *controller) overdue(p *streamPoint) bool { return p.waiting > 0 && c.delay > c.limit() }

// stalled reports whether nothing arrives at the peer. A frame that is queued
// now would be old.
func (c *controller) stalled(p *streamPoint) bool {
	return p.queued > 0 && p.at.Sub(c.stream.progress) > max(c.maxAge, 2*p.base)
}

// forced reports whether a frame must be sent for the sake of minFPS.
func (c *controller) forced(p *streamPoint) bool {
	return c.minFPS > 0 && p.at.Sub(c.stream.sentAt).Seconds() >= 1/c.minFPS
}

// isDue reports whether a frame should be sent, and notes it.
func (c *controller) isDue(p *streamPoint) bool {
	m := &c.stream
	switch {
	case m.sentAt.IsZero(): // the first
	case c.stalled(p):
		return false
	case c.forced(p):
	case c.overdue(p), c.now.FPS > 0 && p.at.Before(m.due):
		return false
	}
	m.sentAt = p.at
	if c.now.FPS > 0 {
		period := time.Duration(float64(time.Second) / c.now.FPS)
		m.due = m.due.Add(period)
		if m.due.Before(p.at) {
			m.due = p.at.Add(period / 2)
		}
	}
	return true
}

// offered notes that the application has a frame.
func (m *streamModel) offered(at time.Time) {
	if !m.offeredAt.IsZero() {
		gap := min(at.Sub(m.offeredAt).Seconds(), 1)
		if m.period == 0 {
			m.period = gap
		}
		m.period += 0.1 * (gap - m.period)
	}
	m.offeredAt = at
}

// add adds a point.
func (m *streamModel) add(p *streamPoint) {
	if n := len(m.points); n > 0 {
		last := m.points[n-1]
		if p.fresh || p.delivered < last.delivered {
			m.points = m.points[:0]
		} else if p.delivered > last.delivered || p.queued == 0 {
			m.progress = p.at
		}
	} else {
		m.progress = p.at
	}
	late := p.base*11/10 + baseSlack
	p.waiting = m.olderThan(p, late)
	p.overdue = m.olderThan(p, late+time.Duration(m.period*float64(time.Second)))
	for len(m.points) > 2 && p.at.Sub(m.points[1].at) > 2*(rateWindow+p.base) {
		m.points = m.points[1:]
	}
	m.points = append(m.points, *p)
}

// olderThan returns the bytes of p.queued that were sent more than age ago.
func (m *streamModel) olderThan(p *streamPoint, age time.Duration) int64 {
	for _, old := range m.points {
		if old.at.After(p.at.Add(-age)) {
			return max(0, old.delivered+old.queued-p.delivered)
		}
	}
	return p.queued
}

// over returns the rate of the last points while the queue was not empty, over
// at least the time span, and whether there are that many.
func (m *streamModel) over(span time.Duration, queue func(*streamPoint) int64) (rate float64, ok bool) {
	last := len(m.points) - 1
	for i := last; i > 0 && queue(&m.points[i]) > 0; i-- {
		from := &m.points[i-1]
		if d := m.points[last].at.Sub(from.at); d >= span {
			return float64(m.points[last].delivered-from.delivered) / d.Seconds(), true
		}
	}
	return 0, false
}

// estimate updates the rate, and returns the one that the last moments show. It
// does not grow far beyond what frames of the present size use.
func (m *streamModel) estimate(p *streamPoint, size float64) float64 {
	// A lost packet delays what follows for a round trip.
	rate, ok := m.over(rateWindow+p.base, (*streamPoint).isOverdue)
	switch {
	case ok:
		rate = max(rate, m.least)
		m.measured, m.grows = rate, slowGrowth
		if m.rate == 0 || rate < m.rate {
			m.rate = rate
		} else {
			m.rate += 0.3 * (rate - m.rate)
		}
	case p.overdue == 0 && m.rate > 0 && len(m.points) > 1 && m.rate*m.period < 1.5*size:
		m.grow(p.at.Sub(m.points[len(m.points)-2].at).Seconds())
	case p.overdue > 0:
		m.grows = slowGrowth
	}
	recent, ok := m.over(shortest, (*streamPoint).isWaiting)
	if !ok {
		recent, ok = m.ofFrame()
	}
	switch {
	case !ok:
		return m.rate
	case m.rate == 0:
		return max(recent, 1)
	}
	return min(m.rate, max(recent, m.rate/8))
}

// ofFrame returns the rate at which the frame arrives that is on its way, and
// whether that is known: after the base delay, and a little more.
func (m *streamModel) ofFrame() (rate float64, ok bool) {
	last := &m.points[len(m.points)-1]
	for i := len(m.points) - 2; i >= 0; i-- {
		sent := &m.points[i]
		if sent.delivered+sent.queued > last.delivered {
			continue
		}
		took := last.at.Sub(sent.at)
		if ok = last.queued > 0 && took > last.base+baseSlack; sent.queued == 0 {
			took -= last.base
		}
		return float64(last.delivered-sent.delivered) / took.Seconds(), ok
	}
	return 0, false
}

// grow raises the rate after a time without a queue: fast if a frame has
// arrived so soon that the network must take more, and otherwise slowly around
// the measured rate, and faster the longer there is no queue beyond it.
func (m *streamModel) grow(seconds float64) {
	seconds = min(seconds, 0.1)
	switch {
	case m.headroom() > 1.1*m.rate:
		m.grows = fastGrowth
	case m.rate < 1.08*m.measured:
		m.grows = slowGrowth
	default:
		m.grows = min(m.grows*(1+seconds/(2*rateWindow).Seconds()), blindGrowth)
	}
	m.rate *= 1 + m.grows*seconds
}

// headroom returns a rate that the network takes at least: that of the last
// frame that has arrived. It is known from the first point at which it had.
func (m *streamModel) headroom() float64 {
	last := m.points[len(m.points)-1]
	for i := len(m.points) - 2; i >= 0; i-- {
		sent, next := &m.points[i], &m.points[i+1]
		end := next.delivered + next.queued
		bytes := end - sent.delivered - sent.queued
		if bytes <= 0 || end > last.delivered {
			continue
		}
		arrived := i + 1
		for m.points[arrived].delivered < end {
			arrived++
		}
		took := m.points[arrived].at.Sub(sent.at) - last.base
		return float64(bytes) / max(took, time.Millisecond).Seconds()
	}
	return 0
}
