package metrics

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/vidgear-go/netgear"
)

// fake adds an end with made-up counts.
func (c *Collector) fake(name string, stats func() netgear.Stats) {
	c.ends[name] = &end{stats: stats, ports: map[string]bool{}}
}

// full returns counts that are all different and not 0, the same number in each
// field of a struct in the order of the fields.
func full(receive bool) netgear.Stats {
	s := netgear.Stats{ReceiveMode: receive}
	n := uint64(100)
	fill(reflect.ValueOf(&s).Elem(), &n)
	s.Latency.Buckets = netgear.Histogram{3: s.Latency.Frames}
	return s
}

func fill(v reflect.Value, n *uint64) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct:
			fill(f, n)
		case f.CanUint():
			*n++
			f.SetUint(*n)
		case f.CanInt() && v.Type().Field(i).Name != "Pattern":
			*n++
			f.SetInt(int64(*n))
		}
	}
}

// gather returns the text that Prometheus reads.
func gather(t *testing.T, c *Collector) string {
	t.Helper()
	answer := httptest.NewRecorder()
	Handler(c).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

func TestLint(t *testing.T) {
	c := NewCollector()
	for i := range 3 {
		for _, receive := range []bool{true, false} {
			s := full(receive)
			s.Pattern = netgear.Pattern(i)
			c.fake(fmt.Sprint(i, receive), func() netgear.Stats { return s })
		}
	}
	if err := c.AddStage("disk", "record", disk); err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	families, err := r.Gather()
	if err != nil || len(families) != len(table)+len(stageTable) {
		t.Errorf("%d of %d metrics: %v", len(families), len(table)+len(stageTable), err)
	}
}

// Every count of Stats is in a metric, with its value.
func TestEveryCountIsExported(t *testing.T) {
	c := NewCollector()
	receive, send, publisher := full(true), full(false), full(false)
	publisher.Pattern = netgear.PubSub
	c.fake("r", func() netgear.Stats { return receive })
	c.fake("s", func() netgear.Stats { return send })
	c.fake("p", func() netgear.Stats { return publisher })
	text := gather(t, c)
	of := reflect.ValueOf(receive)
	for i := range of.NumField() {
		name, value := of.Type().Field(i).Name, of.Field(i)
		var n uint64
		switch {
		case slices.Contains([]string{"ReceiveMode", "Pattern", "Ports", "Malformed", "MalformedBy", "TerminatesSent", "TerminatesReceived", "Adapt"}, name):
			continue
		case value.CanUint():
			n = value.Uint()
		case value.CanInt():
			n = uint64(value.Int())
		default:
			n = value.FieldByName("Frames").Uint()
		}
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^netgear_.* %d$`, n)).MatchString(text) {
			t.Errorf("no metric has Stats.%s", name)
		}
	}
	by := reflect.ValueOf(receive.MalformedBy)
	for i := range by.NumField() {
		has(t, text, fmt.Sprintf(`netgear_malformed_total{direction="receive",end="r",reason=%q} %d`, strings.ToLower(by.Type().Field(i).Name), by.Field(i).Uint()))
	}
	has(t, text, fmt.Sprintf(`netgear_terminates_total{direction="receive",end="r"} %d`, receive.TerminatesSent+receive.TerminatesReceived),
		fmt.Sprintf(`netgear_adapt_changes_total{direction="send",end="s"} %d`, send.Adapt.Changes),
		fmt.Sprintf(`netgear_adapt_quality{direction="send",end="s"} %d`, send.Adapt.Setting.Quality),
		fmt.Sprintf(`netgear_overflows_total{direction="send",end="p"} %d`, publisher.Overflows),
		`netgear_end_info{direction="send",end="p",pattern="PUB/SUB"} 1`, `netgear_end_info{direction="receive",end="r",pattern="PAIR"} 1`)
	for _, never := range []string{`netgear_overflows_total{direction="send",end="s"}`, `netgear_rejected_total{direction="send",end="p"}`, `netgear_decode_seconds_sum{direction="send"`} {
		if strings.Contains(text, never) {
			t.Errorf("%s", never)
		}
	}
}

func TestHistogram(t *testing.T) {
	c := NewCollector()
	s := netgear.Stats{ReceiveMode: true, Latency: netgear.LatencyStats{Frames: 6, Sum: 90 * time.Second, RecentMax: time.Minute, Buckets: netgear.Histogram{3: 4, 4: 1, 16: 1}}}
	c.fake("r", func() netgear.Stats { return s })
	text := gather(t, c)
	for bound, n := range map[string]int{"0.0005": 0, "0.001": 4, "0.0025": 5, "10": 5, "+Inf": 6} {
		has(t, text, fmt.Sprintf(`netgear_latency_seconds_bucket{direction="receive",end="r",port="",le=%q} %d`, bound, n))
	}
	has(t, text, `netgear_latency_seconds_sum{direction="receive",end="r",port=""} 90`, `netgear_latency_seconds_count{direction="receive",end="r",port=""} 6`,
		`netgear_latency_recent_max_seconds{direction="receive",end="r"} 60`)
}

// A peer that invents ports makes a bounded number of series, of which none is
// invalid, and the sum remains that of the end.
func TestManyPorts(t *testing.T) {
	c := NewCollector()
	s := netgear.Stats{ReceiveMode: true, Ports: map[string]netgear.PortStats{}}
	c.fake("r", func() netgear.Stats { return s })
	add := func(port string) {
		s.Ports[port] = netgear.PortStats{Frames: 3, Latency: netgear.LatencyStats{Frames: 3, Buckets: netgear.Histogram{2: 3}}}
		s.Frames += 3
		s.Latency.Frames += 3
		s.Latency.Buckets[2] += 3
	}
	series := func() (ports, empty int) {
		text := gather(t, c)
		return strings.Count(text, "\nnetgear_frames_total{"), strings.Count(text, `netgear_frames_total{direction="receive",end="r",port=""}`)
	}
	if n, empty := series(); n != 1 || empty != 1 {
		t.Errorf("%d series without a port, %d are empty", n, empty)
	}
	add("11")
	add("12")
	if n, empty := series(); n != 2 || empty != 0 {
		t.Errorf("%d series of 2 ports, %d are empty", n, empty)
	}
	add("\xff\xfe")
	add("\xff\xfd")
	add("a\"b\\c\n{}")
	if n, empty := series(); n != 4 || empty != 1 {
		t.Errorf("%d series, %d are empty", n, empty)
	}
	for i := range 4096 {
		add(fmt.Sprint("0", i))
	}
	if n, empty := series(); n != MaxPorts+1 || empty != 1 {
		t.Errorf("%d series, %d are empty", n, empty)
	}
	rest := (4096 + 5 - MaxPorts) * 3
	has(t, gather(t, c), `netgear_frames_total{direction="receive",end="r",port="11"} 3`,
		fmt.Sprintf(`netgear_frames_total{direction="receive",end="r",port=""} %d`, rest),
		fmt.Sprintf(`netgear_latency_seconds_bucket{direction="receive",end="r",port="",le="+Inf"} %d`, rest),
		fmt.Sprintf(`netgear_latency_seconds_bucket{direction="receive",end="r",port="",le="0.0005"} %d`, rest))
}

func TestAddAndRemove(t *testing.T) {
	n, err := netgear.New(netgear.Options{ReceiveMode: true, Address: "127.0.0.1", Port: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	c := NewCollector()
	if err := c.Add("yard", n); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]*netgear.NetGear{"yard": n, "": n, "\xff": n, "nil": nil} {
		if err := c.Add(name, end); !errors.Is(err, ErrEnd) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := c.Add("zero", &netgear.NetGear{}); err != nil {
		t.Error(err)
	}
	n.Close()
	has(t, gather(t, c), `netgear_peers{direction="receive",end="yard"} 0`)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 5 {
				name := fmt.Sprint(i)
				if err := c.Add(name, n); err != nil {
					t.Error(err)
				}
				gather(t, c)
				c.Remove(name)
			}
		})
	}
	all.Wait()
	c.Remove("yard")
	c.Remove("zero")
	c.Remove("never added")
	if text := gather(t, c); strings.Contains(text, "netgear_") || !strings.Contains(text, "go_goroutines") {
		t.Errorf("%s", text)
	}
}

// disk returns the counts of a stage.
func disk() Counts {
	return Counts{Frames: 72, Bytes: 1 << 20, Dropped: map[string]uint64{"queue_full": 3}, Failed: map[string]uint64{"write": 128, "\xff": 1, "\xfe": 2}, Queue: 5}
}

// A stage has a name of its own, which an end may have as well.
func TestStage(t *testing.T) {
	c := NewCollector()
	c.fake("disk", func() netgear.Stats { return netgear.Stats{} })
	if err := c.AddStage("disk", "record", disk); err != nil {
		t.Fatal(err)
	}
	for name, add := range map[string]struct {
		name, kind string
		counts     func() Counts
	}{
		"in use": {"disk", "record", disk}, "no name": {"", "record", disk}, "no UTF-8": {"\xff", "record", disk},
		"no kind": {"other", "", disk}, "kind no UTF-8": {"other", "\xff", disk}, "no counts": {"other", "record", nil},
	} {
		if err := c.AddStage(add.name, add.kind, add.counts); !errors.Is(err, ErrEnd) {
			t.Errorf("%s: %v", name, err)
		}
	}
	has(t, gather(t, c), `netgear_stage_frames_total{kind="record",stage="disk"} 72`, `netgear_stage_bytes_total{kind="record",stage="disk"} 1.048576e+06`,
		`netgear_stage_dropped_total{kind="record",reason="queue_full",stage="disk"} 3`, `netgear_stage_failed_total{kind="record",reason="write",stage="disk"} 128`,
		`netgear_stage_failed_total{kind="record",reason="�",stage="disk"} 3`, `netgear_stage_queue_frames{kind="record",stage="disk"} 5`,
		`netgear_frames_total{direction="send",end="disk",port=""} 0`)
	c.Remove("disk")
	if text := gather(t, c); strings.Contains(text, "netgear_") {
		t.Errorf("%s", text)
	}
}

// docs/metrics.md lists exactly the metrics that exist.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(netgear_[a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, row[1])
	}
	var exist []string
	name := func(d *prometheus.Desc) string {
		return regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())[1]
	}
	for _, m := range table {
		exist = append(exist, name(m.desc))
	}
	for _, m := range stageTable {
		exist = append(exist, name(m.desc))
	}
	if !slices.Equal(listed, exist) {
		t.Errorf("listed:\n%s\nexist:\n%s", strings.Join(listed, "\n"), strings.Join(exist, "\n"))
	}
	for _, name := range regexp.MustCompile(`\bnetgear_[a-z_]+`).FindAllString(string(text), -1) {
		if plain := regexp.MustCompile("_(bucket|sum|count)$").ReplaceAllString(name, ""); !slices.Contains(exist, plain) {
			t.Errorf("%s does not exist", name)
		}
	}
}

// What belongs to no port has no sum of latencies without a frame: neither where
// the sum of the end is at its limit, nor where rounding leaves some nanoseconds.
func TestSumWithoutFrames(t *testing.T) {
	const most = time.Duration(math.MaxInt64)
	for _, c := range []struct{ all, port time.Duration }{{most, most - 5}, {most, most}, {-most, most}, {time.Minute, time.Minute/2 + 8}, {time.Minute, time.Minute/2 - 8}} {
		e := end{ports: map[string]bool{}}
		port := netgear.PortStats{Frames: 1, Latency: netgear.LatencyStats{Frames: 1, Sum: c.port}}
		s := netgear.Stats{ReceiveMode: true, Frames: 3, Latency: netgear.LatencyStats{Frames: 2, Sum: c.all}, Ports: map[string]netgear.PortStats{"a": port, "b": port}}
		if rest, there := e.split(&s)[""]; !there || rest.Frames != 1 || rest.Latency.Frames != 0 || rest.Latency.Sum != 0 {
			t.Errorf("of %v without twice %v: %v, %d frames, sum %v", c.all, c.port, there, rest.Latency.Frames, rest.Latency.Sum)
		}
	}
}

// What belongs to no port does not wrap around where the sums of latencies are at
// their limit, as with the stamps of cameras without a clock.
func TestSumsAtTheirLimit(t *testing.T) {
	const most = time.Duration(math.MaxInt64)
	for _, sum := range []time.Duration{most, -most} {
		rest := netgear.PortStats{Latency: netgear.LatencyStats{Frames: 3, Sum: sum}}
		for range 3 {
			subtract(&rest, &netgear.PortStats{Latency: netgear.LatencyStats{Frames: 1, Sum: sum}})
		}
		if got := rest.Latency; got.Frames != 0 || got.Sum != -sum && got.Sum != 0 {
			t.Errorf("of %v in all three times that is %v", sum, got.Sum)
		}
	}
}
