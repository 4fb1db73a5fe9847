package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/soak/internal/sample"
)

const (
	steadyCameras = 10
	clientsEach   = 100 // ends of one process of clients
)

// runConnections has ends that come and go at an end, in processes of 100 each,
// beside a few cameras that stay.
func runConnections(ctx context.Context, l *load) (table, error) {
	some := *l
	some.cameras = min(l.cameras, steadyCameras)
	t := table{
		title: fmt.Sprintf("%d ends that connect to one end, beside %d cameras at %g frames a second; each measured for %v", l.connections, some.cameras, l.fps, l.duration),
		head:  []string{"", "all were served after", "most connections", "made", "the cameras' frames/s", "their shares", "MiB, descriptors, threads, goroutines", "after they had gone"},
	}
	var failed error
	for _, v := range []struct {
		name   string
		stay   int
		killed bool
	}{
		{"they stay, and are killed at once", 0, true},
		{"they stay, and close", 0, false},
		{"each sends three frames, closes, and connects again", 3, false},
	} {
		if err := some.connectionCase(ctx, &t, v.name, v.stay, v.killed); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", v.name, err))
		}
	}
	return t, failed
}

// clientProcesses are all processes of clients.
type clientProcesses []*child

func (l *load) startClients(o netgear.Options, stay int) (clientProcesses, error) {
	all := make(clientProcesses, max(1, l.connections/clientsEach))
	return all, together(len(all), func(i int) (err error) {
		var counts clientCounts
		all[i], err = role{Kind: "clients", ID: i, Options: o, Count: l.connections / len(all), Stay: stay}.start(&counts)
		return err
	})
}

// counts adds the counts of all processes.
func (v clientProcesses) counts() (sum clientCounts, err error) {
	for _, p := range v {
		var c clientCounts
		if err := p.ask(&c); err != nil {
			return sum, err
		}
		sum.Served += c.Served
		sum.Made += c.Made
		sum.Wait = max(sum.Wait, c.Wait)
		if sum.Failed += c.Failed; c.Last != "" {
			sum.Last = c.Last
		}
	}
	return sum, nil
}

func (v clientProcesses) kill() {
	for _, p := range v {
		if p != nil {
			p.kill() //nolint:errcheck // it is to be killed
		}
	}
}

func (l *load) connectionCase(ctx context.Context, t *table, name string, stay int, killed bool) error {
	c, err := startGroup(ctx, l, ways[0], l.fps, nil)
	defer c.end()
	if err != nil {
		return err
	}
	var before hubCounts
	if err := c.hub.ask(&before); err != nil {
		return err
	}
	begun := time.Now()
	running, err := l.startClients(netgear.Options{Pattern: netgear.ReqRep, Address: "127.0.0.1", Port: c.first.Ports[0], MaxRetries: -1, JPEGCheck: netgear.ToggleOff}, stay)
	defer running.kill()
	if err != nil {
		return err
	}
	err = until(ctx, "an exchange of each client", func() (bool, error) {
		v, err := running.counts()
		return v.Served >= l.connections || stay > 0 && v.Made >= uint64(l.connections), err
	})
	if err != nil {
		return err
	}
	served := time.Since(begun)
	m, err := c.measure(ctx)
	if err != nil {
		return err
	}
	v, err := running.counts()
	if err == nil && v.Failed > 0 {
		err = fmt.Errorf("%d calls of clients failed, the last with: %s", v.Failed, v.Last)
	}
	if killed {
		running.kill()
	} else {
		err = errors.Join(err, stopAll(running))
	}
	after, failed := c.await(ctx, "the end of the clients", func(h *hubCounts) bool {
		return h.Connected <= before.Connected && h.Values[sample.Descriptors] <= before.Values[sample.Descriptors]+1 && h.Values[sample.Goroutines] <= before.Values[sample.Goroutines]+1
	})
	_, end := c.finish(ctx)
	during, gone := m.finish.Values, after.Values
	t.row("%s | %.1f s | %d | %d | %.0f | %s | %.0f, %.0f, %.0f, %.0f | %.0f, %.0f, %.0f, %.0f", name, served.Seconds(), m.finish.Connected, after.Connections-before.Connections,
		m.rate, m.shares, during[sample.RSS], during[sample.Descriptors], during[sample.Threads], during[sample.Goroutines],
		gone[sample.RSS], gone[sample.Descriptors], gone[sample.Threads], gone[sample.Goroutines])
	return errors.Join(err, failed, end, m.check(l.tolerance))
}
