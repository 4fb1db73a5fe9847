// Package loglimit limits how often a line is logged.
package loglimit

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"
)

// Limiter limits how often each line is logged, so that a peer cannot flood the log,
// nor an end that tries again and again fill it. The limit is one line each Every,
// after Spare lines without a limit. Each message has a limit of its own, so that one
// that is logged again and again does not suppress another: messages must be
// constants. The next line has the number of those that were suppressed. The zero
// value permits one line a second.
type Limiter struct {
	Spare int
	Every time.Duration // 0: a second

	mu    sync.Mutex
	lines map[string]*line // by message
}

// line is what a Limiter counts of a message.
type line struct {
	used int       // lines of Spare in use; one is free again after each Every
	last time.Time // the time up to which Every has freed lines
	held int       // lines that were suppressed since the last one
}

// Retries returns the Limiter for the lines of a loop that tries again without end:
// one a minute, after a few at the beginning.
func Retries() *Limiter { return &Limiter{Spare: 4, Every: time.Minute} }

// Log logs a line, or counts that it was suppressed. Attributes are left out as
// Known has it.
func (b *Limiter) Log(l *slog.Logger, level slog.Level, msg string, args ...any) {
	held, now := b.pass(msg, time.Now())
	if !now {
		return
	}
	if held > 0 {
		args = append(args, "suppressed", held)
	}
	l.Log(context.Background(), level, msg, Known(args...)...)
}

// Pass reports whether a line may be logged now. It is for a Limiter of a single
// message, which the caller logs.
func (b *Limiter) Pass(now time.Time) bool {
	_, ok := b.pass("", now)
	return ok
}

// pass reports whether a line may be logged now, and how many were suppressed since
// the last one.
func (b *Limiter) pass(msg string, now time.Time) (held int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lines[msg]
	if l == nil {
		if b.lines == nil {
			b.lines = map[string]*line{}
		}
		l = &line{}
		b.lines[msg] = l
	}
	every := cmp.Or(b.Every, time.Second)
	paid := int(min(now.Sub(l.last)/every, 1<<20))
	if l.used = max(0, l.used-paid); l.used == 0 {
		l.last = now
	} else {
		l.last = l.last.Add(time.Duration(paid) * every)
	}
	if l.used > b.Spare {
		l.held++
		return 0, false
	}
	l.used++
	held, l.held = l.held, 0
	return held, true
}

// Known returns the attributes of a log line, keys and values in turn, without
// those whose value is nil or an empty text. It changes args.
func Known(args ...any) []any {
	kept := args[:0]
	for i := 0; i+1 < len(args); i += 2 {
		if args[i+1] != nil && args[i+1] != "" {
			kept = append(kept, args[i], args[i+1])
		}
	}
	return kept
}
