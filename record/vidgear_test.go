package record

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/peertest"
)

// vidgearReceiver prints the hash of each JPEG that a VidGear receive end
// decodes, and of each raw frame, with its message.
const vidgearReceiver = `
import hashlib, json, sys
import vidgear.gears.netgear as module
decode, seen = module.simplejpeg.decode_jpeg, []
def spy(data, *args, **kwargs):
    seen.append(hashlib.sha256(bytes(data)).hexdigest())
    return decode(data, *args, **kwargs)
module.simplejpeg.decode_jpeg = spy
n = module.NetGear(address="127.0.0.1", port=sys.argv[1], pattern=int(sys.argv[2]), receive_mode=True, bidirectional_mode=True, logging=False)
print("ready", flush=True)
while True:
    data = n.recv()
    if data is None:
        break
    message, frame = data
    name = seen.pop(0) if seen else hashlib.sha256(frame.tobytes()).hexdigest()
    print(name, "x".join(map(str, frame.shape)), frame.dtype.name, json.dumps(message, sort_keys=True), flush=True)
print("end", flush=True)
`

// A recording is played to a real VidGear receive end, which gets each JPEG bit
// for bit.
func TestPlayToVidGear(t *testing.T) {
	peertest.NeedVidGear(t)
	all := []given{
		{name: "a", jpeg: picture(1, 64, 48), message: map[string]any{"n": 1, "html": "<b>"}, at: at(0)},
		{name: "a", jpeg: picture(2, 80, 48), at: at(1)},
		{name: "b", array: netgear.Array{DType: "uint16", Shape: []int{4, 3}, Data: elements(1, 24)}, message: "depth", at: at(2)},
		{name: "c", array: netgear.Array{DType: "uint8", Shape: []int{6, 8, 3}, Data: elements(2, 144)}, at: at(3)},
	}
	want := []string{
		`64x48 uint8 {"html": "<b>", "n": 1}`, `80x48 uint8 null`, `4x3 uint16 "depth"`, `6x8x3 uint8 null`,
	}
	path := recorded(t, all...)
	for _, pattern := range []netgear.Pattern{netgear.Pair, netgear.ReqRep} {
		t.Run(pattern.String(), func(t *testing.T) {
			port := peertest.FreePort(t)
			cmd := exec.Command(peertest.Python(), "-c", vidgearReceiver, port, fmt.Sprint(int(pattern)))
			p := peertest.Start(t, "VidGear receive end", cmd, func(line []byte) string { return string(line) })
			expect := func(want string) {
				t.Helper()
				p.Expect(want, func(line string) bool { return line == want })
			}
			expect("ready")
			send, err := netgear.New(netgear.Options{Address: "127.0.0.1", Port: port, Pattern: pattern, BidirectionalMode: true})
			if err != nil {
				t.Fatal(err)
			}
			defer send.Close()
			if err := open(t, path).Play(within(t), SendTo(send), Pace{Speed: math.Inf(1)}); err != nil {
				p.Fail("%v", err)
			}
			for i, g := range all {
				content, rest := g.jpeg, want[i]
				if content == nil {
					content = g.array.Data
				} else {
					// VidGear decodes into BGR.
					size, tail, _ := strings.Cut(rest, " ")
					w, h, _ := strings.Cut(size, "x")
					rest = h + "x" + w + "x3 " + tail
				}
				expect(fmt.Sprintf("%x %s", sha256.Sum256(content), rest))
			}
			send.Close()
			expect("end")
		})
	}
}
