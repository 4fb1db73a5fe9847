package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// A camera that has never sent since the start fires NoFrames, and one that
// sends does not. Prometheus' promtool runs the rules of docs/metrics.md over
// the series that a Collector has at the start.
func TestNoFramesFromTheStart(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip("promtool is not installed: it is in Debian's package prometheus")
	} else if err != nil {
		t.Fatal(err)
	}
	sends, silent := peertest.FreePort(t), peertest.FreePort(t)
	end, err := netgear.New(netgear.Options{ReceiveMode: true, MultiserverMode: true, Pattern: netgear.ReqRep, Address: "127.0.0.1", Ports: []string{sends, silent}})
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	c := NewCollector()
	if err := c.Add("yard", end); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	Handler(c).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	series := regexp.MustCompile(`(?m)^(netgear_frames_total\{.*\}) 0$`).FindAllStringSubmatch(answer.Body.String(), -1)
	if len(series) != 2 {
		t.Fatalf("%d series at the start, want one for each configured port\n%s", len(series), answer.Body)
	}
	var input strings.Builder
	for _, s := range series {
		values := "0x10" // one each 15 s
		if strings.Contains(s[1], `port="`+sends+`"`) {
			values = "0+375x10"
		}
		fmt.Fprintf(&input, "      - series: '%s'\n        values: '%s'\n", s[1], values)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := bytes.Split(doc, []byte("```"))
	i := slices.IndexFunc(blocks, func(b []byte) bool { return bytes.HasPrefix(b, []byte("yaml\ngroups:")) })
	if i < 0 {
		t.Fatal("docs/metrics.md has no rules")
	}
	write("rules.yml", strings.TrimPrefix(string(blocks[i]), "yaml\n"))
	write("test.yml", fmt.Sprintf(`
rule_files: [rules.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
%s    alert_rule_test:
      - eval_time: 2m15s
        alertname: NoFrames
        exp_alerts: [{exp_labels: {end: yard, port: %q}}]
`, &input, silent))
	cmd := exec.Command(promtool, "test", "rules", "test.yml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
