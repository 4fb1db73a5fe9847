package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/vidgear-go/netgear/soak/internal/sample"
)

// runViewers measures a viewer of package web with as many browsers as it
// admits: with few cameras, and with all.
func runViewers(ctx context.Context, l *load) (table, error) {
	t := table{
		title: fmt.Sprintf("%d viewers of package web, measured for %v", l.viewers, l.duration),
		head:  []string{"cameras", "frames/s from them", "their shares", "frames/s to the viewers", "the viewers' shares", "streams' shares at a viewer", "age p50, p99 in ms", "of that to the receive end", "from there to a viewer", "cores used by cameras, receive end, viewers", "receive end: MiB, descriptors, threads, goroutines", "Chromium"},
	}
	var failed error
	for _, cameras := range []int{min(8, l.cameras), l.cameras} {
		some := *l
		some.cameras, some.fps = cameras, l.shown/float64(l.viewers*cameras)
		if err := some.viewerCase(ctx, &t); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%d cameras: %w", cameras, err))
		}
	}
	return t, failed
}

func (l *load) viewerCase(ctx context.Context, t *table) error {
	w := ways[0]
	w.options.Stamp = true
	c, err := startGroup(ctx, l, w, l.fps, func(r *role) {
		r.Page, r.Streams, r.Watchers = true, l.cameras+1, l.viewers+1
	})
	defer c.end()
	if err != nil {
		return err
	}
	var begin, finish watcherCounts
	watching, err := role{Kind: "watchers", URL: c.first.URL, Count: l.viewers}.start(&begin)
	if err != nil {
		return err
	}
	defer watching.kill() //nolint:errcheck // of a process that has not failed before
	browser, err := l.openBrowser(ctx, "http://"+c.first.URL)
	if err != nil {
		return err
	}
	defer browser.close()
	err = until(ctx, "a frame of each camera at each viewer", func() (bool, error) {
		begin = watcherCounts{}
		err := watching.ask(&begin)
		for _, streams := range begin.Frames {
			if len(streams) < l.cameras {
				return false, err
			}
		}
		return true, err
	})
	if err != nil {
		return err
	}
	if err := browser.begin(); err != nil {
		return err
	}
	used := coresUsed(c.cameras, []*child{c.hub}, []*child{watching})
	m, err := c.measure(ctx)
	if err != nil {
		return err
	}
	cores := used()
	if err := watching.ask(&finish); err != nil {
		return err
	}
	shown, err := browser.shown()
	if err != nil {
		return err
	}
	each, streams := finish.minus(&begin)
	viewers, v := sharesOf(each), m.finish.Values
	if finish.Refused+finish.Broken > 0 {
		err = fmt.Errorf("%d viewers were refused and %d lost: %s", finish.Refused, finish.Broken, finish.Why)
	}
	err = errors.Join(err, watching.stop())
	browser.close()
	_, failed := c.finish(ctx)
	t.row("%d at %.2g a second | %.0f | %s | %.0f | %s | %s | %s | %s | %.0f, %.0f, %.0f, %.0f | %s", l.cameras, l.fps, m.rate, m.shares,
		viewers.mean*float64(l.viewers)/l.duration.Seconds(), viewers, streams, &finish.Ages, cores,
		v[sample.RSS], v[sample.Descriptors], v[sample.Threads], v[sample.Goroutines], shown)
	return errors.Join(err, failed, m.check(l.tolerance), viewers.check(l.tolerance))
}
