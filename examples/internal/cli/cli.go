// Package cli is what the example programs have in common on the command line:
// connection flags, a clean end on Ctrl-C, the progress bar, the summary and
// the JSON lines.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Main runs a program and ends the process: status 0 for success and for an end
// by Ctrl-C, 1 for an error, whose text goes to stderr.
//
// The context that run gets ends with SIGINT or SIGTERM. Run is expected to
// close what it opened and return; a second Ctrl-C kills the program at once.
func Main(run func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil && errors.Is(err, context.Canceled)
	if err != nil && !interrupted && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// Parse parses a program's arguments, which are flags and nothing else. It
// prints the list of flags where -h asks for it; a mistake is one line.
func Parse(fs *flag.FlagSet, args []string) error {
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(os.Stdout)
		fmt.Printf("Usage of %s:\n", fs.Name())
		fs.PrintDefaults()
		return err
	} else if err != nil {
		return fmt.Errorf("%w; -h lists the flags", err)
	}
	if fs.NArg() > 0 {
		// Not what it is: a shell may have cut it out of an -options with a password.
		return fmt.Errorf("unexpected argument after the flags: everything is a flag; -h lists them")
	}
	return nil
}

// Grace returns a context that outlives ctx by d. A send end uses it so that
// Ctrl-C does not break off the exchange of a frame half way: it ends in the
// gap between two frames, where the peer can be told goodbye, and only where
// nobody answers is the wait cut short.
func Grace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return late, func() { stop(); cancel() }
}
