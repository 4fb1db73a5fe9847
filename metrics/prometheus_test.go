package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/vidgear-go/netgear/internal/peertest"
)

// testTimeout bounds every wait.
const testTimeout = time.Minute

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	peertest.Await(t, testTimeout, what, ok)
}

// server is a Prometheus that scrapes a collector.
type server struct {
	t   *testing.T
	url string
}

// startPrometheus starts Prometheus on a free port. It is killed at the end of
// the test.
func startPrometheus(t *testing.T, c *Collector) *server {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip("prometheus is not installed: it is Debian's package prometheus")
	} else if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(Handler(c))
	t.Cleanup(web.Close)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs: [{job_name: netgear, static_configs: [{targets: [%q]}]}]
`, strings.TrimPrefix(web.URL, "http://"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `exec "$0" "$@" 2>&1`, program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	p := peertest.Start(t, "prometheus", cmd, func(line []byte) string { return string(line) })
	s := &server{t: t}
	var lines strings.Builder
	ready := false
	limit := time.After(testTimeout)
	for {
		select {
		case line, open := <-p.Lines:
			lines.WriteString(line + "\n")
			if at := regexp.MustCompile(`msg="Listening on" address=(\S+)`).FindStringSubmatch(line); at != nil {
				s.url = "http://" + at[1]
			}
			ready = ready || strings.Contains(line, "Server is ready")
			if ready && s.url != "" { // in either order
				return s
			}
			if open {
				continue
			}
		case <-limit:
		}
		t.Fatalf("prometheus is not ready:\n%s", lines.String())
	}
}

// get reads the data of an answer of Prometheus' API.
func (s *server) get(path string, parameters url.Values, data any) {
	s.t.Helper()
	answer, err := http.Get(s.url + path + "?" + parameters.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	all := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil || all.Status != "success" {
		s.t.Fatalf("%s %v: %v %s", path, parameters, err, all.Error)
	}
}

func (s *server) query(q string) model.Vector {
	s.t.Helper()
	var data struct {
		ResultType string
		Result     model.Vector
	}
	s.get("/api/v1/query", url.Values{"query": {q}}, &data)
	if data.ResultType != "vector" {
		s.t.Fatalf("%s is a %s", q, data.ResultType)
	}
	return data.Result
}

// dashboard is the part of a Grafana dashboard that has queries.
type dashboard struct {
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []struct {
		Title   string
		Type    string
		Targets []struct{ Expr string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("grafana/netgear.json")
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Each query of the dashboard, run by Prometheus while it scrapes a relay with
// faults, returns a number. At the end Prometheus has the counts of Stats.
func TestDashboard(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts Prometheus and waits for its scrapes")
	}
	d := readDashboard(t)
	scene := startScene(t)
	s := startPrometheus(t, scene.all)
	// Before the faults, so that Prometheus sees the counts grow.
	await(t, "a scrape", func() bool { return len(s.query("netgear_end_info")) == 4 })
	scene.strike()
	queries, rows := 0, 0
	for _, panel := range d.Panels {
		if panel.Type == "row" {
			rows++
		}
		for _, target := range panel.Targets {
			queries++
			q := strings.NewReplacer("$__rate_interval", "20s", "$end", ".*").Replace(target.Expr)
			await(t, fmt.Sprintf("numbers for %q: %s", panel.Title, q), func() bool { return numbers(s.query(q)) })
		}
	}
	if queries < 30 || rows != 7 {
		t.Errorf("%d queries in %d rows", queries, rows)
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			checkVariable(t, s, v.Name, v.Definition)
		}
	}
	checkAlerts(t, s)
	scene.stop()
	checkCounts(t, s, scene)
}

// numbers reports whether a result has a number. A quotient is NaN at an end
// without frames.
func numbers(all model.Vector) bool {
	for _, sample := range all {
		if v := float64(sample.Value); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return true
		}
	}
	return false
}

func checkVariable(t *testing.T, s *server, name, definition string) {
	t.Helper()
	parts := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(definition)
	if parts == nil || name != "end" {
		t.Fatalf("variable %s: %q", name, definition)
	}
	var values []string
	s.get("/api/v1/label/"+parts[2]+"/values", url.Values{"match[]": {parts[1]}}, &values)
	if strings.Join(values, " ") != "camera in out viewer" {
		t.Errorf("the ends are %v", values)
	}
}

// checkAlerts runs the alerts of docs/metrics.md. Each must be a query that
// Prometheus accepts; get fails otherwise.
func checkAlerts(t *testing.T, s *server) {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+).*\n +expr: (.+)$`).FindAllStringSubmatch(string(text), -1)
	if len(alerts) != strings.Count(string(text), "- alert:") || len(alerts) < 5 {
		t.Errorf("%d alerts found", len(alerts))
	}
	firing := map[string]model.Vector{}
	defer func() {
		if t.Failed() {
			t.Logf("the alerts: %v", firing)
		}
	}()
	await(t, "the alerts of the faults and no others", func() bool {
		for _, alert := range alerts {
			firing[alert[1]] = s.query(alert[2])
		}
		return len(firing["Unreadable"]) > 0 && len(firing["NotRecorded"]) > 0 && len(firing["NoFrames"])+len(firing["NoPeer"])+len(firing["SlowSubscriber"])+len(firing["SlowDisk"]) == 0
	})
}

// checkCounts waits until Prometheus has what the collector returns. The streams
// must have ended.
func checkCounts(t *testing.T, s *server, scene *scene) {
	t.Helper()
	var difference string
	defer func() {
		if t.Failed() {
			t.Log(difference)
		}
	}()
	await(t, "Prometheus to have the last counts", func() bool {
		difference = differ(collected(t, scene.all), keyed(s.query(`{__name__=~"netgear_.+"}`)))
		return difference == "" // no count has changed since the last scrape
	})
	for q, want := range scene.counts() {
		await(t, fmt.Sprintf("%s to be %d", q, want), func() bool {
			got := s.query(q)
			return want > 0 && len(got) == 1 && float64(got[0].Value) == float64(want)
		})
	}
}

// collected returns what a collector returns, sample by sample.
func collected(t *testing.T, c *Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{Timestamp: model.Now()}, families...)
	if err != nil {
		t.Fatal(err)
	}
	return keyed(all)
}

// keyed returns samples by their labels, without those that Prometheus adds and
// without the one that passing time changes.
func keyed(all model.Vector) map[string]float64 {
	values := map[string]float64{}
	for _, sample := range all {
		labels := sample.Metric.Clone()
		delete(labels, "job")
		delete(labels, "instance")
		for name, value := range labels {
			if value == "" { // the same as no label
				delete(labels, name)
			}
		}
		if labels[model.MetricNameLabel] != "netgear_latency_recent_max_seconds" {
			values[labels.String()] = float64(sample.Value)
		}
	}
	return values
}

func differ(want, have map[string]float64) string {
	var text strings.Builder
	for name, value := range want {
		if got, ok := have[name]; !ok || got != value {
			fmt.Fprintf(&text, "%s is %v (%v), not %v\n", name, got, ok, value)
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			fmt.Fprintf(&text, "%s is not collected\n", name)
		}
	}
	return text.String()
}
