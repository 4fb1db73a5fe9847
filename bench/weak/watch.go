package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vidgear-go/netgear/internal/netem"
)

// sampleEvery is how often the network's counts are read.
const sampleEvery = 100 * time.Millisecond

// sample is what the bottleneck did until a time.
type sample struct {
	at     time.Duration
	passed int64 // bytes
	queued int
}

// watch runs a scene around two ends, and collects what they print. The scene
// begins with the first frame that arrives.
type watch struct {
	scene            *scene
	network          *netem.Network
	sender, receiver *end

	origin   time.Duration // of the scene
	captured time.Duration // when the sender's frame 0 was captured
	arrivals []arrival
	samples  []sample
	sent     int64
	attempts int64
	gone     string
	late     time.Duration // mean, of the emulator
}

// startLimit bounds the time until the first frame arrives: Python takes
// seconds to load OpenCV.
const startLimit = 60 * time.Second

var errNoFrame = errors.New("no frame arrived")

func (w *watch) run(ctx context.Context) error {
	if err := w.awaitFirst(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(sampleEvery / 10)
	defer ticker.Stop()
	receiver, sender := w.receiver.lines, w.sender.lines
	next := 1 // step
	for {
		select {
		case l, ok := <-receiver:
			if !ok {
				receiver = nil
			}
			w.line(l)
		case l, ok := <-sender:
			if !ok {
				sender = nil
			}
			w.line(l)
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			at := now() - w.origin
			for ; next < len(w.scene.Steps) && w.scene.Steps[next].At <= at; next++ {
				w.network.Up(w.scene.Steps[next].Up)
				w.network.Down(w.scene.Steps[next].Down)
			}
			w.sample(at)
			if at >= w.scene.Length {
				w.finish()
				return nil
			}
		}
	}
}

func (w *watch) awaitFirst(ctx context.Context) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for len(w.arrivals) == 0 || w.captured == 0 {
		select {
		case l, ok := <-w.receiver.lines:
			if !ok {
				return errNoFrame
			}
			w.line(l)
		case l, ok := <-w.sender.lines:
			if !ok {
				return errNoFrame
			}
			w.line(l)
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return errNoFrame
		}
	}
	w.origin = now()
	return nil
}

// line stores a line of an end. Times are those of the clock until finish.
func (w *watch) line(text string) {
	var a arrival
	switch {
	case scan(text, "frame %d %d %d %d", &a.Index, &a.At, &a.Width, &a.Bytes):
		w.arrivals = append(w.arrivals, a)
	case scan(text, "start %d", &w.captured):
	case scan(text, "sent %d %d", &w.sent, &w.attempts):
	case len(text) > 5 && text[:5] == "gone ":
		w.gone = text[5:]
	}
}

func scan(text, format string, into ...any) bool {
	n, err := fmt.Sscanf(text, format, into...)
	return err == nil && n == len(into)
}

func (w *watch) sample(at time.Duration) {
	if n := len(w.samples); n > 0 && at-w.samples[n-1].at < sampleEvery {
		return
	}
	c, queued := w.network.UpCounts()
	w.samples = append(w.samples, sample{at, c.PassedBytes, queued})
}

// settleTime is how long frames that were sent may arrive after the scene, so
// that they do not count as lost.
const settleTime = 2 * time.Second

// finish ends the ends, and makes all times relative to the scene.
func (w *watch) finish() {
	if c, _ := w.network.UpCounts(); c.Delivered > 0 {
		w.late = c.Late / time.Duration(c.Delivered)
	}
	for _, l := range w.sender.stop() {
		w.line(l)
	}
	for timer := time.After(min(settleTime, w.scene.Length/2)); ; {
		select {
		case l, ok := <-w.receiver.lines:
			if ok {
				w.line(l)
				continue
			}
		case <-timer:
		}
		break
	}
	for i := range w.arrivals {
		a := &w.arrivals[i]
		a.Captured = w.captured + time.Duration(a.Index)*time.Second/fps - w.origin
		a.At -= w.origin
	}
}
