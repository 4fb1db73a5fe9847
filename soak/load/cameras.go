package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// way is how cameras reach one receive end.
type way struct {
	name     string
	options  netgear.Options // of both ends
	ports    bool            // each camera has a port of its own
	answered bool            // none may be lost
	python   bool            // the cameras are imagezmq's own, in Python
}

// ways are those of docs/guide.md, "Many cameras", and real imagezmq's. The first
// is what the guide recommends.
var ways = []way{
	{"REQ/REP, one port", netgear.Options{Pattern: netgear.ReqRep}, false, true, false},
	{"REQ/REP, a port for each", netgear.Options{Pattern: netgear.ReqRep, MultiserverMode: true}, true, true, false},
	{"PUB/SUB, a port for each", netgear.Options{Pattern: netgear.PubSub, MultiserverMode: true}, true, false, false},
	{"imagezmq, REQ/REP, one port", netgear.Options{Pattern: netgear.ReqRep, Wire: netgear.ImageZMQWire}, false, true, false},
	{"Python's imagezmq, REQ/REP, one port", netgear.Options{Pattern: netgear.ReqRep, Wire: netgear.ImageZMQWire}, false, true, true},
}

// group is a hub with its cameras.
type group struct {
	way
	load     *load
	hubRole  role
	hub      *child
	first    hubCounts // before the cameras came
	options  []netgear.Options
	cameras  []*child
	starting time.Duration // until a frame of each had arrived
}

// startGroup starts a hub and its cameras, and waits for a frame of each. adjust
// may change the hub.
func startGroup(ctx context.Context, l *load, w way, fps float64, adjust func(*role)) (*group, error) {
	c := &group{way: w, load: l}
	o := w.options
	o.ReceiveMode, o.Address, o.MaxRetries, o.TerminatePolicy, o.Decode, o.Port = true, "127.0.0.1", -1, netgear.KeepWaiting, netgear.DecodeOnUse, "0"
	if w.ports {
		o.Ports = make([]string, l.cameras)
		for i := range o.Ports {
			o.Ports[i] = "0"
		}
	}
	c.hubRole = role{Kind: "hub", Options: o, Cameras: l.cameras}
	if adjust != nil {
		adjust(&c.hubRole)
	}
	var err error
	if c.hub, err = c.hubRole.start(&c.first); err != nil {
		return c, err
	}
	for i := range l.cameras {
		o := w.options
		o.Address, o.Port, o.MaxRetries, o.JPEGCheck = "127.0.0.1", c.first.Ports[0], -1, netgear.ToggleOff
		if w.ports {
			o.Port = c.first.Ports[i]
		}
		c.options = append(c.options, o)
	}
	begun := time.Now()
	if w.python {
		c.cameras, err = startImageZMQ(ctx, l.python, l.folder, c.options, fps)
	} else {
		c.cameras, err = startCameras(ctx, c.options, fps)
	}
	if err != nil {
		return c, err
	}
	_, err = c.await(ctx, "a frame of each camera", func(h *hubCounts) bool {
		return !slices.Contains(h.Frames, 0)
	})
	c.starting = time.Since(begun)
	return c, err
}

// await waits until the hub's counts are as they should be.
func (c *group) await(ctx context.Context, what string, ok func(*hubCounts) bool) (h hubCounts, err error) {
	err = until(ctx, what, func() (bool, error) {
		h = hubCounts{}
		err := c.hub.ask(&h)
		return ok(&h), err
	})
	return h, err
}

// end ends what is left of a group.
func (c *group) end() {
	for _, p := range append(c.cameras, c.hub) {
		if p != nil {
			p.kill() //nolint:errcheck // of processes that have not failed before
		}
	}
}

// window is what happened in a time.
type window struct {
	shares
	rate   float64 // frames a second, of all
	begin  hubCounts
	finish hubCounts
}

// measure counts the frames of each camera for a time, and at least until each
// has sent one.
func (c *group) measure(ctx context.Context) (w window, err error) {
	if err := c.hub.ask(&w.begin); err != nil {
		return w, err
	}
	begun := time.Now()
	select {
	case <-time.After(c.load.duration): // what is measured
	case <-ctx.Done():
		return w, ctx.Err()
	}
	w.finish, err = c.await(ctx, "another frame of each camera", func(h *hubCounts) bool {
		for i, n := range h.Frames {
			if n == w.begin.Frames[i] {
				return false
			}
		}
		return true
	})
	if err != nil {
		return w, err
	}
	took := time.Since(begun).Seconds()
	counts := make([]float64, len(w.finish.Frames))
	for i := range counts {
		counts[i] = float64(w.finish.Frames[i] - w.begin.Frames[i])
		w.rate += counts[i] / took
	}
	w.shares = sharesOf(counts)
	return w, nil
}

// finish ends the cameras, and then the hub, which must have nothing of them
// left. It returns how many frames were sent again.
func (c *group) finish(ctx context.Context) (retries uint64, err error) {
	for _, p := range c.cameras {
		var counts cameraCounts
		if err := p.ask(&counts); err != nil {
			return retries, err
		}
		if retries += counts.Retries; counts.Failed > 0 {
			err = errors.Join(err, fmt.Errorf("%s: %d calls failed, the last with: %s", p.name, counts.Failed, counts.LastText))
		}
	}
	return retries, errors.Join(err, stopAll(c.cameras), c.empty(ctx), c.hub.stop())
}

// empty waits until the hub holds no more than before its peers came. Two
// threads of the Go runtime, and what it has not collected, do not count.
func (c *group) empty(ctx context.Context) error {
	h, err := c.await(ctx, "the end of all connections", func(h *hubCounts) bool {
		return h.Connected == 0 && h.Values[sample.Descriptors] <= c.first.Values[sample.Descriptors]+1 && h.Values[sample.Goroutines] <= c.first.Values[sample.Goroutines]+1
	})
	if err != nil {
		return fmt.Errorf("%w: %d are connected, %s; before the first: %s", err, h.Connected, held(h.Values), held(c.first.Values))
	}
	return nil
}

// held describes what a process holds.
func held(v sample.Values) string {
	return fmt.Sprintf("%.0f MiB, %.0f descriptors, %.0f threads, %.0f goroutines", v[sample.RSS], v[sample.Descriptors], v[sample.Threads], v[sample.Goroutines])
}

// runCameras measures each way: with cameras that keep a rate, and with cameras
// that send as fast as they are answered.
func runCameras(ctx context.Context, l *load) (table, error) {
	t := table{
		title: fmt.Sprintf("%d camera processes, JPEGs of %d KB, measured for %v", l.cameras, len(picture())/1000, l.duration),
		head:  []string{"", "each camera", "all of them with a frame after", "frames/s", "shares", "lost", "doubled", "sent again", "receive end: MiB, descriptors, threads, goroutines", "before"},
	}
	var failed error
	for _, w := range l.ways {
		for _, fps := range []float64{l.fps, 0} {
			if !w.answered && fps == 0 {
				continue // a publisher waits for nothing
			}
			pace := "as fast as answered"
			if fps > 0 {
				pace = fmt.Sprintf("%g a second", fps)
			}
			if err := l.cameraCase(ctx, &t, w, fps, pace); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s, %s: %w", w.name, pace, err))
			}
		}
	}
	return t, failed
}

func (l *load) cameraCase(ctx context.Context, t *table, w way, fps float64, pace string) error {
	c, err := startGroup(ctx, l, w, fps, nil)
	defer c.end()
	if err != nil {
		return err
	}
	m, err := c.measure(ctx)
	if err != nil {
		return err
	}
	v := m.finish.Values
	retries, err := c.finish(ctx)
	t.row("%s | %s | %.1f s | %.0f | %s | %d | %d | %d | %.0f, %.0f, %.0f, %.0f | %.0f, %.0f, %.0f, %.0f", w.name, pace, c.starting.Seconds(), m.rate, m.shares,
		m.finish.Lost, m.finish.Doubled, retries,
		v[sample.RSS], v[sample.Descriptors], v[sample.Threads], v[sample.Goroutines],
		c.first.Values[sample.RSS], c.first.Values[sample.Descriptors], c.first.Values[sample.Threads], c.first.Values[sample.Goroutines])
	if w.answered && (m.finish.Lost > 0 || m.finish.Doubled > retries) {
		err = errors.Join(err, fmt.Errorf("%d frames were lost and %d doubled, of %d that were sent again", m.finish.Lost, m.finish.Doubled, retries))
	}
	return errors.Join(err, m.check(l.tolerance))
}
