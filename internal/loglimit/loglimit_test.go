package loglimit

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is tried again every four seconds for an hour is logged a few times, then once
// a minute, with the number of lines between. After a pause it is as at the beginning.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b, log := Retries(), slog.New(slog.NewTextHandler(&out, nil))
		for range 900 {
			b.Log(log, slog.LevelWarn, "again", "peer", "")
			time.Sleep(4 * time.Second)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 64 || strings.Contains(lines[4], "suppressed") || !strings.HasSuffix(lines[6], " msg=again suppressed=14") {
			t.Errorf("%d lines:\n%s", len(lines), &out)
		}
		time.Sleep(time.Hour)
		out.Reset()
		for range 100 {
			b.Log(log, slog.LevelWarn, "again")
		}
		if n := strings.Count(out.String(), "\n"); n != 5 {
			t.Errorf("%d lines after a pause", n)
		}
	})
}

// A line that comes again and again takes no other line's place, whatever the limit.
func TestSeveralLines(t *testing.T) {
	for name, b := range map[string]*Limiter{"retries": Retries(), "one a second": {}} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, nil))
			for range 900 {
				b.Log(log, slog.LevelInfo, "listening again")
				time.Sleep(time.Second / 4)
			}
			b.Log(log, slog.LevelError, "the socket failed")
			b.Log(log, slog.LevelInfo, "and is back")
			for _, line := range []string{"the socket failed", "and is back"} {
				if !strings.Contains(out.String(), line+"\"\n") {
					t.Errorf("%s: no line %q:\n%s", name, line, &out)
				}
			}
		})
	}
}

func TestKnown(t *testing.T) {
	got := fmt.Sprint(Known("a", "", "b", nil, "c", 0, "d", []int{}, "e", errors.New("x"), "f", "y"))
	if want := fmt.Sprint([]any{"c", 0, "d", []int{}, "e", "x", "f", "y"}); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}
