package main

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/spf13/pflag"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/hostcheck"
	"github.com/vidgear-go/netgear/metrics"
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

// meter serves the metrics of ends. A nil meter does nothing.
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
	var err error
	if m.server, err = listenHTTP("--metrics", f.address, mux, nil, logger); err != nil {
		return nil, err
	}
	logger.Info("metrics", "url", m.server.url()+"/metrics")
	return m, nil
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

func (m *meter) close() {
	if m != nil {
		m.server.close(func() error { return nil }) //nolint:errcheck // requests that take too long are cut off
	}
}
