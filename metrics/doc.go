// Package metrics exports the counts of netgear ends to Prometheus.
//
//	all := metrics.NewCollector()
//	err := all.Add("yard", end) // the value of the label end
//	http.Handle("/metrics", metrics.Handler(all))
//
// A program that has a registry of its own registers the Collector there
// instead. Collecting reads [netgear.NetGear.Stats] of each end, and costs the
// streams nothing between two scrapes.
//
// What an application does with the frames besides, such as recording them, are
// stages: AddStage exports their counts.
//
// docs/metrics.md lists the metrics with their meaning. grafana/netgear.json is
// a dashboard of them.
package metrics
