package metrics

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Counts holds the counts of a stage: what an application does with the frames
// of ends besides sending and receiving them, such as recording them with
// package record or publishing them with package natsbridge.
type Counts struct {
	Frames uint64 // passed on: recorded, published, sent or returned
	Bytes  uint64 // of those frames
	// Dropped has the frames that were left out because the stage was too slow
	// for them, by the reason. Failed has those that it could not pass on, such
	// as on a full disk. A stage with one reason may name it "". A reason belongs
	// in the maps before it has happened, with 0: rate and increase do not see
	// the first count of a series that begins with it.
	Dropped, Failed map[string]uint64
	Queue           int // frames that wait
}

// stage is a stage of a Collector.
type stage struct {
	kind   string
	counts func() Counts
}

// AddStage adds a stage. The name and the kind, such as "record", are the values
// of the labels stage and kind. Both must be UTF-8, and the name must not be in
// use by another stage; an end may have it. counts is called at each scrape and
// must return counts that do not fall. The error is an ErrEnd.
func (c *Collector) AddStage(name, kind string, counts func() Counts) error {
	switch {
	case counts == nil:
		return fmt.Errorf("metrics: %w: the function for the counts is nil", ErrEnd)
	case name == "" || !utf8.ValidString(name):
		return fmt.Errorf("metrics: %w: the name %q is empty or not UTF-8", ErrEnd, name)
	case kind == "" || !utf8.ValidString(kind):
		return fmt.Errorf("metrics: %w: the kind %q is empty or not UTF-8", ErrEnd, kind)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.stages[name]; ok {
		return fmt.Errorf("metrics: %w: another stage has the name %q; remove that first", ErrEnd, name)
	}
	c.stages[name] = stage{kind, counts}
	return nil
}

// stageMetric is a metric of stages with how it is read from Counts.
type stageMetric struct {
	desc *prometheus.Desc
	send func(ch chan<- prometheus.Metric, s *Counts, stage, kind string)
}

// stageTable lists the metrics of stages. The order is that of docs/metrics.md.
var stageTable = []stageMetric{
	stageValue(prometheus.CounterValue, "frames_total", "Frames passed on: recorded, published, sent or returned.", func(s *Counts) float64 { return float64(s.Frames) }),
	stageValue(prometheus.CounterValue, "bytes_total", "Bytes of those frames.", func(s *Counts) float64 { return float64(s.Bytes) }),
	stageReasons("dropped_total", "Frames left out because the stage was too slow for them, by the reason.", func(s *Counts) map[string]uint64 { return s.Dropped }),
	stageReasons("failed_total", "Frames that could not be passed on, by the reason.", func(s *Counts) map[string]uint64 { return s.Failed }),
	stageValue(prometheus.GaugeValue, "queue_frames", "Frames that wait in the stage.", func(s *Counts) float64 { return float64(s.Queue) }),
}

func describeStage(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("netgear_stage_"+name, help, append([]string{"stage", "kind"}, more...), nil)
}

func stageValue(of prometheus.ValueType, name, help string, value func(*Counts) float64) stageMetric {
	desc := describeStage(name, help)
	return stageMetric{desc, func(ch chan<- prometheus.Metric, s *Counts, stage, kind string) {
		ch <- prometheus.MustNewConstMetric(desc, of, value(s), stage, kind)
	}}
}

func stageReasons(name, help string, value func(*Counts) map[string]uint64) stageMetric {
	desc := describeStage(name, help, "reason")
	return stageMetric{desc, func(ch chan<- prometheus.Metric, s *Counts, stage, kind string) {
		byReason := map[string]uint64{}
		for reason, n := range value(s) {
			byReason[strings.ToValidUTF8(reason, "�")] += n
		}
		for reason, n := range byReason {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), stage, kind, reason)
		}
	}}
}
