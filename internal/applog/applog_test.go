package applog

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

// ending is a handler that ends its goroutine.
type ending struct{ slog.Handler }

func (e ending) Handle(context.Context, slog.Record) error { runtime.Goexit(); return nil }

// A handler that ends its goroutine does not end the caller's.
func TestGuard(t *testing.T) {
	var text bytes.Buffer
	next := slog.NewTextHandler(&text, nil)
	l := Guard(slog.New(next))
	if Guard(l) != l {
		t.Error("a guarded logger is guarded again")
	}
	l.With("a", 1).WithGroup("g").Info("line", "b", 2)
	l.Debug("not enabled")
	if got := text.String(); !strings.Contains(got, "msg=line a=1 g.b=2") || strings.Contains(got, "enabled") {
		t.Error(got)
	}
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		Guard(slog.New(ending{next})).Info("line")
		returned = true
	}()
	<-done
	if !returned {
		t.Error("the caller's goroutine has ended")
	}
}
