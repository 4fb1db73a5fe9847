package peertest

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

// LogHook is a log handler that calls a function for each line.
type LogHook func()

// Enabled returns true: each level is logged.
func (LogHook) Enabled(context.Context, slog.Level) bool { return true }

// Handle calls the function.
func (h LogHook) Handle(context.Context, slog.Record) error { h(); return nil }

// WithAttrs returns h.
func (h LogHook) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup returns h.
func (h LogHook) WithGroup(string) slog.Handler { return h }

// Ends calls f in a goroutine that f may end, and blocks until it has ended. It
// returns what f panicked with. After limit the test fails.
func Ends(t testing.TB, limit time.Duration, what string, f func()) (panicked any) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s does not end", what)
	}
	return panicked
}
