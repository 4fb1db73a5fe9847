package main

import (
	"log/slog"
	"net/http"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/metrics"
)

const metricsUsage = "serve Prometheus' metrics at /metrics of `HOST:PORT`, such as 127.0.0.1:9105"

// meter serves the metrics of ends. A nil meter does nothing.
type meter struct {
	collector *metrics.Collector
	server    *server
}

// openMetrics serves metrics at an address, unless it is empty.
func openMetrics(address string, logger *slog.Logger) (*meter, error) {
	if address == "" {
		return nil, nil
	}
	m := &meter{collector: metrics.NewCollector()}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(m.collector))
	var err error
	if m.server, err = listenHTTP("--metrics", address, mux, nil, logger); err != nil {
		return nil, err
	}
	logger.Info("metrics", "url", m.server.url()+"/metrics")
	return m, nil
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
