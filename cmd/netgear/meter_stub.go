//go:build !metricsready

package main

import (
	"log/slog"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/cmd/netgear/internal/settings"
)

const metricsUsage = "serve Prometheus' metrics at /metrics of `HOST:PORT`, such as 127.0.0.1:9105"

type meter struct{}

func openMetrics(address string, _ *slog.Logger) (*meter, error) {
	if address != "" {
		return nil, settings.Wrong("--metrics: not built yet")
	}
	return nil, nil
}
func (m *meter) add(string, *netgear.NetGear) error { return nil }
func (m *meter) close()                             {}
