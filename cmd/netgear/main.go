// The program netgear sends, receives, displays, records and passes on video
// on the wires of VidGear's NetGear and NetGear_Async and of imagezmq.
//
//	netgear send --source 0 --address 192.168.1.4    # a camera
//	netgear view                                     # in a browser
//	netgear doctor 192.168.1.4:5555                  # what is there?
//
// netgear --help lists the commands. docs/command.md describes them.
package main

import (
	"os"
	"runtime"

	"github.com/vidgear-go/netgear/internal/program"
)

// Window systems must be called from the program's first thread. In init the
// main goroutine is certain to be on it.
func init() { runtime.LockOSThread() }

func main() {
	os.Exit(execute(program.UntilSignal(), os.Args[1:]))
}
