// Package applog protects goroutines from the application's slog.Handler.
package applog

import (
	"context"
	"log/slog"
)

// Guard returns a logger whose handler runs in a goroutine of its own, for which
// the caller waits. A handler that ends its goroutine (runtime.Goexit, which
// t.FailNow calls) does not end the caller's, whose work would remain undone. A
// handler that blocks still blocks the caller, and one that panics ends the
// program, as in any goroutine that does not recover.
//
// It is for lines that are rare: a goroutine costs more than most handlers.
func Guard(l *slog.Logger) *slog.Logger {
	if _, ok := l.Handler().(guarded); ok {
		return l
	}
	return slog.New(guarded{l.Handler()})
}

type guarded struct{ slog.Handler }

func (g guarded) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	apart(func() { enabled = g.Handler.Enabled(ctx, level) })
	return enabled
}

func (g guarded) Handle(ctx context.Context, r slog.Record) (err error) {
	apart(func() { err = g.Handler.Handle(ctx, r) })
	return err
}

func (g guarded) WithAttrs(attrs []slog.Attr) slog.Handler {
	return guarded{g.Handler.WithAttrs(attrs)}
}
func (g guarded) WithGroup(name string) slog.Handler { return guarded{g.Handler.WithGroup(name)} }

// apart runs f in another goroutine, and blocks until it has ended.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
