package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vidgear-go/netgear"
)

// The numbers of a camera begin with 1 when it is started again.
func TestOrder(t *testing.T) {
	begun := time.Now()
	for name, c := range map[string]struct {
		numbers, seconds []int64
		want             order
	}{
		"all":               {[]int64{1, 2, 3}, []int64{1, 2, 3}, order{frames: 3, lives: 1}},
		"one missing":       {[]int64{1, 3}, []int64{1, 3}, order{frames: 2, gaps: 1, lives: 1}},
		"one twice":         {[]int64{1, 2, 2, 3}, []int64{1, 2, 2, 3}, order{frames: 4, doubled: 1, lives: 1}},
		"again":             {[]int64{1, 2, 1, 2}, []int64{1, 2, 5, 6}, order{frames: 4, lives: 2}},
		"again, and later":  {[]int64{1, 2, 2, 3}, []int64{1, 2, 6, 7}, order{frames: 4, gaps: 1, lives: 2}},
		"the first missing": {[]int64{3, 4}, []int64{3, 4}, order{frames: 2, gaps: 2, lives: 1}},
	} {
		var got order
		for i, n := range c.numbers {
			got.add(netgear.Stamp{Seq: uint64(n), Time: begun.Add(time.Duration(c.seconds[i]) * time.Second)})
		}
		got.last = netgear.Stamp{}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestMetricValues(t *testing.T) {
	m := metricValues{
		`netgear_frames_total{direction="receive",end="gate",port="1"}`: 3,
		`netgear_frames_total{direction="receive",end="gate",port="2"}`: 4,
		`netgear_frames_total{direction="receive",end="gates",port=""}`: 5,
		`netgear_frames{end="gate"}`:                                    6,
	}
	if got := m.of("netgear_frames_total", "gate"); got != 7 {
		t.Errorf("%d frames, want 7", got)
	}
}

// Lines that were suppressed count as those that were logged.
func TestResent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	text := `level=INFO msg=connected
level=WARN msg="sending again on a new connection" why=x
level=WARN msg="sending again on a new connection" why=x suppressed=14
level=WARN msg="no answer, waiting on: the peer is connected" suppressed=2
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := (&camera{process: &process{log: file}}).resent(); n != 18 {
		t.Errorf("%d lines, not 18", n)
	}
}
