package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vidgear-go/netgear"
)

// MaxPorts is how many ports of an end have series of their own: the first ones
// that a Collector has found. The frames of all others are counted together,
// with an empty port. A peer may invent ports, and each series takes memory in
// Prometheus.
const MaxPorts = 256

// ErrEnd is returned by Add and AddStage for an end, a stage or a name that cannot
// be added.
var ErrEnd = errors.New("unusable end")

// Collector is a [prometheus.Collector] of any number of ends and stages.
// NewCollector creates it. Its methods may be called from any goroutine. Only one Collector
// can be in a registry.
type Collector struct {
	mu     sync.Mutex
	ends   map[string]*end
	stages map[string]stage
}

// end is an end of a Collector.
type end struct {
	stats func() netgear.Stats
	ports map[string]bool // those with series of their own; at most MaxPorts
}

// NewCollector returns a Collector without ends and stages.
func NewCollector() *Collector {
	return &Collector{ends: map[string]*end{}, stages: map[string]stage{}}
}

// Add adds an end. The name is the value of the label end, and must be UTF-8 and
// not be in use. An end that is closed keeps its counts until it is removed. The
// error is an ErrEnd.
func (c *Collector) Add(name string, n *netgear.NetGear) error {
	switch {
	case n == nil:
		return fmt.Errorf("metrics: %w: it is nil", ErrEnd)
	case name == "" || !utf8.ValidString(name):
		return fmt.Errorf("metrics: %w: the name %q is empty or not UTF-8", ErrEnd, name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends[name] != nil {
		return fmt.Errorf("metrics: %w: another end has the name %q; remove that first", ErrEnd, name)
	}
	c.ends[name] = &end{stats: n.Stats, ports: map[string]bool{}}
	return nil
}

// Remove removes the end and the stage of a name, if there are any. Their series
// end.
func (c *Collector) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ends, name)
	delete(c.stages, name)
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range table {
		ch <- m.desc
	}
	for _, m := range stageTable {
		ch <- m.desc
	}
}

// Collect sends the metrics of all ends and stages.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, e := range c.ends {
		s := e.stats()
		direction := "send"
		if s.ReceiveMode {
			direction = "receive"
		}
		byPort := e.split(&s)
		for _, m := range table {
			if m.of.includes(&s) {
				m.send(ch, &s, byPort, name, direction)
			}
		}
	}
	for name, st := range c.stages {
		s := st.counts()
		for _, m := range stageTable {
			m.send(ch, &s, name, st.kind)
		}
	}
}

// split returns the counts of the end by port. The counts that belong to no
// port with series of its own are those of the port "".
func (e *end) split(s *netgear.Stats) map[string]netgear.PortStats {
	for _, port := range slices.Sorted(maps.Keys(s.Ports)) {
		if len(e.ports) < MaxPorts && utf8.ValidString(port) {
			e.ports[port] = true
		}
	}
	rest := netgear.PortStats{Frames: s.Frames, Bytes: s.Bytes, Dropped: s.Dropped, Missed: s.Missed, Repeated: s.Repeated, Queue: s.Queue, Latency: s.Latency}
	all := make(map[string]netgear.PortStats, len(e.ports)+1)
	for port := range e.ports {
		p := s.Ports[port]
		all[port] = p
		subtract(&rest, &p)
	}
	if rest.Latency.Frames == 0 {
		rest.Latency.Sum = 0
	}
	if len(all) == 0 || rest.Frames+rest.Dropped+rest.Missed+rest.Repeated+rest.Latency.Frames > 0 || rest.Queue > 0 {
		all[""] = rest
	}
	return all
}

// subtract subtracts the counts of a port. Stats returns all of them as of one
// moment, except for Queue, so none becomes negative. The sum of latencies may be
// at its limit, and each is rounded by itself, so what is left of it without a
// frame is not 0.
func subtract(rest, p *netgear.PortStats) {
	rest.Frames -= p.Frames
	rest.Bytes -= p.Bytes
	rest.Dropped -= p.Dropped
	rest.Missed -= p.Missed
	rest.Repeated -= p.Repeated
	rest.Queue = max(0, rest.Queue-p.Queue)
	rest.Latency.Frames -= p.Latency.Frames
	if sum := rest.Latency.Sum - p.Latency.Sum; (sum < rest.Latency.Sum) == (p.Latency.Sum > 0) {
		rest.Latency.Sum = sum
	}
	for i := range rest.Latency.Buckets {
		rest.Latency.Buckets[i] -= p.Latency.Buckets[i]
	}
}
