package sshtunnel

import (
	"log/slog"
	"testing"
	"time"
)

// While dials fail, a warning comes again from time to time.
func TestDialLog(t *testing.T) {
	var d dialLog
	start := time.Now()
	for _, c := range []struct {
		second int
		want   slog.Level
	}{{0, slog.LevelWarn}, {9, slog.LevelDebug}, {10, slog.LevelWarn}, {24, slog.LevelDebug}, {30, slog.LevelWarn}, {3600, slog.LevelWarn}, {3679, slog.LevelDebug}} {
		if got := d.level(start.Add(time.Duration(c.second) * time.Second)); got != c.want {
			t.Errorf("second %d: %v, want %v", c.second, got, c.want)
		}
	}
}
