package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vidgear-go/netgear"
)

// metric is a metric with how it is read from Stats.
type metric struct {
	desc *prometheus.Desc
	of   kind
	send func(ch chan<- prometheus.Metric, s *netgear.Stats, byPort map[string]netgear.PortStats, end, direction string)
}

// kind is which ends have a metric.
type kind int

const (
	everyEnd kind = iota
	receiveEnds
	sendEnds
	answeredEnds // send ends whose frames are answered
	publishers
)

func (k kind) includes(s *netgear.Stats) bool {
	switch k {
	case receiveEnds:
		return s.ReceiveMode
	case sendEnds:
		return !s.ReceiveMode
	case answeredEnds:
		return !s.ReceiveMode && (s.Pattern == netgear.Pair || s.Pattern == netgear.ReqRep)
	case publishers:
		return !s.ReceiveMode && s.Pattern == netgear.PubSub
	}
	return true
}

// table lists all metrics. The order is that of docs/metrics.md.
var table = []metric{
	portCounter(everyEnd, "frames_total", "Frames sent and, where frames are answered, answered; or frames received.", func(p *netgear.PortStats) uint64 { return p.Frames }),
	portCounter(everyEnd, "bytes_total", "Bytes of those frames on the wire, headers included.", func(p *netgear.PortStats) uint64 { return p.Bytes }),
	counter(receiveEnds, "delivered_total", "Frames that the application has taken.", func(s *netgear.Stats) uint64 { return s.Delivered }),
	portCounter(receiveEnds, "dropped_total", "Received frames that a newer one replaced, or that arrived at a full queue.", func(p *netgear.PortStats) uint64 { return p.Dropped }),
	portCounter(receiveEnds, "missed_total", "Frames that were sent and did not arrive, by the numbers of the stamps.", func(p *netgear.PortStats) uint64 { return p.Missed }),
	portCounter(receiveEnds, "repeated_total", "Frames that had arrived before, by the numbers of the stamps.", func(p *netgear.PortStats) uint64 { return p.Repeated }),
	counter(receiveEnds, "discarded_total", "Received frames that were still queued when the end was closed.", func(s *netgear.Stats) uint64 { return s.Discarded }),
	counter(publishers, "overflows_total", "Frames that found the queue of a subscriber full, which has lost them and may have lost more.", func(s *netgear.Stats) uint64 { return s.Overflows }),
	counter(sendEnds, "skipped_total", "Frames that were not sent, because a newer one replaced them or to keep the age.", func(s *netgear.Stats) uint64 { return s.Skipped }),
	counter(sendEnds, "frames_failed_total", "Frames that were taken and then not sent, or not answered; not connections.", func(s *netgear.Stats) uint64 { return s.Failed }),
	malformed(),
	counter(everyEnd, "damaged_total", "JPEGs with a fault, but all their pixels.", func(s *netgear.Stats) uint64 { return s.Damaged }),
	counter(answeredEnds, "rejected_total", "Frames that the receive end has dropped, according to its answers.", func(s *netgear.Stats) uint64 { return s.Rejected }),
	counter(receiveEnds, "unsent_total", "Answers that no peer took.", func(s *netgear.Stats) uint64 { return s.Unsent }),
	counter(receiveEnds, "no_data_total", "Frames answered without the data of the application, which returned an error.", func(s *netgear.Stats) uint64 { return s.NoData }),
	counter(everyEnd, "retries_total", "Frames sent again, or sockets opened again because no peer was connected.", func(s *netgear.Stats) uint64 { return s.Retries }),
	counter(everyEnd, "connections_total", "Connections that were made.", func(s *netgear.Stats) uint64 { return s.Connections }),
	counter(everyEnd, "connections_lost_total", "Connections that ended before the end was closed; not frames.", func(s *netgear.Stats) uint64 { return s.Lost }),
	counter(everyEnd, "connections_refused_total", "Connections that failed in the handshake.", func(s *netgear.Stats) uint64 { return s.Refused }),
	counter(everyEnd, "connections_flooded_total", "Connections that this end closed because the peer sent too much.", func(s *netgear.Stats) uint64 { return s.Flooded }),
	counter(everyEnd, "terminates_total", "Terminate messages sent by a send end, or received by a receive end.", func(s *netgear.Stats) uint64 { return s.TerminatesSent + s.TerminatesReceived }),
	gauge("peers", "Peers that are connected.", func(s *netgear.Stats) float64 { return float64(s.Connected) }),
	queueFrames(),
	gauge("queue_bytes", "Memory of the frames in the queue.", func(s *netgear.Stats) float64 { return float64(s.QueueBytes) }),
	openFrames(),
	latency(),
	latencyMax(),
	histogram(receiveEnds, "decode_seconds", "Time to decode a JPEG.", func(s *netgear.Stats) *netgear.LatencyStats { return &s.Decode }),
	histogram(sendEnds, "encode_seconds", "Time to encode a JPEG.", func(s *netgear.Stats) *netgear.LatencyStats { return &s.Encode }),
	histogram(sendEnds, "send_seconds", "Time from a prepared frame to its answer, with all tries, or until libzmq has accepted it.", func(s *netgear.Stats) *netgear.LatencyStats { return &s.Send }),
	histogram(answeredEnds, "round_trip_seconds", "Time from sending a frame to its answer, of the last try.", func(s *netgear.Stats) *netgear.LatencyStats { return &s.RoundTrip }),
	counter(sendEnds, "adapt_changes_total", "Changes of how frames are sent, to keep their age.", func(s *netgear.Stats) uint64 { return s.Adapt.Changes }),
	adapting("adapt_quality", "Quality of the JPEGs that are sent.", func(s *netgear.AdaptStats) float64 { return float64(s.Setting.Quality) }),
	adapting("adapt_scale", "Share of the width and height that is sent.", func(s *netgear.AdaptStats) float64 { return s.Setting.Scale }),
	adapting("adapt_fps_limit", "The most frames that are sent in a second; 0 is no limit.", func(s *netgear.AdaptStats) float64 { return s.Setting.FPS }),
	adapting("adapt_delay_seconds", "How long the last frame took to be answered, or what is queued will take.", func(s *netgear.AdaptStats) float64 { return s.Delay.Seconds() }),
	adapting("adapt_rate_bytes_per_second", "The bytes in a second that the network takes, as estimated.", func(s *netgear.AdaptStats) float64 { return s.Rate }),
	info(),
}

func describe(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("netgear_"+name, help, append([]string{"end", "direction"}, more...), nil)
}

func counter(of kind, name, help string, value func(*netgear.Stats) uint64) metric {
	desc := describe(name, help)
	return metric{desc, of, func(ch chan<- prometheus.Metric, s *netgear.Stats, _ map[string]netgear.PortStats, end, direction string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value(s)), end, direction)
	}}
}

func portCounter(of kind, name, help string, value func(*netgear.PortStats) uint64) metric {
	desc := describe(name, help, "port")
	return metric{desc, of, func(ch chan<- prometheus.Metric, _ *netgear.Stats, byPort map[string]netgear.PortStats, end, direction string) {
		for port, p := range byPort {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value(&p)), end, direction, port)
		}
	}}
}

func malformed() metric {
	desc := describe("malformed_total", "Messages that could not be read, by what was wrong.", "reason")
	return metric{desc, everyEnd, func(ch chan<- prometheus.Metric, s *netgear.Stats, _ map[string]netgear.PortStats, end, direction string) {
		by := &s.MalformedBy
		for reason, n := range map[string]uint64{
			"header": by.Header, "wire": by.Wire, "message": by.Message, "array": by.Array,
			"jpeg": by.JPEG, "limit": by.Limit, "answer": by.Answer, "other": by.Other,
		} {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), end, direction, reason)
		}
	}}
}

func gauge(name, help string, value func(*netgear.Stats) float64) metric {
	desc := describe(name, help)
	return metric{desc, everyEnd, func(ch chan<- prometheus.Metric, s *netgear.Stats, _ map[string]netgear.PortStats, end, direction string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value(s), end, direction)
	}}
}

func queueFrames() metric {
	desc := describe("queue_frames", "Frames that wait for the application, or at a send end that sends ahead those not yet answered.", "port")
	return metric{desc, everyEnd, func(ch chan<- prometheus.Metric, _ *netgear.Stats, byPort map[string]netgear.PortStats, end, direction string) {
		for port, p := range byPort {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(p.Queue), end, direction, port)
		}
	}}
}

// adapting is a gauge of the send ends that adapt their frames.
func adapting(name, help string, value func(*netgear.AdaptStats) float64) metric {
	desc := describe(name, help)
	return metric{desc, sendEnds, func(ch chan<- prometheus.Metric, s *netgear.Stats, _ map[string]netgear.PortStats, end, direction string) {
		if s.Adapt.Setting != (netgear.AdaptSetting{}) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value(&s.Adapt), end, direction)
		}
	}}
}

func openFrames() metric {
	m := gauge("open_frames", "Frames that the application has and has not closed.", func(s *netgear.Stats) float64 { return float64(s.Open) })
	m.of = receiveEnds
	return m
}

// latency is the histogram of the latencies by port, once there is one: without
// stamps there is none.
func latency() metric {
	desc := describe("latency_seconds", "Time from capture to arrival, by the stamps.", "port")
	return metric{desc, receiveEnds, func(ch chan<- prometheus.Metric, _ *netgear.Stats, byPort map[string]netgear.PortStats, end, direction string) {
		for port, p := range byPort {
			if p.Latency.Frames > 0 {
				ch <- distribution(desc, &p.Latency, end, direction, port)
			}
		}
	}}
}

func latencyMax() metric {
	desc := describe("latency_recent_max_seconds", "Longest time from capture to arrival of the last 30 to 60 seconds.")
	return metric{desc, receiveEnds, func(ch chan<- prometheus.Metric, s *netgear.Stats, _ map[string]netgear.PortStats, end, direction string) {
		if s.Latency.Frames > 0 {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, s.Latency.RecentMax.Seconds(), end, direction)
		}
	}}
}

func histogram(of kind, name, help string, value func(*netgear.Stats) *netgear.LatencyStats) metric {
	desc := describe(name, help)
	return metric{desc, of, func(ch chan<- prometheus.Metric, s *netgear.Stats, _ map[string]netgear.PortStats, end, direction string) {
		ch <- distribution(desc, value(s), end, direction)
	}}
}

func info() metric {
	desc := describe("end_info", "Always 1; the labels describe the end.", "pattern")
	return metric{desc, everyEnd, func(ch chan<- prometheus.Metric, s *netgear.Stats, _ map[string]netgear.PortStats, end, direction string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, end, direction, s.Pattern.String())
	}}
}

// distribution returns a histogram. Prometheus' buckets count all shorter ones,
// too.
func distribution(desc *prometheus.Desc, l *netgear.LatencyStats, labels ...string) prometheus.Metric {
	buckets := map[float64]uint64{}
	sum := uint64(0)
	for i, bound := range l.Buckets.Bounds() {
		sum += l.Buckets[i]
		buckets[bound.Seconds()] = sum
	}
	return prometheus.MustNewConstHistogram(desc, l.Frames, l.Sum.Seconds(), buckets, labels...)
}
