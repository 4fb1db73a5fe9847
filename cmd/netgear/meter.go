package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"

	"github.com/spf13/pflag"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/fanout"
	"github.com/vidgear-go/netgear/internal/hostcheck"
	"github.com/vidgear-go/netgear/internal/program"
	"github.com/vidgear-go/netgear/metrics"
	"github.com/vidgear-go/netgear/natsbridge"
	"github.com/vidgear-go/netgear/record"
)

// metricsFlags are the flags of a command that serves metrics.
type metricsFlags struct {
	address string
	hosts   []string
}

func (f *metricsFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.address, "metrics", "", "serve Prometheus' metrics at /metrics of `HOST:PORT`, such as 127.0.0.1:9105")
	fs.StringArrayVar(&f.hosts, "metrics-host", nil, "a `NAME` by which Prometheus reaches the metrics, unless it is this host's")
}

// meter serves the metrics of ends and stages. A nil meter does nothing.
type meter struct {
	collector *metrics.Collector
	server    *server
}

// open serves metrics at the address, unless it is empty.
func (f *metricsFlags) open(logger *slog.Logger) (*meter, error) {
	if f.address == "" {
		return nil, nil
	}
	m := &meter{collector: metrics.NewCollector()}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", ownHost(f.hosts, metrics.Handler(m.collector)))
	mux.Handle("GET /{$}", ownHost(f.hosts, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><title>netgear</title><a href="/metrics">/metrics</a> has the metrics.`+"\n")
	})))
	var err error
	if m.server, err = listenHTTP("--metrics", f.address, mux, 0, nil, logger); err != nil {
		return nil, err
	}
	logger.Info("metrics", "url", m.server.url()+"/metrics")
	return m, nil
}

// openEnd opens an end whose metrics are served, unless the address is empty. The
// caller must close both.
func (f *metricsFlags) openEnd(o netgear.Options) (*netgear.NetGear, *meter, error) {
	m, err := f.open(o.Logger)
	if err != nil {
		return nil, nil, err
	}
	end, err := netgear.New(o)
	if err != nil {
		m.close()
		return nil, nil, err
	}
	if err := m.add(defaultName(o), end); err != nil {
		m.close()
		return nil, nil, errors.Join(err, end.Close())
	}
	return end, m, nil
}

// ownHost refuses requests by a name that may be a foreign site's, whose pages
// would read the metrics.
func ownHost(more []string, handler http.Handler) http.Handler {
	names := hostcheck.New(more)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !names.Own(r.Host) {
			http.Error(w, fmt.Sprintf("The metrics are not reached by the name %q, unless it is given with --metrics-host.", hostcheck.Name(r.Host)), http.StatusMisdirectedRequest)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// add adds an end.
func (m *meter) add(name string, end *netgear.NetGear) error {
	if m == nil {
		return nil
	}
	return m.collector.Add(name, end)
}

// addStages adds what a command does with the frames.
func (m *meter) addStages(stages []stage) (err error) {
	if m == nil {
		return nil
	}
	for _, s := range stages {
		err = errors.Join(err, m.collector.AddStage(s.name, s.kind, s.counts))
	}
	return err
}

// The kinds of stages.
const (
	recordStage    = "record"
	relayStage     = "relay"
	publishStage   = "nats_publish"
	subscribeStage = "nats_subscribe"
)

// noRoom is the reason of frames that a full queue dropped.
const noRoom = "no_room"

func recordCounts(s record.Stats) metrics.Counts {
	return metrics.Counts{Frames: s.Frames, Bytes: s.Bytes, Queue: s.Queue,
		Dropped: map[string]uint64{noRoom: s.Dropped}, Failed: map[string]uint64{"write": s.Failed}}
}

func relayCounts(s fanout.Counts) metrics.Counts {
	return metrics.Counts{Frames: s.Sent, Bytes: s.Bytes, Queue: s.Queue,
		Dropped: map[string]uint64{noRoom: s.Dropped}, Failed: map[string]uint64{"send": s.Lost}}
}

func publishCounts(s natsbridge.PublisherStats) metrics.Counts {
	c := metrics.Counts{Frames: s.Frames, Bytes: s.Bytes, Queue: s.InFlight + s.Waiting}
	c.Dropped, c.Failed = byReason(s.Dropped)
	return c
}

func subscribeCounts(s natsbridge.SubscriberStats) metrics.Counts {
	c := metrics.Counts{Frames: s.Frames, Bytes: s.Bytes, Queue: s.Queue}
	c.Dropped, c.Failed = byReason(s.Dropped)
	return c
}

// byReason returns the fields of a struct of counts, such as no_room for NoRoom:
// those of frames that were left out because there was no room for them, and all
// others.
func byReason(drops any) (dropped, failed map[string]uint64) {
	dropped, failed = map[string]uint64{}, map[string]uint64{}
	v := reflect.ValueOf(drops)
	for i := range v.NumField() {
		switch reason := program.Words(v.Type().Field(i).Name, '_'); reason {
		case noRoom, "replaced", "slow_client":
			dropped[reason] = v.Field(i).Uint()
		default:
			failed[reason] = v.Field(i).Uint()
		}
	}
	return dropped, failed
}

func (m *meter) close() {
	if m != nil {
		m.server.close(func() error { return nil }) //nolint:errcheck // requests that take too long are cut off
	}
}
