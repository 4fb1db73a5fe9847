package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/vidgear-go/netgear/internal/netem"
)

const (
	mbit        = 1_000_000
	fps         = 30
	frameWidth  = 1280
	frameHeight = 720
	frameCount  = 40 // different frames, which repeat
	usualMaxAge = 500 * time.Millisecond
)

// scene is a network over time.
type scene struct {
	Name   string
	Title  string
	MaxAge time.Duration // what the ages are held against
	Steps  []step        // the first is at 0
	Length time.Duration
}

// step is a change of the network.
type step struct {
	At       time.Duration
	Up, Down netem.Settings
	// Marked steps are those whose recovery is measured.
	Marked bool
}

// line returns a network with the same delay and loss in both directions, and
// with a rate from sender to receiver. The way back always has 20 Mbit/s.
func line(rate int64, rtt time.Duration, share float64) (up, down netem.Settings) {
	up = netem.Settings{Rate: rate, Queue: queueBytes, Delay: rtt / 2, Loss: netem.Random(share)}
	down = netem.Settings{Rate: 20 * mbit, Queue: queueBytes, Delay: rtt - rtt/2, Loss: netem.Random(share)}
	return up, down
}

// queueBytes is 100 ms at 20 Mbit/s, and one second at 2 Mbit/s: routers do not
// change their queue with the rate.
const queueBytes = 250_000

func makeStep(at time.Duration, rate int64, rtt time.Duration, share float64, marked bool) step {
	up, down := line(rate, rtt, share)
	return step{At: at, Up: up, Down: down, Marked: marked}
}

func still(name, title string, length, maxAge time.Duration, rate int64, rtt time.Duration, share float64) scene {
	return scene{Name: name, Title: title, MaxAge: maxAge, Length: length, Steps: []step{makeStep(0, rate, rtt, share, true)}}
}

// The scenes of a synthesized and of a recorded network.
const traceName, recordedName = "trace", "recorded"

func sceneNames() []string {
	return []string{"steps", "loss1", "loss5", "far", "outage", traceName, recordedName}
}

// makeScenes returns the scenes. trace is a file in Mahimahi's format, or "":
// then there is no recorded network.
func makeScenes(trace string) ([]scene, error) {
	const second, maxAge = time.Second, usualMaxAge
	outage := makeStep(5*second, 20*mbit, 20*time.Millisecond, 0, false)
	outage.Up.Down, outage.Down.Down = true, true
	scenes := []scene{
		{Name: "steps", Title: "20 → 2 → 20 Mbit/s, RTT 20 ms", MaxAge: maxAge, Length: 30 * second, Steps: []step{
			makeStep(0, 20*mbit, 20*time.Millisecond, 0, false),
			makeStep(10*second, 2*mbit, 20*time.Millisecond, 0, true),
			makeStep(20*second, 20*mbit, 20*time.Millisecond, 0, true),
		}},
		still("loss1", "1 % loss each way, RTT 80 ms, 20 Mbit/s", 20*second, maxAge, 20*mbit, 80*time.Millisecond, 0.01),
		still("loss5", "5 % loss each way, RTT 80 ms, 20 Mbit/s", 20*second, maxAge, 20*mbit, 80*time.Millisecond, 0.05),
		still("far", "RTT 400 ms, 20 Mbit/s", 20*second, second, 20*mbit, 400*time.Millisecond, 0),
		{Name: "outage", Title: "an outage of 30 s, else 20 Mbit/s, RTT 20 ms", MaxAge: maxAge, Length: 50 * second, Steps: []step{
			makeStep(0, 20*mbit, 20*time.Millisecond, 0, false),
			outage,
			makeStep(35*second, 20*mbit, 20*time.Millisecond, 0, true),
		}},
		makeTraceScene(traceName, "a synthesized mobile network, RTT 60 ms", synthesize(traceSteps)),
	}
	if trace == "" {
		return scenes, nil
	}
	rates, err := readMahimahi(trace, traceSteps)
	if err != nil {
		return nil, fmt.Errorf("the trace %s: %w", trace, err)
	}
	return append(scenes, makeTraceScene(recordedName, "a recorded mobile network ("+filepath.Base(trace)+"), RTT 60 ms", rates)), nil
}

// at returns the step that holds at a time.
func (s *scene) at(t time.Duration) *step {
	current := &s.Steps[0]
	for i := range s.Steps {
		if s.Steps[i].At <= t {
			current = &s.Steps[i]
		}
	}
	return current
}

// capacity returns how many bits the bottleneck can pass between two times.
func (s *scene) capacity(from, to time.Duration) (bits float64) {
	for i, step := range s.Steps {
		end := s.Length
		if i+1 < len(s.Steps) {
			end = s.Steps[i+1].At
		}
		if span := min(end, to) - max(step.At, from); span > 0 && !step.Up.Down {
			bits += span.Seconds() * float64(step.Up.Rate)
		}
	}
	return bits
}

// traceSteps is the number of steps of a trace: one minute.
const traceSteps = int(time.Minute / traceStep)

func makeTraceScene(name, title string, rates []int64) scene {
	s := scene{Name: name, Title: title, MaxAge: usualMaxAge, Length: time.Duration(len(rates)) * traceStep}
	for i, rate := range rates {
		s.Steps = append(s.Steps, makeStep(time.Duration(i)*traceStep, rate, 60*time.Millisecond, 0, i == 0))
	}
	return s
}
