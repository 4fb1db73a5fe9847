package cli

import (
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/vidgear-go/netgear"
)

// Ends holds the flags of a program that is both ends of a connection in one
// process, or only one end.
type Ends struct {
	Only    string // "send", "receive" or "" for both
	Pattern netgear.Pattern
	N       int     // frames
	FPS     float64 // frames per second
	Source  string

	address, ports string
	pattern        int
	patterns       []netgear.Pattern // the ones that the program supports
}

// NewEnds adds the flags to fs, with the program's defaults. The first of the
// patterns is its default.
func NewEnds(fs *flag.FlagSet, ports string, n int, patterns ...netgear.Pattern) *Ends {
	e := &Ends{patterns: patterns}
	fs.StringVar(&e.Only, "only", "", "be one `end`, send or receive, and leave the other to another program")
	fs.StringVar(&e.address, "address", "", "host or IP `address`, with -only\n(default localhost to send, every interface to receive)")
	fs.StringVar(&e.ports, "port", ports, "`port`, or several as P,P,…, with -only")
	fs.IntVar(&e.pattern, "pattern", int(patterns[0]), patternNames(patterns, ", "))
	fs.IntVar(&e.N, "n", n, "how many frames")
	fs.Float64Var(&e.FPS, "fps", 25, "frames per second")
	fs.StringVar(&e.Source, "source", "sample", "`what` to send: sample, test, a video file, a camera's number or a URL")
	return e
}

// Check checks the values of the parsed flags.
func (e *Ends) Check() error {
	e.Pattern = netgear.Pattern(e.pattern)
	switch {
	case e.Only != "" && e.Only != "send" && e.Only != "receive":
		return fmt.Errorf("-only must be send or receive")
	case e.N < 1:
		return fmt.Errorf("-n must be at least 1")
	case e.FPS <= 0:
		return fmt.Errorf("-fps must be more than 0")
	case !slices.Contains(e.patterns, e.Pattern):
		return fmt.Errorf("-pattern %d: it must be %s here", e.pattern, patternNames(e.patterns, " or "))
	}
	o := e.options(e.Only == "receive")
	for _, o.Port = range e.Ports() {
		if err := o.Validate(); err != nil {
			return flags.Reword(err)
		}
	}
	return nil
}

func patternNames(patterns []netgear.Pattern, between string) string {
	var names []string
	for _, p := range slices.Sorted(slices.Values(patterns)) {
		names = append(names, fmt.Sprintf("%d %v", int(p), p))
	}
	return strings.Join(names, between)
}

// SendOptions returns the options of a send end that the flags determine.
func (e *Ends) SendOptions() netgear.Options { return e.options(false) }

// ReceiveOptions returns those of a receive end.
func (e *Ends) ReceiveOptions() netgear.Options { return e.options(true) }

// options returns the options of either end that the flags determine. A receive
// end that is not alone listens on this machine only.
func (e *Ends) options(receive bool) netgear.Options {
	o := netgear.Options{ReceiveMode: receive, Pattern: e.Pattern, Address: e.address}
	if e.Only == "" {
		o.Address = "127.0.0.1"
	} else if receive {
		o.MaxRetries = -1 // wait for the send end without limit
	}
	return o
}

// Ports returns the ports of the flags.
func (e *Ends) Ports() []string { return strings.Split(e.ports, ",") }

// ListenOn returns n ports to listen on: those of the flags, or free ones if
// both ends are in this process.
func (e *Ends) ListenOn(n int) []string {
	if e.Only != "" {
		return e.Ports()
	}
	return strings.Split(strings.Repeat(",0", n)[1:], ",")
}
