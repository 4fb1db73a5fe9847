// Package program is the part that cmd/netgear and the example programs share:
// a clean end on a signal, a frame rate, the JSON lines, and option errors in
// the words of a command line.
package program

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/vidgear-go/netgear"
)

// oneSignal is the time within which two signals are one. GNU timeout sends its
// signal to the process and then to its process group, and so twice. A person's
// second Ctrl-C comes later.
var oneSignal = 500 * time.Millisecond

// UntilSignal returns a context that ends with SIGINT, SIGTERM or SIGHUP. A second
// signal, half a second later or more, kills the program at once. SIGHUP stays
// ignored if it was at the start, as by nohup. A pipe on stdout or stderr whose
// reader has ended does not kill it: writing is an error then.
func UntilSignal() context.Context {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		end()
		time.AfterFunc(oneSignal, func() { signal.Stop(signals) })
	}()
	return ctx
}

// Exchange is how long the exchange of a frame may take after a signal. A machine
// without processor time for longer leaves the peer without the terminate message.
const Exchange = 2 * time.Second

// Grace returns a context that ends d after ctx. With it a signal does not
// interrupt the exchange of a frame. A send end ends between two frames, when
// it can send the terminate message. The wait is cut short only if no peer
// answers.
func Grace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return late, func() { stop(); cancel() }
}

// Together runs functions concurrently, the first one in the caller's
// goroutine, and returns the first error. The error also ends the context of
// the others.
func Together(ctx context.Context, first func(context.Context) error, others ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	failed := func(err error) {
		if err != nil {
			cancel(err)
		}
	}
	var running sync.WaitGroup
	for _, f := range others {
		running.Go(func() { failed(f(ctx)) })
	}
	failed(first(ctx))
	running.Wait()
	return context.Cause(ctx)
}

// Stopped returns err, or nil if err only means that ctx ended.
func Stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, netgear.ErrClosed)) {
		return nil
	}
	return err
}

// ParseSize reads a size such as "1280x720" into size.
func ParseSize(s string, size *image.Point) error {
	var rest string
	n, _ := fmt.Sscanf(s, "%dx%d%s", &size.X, &size.Y, &rest)
	if n != 2 || size.X <= 0 || size.Y <= 0 || size.X > 1<<15 || size.Y > 1<<15 {
		return fmt.Errorf("must be a width and a height in pixels, such as 1280x720")
	}
	return nil
}
