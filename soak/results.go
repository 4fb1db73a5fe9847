package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/vidgear-go/netgear/internal/page"
)

// newOutcome returns a result that has what the run is repeated with.
func (s *soak) newOutcome() outcome {
	return outcome{
		kind: s.kind, Pattern: patternNames[s.kind.Pattern], Secure: secureNames[s.kind.Secure], Name: s.String(), Seed: s.flags.seed,
		Revision: revision(), Machine: machine(), Flags: s.flags.all, Begun: time.Now().UTC().Format(time.RFC3339),
	}
}

// revision returns the commit of the sources, with "-dirty" behind it if they were
// changed. Where the go command has not put it into this program, as with
// -buildvcs=false, it is that of the folder, in which make and go run work.
func revision() string {
	set := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			set[s.Key] = s.Value
		}
	}
	commit := set["vcs.revision"]
	if commit == "" {
		return page.Output("git", "describe", "--always", "--dirty")
	}
	if set["vcs.modified"] == "true" {
		commit += "-dirty"
	}
	return commit
}

// machine returns what the run's figures depend on.
func machine() string {
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", page.CPUModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
