package sshtunnel_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
	"github.com/vidgear-go/netgear/internal/sshtunnel"
)

const vidgearReceiver = `
import sys
from vidgear.gears import NetGear
end = NetGear(receive_mode=True, address="127.0.0.1", port=sys.argv[1], pattern=int(sys.argv[2]))
print("ready", flush=True)
while (frame := end.recv()) is not None:
    print(*frame.shape, int(frame.sum()), flush=True)
end.close()
print("end", flush=True)
`

// A real VidGear receive end behind the tunnel receives every frame, and the
// terminate message.
func TestTunnelToVidGear(t *testing.T) {
	peertest.NeedVidGear(t)
	for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			server := sshtunnel.NewServer(t)
			port := peertest.FreePort(t)
			cmd := exec.Command(peertest.Python(), "-c", vidgearReceiver, port, fmt.Sprint(int(pattern)))
			p := peertest.Start(t, "VidGear receive end", cmd, func(line []byte) string { return string(line) })
			expect := func(want string) {
				t.Helper()
				p.Expect(want, func(line string) bool { return line == want })
			}
			expect("ready")
			send := mustNew(t, through(server, "tcp://127.0.0.1:"+port, netgear.Options{Pattern: pattern, JPEGCompression: netgear.JPEGOff}))
			for i := range 5 {
				a := netgear.Array{DType: "uint8", Shape: []int{600, 800, 3}, Data: []byte(strings.Repeat(string(rune(i+1)), 600*800*3))}
				if _, err := send.SendArray(aMinute(t), a, nil); err != nil {
					p.Fail("%v", err)
				}
				expect(fmt.Sprint("600 800 3 ", 600*800*3*(i+1)))
			}
			send.Close()
			expect("end")
		})
	}
}
