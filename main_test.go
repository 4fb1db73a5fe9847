package netgear

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/vidgear-go/netgear/internal/leaktest"
	"github.com/vidgear-go/netgear/internal/transport"
	"github.com/vidgear-go/netgear/internal/zmsg"
)

// leakChecks are run after all tests; files with build tags add theirs.
var leakChecks = []func() error{
	func() error { return leaktest.Find() },
	func() error {
		if buffers, messages := zmsg.Live(); buffers != 0 || messages != 0 {
			return fmt.Errorf("%d buffers and %d messages were never given back", buffers, messages)
		}
		return nil
	},
	func() error {
		if held := transport.OpenSockets(); held != 0 {
			return fmt.Errorf("the ZeroMQ context is still held by %d sockets", held)
		}
		return nil
	},
}

func TestMain(m *testing.M) {
	runChild()
	code := m.Run()
	for _, check := range leakChecks {
		runtime.GC()
		if err := check(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, "leak:", err)
			code = 1
		}
	}
	os.Exit(code)
}
