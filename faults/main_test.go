package faults

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/peertest"
)

const (
	// waitLimit limits every wait, so that a hang becomes a failure with a message.
	// Eight programs may start at once, and Python's take seconds each.
	waitLimit = 2 * time.Minute
	// frameLimit limits the wait for frames. It is shorter since VidGear's ends may
	// hang; they are started again.
	frameLimit = time.Minute
)

// rounds is how often each cell of the full form is repeated; 0 is the short
// form.
var rounds, _ = strconv.Atoi(os.Getenv("NETGEAR_FAULT_ROUNDS"))

func full() bool { return rounds > 0 }

func TestMain(m *testing.M) {
	if text := os.Getenv(endEnv); text != "" {
		os.Exit(beEnd(text))
	}
	code := m.Run()
	if code == 0 {
		if err := leaktest.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "faults: left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func needPython(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(peertest.Python(), "-c", "import vidgear.gears").CombinedOutput(); err != nil {
		t.Fatalf("no Python with VidGear at %s: %v\n%s\nRun `make setup`, or name one by NETGEAR_INTEROP_PYTHON.", peertest.Python(), err, out)
	}
}
