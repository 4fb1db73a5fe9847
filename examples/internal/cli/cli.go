// Package cli is the command-line part that the example programs share:
// flags, the process's exit status, the progress bar and the summary.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/vidgear-go/netgear/internal/program"
)

// Main runs a program and ends the process: with status 0 for success and for
// an end by Ctrl-C, and with 1 for an error, whose text it prints on stderr.
//
// The context of run ends with SIGINT, SIGTERM or SIGHUP. run must then close
// what it opened and return. A second Ctrl-C kills the program at once.
func Main(run func(ctx context.Context, args []string) error) {
	ctx := program.UntilSignal()
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil && errors.Is(err, context.Canceled)
	if err != nil && !interrupted && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// Parse parses a program's arguments, which must all be flags. It prints the
// list of flags for -h. A mistake results in one line.
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
		// The argument is not quoted: a shell may have split it from an
		// -options with a password.
		return fmt.Errorf("unexpected argument after the flags: everything is a flag; -h lists them")
	}
	return nil
}
