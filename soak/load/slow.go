package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// runSlow measures cameras at a receive end whose application is too slow for
// them: each frame takes so long that a turn of all cameras takes twice the
// default RequestTimeout. With that, cameras send again what still waits in the
// receive end, and nothing is fair, which is shown and not checked. The other
// rows are what docs/guide.md recommends, and must be fair.
func runSlow(ctx context.Context, l *load) (table, error) {
	const turn = 8 * time.Second
	work := turn / time.Duration(l.cameras)
	t := table{
		title: fmt.Sprintf("%d camera processes, an application that takes %v for a frame, so %v for one of each; measured for %v", l.cameras, work, turn, max(l.duration, 5*turn)),
		head:  []string{"", "frames/s", "shares", "lost", "doubled", "sent again", "dropped"},
	}
	long := *l
	long.duration = max(l.duration, 5*turn)
	patient := ways[0]
	patient.options.RequestTimeout = 2 * turn
	latest := func(r *role) { r.Options.Latest = true }
	var failed error
	for _, c := range []struct {
		name    string
		way     way
		fps     float64
		adjust  func(*role)
		checked bool
	}{
		{"REQ/REP, one port", ways[0], 0, nil, false},
		{"REQ/REP, one port, RequestTimeout of two turns", patient, 0, nil, true},
		{"REQ/REP, a port for each, Latest", ways[1], l.fps, latest, true},
		{"PUB/SUB, a port for each, Latest", ways[2], l.fps, latest, true},
	} {
		m, err := long.slowCase(ctx, &t, c.name, c.way, c.fps, func(r *role) {
			r.Work = work
			if c.adjust != nil {
				c.adjust(r)
			}
		})
		if err == nil && c.checked {
			err = m.check(l.tolerance)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return t, failed
}

func (l *load) slowCase(ctx context.Context, t *table, name string, w way, fps float64, adjust func(*role)) (window, error) {
	c, err := startGroup(ctx, l, w, fps, adjust)
	defer c.end()
	if err != nil {
		return window{}, err
	}
	m, err := c.measure(ctx)
	if err != nil {
		return m, err
	}
	retries, err := c.finish(ctx)
	t.row("%s | %.1f | %s | %d | %d | %d | %d", name, m.rate, m.shares, m.finish.Lost, m.finish.Doubled, retries, m.finish.Dropped)
	return m, err
}

// runRestart kills a receive end of many cameras and starts it again.
func runRestart(ctx context.Context, l *load) (table, error) {
	t := table{
		title: fmt.Sprintf("%d camera processes at %g frames a second; their receive end is killed and started again", l.cameras, l.fps),
		head:  []string{"", "half of the cameras have sent a frame after", "all", "frames/s", "shares"},
	}
	var failed error
	for _, w := range ways[:3] {
		if err := l.restartCase(ctx, &t, w); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", w.name, err))
		}
	}
	return t, failed
}

func (l *load) restartCase(ctx context.Context, t *table, w way) error {
	c, err := startGroup(ctx, l, w, l.fps, nil)
	defer func() { c.end() }()
	if err != nil {
		return err
	}
	if err := c.hub.kill(); err != nil {
		return err
	}
	c.hubRole.Options.Port, c.hubRole.Options.Ports = c.first.Ports[0], nil
	if w.ports {
		c.hubRole.Options.Ports = c.first.Ports
	}
	if c.hub, err = c.hubRole.start(&c.first); err != nil {
		return err
	}
	begun := time.Now()
	after := func(many int) error {
		_, err := c.await(ctx, fmt.Sprintf("frames of %d cameras", many), func(h *hubCounts) bool {
			n := 0
			for _, frames := range h.Frames {
				if frames > 0 {
					n++
				}
			}
			return n >= many
		})
		return err
	}
	if err := after(l.cameras / 2); err != nil {
		return err
	}
	half := time.Since(begun)
	if err := after(l.cameras); err != nil {
		return err
	}
	all := time.Since(begun)
	m, err := c.measure(ctx)
	if err != nil {
		return err
	}
	_, err = c.finish(ctx)
	t.row("%s | %.1f s | %.1f s | %.0f | %s", w.name, half.Seconds(), all.Seconds(), m.rate, m.shares)
	return errors.Join(err, m.check(l.tolerance))
}
