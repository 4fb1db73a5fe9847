package netgear

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// simLink is a link with a rate that changes, a base delay, jitter, and a queue
// without a limit, in simulated time.
type simLink struct {
	rate   func(at float64) float64 // bytes a second
	base   float64                  // seconds there and back
	jitter func() float64           // seconds, added to each frame
	free   float64                  // when the link has sent what it has
}

const simStep = 0.001

// send returns when a frame that is sent now has arrived.
func (l *simLink) send(now, bytes float64) float64 {
	at := max(now, l.free)
	for bytes > 0 {
		bytes -= l.rate(at) * simStep
		at += simStep
	}
	l.free = at
	return at + l.base/2 + l.jitter()
}

// simFrame is a frame that has arrived.
type simFrame struct {
	sent, age float64
	bytes     float64
	setting   AdaptSetting
}

// simContent returns the bytes of a frame, which vary by 10 %.
func simContent(r *rand.Rand, normal float64, s AdaptSetting) float64 {
	return normal * relativeSize(s) * (1 + 0.1*(2*r.Float64()-1))
}

func simTime(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

// simAnswered sends frames of a camera with 30 fps, each after the answer to
// the one before.
func simAnswered(l *simLink, limits adaptLimits, normal, until float64) (frames []simFrame, c *controller) {
	r := rand.New(rand.NewPCG(1, 2))
	c = newController(limits)
	for now := 0.0; now < until; {
		s := c.now
		bytes := simContent(r, normal, s)
		c.sent(int(bytes), s)
		arrived := l.send(now, bytes)
		took := arrived + l.base/2 - now
		frames = append(frames, simFrame{now, arrived - now, bytes, s})
		c.answered(int(bytes), time.Duration(took*float64(time.Second)))
		now = max(math.Ceil((now+0.001)*30)/30, now+took)
	}
	return frames, c
}

// simStream sends frames of a camera with 30 fps without answers. What has
// arrived is known after the base delay.
func simStream(l *simLink, limits adaptLimits, normal, until float64) (frames []simFrame, c *controller) {
	r := rand.New(rand.NewPCG(1, 2))
	c = newController(limits)
	var sent, served, known float64
	var log []float64 // served, for each millisecond
	var ends []float64
	done := 0
	for tick := 0; tick < int((until+10)/simStep); tick++ {
		now := float64(tick) * simStep
		served = min(sent, served+l.rate(now)*simStep)
		log = append(log, served)
		for done < len(ends) && ends[done] <= served+1e-6 {
			frames[done].age = now + simStep + l.base/2 - frames[done].sent
			done++
		}
		if tick%8 != 0 || now > until {
			continue
		}
		if back := tick - int((l.base+l.jitter())/simStep); back >= 0 {
			known = max(known, log[back])
		}
		p := streamPoint{at: simTime(now), delivered: int64(known), queued: int64(sent) - int64(known), base: time.Duration(l.base * float64(time.Second))}
		if tick%32 != 0 {
			c.observe(&p)
			continue
		}
		c.stream.offered(simTime(now))
		if !c.backlog(p) {
			continue
		}
		s := c.now
		bytes := simContent(r, normal, s)
		c.sent(int(bytes), s)
		sent += bytes
		ends = append(ends, sent)
		frames = append(frames, simFrame{sent: now, bytes: bytes, setting: s})
	}
	return frames, c
}

// simScene is one course of the network.
type simScene struct {
	name   string
	base   float64
	rate   func(at float64) float64
	jitter func() float64
	steps  []float64 // when the network changes; the last one is the end
	lossy  bool
}

func simScenes() (scenes []simScene) {
	none := func() float64 { return 0 }
	for _, base := range []float64{0.002, 0.02, 0.03, 0.08, 0.15} {
		scenes = append(scenes, simScene{fmt.Sprintf("20-2-20 Mbit/s, %.0f ms", base*1000), base, func(at float64) float64 {
			if at > 6 && at < 12 {
				return 2e6 / 8
			}
			return 20e6 / 8
		}, none, []float64{0, 6, 12, 18}, false})
	}
	r := rand.New(rand.NewPCG(3, 4))
	scenes = append(scenes,
		simScene{"5 Mbit/s, 30 ms, jitter", 0.03, func(float64) float64 { return 5e6 / 8 }, func() float64 { return 0.02 * r.Float64() }, []float64{0, 10}, false},
		simScene{"5 Mbit/s, 80 ms, losses", 0.08, func(float64) float64 { return 5e6 / 8 }, func() float64 {
			if r.Float64() < 0.05 {
				return 0.2
			}
			return 0
		}, []float64{0, 10}, true},
		simScene{"outage", 0.02, func(at float64) float64 {
			if at > 4 && at < 14 {
				return 0
			}
			return 4e6 / 8
		}, none, []float64{0, 4, 14, 20}, false})
	return scenes
}

// simResult is what was sent in one part of a scene, from two seconds after the
// network changed.
type simResult struct {
	late   float64 // seconds after the change that the last frame was sent which came too late
	oldest float64
	use    float64 // of the network's rate, in the last three seconds
	spread float64 // in the same time, the largest frame's size relative to the smallest one's, by their settings
	frames int
	best   bool // the frames of those seconds were as large as can be
}

func (sc *simScene) results(frames []simFrame, limits adaptLimits) (all []simResult) {
	for i := range len(sc.steps) - 1 {
		from, to := sc.steps[i], sc.steps[i+1]
		r, least, most := simResult{}, math.Inf(1), 0.0
		for _, f := range frames {
			if f.sent < from || f.sent+f.age >= to {
				continue
			}
			if f.age > limits.maxAge.Seconds() {
				r.late = f.sent - from
			}
			if f.sent > from+2 {
				r.frames++
				r.oldest = max(r.oldest, f.age)
			}
			if f.sent > to-3 {
				r.best = f.setting == AdaptSetting{Quality: limits.quality, Scale: 1}
				least, most = min(least, relativeSize(f.setting)), max(most, relativeSize(f.setting))
				r.use += f.bytes / 3 / sc.rate(to-1)
			}
		}
		r.spread = most / least
		all = append(all, r)
	}
	return all
}

// TestAdaptFollowsTheNetwork runs the controller against simulated networks, in
// simulated time. It must be in time two seconds after each change, use the
// network, and not oscillate.
func TestAdaptFollowsTheNetwork(t *testing.T) {
	limits := adaptLimits{maxAge: 500 * time.Millisecond, quality: 90, minQuality: 20, minScale: 0.25, minFPS: 5}
	for _, sc := range simScenes() {
		for _, answers := range []bool{true, false} {
			run, spread, use := simStream, 2.8, 0.8
			if answers {
				// Nothing is sent during the base delay.
				target := min(max(basesPerFrame*sc.base, fastFrame.Seconds()), 1/limits.minFPS)
				run, spread, use = simAnswered, 2.1, 0.9*(1-sc.base/target)
			}
			name := fmt.Sprintf("%s, answers=%v", sc.name, answers)
			frames, c := run(&simLink{base: sc.base, jitter: sc.jitter, rate: sc.rate}, limits, 150e3, sc.steps[len(sc.steps)-1])
			for i, r := range sc.results(frames, limits) {
				outage := sc.rate(sc.steps[i]+0.5) == 0
				t.Logf("%s from %v s: %+v, %d changes", name, sc.steps[i], r, c.changes)
				switch {
				case outage && r.frames > 0:
					t.Errorf("%s: %d frames were sent while nothing arrived", name, r.frames)
				case outage:
				case r.late > 2 || r.oldest > limits.maxAge.Seconds():
					t.Errorf("%s from %v s: frames came too late until %.1f s after the change; oldest %.2f s", name, sc.steps[i], r.late, r.oldest)
				case sc.base > 0.1 || sc.lossy: // much of the time passes without data
				case r.use < use && !r.best:
					t.Errorf("%s from %v s: %.2f of the rate was used, want %.2f", name, sc.steps[i], r.use, use)
				case r.spread > spread:
					t.Errorf("%s from %v s: sizes differ by a factor of %.2f, want %.2f", name, sc.steps[i], r.spread, spread)
				}
			}
		}
	}
}

// TestAdaptLeavesAFastNetworkAlone checks that nothing changes where the best
// frames arrive in time.
func TestAdaptLeavesAFastNetworkAlone(t *testing.T) {
	limits := adaptLimits{maxAge: 200 * time.Millisecond, quality: 90, minQuality: 20, minScale: 0.25, minFPS: 5}
	for name, run := range map[string]func(*simLink, adaptLimits, float64, float64) ([]simFrame, *controller){"answered": simAnswered, "stream": simStream} {
		frames, c := run(&simLink{base: 0.001, jitter: func() float64 { return 0 }, rate: func(float64) float64 { return 1e9 / 8 }}, limits, 150e3, 5)
		if c.changes != 0 || len(frames) < 140 {
			t.Errorf("%s: %d changes, %d frames of 150", name, c.changes, len(frames))
		}
	}
}

// TestAdaptIsNotMisledByASlowReceiver checks that frames do not become smaller
// where that does not help: the answers take long because of the receive end.
func TestAdaptIsNotMisledByASlowReceiver(t *testing.T) {
	c := newController(adaptLimits{maxAge: 500 * time.Millisecond, quality: 90, minQuality: 20, minScale: 0.25, minFPS: 5})
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		bytes := simContent(r, 150e3, c.now)
		c.sent(int(bytes), c.now)
		c.answered(int(bytes), 60*time.Millisecond+time.Duration(bytes/100e6*1e9))
	}
	if c.now.Quality != 90 || c.now.Scale != 1 {
		t.Errorf("an answer always takes 60 ms, and the setting is %+v", c.now)
	}
}

// TestAdaptOrder checks what is given up first.
func TestAdaptOrder(t *testing.T) {
	c := newController(adaptLimits{maxAge: time.Second, quality: 90, minQuality: 30, minScale: 0.5, minFPS: 5})
	c.normal = 100e3
	last := AdaptSetting{Quality: 100, Scale: 1}
	for room := 120e3; room > 1e3; room *= 0.97 {
		s, excess := c.fit(room)
		switch {
		case s.Scale < 1 && last.Scale == 1 && last.Quality > 31:
			t.Errorf("scaled down to %v while the quality was %d", s.Scale, last.Quality)
		case s.Scale > last.Scale || s.Scale == last.Scale && s.Quality > last.Quality:
			t.Errorf("%+v for fewer bytes than %+v", s, last)
		case excess > 1 && s != AdaptSetting{Quality: 30, Scale: 0.5}:
			t.Errorf("%+v does not fit, and is not the smallest", s)
		case excess == 1 && c.normal*relativeSize(s) > room:
			t.Errorf("%+v has more than %.0f bytes", s, room)
		}
		last = s
	}
}

// TestAdaptDelayIsNotOld checks that the delay of a moment in which nothing
// arrived is not kept while the rate is unknown: it would hold frames back.
func TestAdaptDelayIsNotOld(t *testing.T) {
	c := newController(adaptLimits{maxAge: time.Second, quality: 90, minQuality: 30, minScale: 0.5, minFPS: 5})
	at := time.Now()
	for _, p := range []streamPoint{{}, {queued: 1000}, {queued: 1000}, {queued: 1000}, {delivered: 1000}} {
		p.at = at
		c.observe(&p)
		at = at.Add(40 * time.Millisecond)
		if p.queued > 0 {
			continue
		}
		if c.delay > 0 {
			t.Errorf("nothing is queued, and the delay is %v", c.delay)
		}
	}
}
