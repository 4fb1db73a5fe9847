//go:build !nogocv

// Package window shows pictures on the screen.
package window

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gocv.io/x/gocv"
)

// ErrEnough is the cause of a context that ends because the user closed the
// window.
var ErrEnough = errors.New("enough")

// Window is an open window. Show is safe for concurrent use.
type Window struct {
	pictures chan gocv.Mat
	shown    chan struct{} // the picture was copied
}

// With opens a window and handles its events in the caller's goroutine, which
// must be on the program's first thread, as window systems require. Meanwhile
// it runs work in a goroutine of its own, and returns its error.
//
// When the user presses Esc or q, or closes the window, the context of work
// ends with ErrEnough as its cause. If work then returns nil, With returns
// ErrEnough. Without a screen work does not run, and the error refers to -show.
func With(ctx context.Context, title string, work func(ctx context.Context, w *Window) error) error {
	on, err := open(title)
	if err != nil {
		return fmt.Errorf("-show: there is no screen here: %w; run it on a desktop, or write the pictures to files with -out", err)
	}
	defer on.close()
	return lookAfter(ctx, on, work)
}

// screen is a window of the window system.
type screen interface {
	show(gocv.Mat) // copies the picture
	key() int      // handles events; returns a key, or -1
	closed() bool  // by the user
	close()
}

// pollEvery is how often the window's events are handled. A window system marks
// a slower program as not responding.
const pollEvery = 20 * time.Millisecond

func lookAfter(ctx context.Context, on screen, work func(ctx context.Context, w *Window) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := &Window{pictures: make(chan gocv.Mat), shown: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- work(ctx, w) }()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case err := <-done:
			if err == nil && context.Cause(ctx) == ErrEnough {
				return ErrEnough
			}
			return err
		case picture := <-w.pictures:
			// After the window was closed, OpenCV would open a new one.
			if ctx.Err() == nil {
				on.show(picture)
			}
			w.shown <- struct{}{}
		case <-poll.C: // no picture, but maybe keys
		}
		if key := on.key(); key == 27 || key == 'q' || on.closed() {
			stop(ErrEnough)
		}
	}
}

// Show shows a picture, and does not retain it.
func (w *Window) Show(picture gocv.Mat) {
	w.pictures <- picture
	<-w.shown
}
