package main

import (
	"log/slog"
	"time"

	"github.com/vidgear-go/netgear/metrics"
)

// stage is what a command does with the frames besides receiving and sending
// them.
type stage struct {
	name, kind string
	counts     func() metrics.Counts
}

// dropPause is the shortest time between two log lines about one stage.
const dropPause = time.Minute

// dropLog logs the frames that stages drop.
type dropLog struct {
	logger *slog.Logger
	stages []stage
	logged []time.Time // when the last line about each was logged
	known  []uint64    // what was dropped until then
}

func newDropLog(logger *slog.Logger, stages []stage) *dropLog {
	return &dropLog{logger, stages, make([]time.Time, len(stages)), make([]uint64, len(stages))}
}

// look logs a line about each stage that has dropped frames since the last one.
func (d *dropLog) look(now time.Time) {
	for i, s := range d.stages {
		total := uint64(0)
		for _, n := range s.counts().Dropped {
			total += n
		}
		if total == d.known[i] || !d.logged[i].IsZero() && now.Sub(d.logged[i]) < dropPause {
			continue
		}
		d.logger.Warn("frames are dropped: what takes them is too slow, or away", "stage", s.name, "kind", s.kind, "dropped", total-d.known[i], "in_all", total)
		d.logged[i], d.known[i] = now, total
	}
}

// watch looks at the stages each second. The caller must call stop.
func (d *dropLog) watch() (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				d.look(now)
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-done }
}
