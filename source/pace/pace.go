// Package pace keeps a frame rate.
package pace

import (
	"context"
	"time"
)

// Pace keeps a frame rate. A late frame does not delay the following ones.
type Pace struct {
	interval time.Duration // 0: no waiting
	next     time.Time
}

// New returns a Pace whose first frame is due now. 0 frames per second mean
// no waiting.
func New(fps float64) *Pace {
	p := &Pace{next: time.Now()}
	if fps > 0 {
		const longest = 1 << 62
		p.interval = time.Duration(min(float64(time.Second)/fps, longest))
	}
	return p
}

// Wait returns when it is time for the next frame, or with the context's error.
func (p *Pace) Wait(ctx context.Context) error {
	if p.interval == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Until(p.next))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case now := <-timer.C:
		// A delay of more than a frame is not made up for.
		if p.next = p.next.Add(p.interval); p.next.Before(now) {
			p.next = now
		}
		return nil
	}
}
