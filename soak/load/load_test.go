package main

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/peertest"
)

func TestMain(m *testing.M) {
	switch {
	case runRole():
	case peertest.IsMain():
		main()
	default:
		os.Exit(m.Run())
	}
}

// The end of the terminal ends the parts as an interrupt does, and nothing is left.
func TestHangUp(t *testing.T) {
	folder := t.TempDir()
	left := func() bool {
		all, err := filepath.Glob(filepath.Join(folder, "netgear-load-*"))
		return err == nil && all != nil
	}
	cmd := peertest.AsMain("-only", "connections", "-connections", "1", "-duration", "1h")
	cmd.Env = append(cmd.Env, "TMPDIR="+folder)
	peertest.HangUp(t, cmd, func(string) bool { return left() })
	if left() {
		t.Error("its folder is left")
	}
}

// TestLoad is the short form. It is no measurement, as other tests run at the
// same time: every peer is served, nothing is lost or doubled, and nothing is
// left of peers that have gone.
func TestLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts fifty processes")
	}
	l := &load{cameras: 3, fps: 20, duration: 300 * time.Millisecond, viewers: 3, shown: 200, connections: 20, tolerance: math.Inf(1), ways: []way{ways[0], ways[2]}}
	for _, p := range parts {
		if p.name == "slow" || p.name == "restart" {
			continue // they take half a minute
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			got, err := p.run(t.Context(), l)
			t.Logf("%s", got)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A process that could not be started, as without descriptors, can be ended.
func TestStartFails(t *testing.T) {
	c := &child{name: "none", cmd: exec.Command("/nonexistent/program")}
	if err := c.start(new(hubCounts)); err == nil {
		t.Error("it has started")
	}
	if err := errors.Join(c.stop(), c.kill()); err != nil {
		t.Error(err)
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		counts []float64
		want   string
		ok     bool
	}{
		{[]float64{100, 95, 105}, "0.95–1.05", true},
		{[]float64{100, 100, 40}, "0.50–1.25", false},
		{[]float64{100, 100, 85}, "0.89–1.05", false},
		{[]float64{3, 2, 3, 3}, "0.73–1.09", true},
		{[]float64{1, 3, 3, 3}, "0.40–1.20", false},
		{[]float64{0, 0}, "0.00–0.00", false},
	} {
		s := sharesOf(c.counts)
		if err := s.check(0.1); s.String() != c.want || (err == nil) != c.ok {
			t.Errorf("%v: %s, %v", c.counts, s, err)
		}
	}
}
